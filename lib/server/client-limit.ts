import type { Settings } from '../config/settings.js'
import type { Logger } from '../log/logger.js'
import { OverloadLog } from './overload-log.js'
import type { Peer } from './peer.js'

/** Counts the connections of each client, for `connections_per_client`. It keeps nothing of a client that has none. */
export class ClientLimit {
  readonly #counts = new Map<string, number>()
  readonly #log = new OverloadLog('connections_per_client', 'refused')

  /** Clients that have connections. */
  get size(): number {
    return this.#counts.size
  }

  /** Counts a connection, unless it is counted or its client is not known. False: its client has as many as it may have. */
  enter(peer: Peer, settings: Settings, logger: Logger): boolean {
    const limit = settings.connections_per_client
    const client = limit === null || peer.countedAs !== null ? null : peer.countedClient(settings)
    if (limit === null || client === null) return true
    const count = this.#counts.get(client) ?? 0
    if (count >= limit) {
      this.#log.count('refused', limit, logger, { client })
      return false
    }
    this.#counts.set(client, count + 1)
    peer.countedAs = client
    return true
  }

  /** A connection that may have been counted has ended. Harmless when repeated. */
  leave(peer: Peer): void {
    if (peer.countedAs === null) return
    const count = this.#counts.get(peer.countedAs) ?? 0
    if (count > 1) this.#counts.set(peer.countedAs, count - 1)
    else this.#counts.delete(peer.countedAs)
    peer.countedAs = null
  }
}
