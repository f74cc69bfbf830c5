import { portal, semaphore, type Op, type Portal } from '../../../lev/index.js'
import type { WebSocketClientOptions } from '../../client/websocket-options.js'
import { ArgumentError } from '../../errors.js'
import type { WebSocket as CoreWebSocket } from '../../websocket/websocket.js'
import { openWebSocket } from '../shared/dialling.js'
import { called } from '../shared/called.js'
import { type Waiting } from '../../waiting.js'
import { attempt, type Attempt } from './attempt.js'
import { withProtocol } from './request.js'
import { WebSocket } from './websocket.js'

/**
 * A WebSocket opened by this side. One function of each kind is bound at a time; binding another replaces it. They are called
 * one at a time: open first, then the messages, then close. Events wait until a function for them is bound: this includes
 * messages and, beyond 64 KiB of them, the server.
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
  /** Whether anything has changed since the last check by `#deliver`. */
  #changed = false

  /** @internal Must be called in a task of the WebSocket's world. */
  constructor(ws: CoreWebSocket, over: Promise<void>) {
    const world = portal()
    super(ws, world)
    this.#ws = ws
    this.#world = world
    void over.then(() => this.#deliverSoon())
  }

  /** Binds a function that is called once, when the WebSocket is open. @throws ArgumentError if `func` is not a function */
  bindOpen(func: () => unknown): void {
    this.#onOpen = checked(func)
    // Not by `#deliver`, which may already be waiting for a message.
    this.#run(() => this.#turns.with(this.#tellOpen()))
  }

  /** Binds a function for messages: text as a string, binary data as bytes. @throws ArgumentError if `func` is not a function */
  bindMessage(func: (message: string | Buffer) => unknown): void {
    this.#onMessage = checked(func)
    this.#deliverSoon()
  }

  /**
   * Binds a function that is called once, however the WebSocket was closed, with the code: 1005 if there was none, 1006 if the
   * connection was lost.
   * @throws ArgumentError if `func` is not a function
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
    // Errors of bound functions are handled; the only error left is that the world has ended.
    this.#world.run(operation).catch(() => {})
  }

  #deliverSoon(): void {
    this.#changed = true
    if (this.#delivering) return
    this.#delivering = true
    this.#run(() => this.#deliver())
  }

  /** Calls the bound functions for the messages and the close that have arrived. */
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
 * @param host a URL; without a protocol, `ws:` is used
 * @param protocols subprotocols to offer, best first
 * @param settings options of the core: headers, TLS, limits
 */
export function websocket(
  host: string, protocols?: readonly string[] | null, settings?: Omit<WebSocketClientOptions, 'protocols'> | null,
): Waiting<Attempt<ClientWebSocket>> {
  return attempt(function* () {
    const { ws, over } = yield* openWebSocket(withProtocol(host, 'ws'), { ...settings, protocols: protocols ?? [] })
    return new ClientWebSocket(ws, over)
  })
}
