import { CancelledError, portal, type Op, type Task } from '../../lev/index.js'
import { instanceOf, IndexedSet, type Indexed } from '../../lev/internal.js'
import type { Identities } from '../../tls/index.js'
import type { Settings } from '../config/settings.js'
import type { Handler } from '../request/handler.js'
import { IdleList, type IdleMember } from './idle-list.js'
import type { ServerLog } from '../log/logger.js'
import { Signal } from '../signal.js'
import { InflateBudget } from '../websocket/inflate-budget.js'

/** What the server may tell a connection when it stops. */
export interface Drainable extends Indexed, IdleMember<Drainable> {
  /** Whether some of a response is on its way out, or some of a request has come. */
  readonly atWork: boolean
  /** Be done soon. */
  drain(): void
  /** Be done now. */
  close(): void
}

/** What all connections of one server share. */
export class Service {
  readonly handle: Handler
  readonly log: ServerLog
  /** Settings for new connections; open ones keep theirs. */
  settings: Settings
  /** Null: no TLS. */
  identities: Identities | null = null
  /** The connections that are open, those in their handshake and those being closed included. */
  readonly connections = new IndexedSet<Drainable>()
  /** Those of them that wait for a request, or have sent nothing yet. */
  readonly idle = new IdleList<Drainable>()
  /** What inflating may cost all of its WebSockets together. */
  readonly inflateBudget = new InflateBudget()
  /** Connections that were ever accepted. */
  accepted = 0
  /** Whether the server is stopping: every answer is then the last of its connection. */
  draining = false
  /** Runs what serves a connection, while the server serves; null: it does not. */
  spawn: ((start: () => Op<void>) => Task<void>) | null = null
  /** Tasks that have outlived their requests, or may. */
  #detached = 0
  readonly #left = new Signal()

  constructor(settings: Settings, handle: Handler, log: ServerLog) {
    this.settings = settings
    this.handle = handle
    this.log = log
  }

  /** Whether there are as many connections as there may be. */
  get full(): boolean {
    return this.connections.size >= this.settings.connection_limit
  }

  /** Closes the connection that has been idle the longest. False: all are at work. */
  closeOldestIdle(): boolean {
    let connection = this.idle.oldest
    while (connection?.atWork === true) connection = connection.newer
    connection?.close()
    return connection !== null
  }

  /** A connection is over. */
  leave(connection: Drainable): void {
    this.idle.delete(connection)
    this.connections.delete(connection)
    this.#left.tell()
  }

  /**
   * Runs `work` until it is done, or the server has waited long enough for it; elsewhere than under `serve`, until it is done.
   * @param failed is told what it throws
   */
  detach(work: Op<unknown>, failed: (error: unknown) => void): void {
    const counted = this.#counted(work)
    if (this.spawn === null) portal().run(() => counted).catch((error: unknown) => instanceOf(error, CancelledError) || failed(error))
    else this.spawn(() => counted).takeError(failed)
  }

  *#counted(work: Op<unknown>): Op<void> {
    this.#detached++
    try {
      yield* work
    } finally {
      this.#detached--
      this.#left.tell()
    }
  }

  /** Waits until no connection is open, and no detached task runs. */
  *emptied(): Op<void> {
    while (this.connections.size > 0 || this.#detached > 0) yield* this.#left.wait()
  }
}
