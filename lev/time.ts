import { CancelledError, TimeoutError } from './errors.js'
import type { Op, Suspension, Waker } from './op.js'
import { supervise } from './scope.js'
import { currentTask, runningTask, type Task } from './task.js'
import { Timer, type Timers } from './timers.js'

/** Seconds that `shield` gives an operation when the caller does not say. */
const shieldSeconds = 10

class Sleep implements Suspension {
  readonly #timers: Timers
  readonly #until: number
  #timer: Timer | null = null

  constructor(timers: Timers, until: number) {
    this.#timers = timers
    this.#until = until
  }

  arm(waker: Waker): void {
    this.#timer = new Timer(() => waker.resume(undefined))
    this.#timers.set(this.#timer, this.#until)
  }

  disarm(): void {
    if (this.#timer !== null) this.#timers.remove(this.#timer)
  }
}

/** Suspends for `seconds`; 0 or less lets the others run and goes on. Infinity sleeps until cancelled. */
export function* sleep(seconds: number): Op<void> {
  if (Number.isNaN(seconds)) throw new RangeError('sleep: seconds must be a number, got NaN')
  const { loop } = runningTask('lev.sleep()')
  yield new Sleep(loop.timers, loop.now + Math.max(0, seconds))
}

/**
 * Runs `op` for at most `seconds`; when they are over, cancels it, waits for its `finally` blocks, and throws.
 * @throws TimeoutError; what `op` throws
 */
export function* timeout<T>(seconds: number, op: Op<T>): Op<T> {
  const { loop } = runningTask('lev.timeout()')
  let task: Task<T> | null = null
  let fired = false
  const timer = new Timer(() => {
    fired = true
    task?.cancel('timeout')
  })
  loop.timers.set(timer, loop.now + seconds)
  try {
    return yield* supervise(op, (started) => (task = started))
  } catch (error) {
    if (fired && error instanceof CancelledError) throw new TimeoutError(`not done within ${seconds} s`)
    throw error
  } finally {
    loop.timers.remove(timer)
  }
}

/**
 * Runs `op` to its end even if the running task is cancelled meanwhile, or was before: for cleanup that must finish.
 * The cancellation takes effect afterwards. A shield has a deadline, so that nothing can hold a cancelled task for ever.
 * @param seconds the deadline
 * @throws TimeoutError; what `op` throws
 */
export function* shield<T>(op: Op<T>, seconds = shieldSeconds): Op<T> {
  return yield* runningTask('lev.shield()').shielded(timeout(seconds, op))
}

/** Seconds on the clock that deadlines are reckoned on: monotonic, or virtual on the memory driver. */
export function now(): number {
  return runningTask('lev.now()').loop.driver.now()
}

/** Seconds since 1970-01-01T00:00:00Z, or what the memory driver takes for it. */
export function wallClock(): number {
  return runningTask('lev.wallClock()').loop.driver.wallClock()
}

/** Lets every other ready task, and events from outside, have their turn. */
export function* breathe(): Op<void> {
  yield later
}

const later: Suspension = {
  arm() {
    const task = currentTask()
    if (task === null) return
    task.loop.enqueueLater({ run: () => task.resume(undefined) })
  },
  disarm() {},
}
