import { now, type Op } from '../../lev/index.js'
import { messageOf } from '../../lev/internal.js'
import { handshake, NotTlsError, type Identities } from '../../tls/index.js'
import type { Connection } from './connection.js'
import { rejections } from '../http1/rejection.js'
import { handshakeFailed } from '../observe/events.js'
import { rejectEarly } from './reject-early.js'

/**
 * Runs the TLS handshake: a step of the preface. Before any work of TLS, a client that has begun too many is cut off. A failure is
 * logged at debug level only, as the client's fault; plain HTTP gets a plain response.
 * @param identities used if the server has no others by the time the client begins
 */
export function* tlsStep(connection: Connection, identities: Identities): Op<boolean> {
  const { client, peer, service, settings } = connection
  try {
    yield* connection.waitForInput(now() + settings.tls_handshake_timeout)
    if (!service.handshakes.begin(peer, service.settings, connection.logger)) {
      client.reset()
      return false
    }
    peer.handshake = yield* handshake(client, service.identities ?? identities)
    return true
  } catch (error) {
    const reason = messageOf(error)
    connection.logger.debug({ client_ip: peer.ip, reason }, 'TLS handshake failed')
    if (handshakeFailed.hasSubscribers) handshakeFailed.publish({ connection: peer.connection, client_ip: peer.ip, reason })
    if (error instanceof NotTlsError && client.isOpen) yield* rejectEarly(connection, rejections.notTls)
    return false
  }
}
