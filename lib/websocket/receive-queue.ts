import type { Op, Suspension, Waker } from '../../lev/index.js'
import { callAt, Ring } from '../../lev/internal.js'
import { webSocketUnreadBytes } from '../config/fixed-limits.js'
import { webSocketMessage } from '../observe/events.js'
import { publishMessage } from '../observe/websocket-record.js'
import type { Rate } from '../limits/budgets.js'
import { MessagePace } from './message-pace.js'
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

  /** Waits until it is woken, at most until `time`, in `now()` seconds. */
  *until(time: number): Op<void> {
    const forget = time === Infinity ? null : callAt(time, () => this.wake())
    try {
      yield this
    } finally {
      forget?.()
    }
  }

  wake(): void {
    const waker = this.#waker
    this.#waker = null
    waker?.resume(undefined)
  }
}

/** Messages that have arrived but were not taken yet; among them at most one that has come too early, which `take` does not give. */
export class ReceiveQueue {
  readonly #messages = new Ring<Message>()
  #cost = 0
  readonly #connection: number | null
  /** Null: no message comes too early. */
  readonly #pace: MessagePace | null
  #early: Message = ''
  /** When the message that has come too early may be taken; Infinity if there is none. */
  earlyUntil = Infinity

  /** @param connection as in `Agreed` */
  constructor(connection: number | null, rate: Rate | null) {
    this.#connection = connection
    this.#pace = rate === null ? null : new MessagePace(rate)
  }

  get isEmpty(): boolean {
    return this.#messages.size === 0
  }

  /** Whether a message has come too early. */
  get isHolding(): boolean {
    return this.earlyUntil !== Infinity
  }

  /** Whether nothing more must be added. */
  get isFull(): boolean {
    return this.#cost >= webSocketUnreadBytes || this.isHolding
  }

  /** @param clock tells the time in seconds */
  add(message: Message, clock: { readonly now: number }): void {
    if (this.#pace !== null) {
      const { now } = clock
      const from = this.#pace.next(now)
      if (from > now) {
        this.#early = message
        this.earlyUntil = from
        return
      }
    }
    this.#push(message)
  }

  /** Adds the message that has come too early, if its time has come. Returns whether it has. */
  admit(now: number): boolean {
    if (now < this.earlyUntil) return false
    this.earlyUntil = Infinity
    this.#push(this.#early)
    this.#early = ''
    return true
  }

  #push(message: Message): void {
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
    this.#early = ''
    this.earlyUntil = Infinity
  }
}
