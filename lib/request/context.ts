import type { Op, Stream } from '../../lev/index.js'
import type { TlsFacts } from '../../tls/index.js'
import type { CheckedLimits } from '../config/limits.js'
import { show } from '../config/validators.js'
import type { Peer, SocketPeer } from '../server/peer.js'
import type { Settings } from '../config/settings.js'
import { ArgumentError } from '../errors.js'
import type { FieldBlock } from '../http1/headers.js'
import type { RequestHead } from '../http1/request-head.js'
import type { InterimStatus } from '../http1/write-head.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import { lineFields } from '../log/access-log.js'
import type { Logger } from '../log/logger.js'
import { logFailure } from '../log/log-failure.js'
import { RequestBody } from './request-body.js'
import { OnePiece } from '../pieces.js'
import { asksForWebSocket } from '../websocket/handshake.js'
import type { WebSocketOptions } from '../websocket/options.js'
import { Upgrade, type WebSocketHandler } from '../websocket/upgrade.js'

/** The connection that a request came on, as its context sees it. */
export interface ContextConnection {
  readonly client: Stream
  readonly settings: Settings
  readonly redis: unknown
  /** Runs `work` independently of the request and the connection; `failed` gets its error. */
  detach(work: Op<unknown>, failed: (error: unknown) => void): void
}

/** The request, as its context sees it. */
export interface ContextRequest {
  readonly peer: Peer
  readonly count: number
  readonly head: RequestHead
  /** The server's logger, with the fields that were added for this request. */
  readonly logger: Logger
  /** The pattern of its route; null if it is not known. */
  route: string | null
  /** The limits of its route; null: those of the settings. */
  readonly limits: CheckedLimits | null
  /** The content, if the handler reads it from the connection; else null. */
  readonly body: object | null
  /** Fields sent after the content; null until the content is read to its end, and when there were none. */
  readonly trailers: FieldBlock | null
  readonly signal: AbortSignal
  readonly draining: AbortSignal
  /** Whether nothing waits for the handler any more: its client has left, its time is over, or the server has stopped. */
  readonly isOver: boolean
  /** Runs `start` in a task of the request. */
  run<T>(start: () => Op<T>): Promise<T>
  /** Called when the handler is given the connection, on which it may write its response. */
  watchOutput(): void
  addLogFields(fields: object): void
  /** Sends an interim response; false once the final one has begun, and for a client that speaks HTTP/1.0. */
  putInterim(status: InterimStatus, headers: ResponseHeaders): boolean
}

/** The handler's last argument: everything about the request beyond method, path, headers and body. */
export class Context {
  /** IP address of the client; empty if it has none, as on a Unix socket. */
  readonly client_ip: string
  /** Number of the request on its connection, from 1. */
  readonly count: number
  /** The settings of this connection. */
  readonly cfg: Settings
  /** The module passed to `process_request`; null under `serve`. */
  readonly redis: unknown
  /** The results of the TLS handshake, with the client's certificate; null without TLS. */
  readonly tls: TlsFacts | null
  readonly #connection: ContextConnection
  readonly #request: ContextRequest
  readonly #buffered: Buffer | null
  #body: RequestBody | null

  /** @internal @param body the content of the request: buffered, or open to be read */
  constructor(connection: ContextConnection, request: ContextRequest, body: Buffer | RequestBody | null) {
    this.#connection = connection
    this.client_ip = request.peer.ip
    this.count = request.count
    this.cfg = connection.settings
    this.redis = connection.redis
    this.tls = request.peer.tls
    this.#request = request
    this.#body = body instanceof RequestBody ? body : null
    this.#buffered = body instanceof RequestBody ? null : body
  }

  /**
   * The connection itself. A handler that writes its response to it returns `undefined`. Only the handler and the tasks that it
   * spawned may use it: after they end this stream may be closed while the connection continues in another one.
   */
  get client(): Stream {
    this.#request.watchOutput()
    return this.#connection.client
  }

  /** The content of the request, for reading in pieces, or as text, JSON or a form. */
  get body(): RequestBody {
    this.#body ??= new RequestBody(new OnePiece(this.#buffered), this.#request.head.fields.get('content-type'), this.#request)
    return this.#body
  }

  /**
   * Sends 103 (Early Hints, RFC 8297) ahead of the response: `{ Link: '</style.css>; rel=preload; as=style' }`.
   * False: nothing was sent, since the client speaks HTTP/1.0 or the response has begun.
   * @throws ResponseError for a header that cannot be sent
   */
  earlyHints(headers: ResponseHeaders): boolean {
    return this.#request.putInterim(103, headers)
  }

  /** The server's logger, for handlers too; with the fields of `addLogFields`. */
  get logger(): Logger {
    return this.#request.logger
  }

