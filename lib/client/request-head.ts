import { headerLines } from '../http1/response-headers.js'
import { userAgent } from '../version.js'
import { acceptEncoding } from './content-coding.js'
import type { Outgoing } from './outgoing.js'
import type { Hop } from './redirect.js'
import type { Route } from './route.js'

/** Methods whose requests usually have content, so that even the length 0 is sent (RFC 9110 8.6). */
const contentMethods = new Set(['POST', 'PUT', 'PATCH'])

/** The head of a request with its empty line, and the announced length of the content in bytes; -1 if it is chunked. */
export interface OutgoingHead {
  readonly head: string
  readonly announced: number
}

/** The head of a request that goes to the network. */
export function requestHead({ method, url, headers, body: content }: Hop, { proxy, tunnel }: Route, decompress: boolean): OutgoingHead {
  const forwarded = proxy !== null && !tunnel
  const fields: Record<string, string | string[]> = {
    host: url.host,
    'user-agent': userAgent,
    accept: '*/*',
    ...(decompress ? { 'accept-encoding': acceptEncoding } : {}),
    ...(content === null || content.type === '' ? {} : { 'content-type': content.type }),
    ...(forwarded && proxy.authorization !== null ? { 'proxy-authorization': proxy.authorization } : {}),
    ...headers,
  }
  // This header is for the proxy, which does not see the requests in a tunnel.
  if (tunnel) delete fields['proxy-authorization']
  return framedHead(method, `${forwarded ? url.origin : ''}${url.pathname}${url.search}`, fields, content)
}

/** A head with the header that frames `content`. @param fields by lower-case name; a length among them is that of the content */
export function framedHead(method: string, target: string, fields: Readonly<Record<string, string | string[]>>, content: Outgoing | null): OutgoingHead {
  const given = fields['content-length']
  const announced = content === null ? 0 : content.length < 0 && given !== undefined ? Number(given) : content.length
  const framing = announced < 0
    ? { 'transfer-encoding': 'chunked' }
    : content !== null || contentMethods.has(method) ? { 'content-length': String(announced) } : {}
  return { head: `${method} ${target} HTTP/1.1\r\n${headerLines({ ...fields, ...framing })}\r\n`, announced }
}
