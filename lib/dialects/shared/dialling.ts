import { DeadlockError, portal, type Op } from '../../../lev/index.js'
import { dial } from '../../client/websocket.js'
import type { WebSocketClientOptions } from '../../client/websocket-options.js'
import type { WebSocket } from '../../websocket/websocket.js'

/**
 * Opens a WebSocket that lives until it is closed, whoever opened it: other than `websocket` of the core, it belongs to no
 * scope, since outside of coroutines there is none that would last. `over`: it is closed on both sides, or lost.
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
