import { FORBIDDEN_TRAILERS } from './chunked.js'
import { isToken } from './grammar.js'
import { reasonOf, statusLine } from './status.js'

export { hasContent, opensTunnel, reasonOf } from './status.js'

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

/** Length: content of unknown length, sent in chunks. */
export const CHUNKED = -1
/** Length: content that ends with the connection, for clients of HTTP/1.0. */
export const UNTIL_CLOSE = -2
/** Length: no Content-Length unless the handler gave one, for HEAD if the length of GET's content is unknown. */
export const NO_LENGTH = -3
/** Length: neither Content-Length nor Transfer-Encoding, whatever the handler gave, for a 2xx to CONNECT. */
export const TUNNEL = -4

/** The state of the connection that `responseHead` reads and may change. */
export interface Persistence {
  readonly minorVersion: 0 | 1
  /** Whether the connection stays open. Set to false by `Connection: close` of the handler, and by UNTIL_CLOSE. */
  keepAlive: boolean
  /** Minimum seconds that it then waits for the next request, for `Keep-Alive`. */
  readonly idleTimeout: number
}

// Kinds of headers. ORDINARY ones are sent as the handler gives them.
const ORDINARY = 0
const CONTENT_LENGTH = 1
const TRANSFER_ENCODING = 2
const CONNECTION = 3
const DATE = 4
// Hop-by-hop headers, which a handler that proxies may have copied from an upstream.
const HOP = 5
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

