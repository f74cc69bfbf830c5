import type { Suspension, Waker } from '../../lev/index.js'
import { Ring } from '../../lev/internal.js'
import { webSocketUnreadBytes } from '../config/fixed-limits.js'
import { webSocketMessage } from '../observe/events.js'
import { publishMessage } from '../observe/websocket-record.js'
import type { Message } from './messages.js'

/** Rough memory cost of one message besides its content, in bytes. */
const overhead = 64

/** Lets one task wait until it is woken; one object per WebSocket, not per wait. */
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

/** Messages that have arrived but were not taken yet. */
export class ReceiveQueue {
  readonly #messages = new Ring<Message>()
  #cost = 0
  readonly #connection: number | null

  /** @param connection as in `Agreed` */
  constructor(connection: number | null) {
    this.#connection = connection
  }

  get isEmpty(): boolean {
    return this.#messages.size === 0
  }

  get isFull(): boolean {
    return this.#cost >= webSocketUnreadBytes
  }

  add(message: Message): void {
    if (webSocketMessage.hasSubscribers) publishMessage(this.#connection, 'received', message)
    this.#messages.push(message)
    this.#cost += message.length + overhead
  }

  /** Removes and returns the oldest message; null if there is none. */
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
