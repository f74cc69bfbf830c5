import type { Suspension, Waker } from '../../lev/index.js'
import { Ring } from '../../lev/internal.js'
import type { Message } from './messages.js'

/** Bytes of messages that nobody has taken yet at which no more are read: the other side then feels backpressure. */
const window = 64 * 1024

/** What keeping one message costs besides its content, roughly, in bytes. */
const overhead = 64

/** A place where one task waits until it is woken; made once for each WebSocket, not once for each wait. */
export class Wakeup implements Suspension {
  #waker: Waker | null = null

  arm(waker: Waker): void {
    this.#waker = waker
  }

  disarm(): void {
    this.#waker = null
  }

  wake(): void {
    const waker = this.#waker
    this.#waker = null
    waker?.resume(undefined)
  }
}

/** Messages that have arrived and wait to be taken. */
export class ReceiveQueue {
  readonly #messages = new Ring<Message>()
  #cost = 0

  get isEmpty(): boolean {
    return this.#messages.size === 0
  }

  get isFull(): boolean {
    return this.#cost >= window
  }

  add(message: Message): void {
    this.#messages.push(message)
    this.#cost += message.length + overhead
  }

  /** The message that came first; null if there is none. */
  take(): Message | null {
    const message = this.#messages.take()
    if (message !== null) this.#cost -= message.length + overhead
    return message
  }

  clear(): void {
    this.#messages.clear()
    this.#cost = 0
  }
}
