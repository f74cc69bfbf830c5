import { RequestError } from '../errors.js'
import { withCredentials } from './credentials.js'
import type { RequestRules } from './request-options.js'
import { publicTls } from './tls.js'

/** What changes from one request to the one that a redirect asks for. */
export type Hop = Pick<RequestRules, 'url' | 'method' | 'headers' | 'body' | 'tls' | 'socketPath'>

/** Headers that are sent to the origin that they were given for, and to no other. */
const ownHeaders = new Set(['authorization', 'cookie', 'cookie2', 'host', 'proxy-authorization'])

/**
 * The request that a response asks for in place of `hop` (RFC 9110 section 15.4); null: it asks for none.
 *
 * 303, and 301 and 302 after a POST, become a GET without content, as browsers and curl have it. Credentials do not follow to
 * another origin: neither headers nor a client's certificate, nor the name that it asks for.
 * @param downgrade whether https: may lead to http:
 * @throws RequestError for a redirect that is not followed
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
    // Another server is not behind the same socket.
    socketPath: another ? null : hop.socketPath,
  }
}
