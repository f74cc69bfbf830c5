import { DeadlockError, portal, type Op } from '../../../lev/index.js'
import { dial } from '../../client/websocket.js'
import type { WebSocketClientOptions } from '../../client/websocket-options.js'
import type { WebSocket } from '../../websocket/websocket.js'

/**
 * Opens a WebSocket that lives until it is closed. Unlike with `websocket` of the core, it belongs to no scope, because outside
 * of coroutines no scope would last. `over` resolves when it is closed on both sides, or lost.
 */
export function* openWebSocket(
  url: string, options: WebSocketClientOptions | null | undefined,
): Op<{ readonly ws: WebSocket; readonly over: Promise<void> }> {
  const { ws, tend } = yield* dial(url, options ?? undefined)
  const over = portal().run(tend).catch((error: unknown) => {
    if (!(error instanceof DeadlockError)) console.error('leveret: a WebSocket failed:', error)
  })
  return { ws, over }
}
