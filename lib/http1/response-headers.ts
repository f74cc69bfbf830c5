import { isToken } from './grammar.js'

/** The value of a header of a handler: several values become several lines; null and undefined are omitted. */
export type HeaderValue = string | number | readonly (string | number)[] | null | undefined
/** Headers of a response by case-insensitive name. A name with null or undefined is omitted. */
export type ResponseHeaders = Readonly<Record<string, HeaderValue>>

/** A handler's response cannot be sent; `header` is the invalid header, null if the error is elsewhere. */
export class ResponseError extends Error {
  /** Identifies this kind of error; stable when `message` changes. */
  readonly code = 'LEVERET_RESPONSE'
  /** The name of the invalid header, as given; null if the error is not in a header. */
  readonly header: string | null
  /** The name of the class. */
  override get name(): string {
    return 'ResponseError'
  }
  constructor(header: string | null, fault: string) {
    super(header === null ? fault : `header ${JSON.stringify(header)}: ${fault}`)
    this.header = header
  }
}

/** Kind of a header that is sent as the handler gives it. */
export const ORDINARY = 0
/** Kind of Content-Length. */
export const CONTENT_LENGTH = 1
const TRANSFER_ENCODING = 2
/** Kind of Connection. */
export const CONNECTION = 3
/** Kind of Date. */
export const DATE = 4
/** Kind of the other hop-by-hop headers, which a handler that proxies may have copied from an upstream. */
export const HOP = 5
const SPECIAL = new Map([
  ['content-length', CONTENT_LENGTH],
  ['transfer-encoding', TRANSFER_ENCODING],
  ['connection', CONNECTION],
  ['date', DATE],
  ['keep-alive', HOP],
  ['proxy-connection', HOP],
  ['te', HOP],
])

const BAD_CHARACTER = /[^\t\x20-\x7e\x80-\xff]/
const LENGTH = /^[0-9]{1,15}$/

// Cache of the names that handlers use, which are validated as tokens, and their kinds: a program uses few different ones.
const kinds = new Map<string, number>()
const MAX_KINDS = 512

/** The kind of a header: one of the constants above. @throws ResponseError if the name is not a token */
export function kindOf(name: string): number {
  return kinds.get(name) ?? learnKind(name)
}

function learnKind(name: string): number {
  if (!isToken(name)) throw new ResponseError(name, 'the name is not a token')
  const kind = SPECIAL.get(name.toLowerCase()) ?? ORDINARY
  // Names generated at run time must not fill the memory.
  if (kinds.size >= MAX_KINDS) kinds.clear()
  kinds.set(name, kind)
  return kind
}

/** One value as text to send: none of its characters can end the line. @throws ResponseError */
export function checked(name: string, value: unknown): string {
  if (typeof value === 'string') {
    const at = value.search(BAD_CHARACTER)
    if (at < 0) return value
    const code = value.charCodeAt(at)
    const what = code > 0xff ? 'which is not latin1' : 'a control character'
    throw new ResponseError(name, `the value holds U+${code.toString(16).toUpperCase().padStart(4, '0')}, ${what}`)
  }
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  throw new ResponseError(name, 'the value is neither a string nor a finite number, nor an array of those')
}

/** The lines of a header, one for each of its values. @throws ResponseError for a value that cannot be sent */
export function fieldLines(name: string, value: unknown): string {
  if (!Array.isArray(value)) return name + ': ' + checked(name, value) + '\r\n'
  let lines = ''
  for (const one of value) lines += name + ': ' + checked(name, one) + '\r\n'
  return lines
}

/** The number of bytes that a Content-Length says. @throws ResponseError if it is not a length */
export function lengthOf(name: string, value: unknown): number {
  const digits = checked(name, Array.isArray(value) && value.length === 1 ? value[0] : value)
  if (!LENGTH.test(digits)) throw new ResponseError(name, 'not a length in bytes')
  return Number(digits)
}

/**
 * The names of a handler's headers as given. Of names that differ only in case it has the last one, but all of Set-Cookie.
 *
 * @throws ResponseError if the headers are not a plain object
 */
export function namesOf(headers: ResponseHeaders): string[] {
  const names = Object.keys(headers)
  // A Map or a Headers has no own keys, so its fields would be lost silently.
  if (Array.isArray(headers) || typeof headers !== 'object' || (names.length === 0 && Symbol.iterator in headers)) {
    throw new ResponseError(null, 'the headers are not a plain object of names and values')
  }
  return mayHaveTwins(names) && (names.length > MANY_NAMES || haveTwins(names)) ? latest(names) : names
}

// A hash that ignores case: the last five bits of a letter do not depend on its case.
function mark(name: string): number {
  return name.length * 32 + (name.charCodeAt(0) & 31)
}

// Whether two names may differ only in case; faster than comparing them.
function mayHaveTwins(names: readonly string[]): boolean {
  let seen = 0
  for (const name of names) {
    const bit = 1 << (mark(name) % 31)
    if ((seen & bit) !== 0) return true
    seen |= bit
  }
  return false
}

// Up to this many names, comparing all pairs costs less than a Map.
const MANY_NAMES = 16

// Whether two names differ only in case.
function haveTwins(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) {
    for (let k = 0; k < i; k++) {
      if (mark(names[k]) === mark(names[i]) && names[k].toLowerCase() === names[i].toLowerCase()) return true
    }
  }
  return false
}

// Of names that differ only in case the last, except for Set-Cookie, whose values cannot be combined.
function latest(names: readonly string[]): string[] {
  const last = new Map<string, string>()
  for (const name of names) {
    const lower = name.toLowerCase()
    last.set(lower === 'set-cookie' ? name : lower, name)
  }
  return [...last.values()]
}

/**
 * The Content-Length among a handler's headers, such as that of streaming content; -1 if there is none.
 *
 * @throws ResponseError if it is not a length
 */
export function declaredLength(headers: ResponseHeaders | null | undefined): number {
  const value = headerOf(headers, 'content-length')
  return value === undefined || value === null ? -1 : lengthOf('content-length', value)
}

/** The last value that a handler gives for a header, ignoring case; undefined if none. `name` in lowercase. */
export function headerOf(headers: ResponseHeaders | null | undefined, name: string): HeaderValue {
  if (headers === null || headers === undefined) return undefined
  let value: HeaderValue
  for (const key of Object.keys(headers)) {
    if (key.length === name.length && key.toLowerCase() === name) value = headers[key]
  }
  return value
}

/** Adds `defaults` to `headers` unless these have a header `name`, given in lowercase. */
export function withDefaults(headers: ResponseHeaders | null | undefined, name: string, defaults: ResponseHeaders): ResponseHeaders {
  if (headers === undefined || headers === null) return defaults
  // An invalid object is rejected later, and must not become a plain one here.
  if (typeof headers !== 'object' || Symbol.iterator in headers || headerOf(headers, name) !== undefined) return headers
  return { ...defaults, ...headers }
}

/** Why a header has no place among others; null: it has. */
type HeaderFault = (name: string, kind: number) => string | null

/**
 * The lines of headers that the server adds nothing to, without the empty line after them.
 *
 * @throws ResponseError for a name or value that cannot be sent, and for a header with a `fault`
 */
export function headerLines(headers: ResponseHeaders, fault?: HeaderFault): string {
  let lines = ''
  for (const name of namesOf(headers)) {
    const value = headers[name]
    if (value === undefined || value === null) continue
    const kind = kindOf(name)
    const misplaced = fault?.(name, kind) ?? null
    if (misplaced !== null) throw new ResponseError(name, misplaced)
    lines += fieldLines(name, value)
  }
  return lines
}
