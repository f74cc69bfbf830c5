import { ClosedError, inCoroutine, scope, spawn, type Op } from '../../lev/index.js'
import { promiseOf, sameContext, Scope, type Snapshot } from '../../lev/internal.js'
import { hstsHeaders } from '../config/hsts.js'
import type { CheckedLimits } from '../config/limits.js'
import { clientGone } from '../log/access-log.js'
import type { Logger } from '../log/logger.js'
import type { Outcome } from '../observe/events.js'
import { RequestRecord } from '../observe/request-record.js'
import type { Connection } from '../server/connection.js'
import type { Peer } from '../server/peer.js'
import type { ContextRequest } from './context.js'
import type { RouteChooser } from './route-choice.js'
import type { FieldBlock } from '../http1/headers.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import { rejections } from '../http1/rejection.js'
import type { InterimStatus } from '../http1/write-head.js'
import { NO_HEAD, type RequestHead } from '../http1/request-head.js'
import { StatusReader } from '../http1/status-reader.js'
import type { RespondedRequest, ResponseWriter } from '../response/response-writer.js'
import { RequestState, transitions } from './states.js'

/** The fate of a connection after a request: `[connection_state, err]`, as in Lilush. */
export type NextAction = readonly [connection_state: 'keep-alive' | 'close' | null, err: string | null]

/** Whether a response has to be waited for: `isPending(sent) ? yield* sent : sent`. Without a generator for those that have not. */
export function isPending(sent: NextAction | Op<NextAction>): sent is Op<NextAction> {
  return 'next' in sent
}

/** After a client that is gone. */
export const closed: NextAction = [null, 'closed']
const kept: NextAction = ['keep-alive', null]
/** After a response that is the last of its connection. */
export const closing: NextAction = ['close', null]

/** A request's body that its handler reads from the connection. */
export interface OpenBody {
  /** Whether a read is waiting for more input. */
  readonly waiting: boolean
  /** Whether part of the content has not arrived; chunked content counts as incomplete until its end is read. */
  readonly incomplete: boolean
  /**
   * Whether no other request can follow: the body is malformed, or the client was never sent the 100 (Continue) that it waits
   * for, so that its next bytes may be this body or another request.
   */
  readonly unusable: boolean
  /** Ends reading: later reads fail, and the bytes left must not be taken for another request. */
  close(): void
}

/** One request and its response, from the first byte to the log line. */
export class Exchange extends RequestState implements RespondedRequest, ContextRequest {
  readonly connection: Connection
  /** Number of the request on its connection, from 1. */
  readonly count: number
  /** Valid from the state `body` on. */
  head: RequestHead = NO_HEAD
  /** Whether the connection stays open after the response. */
  keepAlive = false
  /** Null: the handler gets the body whole, or there is none. */
  body: OpenBody | null = null
  /** Bytes of content that were read from the connection. */
  received = 0
  trailers: FieldBlock | null = null
  /** Scope of the tasks that the handler has spawned, until it is awaited; null: none. */
  spawned: Scope | null = null
  /** Owns the tasks of `run` while the handler is awaited; null: none yet. */
  tasks: Scope | null = null
  /** The async context at the end of the handler; its streaming content runs in it. */
  context: Snapshot = sameContext
  /** The pattern of the request's route, as far as it is known. */
  route: string | null = null
  /** The limits of its route; null: those of the settings. */
  limits: CheckedLimits | null = null
  /** Whether the handler gets the content without its content-coding. */
  decoded = false
  /** Null: the connection's peer. */
  #sender: Peer | null = null
  #record: RequestRecord | null = null
  /** Fields of each further line of the log about the request; null: none. */
  #logFields: object | null = null
  /** The logger that adds them, made when it is first needed. */
  #logger: Logger | null = null
  #gone: string | null = null
  /** Why the handler's signal is aborted. */
  #aborted: string | null = null
  /** When the handler must have returned, in `now()` seconds; null when it has, and if there is no limit. */
  handlerDeadline: number | null = null
  /** Whether that time has passed before the handler returned. */
  timedOut = false
  #signal: AbortController | null = null
  #draining: AbortController | null = null
  #putBefore = 0
  #output: StatusReader | null = null
  /** Passes the output to `#output`. */
  #watch: ((data: Buffer | string) => void) | null = null

  constructor(connection: Connection, count: number) {
    super()
    this.connection = connection
    this.count = count
  }

  get writer(): ResponseWriter {
    return this.connection.writer
  }

