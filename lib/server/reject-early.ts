import type { Op } from '../../lev/index.js'
import type { Rejection } from '../http1/rejection.js'
import { tellRejection } from '../observe/tell-rejection.js'
import { noRequest } from '../response/response-writer.js'
import { writeRejection } from '../response/send-response.js'
import type { Connection } from './connection.js'

/** Rejects a connection before its first request, in plain HTTP, if it is still open. @throws ClosedError if it ends meanwhile */
export function* rejectEarly(connection: Connection, rejection: Rejection): Op<void> {
  tellRejection(connection.peer, rejection)
  if (!connection.client.isOpen) return
  writeRejection(connection.writer, noRequest, rejection)
  yield* connection.linger()
}
