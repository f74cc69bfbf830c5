import { HandshakeError, wallClock, type Awaitable, type Op, type SecureFacts, type Stream } from '../lev/index.js'
import { made, makesAwaitable } from '../lev/internal.js'
import { readClientHello } from './client-hello.js'
import { tlsFacts, type TlsFacts } from './facts.js'
import { normalHostName } from './host-name.js'
import type { Identities, Identity } from './sni.js'

/** The bytes on a connection are not TLS. None were consumed, so the server can still respond in plain text. */
export class NotTlsError extends HandshakeError {}

/** The outcome of a handshake. */
export interface Handshake {
  /** The results of the handshake. */
  readonly facts: TlsFacts
  /** The identity that was used; the connection keeps it when the server's identities are replaced. */
  readonly identity: Identity
}

/**
 * Performs the server side of a TLS handshake; afterwards the stream is encrypted. The identity is chosen by the server
 * name before the handshake starts, because Node selects another host's certificate too late for some mixes of RSA and
 * ECDSA. The caller sets `stream.readDeadline` before, and closes the stream after any error.
 *
 * @throws NotTlsError; HandshakeError; TimeoutError past the deadline; ClosedError
 */
export function handshake(stream: Stream, identities: Identities, alpn: readonly string[] = ['http/1.1']): Awaitable<Handshake> {
  return made(shakingHands(stream, identities, alpn))
}

function* shakingHands(stream: Stream, identities: Identities, alpn: readonly string[]): Op<Handshake> {
  const serverName = yield* readServerName(stream)
  const identity = identities.choose(serverName)
  const { clientCertificate } = identity
  const context = identity.contextAt(wallClock())
  const secure = yield* stream.secure({ side: 'server', context, alpn, clientCertificate })
  if (!sameName(secure, serverName)) throw new HandshakeError('the server name changed during the handshake')
  return { facts: tlsFacts(secure, serverName, identity), identity }
}

makesAwaitable(shakingHands)

/** The hello is parsed twice, here and by the TLS library. A client for which the results differ is rejected. */
function sameName({ serverName, resumed, protocol }: SecureFacts, read: string | null): boolean {
  // For a resumed TLS 1.2 session the library does not report the name that the client asked for.
  if (serverName === null && resumed && protocol === 'TLSv1.2') return true
  return (serverName === null ? null : normalHostName(serverName)) === read
}

/** Waits for a complete hello and does not consume it: the handshake reads it again. */
function* readServerName(stream: Stream): Op<string | null> {
  for (let wanted = 1; ; ) {
    while (stream.inputEnd - stream.inputStart < wanted) {
      if (!(yield* stream.fill())) throw new HandshakeError('the peer left before the handshake')
    }
    const hello = readClientHello(stream.input.subarray(stream.inputStart, stream.inputEnd))
    if (hello.state === 'hello') return hello.serverName
    if (hello.state === 'not-tls') throw new NotTlsError('the bytes of the peer are not TLS')
    if (hello.state === 'malformed') throw new HandshakeError(`its first message is malformed: ${hello.reason}`)
    wanted = hello.atLeast
  }
}
