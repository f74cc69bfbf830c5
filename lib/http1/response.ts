import { FORBIDDEN_TRAILERS } from './chunked.js'
import { isToken } from './grammar.js'
import { reasonOf, statusLine } from './status.js'

export { hasContent, opensTunnel, reasonOf } from './status.js'

/** What a handler may give for one header: several values become several lines; null and undefined are left out. */
export type HeaderValue = string | number | readonly (string | number)[] | null | undefined
/** Headers of a response by name, in any case. A name with null or undefined is left out. */
export type ResponseHeaders = Readonly<Record<string, HeaderValue>>

/** A handler's answer that cannot be sent; `header` is the name at fault, null if it is not a header's. */
export class ResponseError extends Error {
  /** Tells this kind of error from others; it stays the same when `message` changes. */
  readonly code = 'LEVERET_RESPONSE'
  /** The name of the header at fault, as it was given; null if no header is. */
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

/** Lengths of content that are no number of bytes. */
export const CHUNKED = -1
/** Content that ends with the connection: for clients of HTTP/1.0. */
export const UNTIL_CLOSE = -2
/** No Content-Length unless the handler gave one: HEAD where nobody knows how long GET's content would be. */
export const NO_LENGTH = -3
/** Neither Content-Length nor Transfer-Encoding, whatever the handler gave: a 2xx to CONNECT. */
export const TUNNEL = -4

/** What responseHead has to know of the connection, and may change. */
export interface Persistence {
  readonly minorVersion: 0 | 1
  /** Whether the connection lives on. Set to false if the handler's headers, or UNTIL_CLOSE, say otherwise. */
  keepAlive: boolean
  /** Seconds that it then waits for the next request at least, as its client is told. */
  readonly idleTimeout: number
}

// What a name means here. 0 is a header of the handler's own business.
const ORDINARY = 0
const CONTENT_LENGTH = 1
const TRANSFER_ENCODING = 2
const CONNECTION = 3
const DATE = 4
// What an upstream says of its own connection; a handler that proxies may hand it on.
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

// Names as handlers write them, known to be tokens, with their meaning: a program uses the same few all the time.
const kinds = new Map<string, number>()
const MAX_KINDS = 512

function kindOf(name: string): number {
  return kinds.get(name) ?? learnKind(name)
}

function learnKind(name: string): number {
  if (!isToken(name)) throw new ResponseError(name, 'the name is not a token')
  const kind = SPECIAL.get(name.toLowerCase()) ?? ORDINARY
  // Names made up at run time must not fill the memory.
  if (kinds.size >= MAX_KINDS) kinds.clear()
  kinds.set(name, kind)
  return kind
}

// One value, as it may stand on the wire: no byte of it can end its line.
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

// The options of a handler's Connection header that are not about persistence, which is the server's to say.
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
  // What Keep-Alive tells is an option of the connection (RFC 9110 7.6.1). Otherwise only clients of 1.0 have to be told.
  if (timeoutLine !== '' || connection.minorVersion === 0) return `Connection: keep-alive${more}\r\n${timeoutLine}`
  return options === '' ? '' : `Connection: ${options}\r\n`
}

let lineSeconds = 0
let lineText = ''

// When the client should no longer send a request, rendered once: nearly all connections have the same timeout. A timeout below
// a second is not told, since 0 would mean that no request may follow.
function keepAliveLine(idleTimeout: number): string {
  if (idleTimeout !== lineSeconds) {
    lineSeconds = idleTimeout
    lineText = idleTimeout >= 1 ? `Keep-Alive: timeout=${Math.floor(idleTimeout)}\r\n` : ''
  }
  return lineText
}

/**
 * The head of an answer, with its empty line, as latin1 text: the content goes right behind it.
 *
 * The handler's headers stand first after the status line, with names as the handler wrote them; then what the server
 * adds: Content-Length or Transfer-Encoding, Connection, Keep-Alive, Date. A Date of the handler's takes the place of the server's.
 * `Connection: close` is honoured, other options are kept beside the server's own. Transfer-Encoding, Keep-Alive,
 * Proxy-Connection and TE describe another connection when a handler hands on the headers of an upstream: they are
 * dropped. So is a Content-Length, except with NO_LENGTH and 304, where it describes content that is not sent.
 * Of a header given twice, in other cases, the later one is sent; Set-Cookie is sent twice.
 *
 * @param status 200 to 599
 * @param length bytes of content (for HEAD: those that GET would send), or CHUNKED (to clients of 1.1 only),
 *   UNTIL_CLOSE, NO_LENGTH, TUNNEL
 * @param connection what the client speaks and whether the connection lives on; `keepAlive` may come back as false
 * @param date the server's Date line, as `dateLine` makes it
 * @throws ResponseError for a status out of range, a name that is not a token, a value with CR, LF, NUL, any other
 *   control character but HTAB, or a character above U+00FF, and for the framing headers as said above
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
 * The names of a handler's headers as it wrote them: of those that differ in case alone the last, except Set-Cookie.
 *
 * @throws ResponseError if the headers are not a plain object
 */
