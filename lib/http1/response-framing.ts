import { contentLengthOf } from './framing.js'
import { listMembers } from './grammar.js'
import { rejections, type Rejection } from './rejection.js'
import type { ResponseHead } from './response-head-reader.js'

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

/**
 * The framing of a response by its head (RFC 9112 6.3), strictly: a Rejection if two readers could determine different lengths.
 *
 * @param method the method of the request
 */
export function responseFraming(method: string, head: ResponseHead): ResponseFraming | Rejection {
  const { status, fields, minorVersion } = head
  const keepAlive = staysOpen(head)
  const announced = fields.get('content-length')
  const length = announced === undefined ? null : contentLengthOf(announced)
  const coding = fields.get('transfer-encoding')
  if (method === 'HEAD') return { length: 0, keepAlive }
  // A server that announces content here may also send it.
  if (status < 200 || status === 204 || status === 304) {
    return { length: 0, keepAlive: keepAlive && coding === undefined && (length === 0 || length === null) }
  }
  if (coding !== undefined) {
    if (minorVersion === 0) return rejections.transferEncodingIn10
    if (length !== null) return rejections.lengthAndCoding
    const codings = listMembers(coding.toLowerCase())
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
  const options = listMembers((fields.get('connection') ?? '').toLowerCase())
  return !options.includes('close') && (minorVersion === 1 || options.includes('keep-alive'))
}

/** Seconds for which a server keeps an idle connection, by `Keep-Alive: timeout=5`; null: not given. */
export function keepAliveTimeout(head: ResponseHead): number | null {
  const match = /(?:^|[,;\s])timeout\s*=\s*"?([0-9]{1,9})/i.exec(head.fields.get('keep-alive') ?? '')
  return match === null ? null : Number(match[1])
}
