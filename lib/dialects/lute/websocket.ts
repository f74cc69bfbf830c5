import { messageOf } from '../../../lev/internal.js'
import { ArgumentError } from '../../errors.js'
import { callbackHandler } from '../../websocket/callbacks.js'
import { checkClose } from '../../websocket/frames.js'
import type { WebSocketHandler } from '../../websocket/upgrade.js'
import type { WebSocket } from '../../websocket/websocket.js'
import type { ServerWebSocket, WebSocketHandlers } from './types.js'
import { called } from '../shared/called.js'

/** A handler of WebSockets that calls `handlers`. */
export function conversation(handlers: WebSocketHandlers): WebSocketHandler {
  return (ws) => {
    const socket = socketOf(ws)
    const { drain } = handlers
    return callbackHandler({
      open: () => called(() => handlers.open?.(socket)),
      message: (_ws, message) => called(() => handlers.message?.(socket, message)),
      close: (_ws, code, message) => called(() => handlers.close?.(socket, code, message)),
      ...(drain === undefined || drain === null ? {} : { drain: () => called(() => handlers.drain?.(socket)) }),
    })(ws)
  }
}

function socketOf(ws: WebSocket): ServerWebSocket {
  return {
    send(data) {
      if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
        throw new ArgumentError('data', `send: data must be a string or bytes, got ${data === null ? 'null' : typeof data}`)
      }
      if (ws.trySend(data) > 0) return Math.max(1, Buffer.byteLength(data))
      // If nothing is unsent, there was room, so the connection must be lost.
      return ws.isOpen && ws.unsent > 0 ? 0 : -1
    },
    close(code, message) {
      check('code', () => checkClose(code ?? 1000, ''))
      check('message', () => checkClose(1000, message ?? ''))
      ws.close(code ?? 1000, message ?? '')
    },
  }
}

function check(argument: string, by: () => void): void {
  try {
    by()
  } catch (error) {
    throw new ArgumentError(argument, messageOf(error).replace('reason', argument), { cause: error })
  }
}
