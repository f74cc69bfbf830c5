import type { X509Certificate } from 'node:crypto'
import type { SecureFacts } from '../lev/index.js'
import type { Identity } from './sni.js'

/** The results of a handshake, as handlers see them. */
export interface TlsFacts {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string
  /** The cipher suite's standard name. */
  readonly cipher: string
  /** The negotiated application protocol, or null if the client offered none. */
  readonly alpn: string | null
  /** The host name that the client asked for, in lower case, without a trailing dot; null if it sent no valid one. */
  readonly server_name: string | null
  /** The name under which the identity of the handshake is listed: a host name, `*.` and a host name, or `default`. */
  readonly identity: string
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean
  /** The client's certificate; null if it was not asked for one or sent none. */
  readonly client_certificate: ClientCertificate | null
}

/** A certificate that a client has sent. */
export interface ClientCertificate {
  /** Whether it was issued by an authority in `ca`. If not, anyone can have created it. */
  readonly authorized: boolean
  /** Why it is not authorized, as a code of the TLS library; null if it is. */
  readonly reason: string | null
  /** The subject's distinguished name in one line: `CN=..., O=...`. */
  readonly subject: string
  /** The distinguished name of the authority that signed it, in one line. */
  readonly issuer: string
  /** The serial number, in hexadecimal. */
  readonly serial_number: string
  /** SHA-256 of the certificate, as `AB:CD:...`. */
  readonly fingerprint: string
  /** The certificate itself. */
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

/** A distinguished name in one line; OpenSSL has escaped anything that could be taken for a separator. */
export function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}
