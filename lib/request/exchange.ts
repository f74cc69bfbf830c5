import type { Scope } from '../../lev/index.js'
import { sameContext, type Snapshot } from '../../lev/internal.js'
import { clientGone } from '../log/access-log.js'
import type { Outcome } from '../observe/events.js'
import { RequestRecord } from '../observe/request-record.js'
import type { BodySource, Recipient } from './body-source.js'
import type { Connection } from '../server/connection.js'
import { Context } from './context.js'
import type { FieldBlock } from '../http1/headers.js'
import type { Persistence } from '../http1/response.js'
import { NO_HEAD, type RequestHead } from '../http1/request-head.js'
import { StatusReader } from '../http1/status-reader.js'
import { RequestState, transitions } from './states.js'

/** The fate of a connection after a request: `[connection_state, err]`, as in Lilush. */
export type NextAction = readonly [connection_state: 'keep-alive' | 'close' | null, err: string | null]

const kept: NextAction = ['keep-alive', null]
const closing: NextAction = ['close', null]

const neverAborts = new AbortController().signal

/** One request and its response, from the first byte to the log line. */
export class Exchange extends RequestState implements Persistence, Recipient {
  readonly connection: Connection
  /** Number of the request on its connection, from 1. */
  readonly count: number
  /** Valid from the state `body` on. */
  head: RequestHead = NO_HEAD
  /** Whether the connection stays open after the response. */
  keepAlive = false
  /** The content, if the handler reads it from the connection. */
  source: BodySource | null = null
  trailers: FieldBlock | null = null
  /** Scope of the tasks that the handler has spawned, until it is awaited; null: none. */
  spawned: Scope | null = null
  /** The async context at the end of the handler; its streaming content runs in it. */
  context: Snapshot = sameContext
  /** Whether the handler gets the content without its content-coding. */
  decoded = false
  #ctx: Context | null = null
  #record: RequestRecord | null = null
  #putBefore = 0
  #output: StatusReader | null = null
  /** Passes the output to `#output`. */
  #watch: ((data: Buffer | string) => void) | null = null

  constructor(connection: Connection, count: number) {
    super()
    this.connection = connection
    this.count = count
  }

  get minorVersion(): 0 | 1 {
    return this.head.minorVersion
  }

  get idleTimeout(): number {
    return this.connection.settings.keepalive_idle_timeout
  }

  /** Whether the client disconnected, or the server stopped waiting, before the response was finished. */
  get isGone(): boolean {
    return this.#ctx !== null && Context.isGone(this.#ctx)
  }

  /** Aborts when the server begins to stop; valid from the call of the handler on. */
  get draining(): AbortSignal {
    return this.#ctx?.draining ?? neverAborts
  }

  /** Bytes that the handler itself has written to the connection. */
  get written(): number {
    return this.connection.client.bytesPut - this.#putBefore
  }

  /** Status of the response that the handler itself has written to the connection; undefined if it cannot be read. */
  get writtenStatus(): number | undefined {
    return this.#output?.status
  }

  watchOutput(): void {
    if (this.#output !== null || this.isDone) return
    const { client } = this.connection
    const output = this.#output = new StatusReader()
    const watch = this.#watch = (data: Buffer | string): void => {
      if (!output.read(data)) client.onPut.detach(watch)
    }
    client.onPut.attach(watch)
  }

  /** Records the complete head. */
  begin(head: RequestHead): RequestHead {
    this.head = head
    this.advance(transitions.headRead)
    this.#putBefore = this.connection.client.bytesPut
    this.#record = RequestRecord.begin(this)
    return head
  }

  /** Called just before the handler. */
  beginAnswer(ctx: Context): void {
    this.#ctx = ctx
    this.advance(transitions.handlerCalled)
  }

  putInterim(text: string): boolean {
    // After the head of a response it would be read as content, also if the handler has written that head itself.
    if (this.minorVersion === 0 || !this.mayPutInterim || this.written > 0) return false
    this.connection.client.put(text)
    this.#putBefore += text.length
    return true
  }

  /** Called when the server begins to stop. */
  drain(): void {
    if (this.#ctx !== null) Context.drain(this.#ctx)
  }

  /** Aborts the handler's signal: no client waits for the response any more. */
  abort(why: string): void {
    if (this.#ctx !== null) Context.abort(this.#ctx, why)
  }

  /** Whether the request and the server allow the connection to stay open. */
  mayKeepAlive(): boolean {
    const { settings, service } = this.connection
    return this.head.keepAlive && this.count < settings.requests_per_connection && !service.draining && this.source?.unusable !== true
  }

  /** Ends the exchange: logs it and tells observers. Returns `next`, for callers to return in turn. */
  finish(status: number | undefined, size: number, next: NextAction, outcome: Outcome = 'complete'): NextAction {
    this.advance(transitions.responseEnded)
    return this.#end(status, size, next, outcome)
  }

  #end(status: number | undefined, size: number, next: NextAction, outcome: Outcome): NextAction {
    if (this.#output !== null) this.connection.client.onPut.detach(this.#watch)
    const record = this.#record ?? RequestRecord.late(this)
    record?.end(this.connection, outcome, next[1], status, size)
    return next
  }

  /** Ends the exchange after a whole response; the connection stays open if `keepAlive` allows it. */
  complete(status: number | undefined, size: number, outcome?: Outcome): NextAction {
    return this.finish(status, size, this.keepAlive ? kept : closing, outcome)
  }

  /** Ends the exchange without a client to respond to. Logs it if its head was read; does nothing when it is done. */
  abandon(next: NextAction, size = 0, outcome: Outcome = 'client gone'): NextAction {
    if (this.isDone) return next
    const { isLogged } = this
    this.advance(transitions.abandoned)
    return isLogged ? this.#end(clientGone, size, next, outcome) : next
  }
}
