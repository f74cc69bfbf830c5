import { keepContext, type Snapshot } from '../../lev/internal.js'
import { ConfigError } from '../errors.js'
import { rulesOf, type WebSocketOptions, type WebSocketRules } from './options.js'
import type { WebSocket } from './websocket.js'

/** What is done with a WebSocket: a coroutine, as a rule; a plain or an async function works too. */
export type WebSocketHandler = (ws: WebSocket) => unknown

/** The answer that makes a WebSocket of the connection; `ctx.upgrade` makes it. */
export class Upgrade {
  /** What uses the WebSocket. */
  readonly handle: WebSocketHandler
  /** @internal */
  readonly rules: WebSocketRules
  /** @internal The async context that it was made in: what `handle` runs in. */
  readonly context: Snapshot = keepContext()

  /** @internal @throws ConfigError naming the argument or option that cannot be */
  constructor(handle: WebSocketHandler, options: WebSocketOptions | undefined) {
    if (typeof handle !== 'function') throw new ConfigError('handle', `upgrade: handle must be a function, got ${typeof handle}`)
    this.handle = handle
    this.rules = rulesOf(options)
  }
}
