import { headerLines } from '../http1/response-headers.js'
import { userAgent } from '../version.js'
import { acceptEncoding } from './content-coding.js'
import type { Hop } from './redirect.js'
import type { Route } from './route.js'

/** Methods whose requests usually have content, so that even the length 0 is sent (RFC 9110 8.6). */
const contentMethods = new Set(['POST', 'PUT', 'PATCH'])

/** The head of a request with its empty line, and the announced length of the content in bytes; -1 if it is chunked. */
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
  // This header is for the proxy, which does not see the requests in a tunnel.
  if (tunnel) delete fields['proxy-authorization']
  if (announced < 0) fields['transfer-encoding'] = 'chunked'
  else if (content !== null || contentMethods.has(method)) fields['content-length'] = String(announced)
  return { head: `${method} ${forwarded ? url.origin : ''}${url.pathname}${url.search} HTTP/1.1\r\n${headerLines(fields)}\r\n`, announced }
}
