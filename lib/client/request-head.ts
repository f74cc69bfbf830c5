import { headerLines } from '../http1/response.js'
import { userAgent } from '../version.js'
import { acceptEncoding } from './content-coding.js'
import type { Hop } from './redirect.js'
import type { Route } from './route.js'

/** Methods whose requests are expected to have content, so that none is told as well (RFC 9110 8.6). */
const contentMethods = new Set(['POST', 'PUT', 'PATCH'])

/** The head of a request with its empty line, and the bytes of content that it announces; -1: the content is chunked. */
export function requestHead({ method, url, headers, body: content }: Hop, { proxy, tunnel }: Route, decompress: boolean): { readonly head: string; readonly announced: number } {
  const given = headers['content-length']
  const announced = content === null ? 0 : content.length < 0 && given !== undefined ? Number(given) : content.length
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
  // It is for the proxy, which it does not reach through a tunnel.
  if (tunnel) delete fields['proxy-authorization']
  if (announced < 0) fields['transfer-encoding'] = 'chunked'
  else if (content !== null || contentMethods.has(method)) fields['content-length'] = String(announced)
  return { head: `${method} ${forwarded ? url.origin : ''}${url.pathname}${url.search} HTTP/1.1\r\n${headerLines(fields)}\r\n`, announced }
}
