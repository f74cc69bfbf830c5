import { checkOperation } from './arguments.js'
import { ClosedError, UsageError } from './errors.js'
import { WaitQueue } from './wait-queue.js'
import { makesAwaitable, type Awaitable } from './operation.js'
import { made, opMethods } from './forgotten.js'
import { suspend, type Op } from './op.js'
import { Ring } from './ring.js'

/** The waiters for something, first in, first out; each can leave when it is cancelled. */
class Waiters<T> {
  readonly #resumes = new WaitQueue<(value: T) => void>()

  wait(): Op<T> {
    return suspend<T>((resume) => this.#resumes.join(resume))
  }

  /** Wakes the waiter that has waited longest; false if there is none. */
  wake(value: T): boolean {
    const resume = this.#resumes.take()
    resume?.(value)
    return resume !== null
  }

  wakeAll(value: T): void {
    while (this.wake(value));
  }
}

/** A flag that is set once and that tasks can wait for. */
export interface Event {
  /** Whether `set` was called. */
  readonly isSet: boolean
  /** Wakes all waiters; later calls of `wait` return at once. May be called from anywhere. */
  set(): void
  /** Waits until `set` is called. */
  wait(): Awaitable<void>
}

/** Creates an event that is not set. */
export function event(): Event {
  const waiters = new Waiters<void>()
  let isSet = false
  return opMethods<Event, 'wait'>({
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

/** Limits how many operations run at the same time. */
export interface Semaphore {
  /** Number of free permits. */
  readonly available: number
  /** Waits for a permit and runs `op` while holding it; the permit is always returned. */
  with<T>(op: Op<T>): Awaitable<T>
}

/**
 * Creates a semaphore with `permits` permits, granted in the order of requests.
 * @throws RangeError unless permits is a positive integer
 */
export function semaphore(permits: number): Semaphore {
  if (!Number.isInteger(permits) || permits < 1) {
    throw new RangeError(`semaphore: permits must be a positive integer, got ${permits}`)
  }
  // A waiter is woken with the permit in hand; if it is cancelled at that moment it still runs, and returns the permit.
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
  makesAwaitable(holding)

  return {
    get available() {
      return available
    },
    with: (op) => made(holding(op), op),
  }
}

/** A queue between tasks that can be closed. */
export interface Channel<T> {
  /** Sends `value`, not null; waits while the channel is full. @throws ClosedError if the channel is or gets closed */
  send(value: T): Awaitable<void>
  /** Sends `value` if there is room now. May be called from anywhere. @throws ClosedError if the channel is closed */
  trySend(value: T): boolean
  /** Waits for the next value; null once the channel is closed and empty. */
  receive(): Awaitable<T | null>
  /** The next value if there is one now, else null. May be called from anywhere. */
  tryReceive(): T | null
  /** Closes the channel: receivers get the queued values and then null, waiting senders get ClosedError. */
  close(): void
  /** Number of queued values. */
  readonly size: number
}

/**
 * Creates a channel that holds up to `capacity` values; with 0, a sender waits for its receiver.
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

  /** Moves the value of the sender that has waited longest into the queue. */
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

  return opMethods<Channel<T>, 'send' | 'receive'>({
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
