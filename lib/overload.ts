import { ClosedError, now, type Op, type Stream } from '../lev/index.js'
import { lingerBytes } from './keep-alive.js'
import { refusalText } from './respond.js'
import type { Service } from './service.js'

/** Seconds between two log lines about connections over the limit. */
const logEvery = 1

/** Seconds that a refused client is given to read why. */
const patience = 1

/** Clients being told at the same time that there is no room; more than these are cut without a word. */
const toldAtOnce = 64

/** Turns away the connections over `connection_limit`. */
export class Doorkeeper {
  readonly #service: Service
  #telling = 0
  #refused = 0
  #loggedAt = -Infinity

  constructor(service: Service) {
    this.#service = service
  }

  /** Answers 503 and closes. Over TLS there is nobody to tell: closes before the handshake. */
  *refuse(client: Stream): Op<void> {
    this.#log()
    if (this.#service.identities !== null || this.#telling >= toldAtOnce) return client.reset()
    this.#telling++
    try {
      client.stallTimeout = patience
      client.put(refusalText({ status: 503, reason: 'too many connections' }))
      yield* client.linger(patience, lingerBytes)
    } catch (error) {
      // Gone before it was told. Here as anywhere, a client's leaving must not end the task: the server would go with it.
      if (!(error instanceof ClosedError)) throw error
    } finally {
      this.#telling--
      client.close()
    }
  }

  #log(): void {
    this.#refused++
    if (now() - this.#loggedAt < logEvery) return
    const { settings, log } = this.#service
    log.logger.warn({ refused: this.#refused, connection_limit: settings.connection_limit }, 'connection_limit reached')
    this.#loggedAt = now()
    this.#refused = 0
  }
}
