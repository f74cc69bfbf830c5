import { readParameters, skipSpace } from './parameters.js'

/** Name and filename of a form part. */
interface Disposition {
  readonly name: string
  /** The text after the last slash; null: no filename was sent. */
  readonly filename: string | null
}

const FORM_DATA = 'form-data'

/** Reads the Content-Disposition of a form part (RFC 7578 section 4.2), as browsers write it; null if it is not valid for one. */
export function formDisposition(text: string): Disposition | null {
  if (text.slice(0, FORM_DATA.length).toLowerCase() !== FORM_DATA) return null
  const parameters = readParameters(text, FORM_DATA.length, quotedText)
  const name = parameters?.get('name')
  if (parameters === null || name === undefined) return null
  const filename = parameters.get('filename') ?? extendedText(parameters.get('filename*'))
  if (filename === null) return null
  return { name, filename: filename === undefined ? null : filename.slice(filename.lastIndexOf('/') + 1) }
}

/**
 * Reads quoted text by the WHATWG's rules: `%22`, `%0D` and `%0A` stand for a quote, CR and LF, and a backslash for itself. Older
 * clients write `\"` for a quote. Browsers write no quote inside the text, so a quote after a backslash, with more text behind
 * it, comes from an older client.
 */
function quotedText(text: string, at: number): readonly [string, number] | null {
  for (let end = text.indexOf('"', at); end >= 0; end = text.indexOf('"', end + 1)) {
    const next = skipSpace(text, end + 1)
    if (next === text.length || text[next] === ';') return [unescaped(text.slice(at, end)), end + 1]
    if (end === at || text[end - 1] !== '\\') return null
  }
  return null
}

function unescaped(text: string): string {
  return text.replaceAll('\\"', '"').replaceAll('%22', '"').replaceAll('%0D', '\r').replaceAll('%0A', '\n')
}

/** Decodes `UTF-8''a%20b` (RFC 8187), which some clients send instead of `filename`; undefined for none, null if malformed. */
function extendedText(value: string | undefined): string | null | undefined {
  if (value === undefined) return undefined
  const [charset, , text, more] = value.split("'")
  if (text === undefined || more !== undefined || charset.toLowerCase() !== 'utf-8') return null
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
