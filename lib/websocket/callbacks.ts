import { ClosedError, scope, type Op } from '../../lev/index.js'
import { instanceOf } from '../../lev/internal.js'
import { asArguments, optionsOf } from '../config/arguments.js'
import { show } from '../config/validators.js'
import { ArgumentError } from '../errors.js'
import { settled } from '../request/handler.js'
import { Wakeup } from './receive-queue.js'
import type { Message } from './messages.js'
import type { WebSocket } from './websocket.js'

type Callback<Args extends unknown[]> = (ws: WebSocket, ...args: Args) => unknown

/** Callbacks of a WebSocket; each may be a plain function, a coroutine or an async function, and is waited for. */
export interface Callbacks {
  /** Called once, before all others. */
  readonly open?: Callback<[]> | null | undefined
  /** Called for each message, one at a time. */
  readonly message?: Callback<[message: Message]> | null | undefined
  /** Called when there is room again, after `trySend` had none or left more than half of `queue_limit` unsent. */
  readonly drain?: Callback<[]> | null | undefined
  /** Called once, after all messages, however the WebSocket ended, with its `closeCode` and `closeReason`. */
  readonly close?: Callback<[code: number, reason: string]> | null | undefined
}

/**
 * Returns a handler for `ctx.upgrade` that calls these callbacks. An error thrown by one closes the WebSocket with 1011.
 * @throws ArgumentError naming the field that is not a callback
 */
export function webSocketCallbacks(callbacks: Callbacks): (ws: WebSocket) => Op<void> {
  const fields = asArguments(() => optionsOf(callbacks, 'callbacks', 'an object of functions', ['open', 'message', 'drain', 'close']))
  for (const [name, given] of fields) {
    if (typeof given !== 'function') throw new ArgumentError(name, `${name} must be a function, got ${show(given)}`)
  }
  return callbackHandler(callbacks)
}

/** Like `webSocketCallbacks`, without checks. */
export function callbackHandler({ open, message, drain, close }: Callbacks): (ws: WebSocket) => Op<void> {
  return function* (ws) {
    try {
      yield* scope(function* (around) {
        const watching = typeof drain === 'function' ? watchQueue(ws, drain) : null
        const draining = watching === null ? null : around.spawn(() => watching)
        yield* settled(open?.(ws))
        for (let one = yield* ws.next(); one !== null; one = yield* ws.next()) yield* settled(message?.(ws, one))
        draining?.cancel()
      })
    } catch (error) {
      ws.close(1011)
      throw error
    } finally {
      // If it is still open, the handler is being cancelled.
      ws.close(1001)
      yield* settled(close?.(ws, ws.closeCode ?? 1006, ws.closeReason))
    }
  }
}

/**
 * Runs a callback; what it throws is given to `tell`, and thrown.
 * @throws AggregateError of both errors if `tell` throws another one
 */
export function* tellingErrors(callback: () => unknown, tell: (error: unknown) => unknown): Op<void> {
  try {
    yield* settled(callback())
  } catch (error) {
    try {
      yield* settled(tell(error))
    } catch (second) {
      if (second !== error) throw new AggregateError([error, second], 'the callback for errors failed as well: both are in `errors`')
    }
    throw error
  }
}

function watchQueue(ws: WebSocket, drain: Callback<[]>): Op<void> {
  const wakeup = new Wakeup()
  let full = false
  // Set before `open` is called, and kept: `open` may fill the queue, and so may `drain` itself.
  ws.onFull = () => {
    full = true
    wakeup.wake()
  }
  return watch()

  function* watch(): Op<void> {
    try {
      for (;;) {
        if (!full) yield wakeup
        full = false
        yield* ws.drained()
        yield* settled(drain(ws))
      }
    } catch (error) {
      // The messages that came before the close must still be handled.
      if (!instanceOf(error, ClosedError) || ws.isOpen) throw error
    } finally {
      ws.onFull = null
    }
  }
}
