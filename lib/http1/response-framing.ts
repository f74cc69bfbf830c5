import { trimmed } from './bytes.js'
import { rejections, type Rejection } from './rejection.js'
import type { ResponseHead } from './response-head.js'

/** Length: content of unknown length, sent in chunks. */
export const CHUNKED = -1
/** Length: content that ends with the connection, for clients of HTTP/1.0. */
export const UNTIL_CLOSE = -2
/** Length: no Content-Length unless the handler gave one, for HEAD if the length of GET's content is unknown. */
export const NO_LENGTH = -3
/** Length: neither Content-Length nor Transfer-Encoding, whatever the handler gave, for a 2xx to CONNECT. */
export const TUNNEL = -4

/** How the content of a response is delimited. */
interface ResponseFraming {
  /** Bytes of content, CHUNKED or UNTIL_CLOSE. */
  readonly length: number
  /** Whether the connection can be used again once the content is read. */
  readonly keepAlive: boolean
}

const LENGTHS = /^[0-9]+(?:[ \t]*,[ \t]*[0-9]+)*$/

/**
 * The framing of a response by its head (RFC 9112 6.3), strictly: a Rejection if two readers could determine different lengths.
 *
 * @param method the method of the request
 */
export function responseFraming(method: string, head: ResponseHead): ResponseFraming | Rejection {
  const { status, fields, minorVersion } = head
  const keepAlive = staysOpen(head)
  const length = lengthOf(fields.get('content-length'))
  const coding = fields.get('transfer-encoding')
  if (method === 'HEAD') return { length: 0, keepAlive }
  // A server that announces content here may also send it.
  if (status < 200 || status === 204 || status === 304) return { length: 0, keepAlive: keepAlive && coding === undefined && (length === 0 || length === null) }
  if (coding !== undefined) {
    if (minorVersion === 0) return rejections.transferEncodingIn10
    if (length !== null) return rejections.lengthAndCoding
    const codings = members(coding)
    if (codings.length !== 1 || codings[0] !== 'chunked') return rejections.transferCoding
    return { length: CHUNKED, keepAlive }
  }
  if (typeof length === 'number') return { length, keepAlive }
  if (length !== null) return length
  // A 205 has no content by definition (RFC 9110 15.3.6), but some servers omit its length.
  if (status === 205) return { length: 0, keepAlive: false }
  return { length: UNTIL_CLOSE, keepAlive: false }
}

function staysOpen({ fields, minorVersion }: ResponseHead): boolean {
  const options = members(fields.get('connection') ?? '')
  return !options.includes('close') && (minorVersion === 1 || options.includes('keep-alive'))
}

/** The value of Content-Length; null: none. */
function lengthOf(value: string | undefined): number | Rejection | null {
  if (value === undefined) return null
  if (!LENGTHS.test(value)) return rejections.contentLength
  const lengths = new Set(value.split(',').map(Number))
  const [length = 0] = lengths
  if (lengths.size > 1) return rejections.contentLengths
  return length > Number.MAX_SAFE_INTEGER ? rejections.contentLengthTooLarge : length
}

/** The members of a list, in lower case. */
function members(list: string): string[] {
  return list.split(',').map((one) => trimmed(one).toLowerCase()).filter((one) => one !== '')
}

/** Seconds for which a server keeps an idle connection, by `Keep-Alive: timeout=5`; null: not given. */
export function keepAliveTimeout(head: ResponseHead): number | null {
  const match = /(?:^|[,;\s])timeout\s*=\s*"?([0-9]{1,9})/i.exec(head.fields.get('keep-alive') ?? '')
  return match === null ? null : Number(match[1])
}
