import { trimmed } from './bytes.js'

/** Reads the text between quotes from `at`, the place behind the first quote, on: the text, and the place behind the last quote. Null: malformed. */
export type QuotedReader = (text: string, at: number) => readonly [value: string, end: number] | null

/**
 * Parameters of a field value, such as `; charset=utf-8; x="y"`, from `at` on, by lower-case name. Null: they are malformed, or one
 * is given twice. Values without quotes may hold any character but a semicolon, as browsers take them.
 */
export function readParameters(text: string, at: number, quoted: QuotedReader = quotedString): ReadonlyMap<string, string> | null {
  const found = new Map<string, string>()
  for (let i = skipSpace(text, at); i < text.length; i = skipSpace(text, i)) {
    if (text[i] !== ';') return null
    const from = skipSpace(text, i + 1)
    const next = endOfParameter(text, from)
    i = next
    // Nothing between two semicolons (RFC 9110 section 5.6.6).
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

/** The place of the first character from `at` on that is no space or tab. */
export function skipSpace(text: string, at: number): number {
  while (text[at] === ' ' || text[at] === '\t') at++
  return at
}

function endOfParameter(text: string, from: number): number {
  const semicolon = text.indexOf(';', from)
  return semicolon < 0 ? text.length : semicolon
}

/** RFC 9110 section 5.6.4: a backslash stands before a character that would mean something else. */
function quotedString(text: string, at: number): readonly [string, number] | null {
  let value = ''
  for (let i = at; i < text.length; i++) {
    if (text[i] === '"') return [value, i + 1]
    if (text[i] === '\\') i++
    value += text[i] ?? ''
  }
  return null
}

/** A media type as a Content-Type gives it (RFC 9110 section 8.3.1). */
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
