import type { Suspension, Waker } from '../../lev/index.js'
import type { Message } from './messages.js'

/** Bytes of messages that nobody has taken yet at which no more are read: the other side then feels backpressure. */
const window = 64 * 1024

/** What keeping one message costs besides its content, roughly, in bytes. */
const overhead = 64

/** A place where one task waits until it is woken; made once for each WebSocket, not once for each wait. */
export class Wakeup implements Suspension {
  #waker: Waker | null = null

  get awaited(): boolean {
    return this.#waker !== null
  }

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
export class Inbox {
  readonly #messages: (Message | null)[] = []
  #head = 0
  #cost = 0

  get isEmpty(): boolean {
    return this.#head === this.#messages.length
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
    if (this.#head === this.#messages.length) return null
    const message = this.#messages[this.#head]
    this.#messages[this.#head++] = null
    if (this.#head === this.#messages.length) this.#messages.length = this.#head = 0
    this.#cost -= (message?.length ?? 0) + overhead
    return message
  }

  clear(): void {
    this.#messages.length = this.#head = this.#cost = 0
  }
}
