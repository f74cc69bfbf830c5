import type { Address, Op, Stream } from '../../lev/index.js'
import type { TlsFacts } from '../../tls/index.js'
import type { Recipient } from './body-source.js'
import { show } from '../config/validators.js'
import type { Settings } from '../config/settings.js'
import { ArgumentError } from '../errors.js'
import { NO_HEAD, type RequestHead } from '../http1/request-head.js'
import { earlyHintsHead, type ResponseHeaders } from '../http1/response.js'
import type { Logger } from '../log/logger.js'
import { logFailure } from '../log/log-failure.js'
import { BufferedPieces, RequestBody } from './request-body.js'
import { asksForWebSocket } from '../websocket/handshake.js'
import type { WebSocketOptions } from '../websocket/options.js'
import { Upgrade, type WebSocketHandler } from '../websocket/upgrade.js'

/** What a context is made from: the connection that the request came on. */
export interface Peer {
  readonly client: Stream
  readonly client_ip: string
  readonly settings: Settings
  readonly logger: Logger
  readonly redis: unknown
  readonly tls: TlsFacts | null
  /** Whether the server is stopping. */
  readonly draining: boolean
  /** Called when the server begins to stop, while a request is at work. */
  onDrain: (() => void) | null
  /** Runs `work`, whatever becomes of the request and the connection. */
  detach(work: Op<unknown>, failed: (error: unknown) => void): void
}

/** What a handler is given besides the request: its last argument. */
export class Context {
  /** IP address of the peer. */
  readonly client_ip: string
  /** Which request of its connection this is, from 1. */
  readonly count: number
  /** The settings that this connection lives under. */
  readonly cfg: Settings
  /** What the server logs through; handlers may, too. */
  readonly logger: Logger
  /** The module that `process_request` was given; null under `serve`. */
  readonly redis: unknown
  /** What the TLS handshake agreed on, the client's certificate included; null without TLS. */
  readonly tls: TlsFacts | null
  readonly #peer: Peer
  readonly #head: RequestHead
  readonly #request: Recipient | null
  readonly #buffered: Buffer | null
  #body: RequestBody | null
  #controller: AbortController | null = null
  #gone: string | null = null
  #drain: AbortController | null = null

  /** @internal @param body the content of the request, as a whole or to be read */
  constructor(
    peer: Peer, count: number, head: RequestHead = NO_HEAD, body: Buffer | RequestBody | null = null, request: Recipient | null = null,
  ) {
    this.#peer = peer
    this.client_ip = peer.client_ip
    this.count = count
    this.cfg = peer.settings
    this.logger = peer.logger
    this.redis = peer.redis
    this.tls = peer.tls
    this.#head = head
    this.#request = request
    this.#body = body instanceof RequestBody ? body : null
    this.#buffered = body instanceof RequestBody ? null : body
  }

  /**
   * The connection itself. A handler that writes to it answers on its own and returns `undefined`. It is the handler's, and that
   * of tasks which it spawned, until they are over: later it may be closed here, while the connection lives on in another stream.
   */
  get client(): Stream {
    this.#request?.watchOutput()
    return this.#peer.client
  }

  /** The content of the request, to be read: in pieces, or as text, JSON or a form. */
  get body(): RequestBody {
    this.#body ??= new RequestBody(new BufferedPieces(this.#buffered), this.#head.fields.get('content-type'), this.#request)
    return this.#body
  }

  /**
   * Tells the client, before the answer, what the answer will need (RFC 8297): `{ Link: '</style.css>; rel=preload; as=style' }`.
   * False: nothing was sent, since the client speaks HTTP/1.0 or the answer has begun.
   * @throws ResponseError for a header that cannot be sent
   */
  earlyHints(headers: ResponseHeaders): boolean {
    return this.#request?.putInterim(earlyHintsHead(headers)) ?? false
  }

  /** The host that the client asked for in its TLS handshake, lower case; null if none. */
  get server_name(): string | null {
    return this.tls?.server_name ?? null
  }

  /** Aborts when the client goes away, or the server stops waiting for it, before the answer is finished. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#gone !== null) this.#controller.abort(new DOMException(this.#gone, 'AbortError'))
    }
    return this.#controller.signal
  }

  /**
   * Aborts when the server begins to stop: what would go on for as long as its client likes had better end soon then. Requests
   * in flight are left alone until the time for draining is over.
   */
  get draining(): AbortSignal {
    if (this.#drain === null) {
      this.#drain = new AbortController()
      if (this.#peer.draining) Context.drain(this)
      else this.#peer.onDrain ??= () => Context.drain(this)
    }
    return this.#drain.signal
  }

  /** Whether the request asks for a WebSocket; its handshake may have faults still. */
  get wantsWebSocket(): boolean {
    return asksForWebSocket(this.#head)
  }

  /**
   * The answer that makes a WebSocket of the connection, for the handler to return: `return ctx.upgrade(function* (ws) { ... })`.
   * A request that is no proper handshake gets 426, 400 or 403 instead. `handle` runs once the handshake is done; when it
   * ends, the WebSocket is closed with 1000, and with 1011 when it throws.
   * @throws ConfigError naming the option that cannot be
   */
  upgrade(handle: WebSocketHandler, options?: WebSocketOptions): Upgrade {
    return new Upgrade(handle, options)
  }

  /** @internal The peer's address and port. Other than `client`, this leaves the connection to the server. */
  static remote(context: Context): Address {
    return context.#peer.client.remote
  }

  /** @internal Name and value of each header line, as sent and in order. */
  static fieldLines(context: Context): [name: string, value: string][] {
    return context.#head.fields.lines()
  }

  /**
   * Starts a task that may outlive the request, where what `lev.spawn` starts is a part of it: the response does not wait for it,
   * a client that leaves does not cancel it, and what it throws is logged. A server that stops waits for it as for a request.
   * @throws ArgumentError if `start` gives no operation
   */
  detach(start: () => Op<unknown>): void {
    if (typeof start !== 'function') throw new ArgumentError('start', `detach: start must be a generator function, got ${show(start)}`)
    const work = start()
    if (typeof (work as Partial<Op<unknown>> | undefined)?.next !== 'function') {
      throw new ArgumentError('start', `detach: start must be a generator function; it gave ${show(work)}`)
    }
    this.#peer.detach(work, (error) => logFailure(this.logger, this.#head, error, 'a detached task failed'))
  }

  /** @internal Aborts `context.draining`. */
  static drain(context: Context): void {
    context.#drain?.abort(new DOMException('the server stops', 'AbortError'))
  }

  /** @internal Whether `abort` was called. */
  static isGone(context: Context): boolean {
    return context.#gone !== null
  }

  /** @internal Aborts `context.signal`. */
  static abort(context: Context, why: string): void {
    if (context.#gone !== null) return
    context.#gone = why
    context.#controller?.abort(new DOMException(why, 'AbortError'))
  }
}
