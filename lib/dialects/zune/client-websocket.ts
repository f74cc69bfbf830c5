import { portal, semaphore, type Op, type Portal } from '../../../lev/index.js'
import type { WebSocketClientOptions } from '../../client/websocket-options.js'
import { ArgumentError } from '../../errors.js'
import type { WebSocket as CoreWebSocket } from '../../websocket/websocket.js'
import { openWebSocket } from '../shared/dialling.js'
import { called, type Waiting } from '../shared/waiting.js'
import { attempt, type Attempt } from './attempt.js'
import { withProtocol } from './request.js'
import { WebSocket } from './websocket.js'

/**
 * A WebSocket that this side has opened. Of each kind, one function is bound at a time, and binding another replaces it.
 * They are called one after the other, never while one of them is at work: open first, then the messages, then close. What
 * happens before a function for it is bound waits for that: messages too, and, beyond 64 KiB of them, the server.
 */
export class ClientWebSocket extends WebSocket {
  readonly #ws: CoreWebSocket
  readonly #world: Portal
  readonly #turns = semaphore(1)
  #onOpen: (() => unknown) | null = null
  #onMessage: ((message: string | Buffer) => unknown) | null = null
  #onClose: ((code: number) => unknown) | null = null
  #opened = false
  #closed = false
  #delivering = false
  /** Whether something has changed since `#deliver` looked last. */
  #changed = false

  /** @internal To be called in a task of the world that the WebSocket lives in. */
  constructor(ws: CoreWebSocket, over: Promise<void>) {
    const world = portal()
    super(ws, world)
    this.#ws = ws
    this.#world = world
    void over.then(() => this.#deliverSoon())
  }

  /** Called once: the WebSocket is open. @throws ArgumentError for what is no function */
  bindOpen(func: () => unknown): void {
    this.#onOpen = checked(func)
    // Messages may be waited for already.
    this.#run(() => this.#turns.with(this.#tellOpen()))
  }

  /** Called for each message: text is a string, binary data bytes. @throws ArgumentError for what is no function */
  bindMessage(func: (message: string | Buffer) => unknown): void {
    this.#onMessage = checked(func)
    this.#deliverSoon()
  }

  /**
   * Called once, however the WebSocket was closed, with the code: 1005 if there was none, 1006 if the connection was lost.
   * @throws ArgumentError for what is no function
   */
  bindClose(func: (code: number) => unknown): void {
    this.#onClose = checked(func)
    this.#deliverSoon()
  }

  override close(code?: number | null): void {
    super.close(code)
    this.#deliverSoon()
  }

  #run(operation: () => Op<void>): void {
    // What bound functions throw is dealt with; what is left is a world that has ended.
    this.#world.run(operation).catch(() => {})
  }

  #deliverSoon(): void {
    this.#changed = true
    if (this.#delivering) return
    this.#delivering = true
    this.#run(() => this.#deliver())
  }

  /** Tells what there is to be told, as far as functions are bound. */
  *#deliver(): Op<void> {
    try {
      while (this.#changed) {
        this.#changed = false
        while (this.#onMessage !== null) {
          const message = yield* this.#ws.next()
          if (message === null) break
          yield* this.#turns.with(this.#tellMessage(message))
        }
        if (!this.#ws.isOpen) yield* this.#turns.with(this.#tellClose())
      }
    } finally {
      this.#delivering = false
    }
  }

  *#tellOpen(): Op<void> {
    if (this.#opened || this.#onOpen === null) return
    this.#opened = true
    yield* safely(this.#onOpen)
  }

  *#tellMessage(message: string | Buffer): Op<void> {
    yield* this.#tellOpen()
    const func = this.#onMessage
    if (func !== null) yield* safely(() => func(message))
  }

  *#tellClose(): Op<void> {
    yield* this.#tellOpen()
    const func = this.#onClose
    if (this.#closed || func === null) return
    this.#closed = true
    yield* safely(() => func(this.#ws.closeCode ?? 1006))
  }
}

function checked<F>(func: F): F {
  if (typeof func !== 'function') throw new ArgumentError('func', `func must be a function, got ${typeof func}`)
  return func
}

function* safely(func: () => unknown): Op<void> {
  try {
    yield* called(func)
  } catch (error) {
    console.error('leveret: a function bound to a WebSocket has failed:', error)
  }
}

/**
 * Opens a WebSocket, which lives until it is closed. Never throws.
 * @param host a URL; `ws:` where it names no protocol
 * @param protocols subprotocols to offer, best first
 * @param settings those of the core: headers, TLS, limits
 */
export function websocket(
  host: string, protocols?: readonly string[] | null, settings?: Omit<WebSocketClientOptions, 'protocols'> | null,
): Waiting<Attempt<ClientWebSocket>> {
  return attempt(function* () {
    const { ws, over } = yield* openWebSocket(withProtocol(host, 'ws'), { ...settings, protocols: protocols ?? [] })
    return new ClientWebSocket(ws, over)
  })
}