  /**
   * Adds fields to each further line that the log has about this request, such as an id: those of `ctx.logger`, of the server's errors
   * and of the access log.
   * @throws ArgumentError for a name that the lines of the server have already, as those of `log_headers`
   */
  addLogFields(fields: Readonly<Record<string, unknown>>): void {
    const reserved = Object.keys(fields).find((name) => lineFields.has(name) || this.cfg.log_headers.includes(name))
    if (reserved !== undefined) throw new ArgumentError('fields', `addLogFields: the lines of the log have something else named ${reserved}`)
    this.#request.addLogFields(fields)
  }

  /** The other end of the connection: the client, or a proxy in front of the server. */
  get peer(): SocketPeer {
    return this.#request.peer.socket
  }

  /** How the client made its request: over TLS ("https"), with this server or with a trusted proxy in front of it, or not. */
  get scheme(): 'http' | 'https' {
    return this.#request.peer.scheme
  }

  /** The host that the client made its request to, with the port if one was given: as sent, or as a trusted proxy tells; "" if none. */
  get host(): string {
    return this.#request.peer.hostOf(this.#request.head)
  }

  /** The host that the client named in its TLS handshake (SNI), lower case; null if none. */
  get server_name(): string | null {
    return this.tls?.server_name ?? null
  }

  /** Aborts when the client disconnects, or the server stops waiting, before the response is finished. */
  get signal(): AbortSignal {
    return this.#request.signal
  }

  /**
   * Aborts when the server begins to stop, so that a response that could go on indefinitely can end. Requests in flight are not
   * cancelled until the time for draining is over.
   */
  get draining(): AbortSignal {
    return this.#request.draining
  }

  /**
   * The pattern of the request's route, such as `/todos/:id`, for the access log and observers; null: not known. `routes` sets it; any
   * other router may.
   */
  get route(): string | null {
    return this.#request.route
  }

  set route(pattern: string | null) {
    this.#request.route = pattern
  }

  /** Whether the request asks for a WebSocket; its handshake may still be invalid. */
  get wantsWebSocket(): boolean {
    return asksForWebSocket(this.#request.head)
  }

  /**
   * The response that turns the connection into a WebSocket: `return ctx.upgrade(function* (ws) { ... })`. A request that is not
   * a valid handshake gets 426, 400 or 403 instead. `handle` runs after the handshake; the WebSocket is closed with 1000 when it
   * returns, and with 1011 when it throws.
   * @param headers of the 101 response, such as `Set-Cookie`; those of the handshake itself are the server's
   * @throws ConfigError naming an invalid option
   */
  upgrade(handle: WebSocketHandler, options?: WebSocketOptions | null, headers?: ResponseHeaders | null): Upgrade {
    return new Upgrade(handle, options, headers)
  }

  /**
   * Runs `start` as a task of the request, for async code, which gets its result: unlike an operation that is only awaited, it is
   * cancelled when the client disconnects or the handler's time is over, and at the latest when the handler has returned. The promise
   * then rejects with CancelledError; after that, with ClosedError.
   *
   * ```ts
   * const { body } = await ctx.run(() => server.request(url))
   * ```
   * @throws ArgumentError if `start` is not a function
   */
  run<T>(start: () => Op<T>): Promise<T> {
    if (typeof start !== 'function') throw new ArgumentError('start', `run: start must be a function that gives an operation, got ${show(start)}`)
    return this.#request.run(start)
  }

  /** @internal Who sent the request. Unlike `client`, reading it does not expose the connection to the handler. */
  static peer(context: Context): Peer {
    return context.#request.peer
  }

  /** @internal Whether there is content that was not buffered. */
  static mustReadBody(context: Context): boolean {
    return context.#request.body !== null
  }

  /** @internal The limits of the request's route; null: those of the settings, and for a context of another copy of Leveret. */
  static limits(context: Context): CheckedLimits | null {
    return #request in context ? context.#request.limits : null
  }

  /** @internal Whether nothing waits for the handler any more. Unlike `signal`, reading it makes nothing, but for a context of another copy. */
  static isOver(context: Context): boolean {
    return #request in context ? context.#request.isOver : (context as Context).signal.aborted
  }

  /** @internal The time in seconds, by the clock of the server; also outside of its tasks, as in an async wrapper. */
  static now(context: Context): number {
    return context.#connection.client.loop.now
  }

  /** @internal Name and value of each header line, as received and in order. */
  static fieldLines(context: Context): [name: string, value: string][] {
    return context.#request.head.fields.lines()
  }

  /**
   * Starts a task that may outlive the request, unlike those of `lev.spawn`: the response does not wait for it, a client that
   * disconnects does not cancel it, and its error is logged. A server that stops waits for it as for a request.
   * @throws ArgumentError if `start` does not return an operation
   */
  detach(start: () => Op<unknown>): void {
    if (typeof start !== 'function') throw new ArgumentError('start', `detach: start must be a generator function, got ${show(start)}`)
    const work = start()
    if (typeof (work as Partial<Op<unknown>> | undefined)?.next !== 'function') {
      throw new ArgumentError('start', `detach: start must be a generator function; it gave ${show(work)}`)
    }
    this.#connection.detach(work, (error) => logFailure(this.logger, this.#request.head, error, 'a detached task failed'))
  }
}
