import { ClosedError, now, type Op, type Stream } from '../../lev/index.js'
import { catchUp } from '../../lev/internal.js'
import { lingerBytes, overloadLogSeconds, overloadToldAtOnce, overloadToldSeconds } from '../config/fixed-limits.js'
import { rejections } from '../http1/rejection.js'
import { rejectionText } from '../response/send-response.js'
import type { Service } from './service.js'

/** Has idle connections make room for those over `connection_limit`, and turns away the others. */
export class OverloadGuard {
  readonly #service: Service
  #telling = 0
  #rejected = 0
  #closed = 0
  #loggedAt = -Infinity

  constructor(service: Service) {
    this.#service = service
  }

  /**
   * Makes room for `client`: closes the connection that has been idle the longest, never one at work. False: all are. Requests
   * that have arrived are read before, since their connections are idle no more.
   */
  *makeRoom(client: Stream): Op<boolean> {
    const service = this.#service
    if (service.idle.oldest === null) return false
    let decided = false
    try {
      yield* catchUp()
      decided = true
    } finally {
      if (!decided) client.close()
    }
    if (!service.full) return true
    if (!service.closeOldestIdle()) return false
    this.#closed++
    this.#log()
    return true
  }

  /** Answers 503 and closes. Over TLS there is nobody to tell: closes before the handshake. */
  *reject(client: Stream): Op<void> {
    this.#rejected++
    this.#log()
    if (this.#service.identities !== null || this.#telling >= overloadToldAtOnce) return client.reset()
    this.#telling++
    try {
      client.stallTimeout = overloadToldSeconds
      client.put(rejectionText(rejections.tooManyConnections))
      yield* client.linger(overloadToldSeconds, lingerBytes)
    } catch (error) {
      // Gone before it was told. Here as anywhere, a client's leaving must not end the task: the server would go with it.
      if (!(error instanceof ClosedError)) throw error
    } finally {
      this.#telling--
      client.close()
    }
  }

  #log(): void {
    if (now() - this.#loggedAt < overloadLogSeconds) return
    const { settings, log } = this.#service
    const counts = { refused: this.#rejected, idle_closed: this.#closed }
    log.logger.warn({ ...counts, connection_limit: settings.connection_limit }, 'connection_limit reached')
    this.#loggedAt = now()
    this.#rejected = 0
    this.#closed = 0
  }
}
