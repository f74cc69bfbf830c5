import { ClosedError, semaphore, type Portal } from '../../../lev/index.js'
import { closeReasons } from '../../websocket/close-reasons.js'
import type { WebSocket } from '../../websocket/websocket.js'

/** Maximum bytes that may wait for room in the WebSocket's own queue; a client for which more pile up is too slow. */
const limit = 16 * 1024 * 1024

/**
 * Sends on a WebSocket for callers that need not wait: messages are sent in the order of the calls of `send`. A caller that does
 * wait goes on when there is room again.
 */
export class SendQueue {
  readonly #ws: WebSocket
  readonly #world: Portal
  readonly #turns = semaphore(1)
  #waiting = 0

  /** @param world the world in which messages wait for room */
  constructor(ws: WebSocket, world: Portal) {
    this.#ws = ws
    this.#world = world
  }

  /**
   * Sends a message. Returns null if it was sent at once; otherwise a promise that resolves when there is room again, or rejects
   * with ClosedError if the WebSocket is or gets closed.
   * @throws TypeError if `message` is not a message
   */
  send(message: string | Uint8Array): Promise<void> | null {
    const ws = this.#ws
    if (this.#waiting === 0 && ws.trySend(message) > 0) return null
    return ws.isOpen ? this.#sendLater(message) : Promise.reject(new ClosedError('the WebSocket is closed'))
  }

  async #sendLater(message: string | Uint8Array): Promise<void> {
    // UTF-8 text may be up to three times as long, but this limits memory.
    const size = Math.max(1, message.length)
    if (this.#waiting > 0 && this.#waiting + size > limit) this.#ws.close(closeReasons.tooSlow.code, closeReasons.tooSlow.reason)
    this.#waiting += size
    try {
      await this.#world.run(() => this.#turns.with(this.#ws.send(message)))
    } finally {
      this.#waiting -= size
    }
  }
}
