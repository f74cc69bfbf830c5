import { ClosedError, semaphore, type Portal } from '../../../lev/index.js'
import { closeReasons } from '../../websocket/close-reasons.js'
import type { WebSocket } from '../../websocket/websocket.js'

/** Bytes that may wait for room in the WebSocket's own queue; a client that lets more pile up is too slow. */
const limit = 16 * 1024 * 1024

/**
 * Sends on a WebSocket for those who need not wait: each message is on its way once `send` was called, in that order. Who
 * waits goes on when there is room again.
 */
export class SendQueue {
  readonly #ws: WebSocket
  readonly #world: Portal
  readonly #turns = semaphore(1)
  #waiting = 0

  /** @param world where messages wait for room */
  constructor(ws: WebSocket, world: Portal) {
    this.#ws = ws
    this.#world = world
  }

  /**
   * Null: it was sent. Otherwise there is room again when the promise is settled, which rejects with ClosedError when the
   * WebSocket is or gets closed.
   * @throws TypeError for what is no message
   */
  send(message: string | Uint8Array): Promise<void> | null {
    const ws = this.#ws
    if (this.#waiting === 0 && ws.trySend(message) > 0) return null
    return ws.isOpen ? this.#sendLater(message) : Promise.reject(new ClosedError('the WebSocket is closed'))
  }

  async #sendLater(message: string | Uint8Array): Promise<void> {
    // A text may be up to three times as long in UTF-8: this is about memory.
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
