import type { Op } from '../../../lev/index.js'
import type { Context } from '../../../lib/request/context.js'
import type { Config, Handler } from '../../../lib/index.js'
import type { WebSocketOptions } from '../../../lib/websocket/options.js'
import type { WebSocket } from '../../../lib/websocket/websocket.js'
import { virtually, type World, type WorldOptions } from '../../support/virtual.js'

/** A handler that makes a WebSocket of every request. */
export function upgrading(handle: (ws: WebSocket, ctx: Context) => Op<unknown>, options?: WebSocketOptions): Handler {
  return (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade((ws) => handle(ws, ctx), options)
}

export function* echo(ws: WebSocket): Op<void> {
  for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
}

/** Serves WebSockets in a virtual world while `tell` runs. */
export function story<T>(
  handle: (ws: WebSocket, ctx: Context) => Op<unknown>, tell: (world: World) => Op<T>,
  options: WebSocketOptions = {}, config: Config = {}, world: WorldOptions = {},
): Promise<T> {
  return virtually(config, upgrading(handle, options), tell, world)
}
