import { ClosedError, scope, yieldNow, type Op } from '../../lev/index.js'
import { instanceOf } from '../../lev/internal.js'
import { requestsAtOnce } from '../config/fixed-limits.js'
import type { Connection } from './connection.js'
import { idleTimeout, processRequest } from '../request/process-request.js'
import { park } from './park.js'
import { runPreface, type PrefaceStep } from './preface.js'

/**
 * Serves a connection in a task of its own, beginning with the steps of `preface`. Only `takeError` sees errors of cleanup when
 * the server stops; no `catch` does.
 */
export function startServing(connection: Connection, preface: readonly PrefaceStep[]): void {
  connection.service.spawn?.(() => serveConnection(connection, preface)).takeError((error) => {
    if (!instanceOf(error, ClosedError)) logFault(connection, error)
  })
}

/**
 * Serves one connection from its first byte to its end, and closes it on every path. Never throws: tasks spawned by a function
 * among the settings or by a logger live in this connection's scope, so that their failure ends it and not the server.
 */
function* serveConnection(connection: Connection, preface: readonly PrefaceStep[]): Op<void> {
  try {
    yield* scope((tasks) => {
      connection.tasks = tasks
      return serveRequests(connection, preface)
    })
  } catch (error) {
    logFault(connection, error)
  } finally {
    connection.close()
  }
}

function* serveRequests(connection: Connection, preface: readonly PrefaceStep[]): Op<void> {
  const { client } = connection
  try {
    if (preface.length > 0 && !(yield* runPreface(connection, preface))) return
    for (;;) {
      const next = yield* processRequest(connection, connection.count)
      // The wait for a request is over, but the connection's time is not: it has been idle for long enough to be parked.
      if (next === idleTimeout && client.readDeadline < connection.idleUntil) {
        if (park(connection, unpark)) return
        continue
      }
      if (next[0] !== 'keep-alive') break
      // A client with many pipelined requests must not hold up the others.
      if (connection.count++ % requestsAtOnce === 0) yield* yieldNow()
    }
    yield* connection.linger()
  } finally {
    // Before the scope ends: tasks that still run in it do not keep the connection open.
    connection.close()
  }
}

/** Continues a connection that was parked; `late`: no request arrived in time. */
function unpark(connection: Connection, late: boolean): void {
  if (late) connection.service.spawn?.(() => connection.linger())
  else startServing(connection, [])
}

function logFault({ logger, peer }: Connection, error: unknown): void {
  logger.error({ err: error, client_ip: peer.ip }, 'a connection failed')
}
