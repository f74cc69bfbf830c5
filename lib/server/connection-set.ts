import { IndexedSet, type Indexed } from '../../lev/internal.js'
import { IdleList, type IdleMember } from './idle-list.js'
import { ClientLimit } from './client-limit.js'
import { ConnectionRecord } from '../observe/connection-record.js'
import type { Peer } from './peer.js'
import type { Signal } from '../signal.js'

/** A connection, parked or not, as the set of connections sees it. */
export interface OpenConnection extends Indexed, IdleMember<OpenConnection> {
  readonly peer: Peer
  /** Whether part of a response is still to be sent, or part of a request has arrived. */
  readonly atWork: boolean
  /** Asks the connection to end soon. */
  drain(): void
  /** Ends the connection now. */
  close(): void
}

/**
 * The open connections of a server, also during their handshake and while they are being closed. Those that wait for a request
 * or for their handshake are idle; they are kept in the order in which they became it.
 */
export class ConnectionSet {
  readonly #all = new IndexedSet<OpenConnection>()
  readonly #idle = new IdleList<OpenConnection>()
  readonly #left: Signal
  /** How many of them each client has. */
  readonly clients = new ClientLimit()

  /** @param left told when a connection has left */
  constructor(left: Signal) {
    this.#left = left
  }

  get size(): number {
    return this.#all.size
  }

  get hasIdle(): boolean {
    return this.#idle.oldest !== null
  }

  add(connection: OpenConnection): void {
    this.#all.add(connection)
    connection.peer.record = ConnectionRecord.open(connection.peer)
  }

  /** Puts `successor` in the place of `connection`; it is idle for as long as that was. */
  replace(connection: OpenConnection, successor: OpenConnection): void {
    this.#all.add(successor)
    this.#all.delete(connection)
    this.#idle.replace(connection, successor)
  }

  /** Removes a closed connection. Harmless when repeated. */
  delete(connection: OpenConnection): void {
    // One that was replaced has left its peer to the successor.
    if (connection.index >= 0) {
      connection.peer.record?.close()
      this.clients.leave(connection.peer)
    }
    this.#idle.delete(connection)
    this.#all.delete(connection)
    this.#left.tell()
  }

  /** Marks a connection as idle. The stream of a caller of `process_request` is not in the set, and stays out. */
  beginIdle(connection: OpenConnection): void {
    if (connection.index >= 0) this.#idle.add(connection)
  }

  endIdle(connection: OpenConnection): void {
    this.#idle.delete(connection)
  }

  /** Closes the connection that has been idle the longest. False: all are busy. */
  closeOldestIdle(): boolean {
    let connection = this.#idle.oldest
    while (connection?.atWork === true) connection = connection.newer
    connection?.close()
    return connection !== null
  }

  /** Asks all connections to end soon. */
  drain(): void {
    for (const connection of this.#all) connection.drain()
  }

  /** Closes all connections. */
  close(): void {
    for (const connection of this.#all) connection.close()
  }
}
