import { ClosedError, now, scope, yieldNow, type Op } from '../../lev/index.js'
import { instanceOf, messageOf } from '../../lev/internal.js'
import { handshake, NotTlsError, type Identities } from '../../tls/index.js'
import { idleGraceSeconds, lingerBytes, lingerSeconds, requestsAtOnce } from '../config/fixed-limits.js'
import type { Connection } from './connection.js'
import { rejections } from '../http1/rejection.js'
import { idleTimeout, processRequest } from '../request/process-request.js'
import { rejectionText } from '../response/send-response.js'
import { park } from './park.js'

/**
 * Serves one connection from its first byte to its end, and closes it on every path. Never throws: tasks spawned by a function
 * among the settings or by a logger live in this connection's scope, so that their failure ends it and not the server.
 */
function* serveConnection(connection: Connection): Op<void> {
  try {
    yield* scope((tasks) => {
      connection.tasks = tasks
      return serveRequests(connection)
    })
  } catch (error) {
    logFault(connection, error)
  } finally {
    connection.close()
  }
}

/** Serves a connection in a task of its own. Only `takeError` sees errors of cleanup when the server stops; no `catch` does. */
export function startServing(connection: Connection): void {
  connection.service.spawn?.(() => serveConnection(connection)).takeError((error) => {
    if (!instanceOf(error, ClosedError)) logFault(connection, error)
  })
}

function logFault({ logger, peer }: Connection, error: unknown): void {
  logger.error({ err: error, client_ip: peer.ip }, 'a connection failed')
}

function* serveRequests(connection: Connection): Op<void> {
  const { service, client } = connection
  try {
    if (connection.count === 1 && service.identities !== null && !(yield* shakeHands(connection, service.identities))) return
    for (;;) {
      const next = yield* processRequest(connection, connection.count)
      if (next === idleTimeout && client.readDeadline < connection.idleUntil) {
        if (park(connection, wake)) return
        continue
      }
      if (next[0] !== 'keep-alive') break
      if (connection.count++ % requestsAtOnce === 0) yield* yieldNow()
    }
    yield* client.linger(lingerSeconds, lingerBytes)
  } finally {
    // Tasks that still run do not keep it open.
    connection.close()
  }
}

/** Resumes a parked connection. */
function wake(connection: Connection, late: boolean): void {
  if (late) connection.service.spawn?.(() => endLate(connection))
  else startServing(connection)
}

/** Ends a connection on which no request arrived in time. */
function* endLate(connection: Connection): Op<void> {
  try {
    yield* connection.client.linger(lingerSeconds, lingerBytes)
  } finally {
    connection.close()
  }
}

/** Runs the TLS handshake. A failure is logged at debug level only, as the client's fault; plain HTTP gets a plain response. */
function* shakeHands(connection: Connection, identities: Identities): Op<boolean> {
  const { client, settings, service } = connection
  const deadline = now() + settings.tls_handshake_timeout
  try {
    // Idle until the client sends something: a server that stops, or is full, does not wait for it.
    client.readDeadline = service.draining ? now() + idleGraceSeconds : deadline
    connection.idle = true
    service.idle.add(connection)
    if (client.inputStart === client.inputEnd) yield* client.fill()
    connection.endIdle()
    client.readDeadline = deadline
    connection.peer.handshake = yield* handshake(client, service.identities ?? identities)
    client.readDeadline = Infinity
    return true
  } catch (error) {
    const reason = messageOf(error)
    connection.logger.debug({ client_ip: connection.peer.ip, reason }, 'TLS handshake failed')
    if (error instanceof NotTlsError) yield* refuseInTheClear(connection)
    return false
  } finally {
    connection.idle = false
  }
}

function* refuseInTheClear({ client }: Connection): Op<void> {
  client.put(rejectionText(rejections.notTls))
  yield* client.linger(lingerSeconds, lingerBytes)
}
