import type { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { normalHostName } from './host-name.js'

/** The certificates of one host with their keys, ready for handshakes. */
export interface Identity {
  /** The name under which it is listed: a host name, `*.` and a host name, or `default`. */
  readonly host: string
  /** The context for node:tls now. */
  readonly context: SecureContext
  /** The context at a time, in seconds since 1970-01-01T00:00:00Z: with a `ticket_secret`, another one in each period. */
  readonly contextAt: (time: number) => SecureContext
  /** The certificates that are sent to clients, one per kind of key, without their chains. */
  readonly certificates: readonly X509Certificate[]
  /** Whether clients are asked for certificates, and whether they are rejected without a trusted one. */
  readonly clientCertificate: 'none' | 'request' | 'require'
  /** SHA-256 fingerprints of the authorities against which client certificates are checked. */
  readonly clientAuthorities: ReadonlySet<string>
}

/** All identities of a server: one for each listed host, and one for all others. */
export class Identities {
  /** For clients that ask for no name, or for one that is not listed. */
  readonly default: Identity
  readonly #hosts: ReadonlyMap<string, Identity>

  /** The names of `hosts` must be in the form of `normalHostPattern`. */
  constructor(fallback: Identity, hosts: Iterable<Identity> = []) {
    this.default = fallback
    this.#hosts = new Map(Array.from(hosts, (identity) => [identity.host, identity]))
  }

  /**
   * The identity for a server name, in any case, with or without a trailing dot: the one listed for exactly this name, else
   * the one listed for `*.` and all but its first label, else the default. Null gets the default.
   */
  choose(serverName: string | null): Identity {
    const name = serverName === null ? null : normalHostName(serverName)
    if (name === null) return this.default
    const exact = this.#hosts.get(name)
    if (exact !== undefined) return exact
    const dot = name.indexOf('.')
    return (dot < 0 ? undefined : this.#hosts.get(`*${name.slice(dot)}`)) ?? this.default
  }

  *[Symbol.iterator](): Generator<Identity, void, undefined> {
    yield this.default
    yield* this.#hosts.values()
  }
}
