import { now } from '../../lev/index.js'
import { overloadLogSeconds } from '../config/fixed-limits.js'
import type { Settings } from '../config/settings.js'
import type { Logger } from '../log/logger.js'
import { clientNetwork } from '../peer/client-network.js'
import { Networks } from '../peer/networks.js'
import type { Peer } from './peer.js'

/** Counts the connections of each client, for `connections_per_client`. It keeps nothing of a client that has none. */
export class ClientLimit {
  readonly #counts = new Map<string, number>()
  #rejected = 0
  #loggedAt = -Infinity

  /** Clients that have connections. */
  get size(): number {
    return this.#counts.size
  }

  /** Counts a connection, unless it is counted or its client is not known. False: its client has as many as it may have. */
  enter(peer: Peer, settings: Settings, logger: Logger): boolean {
    const limit = settings.connections_per_client
    const client = limit === null || peer.countedAs !== null ? null : clientOf(peer, settings)
    if (limit === null || client === null) return true
    const count = this.#counts.get(client) ?? 0
    if (count >= limit) {
      this.#rejected++
      this.#log(client, limit, logger)
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

  #log(client: string, limit: number, logger: Logger): void {
    if (now() - this.#loggedAt < overloadLogSeconds) return
    logger.warn({ refused: this.#rejected, client, connections_per_client: limit }, 'connections_per_client reached')
    this.#loggedAt = now()
    this.#rejected = 0
  }
}

/**
 * The client that a connection counts for; null: none. A proxy has the connections of many clients: of one that sends a PROXY header
 * it is the client that the header names, and one whose fields of requests name the clients is not counted.
 */
function clientOf({ ip, socket }: Peer, { client_ipv6_prefix, proxy_protocol, trusted_proxies }: Settings): string | null {
  const named = socket.proxyHeader?.source ?? null
  if (named === null && Networks.of(proxy_protocol).includes(socket.ip)) return null
  return ip === '' || Networks.of(trusted_proxies).includes(ip) ? null : clientNetwork(ip, client_ipv6_prefix)
}
