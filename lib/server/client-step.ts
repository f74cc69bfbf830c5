import { ClosedError, type Op } from '../../lev/index.js'
import { rejections } from '../http1/rejection.js'
import { tellRejection } from '../observe/tell-rejection.js'
import { noRequest } from '../response/response-writer.js'
import { writeRejection } from '../response/send-response.js'
import type { Connection } from './connection.js'

/**
 * Counts a connection for the client that its PROXY header names: a step of the preface.
 * @param isPlain whether no TLS follows, so that the client can read a response
 */
export function* clientStep(connection: Connection, isPlain: boolean): Op<boolean> {
  const { client, logger, peer, service, settings } = connection
  if (service.connections.clients.enter(peer, settings, logger)) return true
  const { status, reason } = rejections.tooManyOfClient
  tellRejection(peer, { status: isPlain ? status : null, reason })
  if (!isPlain) {
    client.reset()
    return false
  }
  try {
    writeRejection(connection.writer, noRequest, rejections.tooManyOfClient)
    yield* connection.linger()
  } catch (error) {
    if (!(error instanceof ClosedError)) throw error
  }
  return false
}
