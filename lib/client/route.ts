import { createHash } from 'node:crypto'
import { connect, type ConnectOptions, type Op, type Stream } from '../../lev/index.js'
import { clientSecurity, type ClientTlsOptions } from '../../tls/index.js'

/** Where a request's connection leads, and how it is made. */
export interface Route {
  /** Connections of the same name can be used in place of each other. */
  readonly name: string
  readonly to: ConnectOptions
  /** The host of the certificate; null: no TLS is spoken. */
  readonly secureHost: string | null
  readonly tls: ClientTlsOptions
}

/** The way to the origin of `url`. */
export function routeTo(url: URL, tls: ClientTlsOptions | null): Route {
  const secure = url.protocol === 'https:'
  const host = hostOf(url)
  return {
    name: `${url.origin} ${secure && tls !== null ? digestOf(tls) : ''}`,
    to: { ip: host, port: portOf(url) },
    secureHost: secure ? host : null,
    tls: tls ?? {},
  }
}

/**
 * Makes a new connection.
 * @throws AddressError; HandshakeError; IdentityError, before anything is sent
 */
export function* dialRoute({ to, secureHost, tls }: Route): Op<Stream> {
  const security = secureHost === null ? null : clientSecurity(secureHost, { ...tls, alpn: ['http/1.1'] })
  const stream = yield* connect(to)
  let done = false
  try {
    if (security !== null) yield* stream.secure(security)
    done = true
    return stream
  } finally {
    if (!done) stream.close()
  }
}

/** A name or an IP address, without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

export function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

/** A name for TLS options: of those that are the same the name is, and a key is not to be read from it. */
function digestOf({ ca, cert, key, passphrase, serverName, verify }: ClientTlsOptions): string {
  const hash = createHash('sha256')
  for (const one of [...[ca].flat(), null, cert, key, passphrase, serverName, verify]) {
    const bytes = Buffer.isBuffer(one) ? one : Buffer.from(String(one))
    hash.update(`${typeof one} ${bytes.length} `).update(bytes)
  }
  return hash.digest('base64')
}
