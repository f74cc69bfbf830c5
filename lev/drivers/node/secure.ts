import type { X509Certificate } from 'node:crypto'
import { isIP, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { HandshakeError } from '../../core/errors.js'
import type { SecureFacts, Security } from '../driver.js'
import { closeOnFault, verifyResult } from './internals/tls-server-socket.js'

/** For those who need it: it holds 0.3 MB. */
const nodeTls = () => process.getBuiltinModule('node:tls')

/** Whether a socket speaks TLS; node:tls need not be there for that. */
export function isSecure(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket
}

/**
 * Puts TLS on a socket. `received` are bytes that were read from it already: the handshake reads them first.
 *
 * The caller takes its own listeners off `socket` before, and never touches it again, except to reset it
 * (`TLSSocket` cannot). What it then sees of the TLSSocket:
 * - `secure`, once: the handshake is done. It calls `secureFacts`, which throws if the other side must be refused.
 * - `error`, once at the most, for every fault before or after that, then `close`. The socket is destroyed by then.
 * - `end` when the other side closed its direction; never before `secure`: an end that early is an error.
 *
 * Destroying either of the two sockets destroys the other.
 */
export function wrapSecure(socket: Duplex, security: Security, received: Buffer): TLSSocket {
  // Nothing may be emitted by the plain socket while its bytes are on the way to the handshake.
  socket.pause()
  const ended = socket.readableEnded
  if (received.length > 0 && !ended) socket.unshift(received)
  const secured = security.side === 'server' ? serverSocket(socket, security) : clientSocket(socket, security)

  secured.prependListener('error', shorten)

  const early = (): void => {
    secured.destroy(new HandshakeError('the other side closed the connection during the handshake'))
  }
  secured.prependOnceListener('end', early)
  secured.prependOnceListener('secure', () => secured.removeListener('end', early))
  // A net.Socket that had read its end already cannot tell the TLS layer, which would wait for ever.
  if (ended) process.nextTick(early)
  else if (socket instanceof Socket) socket.once('end', early)
  return secured
}

/** OpenSSL's messages are full of places in its source; what people can use of them is the reason. */
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
  // The contexts of tls/ refuse renegotiation quietly; this holds for any context.
  secured.disableRenegotiation()
  closeOnFault(secured)
  return secured
}

function clientSocket(socket: Duplex, security: Of<'client'>): TLSSocket {
  // RFC 6066 3: an IP address is not sent by SNI; node checks the certificate against `host` then.
  const named = isIP(security.serverName) === 0
  const secured = nodeTls().connect({
    socket,
    secureContext: security.context,
    ALPNProtocols: [...security.alpn],
    ...(named ? { servername: security.serverName } : {}),
    host: security.serverName,
    rejectUnauthorized: security.verify,
  })
  // Some faults after the handshake are only reported by node: the socket would stay open.
  secured.on('error', () => secured.destroy())
  return secured
}

/**
 * What the handshake agreed on; to be called once `secure` was emitted and while the socket is open.
 *
 * @throws HandshakeError if the other side must be refused: its certificate must be trusted and is not
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

/** Why the other side's certificate is not trusted, or null if it is. */
function untrusted(socket: TLSSocket, security: Security, certificate: X509Certificate | null): string | null {
  if (security.side === 'client') return clientReason(socket)
  if (security.clientCertificate === 'none') return 'no certificate was asked for'
  // Asked first: the library calls a resumed TLS 1.3 session without any certificate verified.
  if (certificate === null) return 'no certificate was sent'
  // A resumed session was verified when it began, and each time that it is resumed the client gets a new ticket.
  if (socket.isSessionReused() && Date.parse(certificate.validTo) < Date.now()) return 'CERT_HAS_EXPIRED'
  return verifyResult(socket)
}

/** node has compared the certificate with trusted roots and with the server's name by now. */
function clientReason(socket: TLSSocket): string | null {
  if (socket.authorized) return null
  return String(socket.authorizationError ?? 'not verified')
}
