import type { Context } from '../../request/context.js'
import type { WebSocketOptions } from '../../websocket/options.js'
import { Upgrade, type WebSocketHandler } from '../../websocket/upgrade.js'
import { fieldsOf } from './fields.js'

const upgrades = new WeakMap<Context, Upgrade>()

/**
 * The Response with which an application upgrades the connection of its request to a WebSocket, as `ctx.upgrade` does. Its
 * headers are sent with the 101. Middleware may add to them, or send another Response in its place.
 * @param ctx that of the request, from the application's second argument
 * @throws ConfigError naming an invalid option
 */
export function upgradeResponse(ctx: Context, handle: WebSocketHandler, options?: WebSocketOptions | null): Response {
  upgrades.set(ctx, new Upgrade(handle, options))
  // A Response of status 101 cannot be made, and middleware may make a new one of this one's parts: the header is what lasts.
  return new Response(null, { headers: { Upgrade: 'websocket' } })
}

/** The upgrade that `response` stands for, with its headers; null if there is none. */
export function upgradeOf(ctx: Context, response: Response): Upgrade | null {
  const upgrade = upgrades.get(ctx)
  if (upgrade === undefined || response.status !== 200 || response.headers.get('upgrade') !== 'websocket') return null
  const { upgrade: _marker, 'content-length': _length, ...headers } = fieldsOf(response.headers)
  upgrade.headers = headers
  return upgrade
}
