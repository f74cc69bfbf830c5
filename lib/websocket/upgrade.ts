import { keepContext, type Snapshot } from '../../lev/internal.js'
import { ConfigError } from '../errors.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import { rulesOf, type WebSocketOptions, type WebSocketRules } from './options.js'
import type { WebSocket } from './websocket.js'

/** A handler of WebSockets: usually a coroutine; a plain or an async function works too. */
export type WebSocketHandler = (ws: WebSocket) => unknown

/** The response that turns the connection into a WebSocket; created by `ctx.upgrade`. */
export class Upgrade {
  /** The handler of the WebSocket. */
  readonly handle: WebSocketHandler
  /** @internal */
  readonly rules: WebSocketRules
  /** @internal The async context in which it was created, and in which `handle` runs. */
  readonly context: Snapshot = keepContext()
  /** @internal Of the 101 response, beside those of the handshake. */
  headers: ResponseHeaders | null | undefined

  /** @internal @throws ConfigError naming the invalid argument or option */
  constructor(handle: WebSocketHandler, options: WebSocketOptions | null | undefined, headers?: ResponseHeaders | null) {
    if (typeof handle !== 'function') throw new ConfigError('handle', `upgrade: handle must be a function, got ${typeof handle}`)
    this.handle = handle
    this.rules = rulesOf(options)
    this.headers = headers
  }
}
