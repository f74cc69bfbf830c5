import { portal, type Portal } from '../../../lev/index.js'
import type { WebSocket as CoreWebSocket } from '../../websocket/websocket.js'
import { SendQueue } from '../shared/send-queue.js'
import { begun, done, type Waiting } from '../shared/waiting.js'

/** One WebSocket: the same object for each event of its connection. */
export class WebSocket {
  readonly #ws: CoreWebSocket
  readonly #queue: SendQueue

  /** @internal To be called in a task of the world that the WebSocket lives in. */
  constructor(ws: CoreWebSocket, world: Portal = portal()) {
    this.#ws = ws
    this.#queue = new SendQueue(ws, world)
  }

  /** Whether messages can be sent still. */
  get connected(): boolean {
    return this.#ws.isOpen
  }

  /**
   * Sends a message: a string as text, bytes as binary data. It is on its way at once, and who waits goes on when there is
   * room for more. Does nothing when the WebSocket is closed, or gets closed meanwhile.
   * @throws TypeError for what is no message
   */
  send(message: string | Uint8Array): Waiting<void> {
    const sending = this.#queue.send(message)
    // That it is closed is no fault here: `connected` tells.
    return sending === null ? done() : begun(sending.catch(() => {}))
  }

  /**
   * Closes. Harmless when it is closed already.
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999. Default: 1000
   * @throws RangeError for another one
   */
  close(code?: number | null): void {
    this.#ws.close(code ?? 1000)
  }
}
