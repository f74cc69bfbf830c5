import type { X509Certificate } from 'node:crypto'
import type { SecureFacts } from '../lev/index.js'
import type { Identity } from './sni.js'

/** What a handshake agreed on, as handlers see it. */
export interface TlsFacts {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string
  /** The cipher suite's standard name. */
  readonly cipher: string
  /** The application protocol agreed on, or null if the client offered none. */
  readonly alpn: string | null
  /** The host name that the client asked for: lower case, no trailing dot. Null: none, or no host name. */
  readonly server_name: string | null
  /** What the identity that served the handshake is listed for: a host name, `*.` and a host name, or `default`. */
  readonly identity: string
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean
  /** What the client proved about itself; null if it was not asked or sent nothing. */
  readonly client_certificate: ClientCertificate | null
}

/** A certificate that a client has shown. */
export interface ClientCertificate {
  /** Whether the authorities in `ca` vouch for it. If not, anybody can have made it. */
  readonly authorized: boolean
  /** Why it is not authorized, as a code of the TLS library; null if it is. */
  readonly reason: string | null
  /** Distinguished names, in one line: `CN=..., O=...`. */
  readonly subject: string
  /** The same of the authority that signed it. */
  readonly issuer: string
  /** Hexadecimal. */
  readonly serial_number: string
  /** SHA-256 over the certificate, as `AB:CD:...`. */
  readonly fingerprint: string
  /** The certificate itself, for everything else. */
  readonly certificate: X509Certificate
}

export function tlsFacts(facts: SecureFacts, serverName: string | null, identity: Identity): TlsFacts {
  return {
    protocol: facts.protocol,
    cipher: facts.cipher,
    alpn: facts.alpn,
    server_name: serverName,
    identity: identity.host,
    resumed: facts.resumed,
    client_certificate: facts.peerCertificate === null ? null : clientCertificate(facts, facts.peerCertificate),
  }
}

function clientCertificate({ authorized, reason }: SecureFacts, certificate: X509Certificate): ClientCertificate {
  return {
    authorized,
    reason,
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    serial_number: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    certificate,
  }
}

/** A distinguished name in one line; OpenSSL has escaped what could be taken for a separator. */
export function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}
