import type { X509Certificate } from 'node:crypto'
import { isIP, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { HandshakeError } from '../../core/errors.js'
import type { SecureFacts, Security } from '../driver.js'
import { closeOnFault, verifyResult } from './internals/tls-server-socket.js'

/** Loaded on first use: it takes 0.3 MB. */
const nodeTls = () => process.getBuiltinModule('node:tls')

/** Whether a socket is a TLS socket; works without loading node:tls. */
export function isSecure(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket
}

/**
 * Starts TLS on a socket. `received` are bytes that were already read from it: the handshake reads them first.
 *
 * The caller removes its own listeners from `socket` before, and never touches it again, except to reset it
 * (`TLSSocket` cannot). The TLSSocket then emits:
 * - `secure`, once: the handshake is done. The caller calls `secureFacts`, which throws if the peer must be rejected.
 * - `error`, at most once, for any fault before or after that, then `close`. The socket is destroyed by then.
 * - `end` when the peer has ended its output; never before `secure`: an end that early is an error.
 *
 * Destroying either of the two sockets destroys the other.
 */
export function wrapSecure(socket: Duplex, security: Security, received: Buffer): TLSSocket {
  // The plain socket must emit nothing while its bytes are on the way to the handshake.
  socket.pause()
  const ended = socket.readableEnded
  if (received.length > 0 && !ended) socket.unshift(received)
  const secured = security.side === 'server' ? serverSocket(socket, security) : clientSocket(socket, security)

  secured.prependListener('error', shorten)

  const early = (): void => {
    secured.destroy(new HandshakeError('the peer closed the connection during the handshake'))
  }
  secured.prependOnceListener('end', early)
  secured.prependOnceListener('secure', () => secured.removeListener('end', early))
  // A net.Socket that has already read its end cannot signal it to the TLS layer, which would wait for ever.
  if (ended) process.nextTick(early)
  else if (socket instanceof Socket) socket.once('end', early)
  return secured
}

/** OpenSSL's messages are full of source locations; only the reason is useful to people. */
function shorten(error: Error): void {
  if ('library' in error && 'reason' in error && typeof error.reason === 'string') error.message = error.reason
}

type Of<Side extends Security['side']> = Extract<Security, { side: Side }>

function serverSocket(socket: Duplex, security: Of<'server'>): TLSSocket {
  const secured = new (nodeTls().TLSSocket)(socket, {
    isServer: true,
    secureContext: security.context,
    ALPNProtocols: [...security.alpn],
    requestCert: security.clientCertificate !== 'none',
    rejectUnauthorized: security.clientCertificate === 'require',
  })
  // The contexts of tls/ ignore renegotiation; this disables it for any context.
  secured.disableRenegotiation()
  closeOnFault(secured)
  return secured
}

function clientSocket(socket: Duplex, security: Of<'client'>): TLSSocket {
  // RFC 6066 3: an IP address is not sent by SNI; Node then checks the certificate against `host`.
  const named = isIP(security.serverName) === 0
  const secured = nodeTls().connect({
    socket,
    secureContext: security.context,
    ALPNProtocols: [...security.alpn],
    ...(named ? { servername: security.serverName } : {}),
    host: security.serverName,
    rejectUnauthorized: security.verify,
  })
  // Node only reports some faults after the handshake, and would leave the socket open.
  secured.on('error', () => secured.destroy())
  return secured
}

/**
 * The results of the handshake; to be called after `secure` and while the socket is open.
 *
 * @throws HandshakeError if the peer must be rejected: its certificate must be trusted and is not
 */
export function secureFacts(socket: TLSSocket, security: Security): SecureFacts {
  const protocol = socket.getProtocol()
  if (protocol === null || socket.destroyed) throw new HandshakeError(refusalOf(socket, security))
  const peerCertificate = socket.getPeerX509Certificate() ?? null
  const reason = untrusted(socket, security, peerCertificate)
  const mustBeTrusted = security.side === 'server' ? security.clientCertificate === 'require' : security.verify
  if (mustBeTrusted && reason !== null) throw new HandshakeError(`the certificate was refused: ${reason}`)
  return {
    protocol,
    cipher: socket.getCipher().standardName,
    alpn: socket.alpnProtocol || null,
    serverName: typeof socket.servername === 'string' ? socket.servername.toLowerCase() : null,
    resumed: socket.isSessionReused(),
    peerCertificate,
    authorized: reason === null,
    reason,
  }
}

function refusalOf(socket: TLSSocket, security: Security): string {
  const reason = security.side === 'client' ? clientReason(socket) : null
  return reason === null ? 'the connection was closed during the handshake' : `the certificate was refused: ${reason}`
}

/** Why the peer's certificate is not trusted, or null if it is. */
function untrusted(socket: TLSSocket, security: Security, certificate: X509Certificate | null): string | null {
  if (security.side === 'client') return clientReason(socket)
  if (security.clientCertificate === 'none') return 'no certificate was asked for'
  // Checked first: the library reports a resumed TLS 1.3 session without any certificate as verified.
  if (certificate === null) return 'no certificate was sent'
  // A resumed session was verified only when it began, and each resumption gives the client a new ticket.
  if (socket.isSessionReused() && Date.parse(certificate.validTo) < Date.now()) return 'CERT_HAS_EXPIRED'
  return verifyResult(socket)
}

/** By now Node has checked the certificate against the trusted roots and the server's name. */
function clientReason(socket: TLSSocket): string | null {
  if (socket.authorized) return null
  return String(socket.authorizationError ?? 'not verified')
}
