import type { TLSSocket } from 'node:tls'

/*
 * What Node tells only its own tls.Server about a server's TLS socket. A socket whose context was chosen by the ClientHello, or
 * that is not a net.Socket below, has no tls.Server, and Node documents no other way to learn this. So the gate is not asked;
 * a version that tells it differently is on the safe side: no certificate is trusted there, and a connection with a fault ends
 * by the time limits.
 */

interface Verifier {
  verifyError(): Error | null
}

/** Why a client's certificate is not trusted, or null if it is. Nothing known: not trusted. */
export function verifyResult(socket: TLSSocket): string | null {
  const handle: unknown = 'ssl' in socket ? socket.ssl : null
  if (!isVerifier(handle)) return 'not verified'
  const error = handle.verifyError()
  if (error === null || error === undefined) return null
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

/** Closes the socket at a fault after the handshake, which Node would report nowhere. */
export function closeOnFault(socket: TLSSocket): void {
  socket.on('_tlsError', (error: Error) => socket.destroy(error))
}

function isVerifier(value: unknown): value is Verifier {
  const named = typeof value === 'object' && value !== null && 'verifyError' in value
  return named && typeof value.verifyError === 'function'
}
