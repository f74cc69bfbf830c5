import { trimmed } from './bytes.js'

/** Reads quoted text from `at`, after the opening quote. Returns it and the index after the closing quote; null: malformed. */
type QuotedReader = (text: string, at: number) => readonly [value: string, end: number] | null

/**
 * Reads the parameters of a field value, such as `; charset=utf-8; x="y"`, from `at` on, by lower-case name. Null: malformed, or
 * a repeated name. Values without quotes may contain any character except a semicolon, as in browsers.
 */
export function readParameters(text: string, at: number, quoted: QuotedReader = quotedString): ReadonlyMap<string, string> | null {
  const found = new Map<string, string>()
  for (let i = skipSpace(text, at); i < text.length; i = skipSpace(text, i)) {
    if (text[i] !== ';') return null
    const from = skipSpace(text, i + 1)
    const next = endOfParameter(text, from)
    i = next
    // An empty parameter is allowed (RFC 9110 section 5.6.6).
    if (from === next) continue
    const equals = text.indexOf('=', from)
    if (equals <= from || equals > next) return null
    const name = text.slice(from, equals).toLowerCase()
    let value = trimmed(text.slice(equals + 1, next))
    if (text[equals + 1] === '"') {
      const between = quoted(text, equals + 2)
      if (between === null) return null
      value = between[0]
      i = between[1]
    } else if (value === '') {
      return null
    }
    if (found.has(name)) return null
    found.set(name, value)
  }
  return found
}

/** The index of the first character from `at` on that is neither a space nor a tab. */
export function skipSpace(text: string, at: number): number {
  while (text[at] === ' ' || text[at] === '\t') at++
  return at
}

function endOfParameter(text: string, from: number): number {
  const semicolon = text.indexOf(';', from)
  return semicolon < 0 ? text.length : semicolon
}

/** Reads a quoted-string (RFC 9110 section 5.6.4), in which a backslash escapes the next character. */
function quotedString(text: string, at: number): readonly [string, number] | null {
  let value = ''
  for (let i = at; i < text.length; i++) {
    if (text[i] === '"') return [value, i + 1]
    if (text[i] === '\\') i++
    value += text[i] ?? ''
  }
  return null
}

/** The media type of a Content-Type (RFC 9110 section 8.3.1). */
export interface MediaType {
  /** Lower case, without parameters; "" for none. */
  readonly type: string
  /** By lower-case name; none when they are malformed. */
  readonly parameters: ReadonlyMap<string, string>
}

export function mediaTypeOf(contentType: string | undefined): MediaType {
  const text = contentType ?? ''
  const end = endOfParameter(text, 0)
  return { type: trimmed(text.slice(0, end)).toLowerCase(), parameters: readParameters(text, end) ?? new Map() }
}