export function namesOf(headers: ResponseHeaders): string[] {
  const names = Object.keys(headers)
  // A Map or a Headers has no keys of its own, so its fields would silently be lost.
  if (Array.isArray(headers) || typeof headers !== 'object' || (names.length === 0 && Symbol.iterator in headers)) {
    throw new ResponseError(null, 'the headers are not a plain object of names and values')
  }
  return mayHaveTwins(names) && (names.length > MANY_NAMES || haveTwins(names)) ? latest(names) : names
}

// The same for names that differ in case alone: of letters, the last five bits do not tell the case.
function mark(name: string): number {
  return name.length * 32 + (name.charCodeAt(0) & 31)
}

// Whether two names may differ in case alone, in less time than comparing them takes.
function mayHaveTwins(names: readonly string[]): boolean {
  let seen = 0
  for (const name of names) {
    const bit = 1 << (mark(name) % 31)
    if ((seen & bit) !== 0) return true
    seen |= bit
  }
  return false
}

// Up to here, comparing each name with each costs less than a Map.
const MANY_NAMES = 16

// Whether two names differ in case alone.
function haveTwins(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) {
    for (let k = 0; k < i; k++) {
      if (mark(names[k]) === mark(names[i]) && names[k].toLowerCase() === names[i].toLowerCase()) return true
    }
  }
  return false
}

// Of names that differ in case alone the last, except Set-Cookie, whose values cannot be one.
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
 * The Content-Length among a handler's headers, -1 if there is none: the length of content that is a stream, say.
 *
 * @throws ResponseError if it is not a length
 */
export function declaredLength(headers: ResponseHeaders | null | undefined): number {
  const value = headerOf(headers, 'content-length')
  return value === undefined || value === null ? -1 : lengthOf('content-length', value)
}

/** A handler's value for a header, in any case, the last if it is given twice; undefined if none. `name` in lowercase. */
export function headerOf(headers: ResponseHeaders | null | undefined, name: string): HeaderValue {
  if (headers === null || headers === undefined) return undefined
  let value: HeaderValue
  for (const key of Object.keys(headers)) {
    if (key.length === name.length && key.toLowerCase() === name) value = headers[key]
  }
  return value
}

/** `headers`, and `defaults` unless `name` is among them already. */
export function withDefaults(headers: ResponseHeaders | null | undefined, name: string, defaults: ResponseHeaders): ResponseHeaders {
  if (headers === undefined || headers === null) return defaults
  // What is no plain object is refused later, and must not become one here.
  if (typeof headers !== 'object' || Symbol.iterator in headers || headerOf(headers, name) !== undefined) return headers
  return { ...defaults, ...headers }
}

/**
 * The head that ends HTTP on a connection: 101, with the handler's headers (`Upgrade` among them, `Connection` not).
 *
 * @throws ResponseError as responseHead does, also for Connection and the framing headers
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
 * The head of 103 Early Hints (RFC 8297).
 *
 * @throws ResponseError as responseHead does, also for Connection and the framing headers
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
 * Header lines of a client's request, without the empty line behind them.
 *
 * @throws ResponseError for a name or a value that cannot stand there, as responseHead does
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

/** The interim answer that a client with `Expect: 100-continue` waits for. */
export const CONTINUE = `HTTP/1.1 100 ${reasonOf(100)}\r\n\r\n`

/** What stands before a chunk of `bytes` bytes (not 0, which would end the body); CRLF stands behind it. */
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
 * @throws ResponseError as responseHead does, and for a field that has no place there: those for framing, routing,
 *   authentication, and for how content is to be read (RFC 9110 6.5.1)
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

/** A time in seconds since 1970 as HTTP writes it (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. */
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
