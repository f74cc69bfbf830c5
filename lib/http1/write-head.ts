import { CHUNKED, NO_LENGTH, TUNNEL, UNTIL_CLOSE } from './response-framing.js'
import {
  checked, CONNECTION, CONTENT_LENGTH, DATE, fieldLines, headerLines, HOP, kindOf, lengthOf, namesOf, ORDINARY, ResponseError,
  type ResponseHeaders,
} from './response-headers.js'
import { statusLine } from './status.js'

/** The state of the connection that `responseHead` reads and may change. */
export interface Persistence {
  readonly minorVersion: 0 | 1
  /** Whether the connection stays open. Set to false by `Connection: close` of the handler, and by UNTIL_CLOSE. */
  keepAlive: boolean
  /** Minimum seconds that it then waits for the next request, for `Keep-Alive`. */
  readonly idleTimeout: number
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

function lengthLine(status: number, length: number, declared: number): string {
  if (status === 204 || length === TUNNEL) return ''
  if (status === 205) return 'Content-Length: 0\r\n'
  const bytes = length === NO_LENGTH || status === 304 ? declared : length
  if (bytes >= 0) return 'Content-Length: ' + bytes + '\r\n'
  return bytes === CHUNKED ? 'Transfer-Encoding: chunked\r\n' : ''
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

/** Status of a response that precedes the final one. */
export type InterimStatus = 100 | 103

/**
 * An interim response: 100 (Continue), or 103 (Early Hints, RFC 8297).
 *
 * @throws ResponseError as `responseHead`, also for Date, and for headers about the connection or the framing
 */
export function interimHead(status: InterimStatus, headers: ResponseHeaders): string {
  return `${statusLine(status)}${headerLines(headers, interimFault)}\r\n`
}

function interimFault(_name: string, kind: number): string | null {
  return kind === ORDINARY ? null : 'is not allowed in an interim response'
}
