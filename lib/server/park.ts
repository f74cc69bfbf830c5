import { now } from '../../lev/index.js'
import { park as parkStream, type ParkedConnection } from '../../lev/internal.js'
import { idleGraceSeconds } from '../config/fixed-limits.js'
import { Connection } from './connection.js'
import type { OpenConnection } from './connection-set.js'
import type { Peer } from './peer.js'
import type { Service } from './service.js'

/**
 * Parks an idle connection: keeps only the system's stream, its peer, and a deadline, which take a third of
 * the memory. False: part of the connection is in use.
 *
 * @param wake called with a new connection in its place when something happens; `late`: its deadline has passed
 */
export function park(connection: Connection, wake: (connection: Connection, late: boolean) => void): boolean {
  if (!connection.mayPark) return false
  const { service, client, peer, settings, count, idleUntil } = connection
  const parked = new ParkedMember(service, peer)
  const held = parkStream(client, idleUntil, (stream, late) => {
    const awake = new Connection(service, stream, peer, null, { settings, count, idleUntil })
    // It counts as idle until its input is read.
    service.connections.replace(parked, awake)
    wake(awake, late)
  })
  if (held === null) return false
  parked.held = held
  service.connections.replace(connection, parked)
  return true
}

/** A parked connection among the server's connections. */
class ParkedMember implements OpenConnection {
  index = -1
  older: OpenConnection | null = null
  newer: OpenConnection | null = null
  readonly atWork = false
  held: ParkedConnection | null = null
  readonly peer: Peer
  readonly #service: Service

  constructor(service: Service, peer: Peer) {
    this.#service = service
    this.peer = peer
  }

  drain(): void {
    this.held?.hurry(now() + idleGraceSeconds)
  }

  close(): void {
    this.held?.close()
    this.#service.connections.delete(this)
  }
}
