import { now, type Scope } from '../../lev/index.js'
import { sameContext, type Snapshot } from '../../lev/internal.js'
import { accessEnabled, clientGone, logAccess } from '../log/access-log.js'
import type { BodySource, Recipient } from './body-source.js'
import type { Connection } from '../server/connection.js'
import { Context } from './context.js'
import type { FieldBlock } from '../http1/headers.js'
import type { Persistence } from '../http1/response.js'
import { NO_HEAD, type RequestHead } from '../http1/request-head.js'
import { StatusReader } from '../http1/status-reader.js'

/** What becomes of a connection after a request: `[connection_state, err]`, as in Lilush. */
export type Disposition = readonly [connection_state: 'keep-alive' | 'close' | null, err: string | null]

const kept: Disposition = ['keep-alive', null]
const closing: Disposition = ['close', null]

const neverAborts = new AbortController().signal

/** How far a request has come: waited for, its head or its body being read, being answered, its answer being sent. */
export type Phase = 'idle' | 'head' | 'body' | 'answer' | 'sending' | 'done'

/** One request and its answer, from the first byte to the log line. */
export class Exchange implements Persistence, Recipient {
  readonly connection: Connection
  /** Which request of its connection it is, from 1. */
  readonly count: number
  /** Valid from the phase `body` on. */
  head: RequestHead = NO_HEAD
  phase: Phase = 'idle'
  /** Whether the connection lives on after the answer. */
  keepAlive = false
  /** The content, if the handler reads it itself. */
  source: BodySource | null = null
  trailers: FieldBlock | null = null
  /** The tasks that the handler has spawned and that are not waited for yet; null: none. */
  spawned: Scope | null = null
  /** The async context that the handler has left off in. */
  context: Snapshot = sameContext
  /** Whether what the handler gets of the content is not what was sent, but decoded. */
  decoded = false
  #ctx: Context | null = null
  #began = 0
  #putBefore = 0
  #output: StatusReader | null = null

  constructor(connection: Connection, count: number) {
    this.connection = connection
    this.count = count
  }

  get minorVersion(): 0 | 1 {
    return this.head.minorVersion
  }

  get idleTimeout(): number {
    return this.connection.settings.keepalive_idle_timeout
  }

  /** Whether the client went away, or the server stopped waiting, while the handler was at work. */
  get isGone(): boolean {
    return this.#ctx !== null && Context.isGone(this.#ctx)
  }

  /** Aborts when the server begins to stop; valid once the handler was called. */
  get draining(): AbortSignal {
    return this.#ctx?.draining ?? neverAborts
  }

  /** Bytes that the handler has put on the connection itself. */
  get written(): number {
    return this.connection.client.bytesPut - this.#putBefore
  }

  /** Status of the response that the handler has written on the connection itself; undefined where that cannot be seen. */
  get writtenStatus(): number | undefined {
    return this.#output?.status
  }

  watchOutput(): void {
    if (this.#output !== null || this.phase === 'done') return
    const { client } = this.connection
    const output = this.#output = new StatusReader()
    client.onPut = (data) => {
      if (!output.read(data)) client.onPut = null
    }
  }

  /** The head is there. */
  begin(head: RequestHead): RequestHead {
    this.head = head
    this.phase = 'body'
    if (accessEnabled(this.connection.logger)) this.#began = now()
    return head
  }

  /** The handler is about to be called. */
  beginAnswer(ctx: Context): void {
    this.#ctx = ctx
    this.phase = 'answer'
    this.#putBefore = this.connection.client.bytesPut
  }

  putInterim(text: string): boolean {
    // Behind the head of the answer it would be content. An answer of the handler's own has begun, too.
    if (this.minorVersion === 0 || !(this.phase === 'body' || (this.phase === 'answer' && this.written === 0))) return false
    this.connection.client.put(text)
    this.#putBefore += text.length
    return true
  }

  /** The server begins to stop. */
  drain(): void {
    if (this.#ctx !== null) Context.drain(this.#ctx)
  }

  /** Nobody waits for the answer any more: the handler's signal aborts. */
  abort(why: string): void {
    if (this.#ctx !== null) Context.abort(this.#ctx, why)
  }

  /** Whether the connection may live on as far as the request and the server are concerned. */
  mayKeepAlive(): boolean {
    const { settings, service } = this.connection
    return this.head.keepAlive && this.count < settings.requests_per_connection && !service.draining && this.source?.unusable !== true
  }

  /** It was answered: writes the log line. Returns `disposition`, for callers to return in turn. */
  finish(status: number | undefined, size: number, disposition: Disposition): Disposition {
    this.phase = 'done'
    if (this.#output !== null) this.connection.client.onPut = null
    if (accessEnabled(this.connection.logger)) this.#log(status, size)
    return disposition
  }

  /** The whole answer is on its way: the connection lives on if it may. */
  complete(status: number | undefined, size: number): Disposition {
    return this.finish(status, size, this.keepAlive ? kept : closing)
  }

  /** It ends without an answer, since nobody is there to read one. Only what had begun is logged. Harmless when it is done. */
  abandon(disposition: Disposition, size = 0): Disposition {
    if (this.phase === 'body' || this.phase === 'answer' || this.phase === 'sending') this.finish(clientGone, size, disposition)
    return disposition
  }

  #log(status: number | undefined, size: number): void {
    const { connection, head } = this
    const record = {
      vhost: head.host,
      client_ip: connection.client_ip,
      method: head.method,
      query: head.query,
      status,
      size,
      time: this.#began === 0 ? 0 : now() - this.#began,
      headers: head.fields,
    }
    logAccess(connection.logger, record, connection.settings.log_headers)
  }
}
