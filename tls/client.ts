import type { ClientSecurity } from '../lev/index.js'
import { IdentityError } from './identity-config.js'

/** How a client speaks TLS. All PEM is text, or the bytes of a file. */
export interface ClientTlsOptions {
  /** Authorities to trust in place of the public ones, as PEM. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  /** The client's own certificate and key, as PEM, for servers that ask. */
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly passphrase?: string
  /** The name to ask for and to check the certificate against; the host that is connected to when absent. */
  readonly serverName?: string
  /** False accepts any certificate: for tests only. Default: true. */
  readonly verify?: boolean
  /** Application protocols to offer, best first. Default: none. */
  readonly alpn?: readonly string[]
}

/**
 * Prepares a client's side of a handshake with `host`.
 * @throws IdentityError for certificates or a key that cannot be used
 */
export function clientSecurity(host: string, options: ClientTlsOptions = {}): ClientSecurity {
  const { ca, cert, key, passphrase, serverName = host, verify = true, alpn = [] } = options
  const refuse = (text: string): never => {
    throw new IdentityError(host, null, text)
  }
  // Node would say so in the midst of a handshake, where nobody can catch it.
  if (typeof serverName !== 'string' || serverName === '') refuse('serverName must be a host name')
  if (!Array.isArray(alpn) || !alpn.every(isProtocol)) refuse('alpn must be an array of protocol names')
  try {
    const context = process.getBuiltinModule('node:tls').createSecureContext({
      ...(ca === undefined ? {} : { ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(passphrase === undefined ? {} : { passphrase }),
      minVersion: 'TLSv1.2',
    })
    return { side: 'client', context, alpn, serverName, verify }
  } catch (error) {
    throw new IdentityError(host, null, `the TLS library refuses what it was given: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function isProtocol(name: unknown): boolean {
  return typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 255
}
