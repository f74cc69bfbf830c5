import { now } from '../../lev/index.js'
import type { Settings } from '../config/settings.js'
import { rejections } from '../http1/rejection.js'
import { Budgets } from '../limits/budgets.js'
import type { Logger } from '../log/logger.js'
import { tellRejection } from '../observe/tell-rejection.js'
import { OverloadLog } from './overload-log.js'
import type { Peer } from './peer.js'

/** Clients that have budgets of their own at once: 6 MB, if there are that many. */
const mostClients = 100_000

/** Limits the TLS handshakes that each client begins, for `handshakes_per_client`. */
export class HandshakeLimit {
  #limit = 0
  #budgets: Budgets | null = null
  readonly #log = new OverloadLog('handshakes_per_client', 'refused')

  /**
   * Counts a handshake whose first bytes have arrived, unless its client is not known. False: its client has begun too many.
   * @param settings those of now, not of the connection: a table is for one limit
   */
  begin(peer: Peer, settings: Settings, logger: Logger): boolean {
    const limit = settings.handshakes_per_client
    const client = limit === null ? null : peer.countedClient(settings)
    if (limit === null || client === null) return true
    if (this.#budgets === null || limit !== this.#limit) this.#budgets = new Budgets({ rate: limit, per: 1, burst: limit }, mostClients)
    this.#limit = limit
    if (this.#budgets.take(client, 1, now()) === 0) return true
    this.#log.count('refused', limit, logger, { client })
    tellRejection(peer, { status: null, reason: rejections.tooManyHandshakes.reason })
    return false
  }
}
