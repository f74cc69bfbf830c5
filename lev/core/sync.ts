import { checkOperation } from './arguments.js'
import { ClosedError, UsageError } from './errors.js'
import { WaitQueue } from './wait-queue.js'
import { made, watchMethods } from './forgotten.js'
import { suspend, type Op } from './op.js'
import { Ring } from './ring.js'

/** First in, first out: who waits for something, each with a way to leave. */
class Waiters<T> {
  readonly #resumes = new WaitQueue<(value: T) => void>()

  wait(): Op<T> {
    return suspend<T>((resume) => this.#resumes.join(resume))
  }

  /** Wakes the one that has waited longest; false if none waits. */
  wake(value: T): boolean {
    const resume = this.#resumes.take()
    resume?.(value)
    return resume !== null
  }

  wakeAll(value: T): void {
    while (this.wake(value));
  }
}

/** Something that has happened, or has not yet. */
export interface Event {
  /** Whether it has happened. */
  readonly isSet: boolean
  /** Wakes everybody who waits; whoever waits later goes on at once. May be called from anywhere. */
  set(): void
  /** Waits until it has happened. */
  wait(): Op<void>
}

/** Makes an event that has not happened yet. */
export function event(): Event {
  const waiters = new Waiters<void>()
  let isSet = false
  return watchMethods({
    get isSet() {
      return isSet
    },
    set() {
      isSet = true
      waiters.wakeAll()
    },
    *wait() {
      if (!isSet) yield* waiters.wait()
    },
  }, 'wait')
}

/** At most so many at once. */
export interface Semaphore {
  /** Permits that nobody holds. */
  readonly available: number
  /** Runs `op` while holding a permit; the permit goes back on every path. */
  with<T>(op: Op<T>): Op<T>
}

/**
 * Makes a semaphore with `permits` permits, given out in the order of asking.
 * @throws RangeError unless permits is a positive integer
 */
export function semaphore(permits: number): Semaphore {
  if (!Number.isInteger(permits) || permits < 1) {
    throw new RangeError(`semaphore: permits must be a positive integer, got ${permits}`)
  }
  // A waiter is handed a ticket; if it is cancelled with the ticket in hand it still runs, and gives the permit back.
  const waiters = new Waiters<void>()
  let available = permits
  const release = (): void => {
    if (!waiters.wake()) available++
  }

  function* holding<T>(op: Op<T>): Op<T> {
    checkOperation('semaphore.with', op)
    if (available > 0) available--
    else yield* waiters.wait()
    try {
      return yield* op
    } finally {
      release()
    }
  }

  return {
    get available() {
      return available
    },
    with: (op) => made(holding(op), op),
  }
}

/** A queue between tasks, with an end. */
export interface Channel<T> {
  /** Hands over `value`, not null; waits while the channel is full. @throws ClosedError if the channel is or gets closed */
  send(value: T): Op<void>
  /** Hands over `value` if there is room now. May be called from anywhere. @throws ClosedError if the channel is closed */
  trySend(value: T): boolean
  /** The next value, or null once the channel is closed and empty. */
  receive(): Op<T | null>
  /** The next value if there is one now, else null. May be called from anywhere. */
  tryReceive(): T | null
  /** No more values: receivers get what is queued and then null, waiting senders get ClosedError. */
  close(): void
  /** How many values are queued. */
  readonly size: number
}

/**
 * Makes a channel that holds up to `capacity` values that nobody has received; with 0, a sender waits for its receiver.
 * @throws RangeError unless capacity is a whole number from 0
 */
export function channel<T>(capacity = 0): Channel<T> {
  if (capacity !== Infinity && (!Number.isInteger(capacity) || capacity < 0)) {
    throw new RangeError(`channel: capacity must be a whole number from 0, got ${capacity}`)
  }
  const queue = new Ring<T>()
  const receivers = new Waiters<{ value: T } | null>()
  const senders = new WaitQueue<{ readonly value: T; readonly resume: (sent: boolean) => void }>()
  let closed = false

  function trySend(value: T): boolean {
    if (closed) throw new ClosedError('the channel is closed')
    if (value === null) throw new UsageError('null cannot be sent: it means the end of the channel')
    if (receivers.wake({ value })) return true
    if (queue.size >= capacity) return false
    queue.push(value)
    return true
  }

  /** Lets the sender that waits longest put its value into the queue. */
  function admit(): void {
    const sender = senders.take()
    if (sender === null) return
    queue.push(sender.value)
    sender.resume(true)
  }

  function tryReceive(): T | null {
    if (queue.size === 0) admit()
    const value = queue.take()
    if (value !== null && queue.size < capacity) admit()
    return value
  }

  return watchMethods({
    get size() {
      return queue.size
    },
    trySend,
    *send(value) {
      if (trySend(value)) return
      const sent = yield* suspend<boolean>((resume) => senders.join({ value, resume }))
      if (!sent) throw new ClosedError('the channel was closed before the value was received')
    },
    tryReceive,
    *receive() {
      const value = tryReceive()
      if (value !== null || closed) return value
      const received = yield* receivers.wait()
      return received === null ? null : received.value
    },
    close() {
      closed = true
      receivers.wakeAll(null)
      for (let sender = senders.take(); sender !== null; sender = senders.take()) sender.resume(false)
    },
  }, 'send', 'receive')
}
