import { CancelledError, portal, type Op, type Task } from '../../lev/index.js'
import { instanceOf } from '../../lev/internal.js'
import type { Identities } from '../../tls/index.js'
import type { Settings } from '../config/settings.js'
import { ConnectionSet } from './connection-set.js'
import { HandshakeLimit } from './handshake-limit.js'
import type { Handler } from '../request/handler.js'
import { chooserOf, type RouteChooser } from '../request/route-choice.js'
import type { ServerLog } from '../log/logger.js'
import { Signal } from '../signal.js'
import { InflateBudget } from '../websocket/inflate-budget.js'

/** The state that all connections of one server share. */
export class Service {
  readonly handle: Handler
  /** Null: the handler does not consist of routes. */
  readonly chooser: RouteChooser | null
  readonly log: ServerLog
  /** Settings for new connections; open ones keep theirs. */
  settings: Settings
  /** Null: no TLS. */
  identities: Identities | null = null
  /** Told when a connection or a detached task has ended. */
  readonly #left = new Signal()
  readonly connections = new ConnectionSet(this.#left)
  /** Budget for inflating messages, shared by all WebSockets of the server. */
  readonly inflateBudget = new InflateBudget()
  /** Limit of the handshakes that each client begins. */
  readonly handshakes = new HandshakeLimit()
  /** Whether the server is stopping: every response is then the last of its connection. */
  draining = false
  /** Starts a task in the scope of `serve`; null: the server is not serving. */
  spawn: ((start: () => Op<void>) => Task<void>) | null = null
  /** Runs while the server serves; null: nothing does. */
  beside: (() => Op<void>) | null = null
  /** Detached tasks that are running. */
  #detached = 0

  constructor(settings: Settings, handle: Handler, log: ServerLog) {
    this.settings = settings
    this.handle = handle
    this.chooser = chooserOf(handle)
    this.log = log
  }

  /** Puts settings and identities into effect. */
  configure(settings: Settings, identities: Identities | null): void {
    this.settings = settings
    this.identities = identities
    this.log.configure(settings)
  }

  /** Whether `connection_limit` is reached. */
  get full(): boolean {
    return this.connections.size >= this.settings.connection_limit
  }

  /** Begins to stop: every connection is asked to end soon. */
  drain(): void {
    this.draining = true
    this.connections.drain()
  }

  /**
   * Runs `work` until it ends or, under `serve`, until the time that a stopping server waits is over.
   * @param failed called with an error of `work`
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

  /** Waits until no connection is open and no detached task runs. */
  *emptied(): Op<void> {
    while (this.connections.size > 0 || this.#detached > 0) yield* this.#left.wait()
  }
}
