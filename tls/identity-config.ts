/** The file paths of one certificate and its key: `cert` and `key`, or `pfx`. */
export interface IdentityConfig {
  /** PEM: the certificate, then the chain to its authority. */
  readonly cert?: string | null | undefined
  /** PEM: the private key of `cert`. */
  readonly key?: string | null | undefined
  /** The passphrase of an encrypted `key` or `pfx`. */
  readonly passphrase?: string | null | undefined
  /** PKCS#12: certificate, chain and key in one file. */
  readonly pfx?: string | null | undefined
  /** PEM: the authorities against which client certificates are checked. */
  readonly ca?: string | null | undefined
  /** Whether clients are asked for a certificate, or rejected without one issued by `ca`. Default: they are not asked. */
  readonly client_certificate?: 'request' | 'require' | null | undefined
}

/**
 * The certificates of a server, by the name that a client asks for (SNI). A list has one identity per kind of key (RSA, ECDSA,
 * Ed25519): each client gets one that it can use. `ca` and `client_certificate` belong in the first identity of a list.
 */
export interface TlsConfig {
  /** For clients that ask for no name, or for one that is not listed. */
  readonly default: IdentityConfig | readonly IdentityConfig[]
  /** By host name: `example.com`, or `*.example.org` for every name one label below. */
  readonly hosts?: Readonly<Record<string, IdentityConfig | readonly IdentityConfig[]>> | null | undefined
  /**
   * A secret from which the keys of session tickets are derived, other ones each 12 hours: sessions are resumed by all processes and
   * machines that have it. At least 32 random bytes, as a string in base64, or as such. Default: random keys for each identity.
   */
  readonly ticket_secret?: string | Uint8Array | null | undefined
  /** Whether a server loads the files again when they change. Default: false. */
  readonly watch?: boolean | null | undefined
  /** Accepts certificates that have expired or are not valid yet: for tests. Default: false. */
  readonly allow_expired?: boolean | null | undefined
}

/** An identity cannot be used. `message` names the host, the file and the reason. */
export class IdentityError extends Error {
  /** Identifies the kind of error; it stays the same when `message` changes. */
  readonly code = 'LEVERET_IDENTITY'
  /** The name under which the configuration lists the identity; `default` for the default one. */
  readonly host: string
  /** The path from the configuration, or null if no file is at fault. */
  readonly file: string | null
  /** The reason, without the host and the file. */
  readonly reason: string

  constructor(host: string, file: string | null, reason: string, options?: ErrorOptions) {
    super(`${identityName(host)}: ${file === null ? '' : `${file}: `}${reason}`, options)
    this.host = host
    this.file = file
    this.reason = reason
  }

  /** The name of the class. */
  override get name(): string {
    return 'IdentityError'
  }
}

/** The name of an identity in messages. */
export function identityName(host: string): string {
  return host === 'default' ? 'the default identity' : `the identity of ${JSON.stringify(host)}`
}