  /** The server's logger, with the fields that were added for this request. */
  get logger(): Logger {
    if (this.#logFields === null) return this.connection.logger
    return (this.#logger ??= this.connection.logger.child(this.#logFields))
  }

  addLogFields(fields: object): void {
    // Most requests log nothing, and a child costs microseconds.
    this.#logFields = { ...this.#logFields, ...fields }
    this.#logger = null
  }

  get method(): string {
    return this.head.method
  }

  /** Who sent the request. */
  get peer(): Peer {
    return this.#sender ?? this.connection.peer
  }

  get hsts(): ResponseHeaders | null {
    const { hsts } = this.connection.settings
    return hsts === null || this.peer.scheme === 'http' ? null : hstsHeaders(hsts)
  }

  get minorVersion(): 0 | 1 {
    return this.head.minorVersion
  }

  get idleTimeout(): number {
    return this.connection.settings.keepalive_idle_timeout
  }

  /** Why no client waits for the response any more: it has disconnected, or the server stopped waiting. Null: one waits. */
  get gone(): string | null {
    return this.timedOut ? null : this.#gone
  }

  /** Whether nothing waits for the handler any more. A client that has left an uninterruptible handler does not end it. */
  get isOver(): boolean {
    return this.#aborted !== null
  }

  /** Whether there is a client to respond to. */
  get mayRespond(): boolean {
    return this.gone === null && this.connection.client.isOpen
  }

  /** Aborts when the client is gone, and when the handler has taken too long. */
  get signal(): AbortSignal {
    if (this.#signal === null) {
      this.#signal = new AbortController()
      if (this.#aborted !== null) this.#signal.abort(new DOMException(this.#aborted, 'AbortError'))
    }
    return this.#signal.signal
  }

  /** Aborts when the server begins to stop. */
  get draining(): AbortSignal {
    if (this.#draining === null) {
      const controller = this.#draining = new AbortController()
      this.connection.whenDraining(() => controller.abort(new DOMException('the server stops', 'AbortError')))
    }
    return this.#draining.signal
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
    const { client, peer, settings } = this.connection
    if (settings.trusted_proxies.length > 0) this.#sender = peer.sender(head, settings)
    this.#putBefore = client.bytesPut
    this.#record = RequestRecord.begin(this)
    return head
  }

  /** Finds the route, and its limits. */
  choose(chooser: RouteChooser): void {
    const choice = chooser.choose(this.head.method, this.head.query)
    if (choice === null) return
    this.route = choice.route
    this.limits = choice.limits
  }

  putInterim(status: InterimStatus, headers: ResponseHeaders): boolean {
    // After the head of a response it would be read as content, also if the handler has written that head itself.
    if (!this.mayPutInterim || this.written > 0) return false
    const sent = this.writer.interim(this, status, headers)
    this.#putBefore = this.connection.client.bytesPut
    return sent
  }

  run<T>(start: () => Op<T>): Promise<T> {
    try {
      if (!this.isInHandler || this.isOver) throw new ClosedError('the request is over: its handler has returned, or nothing waits for it any more')
      const main = (): Op<T> => scope(start)
      // In the handler's own step, or another of its tasks, this is like `lev.spawn`.
      return promiseOf(inCoroutine() ? spawn(main) : (this.tasks ??= new Scope(this.connection.client.loop)).spawn(main))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Records that no client waits for the response any more, and aborts the handler's signal. The first reason counts. */
  abort(why: string): void {
    this.leave(why)
    if (this.#aborted !== null) return
    this.#aborted = why
    this.#signal?.abort(new DOMException(why, 'AbortError'))
  }

  /** Records that no client waits for the response any more, for a handler that runs on. The first reason counts. */
  leave(why: string): void {
    this.#gone ??= why
  }

  /** Records that the handler has taken too long, and aborts its signal. */
  timeOut(): void {
    if (this.#gone !== null) return
    this.abort(rejections.handlerTimeout.reason)
    this.timedOut = true
  }

  /** Whether the request and the server allow the connection to stay open. */
  mayKeepAlive(): boolean {
    const { settings, service } = this.connection
    return this.head.keepAlive && this.count < settings.requests_per_connection && !service.draining && this.body?.unusable !== true
  }

  /** Ends the exchange: logs it and tells observers. Returns `next`, for callers to return in turn. */
  finish(status: number | undefined, size: number, next: NextAction, outcome: Outcome = 'complete'): NextAction {
    this.advance(transitions.responseEnded)
    return this.#end(status, size, next, outcome)
  }

  #end(status: number | undefined, size: number, next: NextAction, outcome: Outcome): NextAction {
    if (this.#output !== null) this.connection.client.onPut.detach(this.#watch)
    const record = this.#record ?? RequestRecord.late(this)
    record?.end(this, outcome, next[1], status, size)
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
