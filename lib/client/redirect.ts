import { RequestError } from '../errors.js'
import { withCredentials } from './credentials.js'
import type { RequestRules } from './request-options.js'
import { publicTls } from './tls.js'

/** The parts of a request that a redirect can change. */
export type Hop = Pick<RequestRules, 'url' | 'method' | 'headers' | 'body' | 'tls' | 'socketPath'>

/** Headers that are sent only to the origin that they were given for. */
const ownHeaders = new Set(['authorization', 'cookie', 'cookie2', 'host', 'proxy-authorization'])

/**
 * The request that a response redirects `hop` to (RFC 9110 section 15.4); null if it is not a redirect.
 *
 * 303, and 301 and 302 after a POST, become a GET without content, as in browsers and curl. Credentials are not sent to another
 * origin: neither headers nor a client certificate, nor the option `serverName`.
 * @param downgrade whether https: may redirect to http:
 * @throws RequestError if the redirect must not be followed
 */
export function redirected(hop: Hop, status: number, location: string | undefined, downgrade: boolean): Hop | null {
  if (location === undefined || !(status === 301 || status === 302 || status === 303 || status === 307 || status === 308)) return null
  if (!URL.canParse(location, hop.url.href)) throw new RequestError(`it redirects to what is no URL: ${JSON.stringify(location.slice(0, 200))}`)
  const url = new URL(location, hop.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new RequestError(`it redirects to a URL of ${url.protocol}`)
  if (hop.url.protocol === 'https:' && url.protocol === 'http:' && !downgrade) {
    throw new RequestError(`it redirects to ${url.origin}, which is not encrypted: the option insecureRedirects allows that`)
  }
  const another = url.origin !== hop.url.origin
  const get = status === 303 ? hop.method !== 'HEAD' : status < 303 && hop.method === 'POST'
  const kept = Object.entries(hop.headers).filter(([name]) => !(another && ownHeaders.has(name)) && !(get && name.startsWith('content-')))
  return {
    ...withCredentials(url, Object.fromEntries(kept)),
    method: get ? 'GET' : hop.method,
    body: get ? null : hop.body,
    tls: another ? publicTls(hop.tls) : hop.tls,
    // Another origin cannot be reached by the same socket.
    socketPath: another ? null : hop.socketPath,
  }
}
