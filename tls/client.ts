import type { ClientSecurity } from '../lev/index.js'
import { messageOf } from '../lev/internal.js'
import { IdentityError } from './identity-config.js'

/** TLS options of a client. PEM is text, or the bytes of a file. */
export interface ClientTlsOptions {
  /** Authorities to trust instead of the public ones, as PEM. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | null | undefined
  /** The client's certificate, as PEM, for servers that ask for one. */
  readonly cert?: string | Buffer | null | undefined
  /** The private key of `cert`, as PEM. */
  readonly key?: string | Buffer | null | undefined
  /** The passphrase of an encrypted `key`. */
  readonly passphrase?: string | null | undefined
  /** The name to ask for and to check the certificate against. Default: the host that is connected to. */
  readonly serverName?: string | null | undefined
  /** False accepts any certificate: for tests only. Default: true. */
  readonly verify?: boolean | null | undefined
  /** Application protocols to offer, best first. Default: none. */
  readonly alpn?: readonly string[] | null | undefined
}

/**
 * Prepares the client side of a handshake with `host`.
 * @throws IdentityError if an option is invalid, or a certificate or the key cannot be used
 */
export function clientSecurity(host: string, options: ClientTlsOptions = {}): ClientSecurity {
  const { ca = null, cert = null, key = null, passphrase = null } = options
  const serverName = options.serverName ?? host
  const verify = options.verify ?? true
  const alpn = options.alpn ?? []
  const refuse = (text: string): never => {
    throw new IdentityError(host, null, text)
  }
  // Node would throw in the middle of a handshake, where no caller can catch it.
  if (typeof serverName !== 'string' || serverName === '') refuse('serverName must be a host name')
  if (!Array.isArray(alpn) || !alpn.every(isProtocol)) refuse('alpn must be an array of protocol names')
  try {
    const context = process.getBuiltinModule('node:tls').createSecureContext({
      ...(ca === null ? {} : { ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca] }),
      ...(cert === null ? {} : { cert }),
      ...(key === null ? {} : { key }),
      ...(passphrase === null ? {} : { passphrase }),
      minVersion: 'TLSv1.2',
    })
    return { side: 'client', context, alpn, serverName, verify }
  } catch (error) {
    throw new IdentityError(host, null, `the TLS library refuses what it was given: ${messageOf(error)}`, { cause: error })
  }
}

function isProtocol(name: unknown): boolean {
  return typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 255
}
