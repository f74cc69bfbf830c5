import { portal, type Portal } from '../../../lev/index.js'
import type { WebSocket as CoreWebSocket } from '../../websocket/websocket.js'
import { SendQueue } from '../shared/send-queue.js'
import { begun, done, type Waiting } from '../../waiting.js'

/** A WebSocket; all its handlers get the same object. */
export class WebSocket {
  readonly #ws: CoreWebSocket
  readonly #queue: SendQueue

  /** @internal Must be called in a task of the WebSocket's world. */
  constructor(ws: CoreWebSocket, world: Portal = portal()) {
    this.#ws = ws
    this.#queue = new SendQueue(ws, world)
  }

  /** Whether messages can still be sent. */
  get connected(): boolean {
    return this.#ws.isOpen
  }

  /**
   * Sends a message at once: a string as text, bytes as binary data. Waiting for the result waits until there is room for more.
   * Does nothing if the WebSocket is closed, or gets closed meanwhile.
   * @throws TypeError if `message` is not a message
   */
  send(message: string | Uint8Array): Waiting<void> {
    const sending = this.#queue.send(message)
    // A closed WebSocket is not an error here: `connected` reports it.
    return sending === null ? done() : begun(sending.catch(() => {}))
  }

  /**
   * Closes the WebSocket. Does nothing if it is already closed.
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999. Default: 1000
   * @throws RangeError for any other code
   */
  close(code?: number | null): void {
    this.#ws.close(code ?? 1000)
  }
}
