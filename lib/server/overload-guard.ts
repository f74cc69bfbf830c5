import { ClosedError, type Op, type Stream } from '../../lev/index.js'
import { catchUp } from '../../lev/internal.js'
import { lingerBytes, overloadToldAtOnce, overloadToldSeconds } from '../config/fixed-limits.js'
import { rejections, type Rejection } from '../http1/rejection.js'
import { tellRejection } from '../observe/tell-rejection.js'
import { Http1Writer } from '../response/http1-writer.js'
import { noRequest } from '../response/response-writer.js'
import { writeRejection } from '../response/send-response.js'
import { OverloadLog } from './overload-log.js'
import { anyPlace, type Place } from './place.js'
import type { Service } from './service.js'

/** Closes idle connections in favour of new ones over `connection_limit`, and rejects new ones if there is none to close. */
export class OverloadGuard {
  readonly #service: Service
  readonly #place: Place
  readonly #log = new OverloadLog('connection_limit', 'refused', 'idle_closed')
  #telling = 0

  /** @param place where the connections arrive */
  constructor(service: Service, place = anyPlace) {
    this.#service = service
    this.#place = place
  }

  /**
   * Makes room for `client` by closing the connection that has been idle the longest, never a busy one. False: all are busy.
   * Requests that have arrived are read first, since their connections are no longer idle.
   */
  *makeRoom(client: Stream): Op<boolean> {
    const service = this.#service
    if (!service.connections.hasIdle) return false
    let decided = false
    try {
      yield* catchUp()
      decided = true
    } finally {
      if (!decided) client.close()
    }
    if (!service.full) return true
    if (!service.connections.closeOldestIdle()) return false
    this.#count('idle_closed')
    return true
  }

  /** Rejects a connection that there is no room for. */
  *reject(client: Stream): Op<void> {
    this.#count('refused')
    yield* this.turnAway(client, rejections.tooManyConnections)
  }

  /** Responds with 503 and closes. With TLS it closes without a response, since that would take a handshake. */
  *turnAway(client: Stream, rejection: Rejection): Op<void> {
    const told = (this.#service.identities === null || this.#place.isPlain) && this.#telling < overloadToldAtOnce
    const { status, reason } = rejection
    tellRejection({ connection: null, ip: client.remote.ip }, { status: told ? status : null, reason })
    if (!told) return client.reset()
    this.#telling++
    try {
      client.stallTimeout = overloadToldSeconds
      writeRejection(new Http1Writer(client), noRequest, rejection)
      yield* client.linger(overloadToldSeconds, lingerBytes)
    } catch (error) {
      // The client disconnected before the response was sent: not an error of this task, which would end the server.
      if (!(error instanceof ClosedError)) throw error
    } finally {
      this.#telling--
      client.close()
    }
  }

  #count(happening: 'refused' | 'idle_closed'): void {
    const { settings, log } = this.#service
    this.#log.count(happening, settings.connection_limit, log.logger)
  }
}
