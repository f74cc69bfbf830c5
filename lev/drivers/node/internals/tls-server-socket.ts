import type { TLSSocket } from 'node:tls'

/*
 * Facts about a server's TLS socket that Node reports only to its own tls.Server. A socket whose context was chosen by the
 * ClientHello, or that is not on a net.Socket, has no tls.Server, and Node documents no other way to get these facts. So this
 * does not ask the gate; a version of Node that differs here fails safely: no certificate is trusted, and a connection with a
 * fault ends by the time limits.
 */

interface Verifier {
  verifyError(): Error | null
}

/** Why a client's certificate is not trusted, or null if it is. If that is unknown, it is not trusted. */
export function verifyResult(socket: TLSSocket): string | null {
  const handle: unknown = 'ssl' in socket ? socket.ssl : null
  if (!isVerifier(handle)) return 'not verified'
  const error = handle.verifyError()
  if (error === null || error === undefined) return null
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

/** Closes the socket on a fault after the handshake, which Node would not report. */
export function closeOnFault(socket: TLSSocket): void {
  socket.on('_tlsError', (error: Error) => socket.destroy(error))
}

function isVerifier(value: unknown): value is Verifier {
  const named = typeof value === 'object' && value !== null && 'verifyError' in value
  return named && typeof value.verifyError === 'function'
}
