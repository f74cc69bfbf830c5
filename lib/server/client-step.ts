import { ClosedError, type Op } from '../../lev/index.js'
import { rejections } from '../http1/rejection.js'
import { tellRejection } from '../observe/tell-rejection.js'
import { rejectEarly } from './reject-early.js'
import type { Connection } from './connection.js'

/**
 * Counts a connection for the client that its PROXY header names: a step of the preface.
 * @param isPlain whether no TLS follows, so that the client can read a response
 */
export function* clientStep(connection: Connection, isPlain: boolean): Op<boolean> {
  const { client, logger, peer, service, settings } = connection
  if (service.connections.clients.enter(peer, settings, logger)) return true
  if (!isPlain) {
    tellRejection(peer, { status: null, reason: rejections.tooManyOfClient.reason })
    client.reset()
    return false
  }
  try {
    yield* rejectEarly(connection, rejections.tooManyOfClient)
  } catch (error) {
    if (!(error instanceof ClosedError)) throw error
  }
  return false
}
