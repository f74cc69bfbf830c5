import { now } from '../../lev/index.js'
import { rest, type Resting } from '../../lev/internal.js'
import { idleGraceSeconds } from '../config/fixed-limits.js'
import { Connection } from './connection.js'
import type { Drainable, Service } from './service.js'

/**
 * Puts an idle connection to rest: all that it has is thrown away but the system's stream, what is known of the client, and
 * a deadline. So one that is idle for long needs a third of the memory. False: something of it is in use.
 *
 * @param wake called with a connection in its place when something happens; `late`: since its time is over
 */
export function park(connection: Connection, wake: (connection: Connection, late: boolean) => void): boolean {
  if (!connection.mayPark) return false
  const { service, client, client_ip, settings, handshake, count, idleUntil } = connection
  const parked = new ParkedMember(service)
  const resting = rest(client, idleUntil, (stream, late) => {
    const awake = new Connection(service, stream, client_ip, null, { settings, handshake, count, idleUntil })
    service.connections.add(awake)
    service.connections.delete(parked)
    // Until it is seen what has come.
    service.idle.replace(parked, awake)
    wake(awake, late)
  })
  if (resting === null) return false
  parked.resting = resting
  service.connections.add(parked)
  service.idle.replace(connection, parked)
  return true
}

/** A connection at rest, as the server sees it. */
class ParkedMember implements Drainable {
  place = -1
  older: Drainable | null = null
  newer: Drainable | null = null
  readonly atWork = false
  resting: Resting | null = null
  readonly #service: Service

  constructor(service: Service) {
    this.#service = service
  }

  drain(): void {
    this.resting?.hurry(now() + idleGraceSeconds)
  }

  close(): void {
    this.resting?.close()
    this.#service.leave(this)
  }
}