function kindOf(name: string): number {
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

// Validates one value for sending: none of its characters can end the line.
function checked(name: string, value: unknown): string {
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

function fieldLines(name: string, value: unknown): string {
  if (!Array.isArray(value)) return name + ': ' + checked(name, value) + '\r\n'
  let lines = ''
  for (const one of value) lines += name + ': ' + checked(name, one) + '\r\n'
  return lines
}

function lengthOf(name: string, value: unknown): number {
  const digits = checked(name, Array.isArray(value) && value.length === 1 ? value[0] : value)
  if (!LENGTH.test(digits)) throw new ResponseError(name, 'not a length in bytes')
  return Number(digits)
}

// The options of a handler's Connection header without those for persistence, which the server sets itself.
function connectionOptions(name: string, value: unknown, connection: Persistence): string {
  const options: string[] = []
  const text = Array.isArray(value) ? value.map((one) => checked(name, one)).join(',') : checked(name, value)
  for (const option of text.split(',').map((part) => part.trim())) {
    if (option.toLowerCase() === 'close') connection.keepAlive = false
    else if (option !== '' && option.toLowerCase() !== 'keep-alive') options.push(option)
  }
  return options.join(', ')
}

function connectionLines(connection: Persistence, options: string): string {
  const more = options === '' ? '' : ', ' + options
  if (!connection.keepAlive) return `Connection: close${more}\r\n`
  const timeoutLine = keepAliveLine(connection.idleTimeout)
  // Keep-Alive has to be listed in Connection (RFC 9110 7.6.1). Without it, only clients of HTTP/1.0 need `keep-alive`.
  if (timeoutLine !== '' || connection.minorVersion === 0) return `Connection: keep-alive${more}\r\n${timeoutLine}`
  return options === '' ? '' : `Connection: ${options}\r\n`
}

let lineSeconds = 0
let lineText = ''

// The Keep-Alive line, cached since nearly all connections have the same timeout. A timeout below a second is not sent, since 0
// would mean that no request may follow.
function keepAliveLine(idleTimeout: number): string {
  if (idleTimeout !== lineSeconds) {
    lineSeconds = idleTimeout
    lineText = idleTimeout >= 1 ? `Keep-Alive: timeout=${Math.floor(idleTimeout)}\r\n` : ''
  }
  return lineText
}

/**
 * The head of a response, with its empty line, as latin1 text; the content follows it directly.
 *
 * The handler's headers come first after the status line, with their names as given. The server adds Content-Length or
 * Transfer-Encoding, Connection, Keep-Alive and Date; a Date of the handler replaces its own. `Connection: close` is honoured,
 * and other options are added to the server's. Transfer-Encoding, Keep-Alive, Proxy-Connection and TE are dropped, since they
 * describe another connection when a handler forwards the headers of an upstream. A Content-Length is dropped too, except with
 * NO_LENGTH and 304, where it describes content that is not sent. Of two names that differ only in case the last one is sent;
 * both are for Set-Cookie.
 *
 * @param status 200 to 599
 * @param length bytes of content (for HEAD: those of GET), or CHUNKED (for clients of HTTP/1.1 only), UNTIL_CLOSE, NO_LENGTH,
 *   TUNNEL
 * @param connection the client's HTTP version and whether the connection stays open; `keepAlive` may be set to false
 * @param date the server's Date line, as `dateLine` makes it
 * @throws ResponseError for a status out of range, a name that is not a token, a value with a control character other than HTAB
 *   or with a character above U+00FF, and for a Content-Length that is not a length
 */
export function responseHead(
  status: number,
  headers: ResponseHeaders | null | undefined,
  length: number,
  connection: Persistence,
  date: string,
): string {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    const given = typeof status === 'number' ? status : typeof status
    throw new ResponseError(null, `the status is not an integer from 200 to 599: ${given}`)
  }
  let head = statusLine(status)
  let declared = NO_LENGTH
  let options = ''
  if (headers !== null && headers !== undefined) {
    for (const name of namesOf(headers)) {
      const value = headers[name]
      if (value === undefined || value === null) continue
      const kind = kindOf(name)
      if (kind === ORDINARY) head += fieldLines(name, value)
      else if (kind === CONTENT_LENGTH) declared = lengthOf(name, value)
      else if (kind === CONNECTION) options = connectionOptions(name, value, connection)
      else if (kind === DATE) date = `${name}: ${checked(name, value)}\r\n`
    }
  }
  if (length === UNTIL_CLOSE) connection.keepAlive = false
  return head + lengthLine(status, length, declared) + connectionLines(connection, options) + date + '\r\n'
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

function lengthLine(status: number, length: number, declared: number): string {
  if (status === 204 || length === TUNNEL) return ''
  if (status === 205) return 'Content-Length: 0\r\n'
  const bytes = length === NO_LENGTH || status === 304 ? declared : length
  if (bytes >= 0) return 'Content-Length: ' + bytes + '\r\n'
  return bytes === CHUNKED ? 'Transfer-Encoding: chunked\r\n' : ''
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

/**
 * The head of a 101, which ends HTTP on a connection, with the handler's headers: `Upgrade` included, without `Connection`.
 *
 * @throws ResponseError as `responseHead`, also for Connection, Content-Length and Transfer-Encoding
 */
export function upgradeHead(headers: ResponseHeaders, date: string): string {
  let head = statusLine(101)
  for (const name of namesOf(headers)) {
    const value = headers[name]
    if (value === undefined || value === null) continue
    const kind = kindOf(name)
    if (kind === HOP) continue
    if (kind === DATE) date = ''
    else if (kind !== ORDINARY) throw new ResponseError(name, 'not the handler\'s to give when protocols change')
    head += fieldLines(name, value)
  }
  return head + 'Connection: Upgrade\r\n' + date + '\r\n'
}

/**
 * The head of 103 (Early Hints, RFC 8297).
 *
 * @throws ResponseError as `responseHead`, also for Date, and for headers about the connection or the framing
 */
export function earlyHintsHead(headers: ResponseHeaders): string {
  let head = statusLine(103)
  for (const name of namesOf(headers)) {
    const value = headers[name]
    if (value === undefined || value === null) continue
    if (kindOf(name) !== ORDINARY) throw new ResponseError(name, 'has no place in an interim answer')
    head += fieldLines(name, value)
  }
  return head + '\r\n'
}

/**
 * Header lines of a client's request, without the empty line after them.
 *
 * @throws ResponseError for an invalid name or value, as `responseHead`
 */
export function headerLines(headers: ResponseHeaders): string {
  let lines = ''
  for (const name of namesOf(headers)) {
    const value = headers[name]
    if (value === undefined || value === null) continue
    kindOf(name)
    lines += fieldLines(name, value)
  }
  return lines
}

/** The interim response that a client with `Expect: 100-continue` waits for. */
export const CONTINUE = `HTTP/1.1 100 ${reasonOf(100)}\r\n\r\n`

/** The size line of a chunk of `bytes` bytes (not 0, which would end the body). The chunk's data must be followed by CRLF. */
export function chunkSize(bytes: number): string {
  return bytes < SMALL ? smallSizes[bytes] : bytes.toString(16) + '\r\n'
}

const SMALL = 1024
const smallSizes = Array.from({ length: SMALL }, (_, bytes) => bytes.toString(16) + '\r\n')

/** The end of a chunked body, with no trailers. */
export const LAST_CHUNK = '0\r\n\r\n'

/**
 * The end of a chunked body, with trailers.
 *
 * @throws ResponseError as `responseHead`, and for a field that is not allowed in trailers: those for framing, routing,
 *   authentication, and the format of the content (RFC 9110 6.5.1)
 */
export function lastChunk(trailers: ResponseHeaders): string {
  let lines = '0\r\n'
  for (const name of namesOf(trailers)) {
    const value = trailers[name]
    if (value === undefined || value === null) continue
    if (kindOf(name) !== ORDINARY || FORBIDDEN_TRAILERS.has(name.toLowerCase())) throw new ResponseError(name, 'not allowed in a trailer')
    lines += fieldLines(name, value)
  }
  return lines + '\r\n'
}

/** A time in seconds since 1970 in HTTP's format (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function imfFixdate(epochSeconds: number): string {
  return new Date(Math.floor(epochSeconds) * 1000).toUTCString()
}

let dateSecond = NaN
let dateText = ''

/** The Date line for a time in seconds since 1970, rendered once a second. */
export function dateLine(epochSeconds: number): string {
  const second = Math.floor(epochSeconds)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = `Date: ${imfFixdate(second)}\r\n`
  }
  return dateText
}
