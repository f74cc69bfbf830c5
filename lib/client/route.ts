import { createHash } from 'node:crypto'
import { connect, type ConnectOptions, type Op, type Stream } from '../../lev/index.js'
import { environment } from '../../lev/internal.js'
import { clientSecurity, type ClientTlsOptions } from '../../tls/index.js'
import { RequestError } from '../errors.js'
import { headerLines } from '../http1/response-headers.js'
import { userAgent } from '../version.js'
import { proxyFromEnvironment, type Proxy } from './proxy.js'
import { readHead } from './read-head.js'
import { publicTls } from './tls.js'
import { hostOf, isSecure, portOf } from './url-parts.js'

/** Options for making a connection. */
interface Way {
  readonly tls: ClientTlsOptions | null
  /** False for no proxy; null for the environment's. */
  readonly proxy: Proxy | false | null
  /** The path of a Unix socket to connect to instead of the URL's host. */
  readonly socketPath: string | null
}

/** The destination of a connection, and the way to it. */
export interface Route {
  /** Connections with the same name are interchangeable. */
  readonly name: string
  readonly url: URL
  readonly to: ConnectOptions
  readonly proxy: Proxy | null
  /** Whether the proxy forwards bytes by CONNECT; if not, it forwards requests. */
  readonly tunnel: boolean
  readonly tls: ClientTlsOptions | null
}

/** The route to the origin of `url`. @throws RequestError if the environment's proxy is not a valid URL */
export function routeTo(url: URL, { tls, proxy: given, socketPath }: Way): Route {
  const proxy = socketPath !== null || given === false ? null : given ?? proxyFromEnvironment(url, environment())
  const tunnel = proxy !== null && url.protocol !== 'http:'
  const server = proxy?.url ?? url
  return {
    name: [
      proxy === null || tunnel ? url.origin : '',
      proxy === null ? '' : `${proxy.url.origin} ${proxy.authorization}`,
      socketPath ?? '',
      tls !== null && (isSecure(url) || isSecure(server)) ? digestOf(tls) : '',
    ].join(' '),
    url,
    to: socketPath === null ? { ip: hostOf(server), port: portOf(server) } : { path: socketPath },
    proxy,
    tunnel,
    tls,
  }
}

/**
 * Opens a new connection.
 * @throws AddressError; HandshakeError; IdentityError, before anything is sent; RequestError if there is no tunnel; ClosedError
 */
export function* openRoute({ url, to, proxy, tunnel, tls }: Route): Op<Stream> {
  const offered = { alpn: ['http/1.1'] }
  const security = isSecure(url) ? clientSecurity(hostOf(url), { ...tls, ...offered }) : null
  const stream = yield* connect(to)
  let done = false
  try {
    if (proxy !== null && isSecure(proxy.url)) yield* stream.secure(clientSecurity(hostOf(proxy.url), { ...publicTls(tls), ...offered }))
    if (proxy !== null && tunnel) yield* openTunnel(stream, url, proxy)
    if (security !== null) yield* stream.secure(security)
    done = true
    return stream
  } finally {
    if (!done) stream.close()
  }
}

/** Opens a tunnel through a proxy to the origin of `url` (RFC 9110 9.3.6). */
function* openTunnel(stream: Stream, url: URL, { authorization }: Proxy): Op<void> {
  const host = `${url.hostname}:${portOf(url)}`
  stream.put(`CONNECT ${host} HTTP/1.1\r\n${headerLines({ host, 'user-agent': userAgent, 'proxy-authorization': authorization })}\r\n`)
  const head = yield* readHead(stream)
  if (head === null) throw new RequestError('the proxy closed the connection without a response')
  if (head.status < 200 || head.status > 299) throw new RequestError(`the proxy makes no tunnel: ${head.status} ${head.reason}`)
}

/** A digest of TLS options: the same for the same options, and without revealing a key. */
function digestOf({ ca, cert, key, passphrase, serverName, verify }: ClientTlsOptions): string {
  const hash = createHash('sha256')
  for (const one of [...[ca].flat(), null, cert, key, passphrase, serverName, verify]) {
    const bytes = Buffer.isBuffer(one) ? one : Buffer.from(String(one))
    hash.update(`${typeof one} ${bytes.length} `).update(bytes)
  }
  return hash.digest('base64')
}
