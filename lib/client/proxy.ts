import { RequestError } from '../errors.js'
import { hasScheme } from '../http1/grammar.js'
import { withCredentials } from './credentials.js'
import { hostOf, isSecure, portOf } from './url-parts.js'

/** A proxy on the way to a server. */
export interface Proxy {
  readonly url: URL
  /** The value of `Proxy-Authorization`; null for none. */
  readonly authorization: string | null
}

/** A proxy from its URL, whose user and password become `authorization`. Null if `text` is not the URL of a proxy. */
export function proxyOf(text: string): Proxy | null {
  const full = hasScheme(text) ? text : `http://${text}`
  if (!URL.canParse(full)) return null
  const { url, headers } = withCredentials(new URL(full), {})
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
  return { url, authorization: typeof headers.authorization === 'string' ? headers.authorization : null }
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The environment's proxy for `url`; null if there is none. `HTTP_PROXY` in upper case is ignored in CGI programs, where it may
 * be a client's header `Proxy`. Loopback addresses never use a proxy.
 * @throws RequestError if a variable is not the URL of a proxy
 */
export function proxyFromEnvironment(url: URL, environment: Environment): Proxy | null {
  const names = isSecure(url) ? ['https_proxy', 'HTTPS_PROXY'] : environment.REQUEST_METHOD === undefined ? ['http_proxy', 'HTTP_PROXY'] : ['http_proxy']
  const name = names.find((one) => (environment[one] ?? '') !== '')
  if (name === undefined || isLoopback(hostOf(url)) || isExempt(url, environment.no_proxy ?? environment.NO_PROXY ?? '')) return null
  const proxy = proxyOf(environment[name] ?? '')
  if (proxy === null) throw new RequestError(`the environment variable ${name} is no URL of a proxy that speaks HTTP`)
  return proxy
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d+){3}$/.test(host)
}

/** Whether NO_PROXY lists the host of `url`: by its name or a parent domain, with or without a port, or as `*`. */
function isExempt(url: URL, list: string): boolean {
  const host = hostOf(url).replace(/\.$/, '')
  return list.toLowerCase().split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true
    const match = /^(?:\*?\.)?(?:\[([^\]]+)\]|([^:]+)|(.*:.*:.*))(?::(\d+))?$/.exec(entry)
    const name = match?.[1] ?? match?.[2] ?? match?.[3]
    if (name === undefined || (match?.[4] !== undefined && Number(match[4]) !== portOf(url))) return false
    return host === name || host.endsWith(`.${name}`)
  })
}
