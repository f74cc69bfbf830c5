import { checkOperation } from './arguments.js'
import { makesAwaitable, type Awaitable } from './operation.js'
import { TimeoutError } from './errors.js'
import { made } from './forgotten.js'
import type { Loop, Runnable } from './loop.js'
import type { Op, Suspension, Waker } from './op.js'
import { Child, given } from './child.js'
import { runningTask } from './task.js'
import { Timer, type Timers } from './timers.js'

/** Default deadline of `shield`, in seconds. */
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

/** Suspends for `seconds`; 0 or less only lets other tasks run first. Infinity sleeps until cancelled. */
export function sleep(seconds: number): Awaitable<void> {
  return made(sleeping(seconds))
}

function* sleeping(seconds: number): Op<void> {
  checkSeconds('sleep', seconds)
  if (seconds <= 0) return yield* yieldNow()
  const { loop } = runningTask('lev.sleep()')
  // The exact time: it includes the time that the task has computed since it was resumed.
  yield new Sleep(loop.timers, loop.driver.now() + seconds)
}

/** Waits until all events that came before this call were delivered, including connections and input waiting in the system. */
export function* catchUp(): Op<void> {
  const { loop } = runningTask('lev.catchUp()')
  yield new Sleep(loop.timers, loop.driver.now())
}

/**
 * Calls `act` at `time`, in `now()` seconds, outside of every task. Returns the function that takes it back.
 * @param keeps whether the process stays alive until then
 */
export function callAt(time: number, act: () => void, keeps = true): () => void {
  const { timers } = runningTask('lev.callAt()').loop
  const timer = new Timer(act, keeps)
  timers.set(timer, time)
  return () => timers.remove(timer)
}

function checkSeconds(what: string, seconds: number): void {
  if (typeof seconds !== 'number' || Number.isNaN(seconds)) {
    throw new RangeError(`${what}: seconds must be a number, got ${typeof seconds === 'number' ? seconds : typeof seconds}`)
  }
}

/**
 * Runs `op` for at most `seconds`; after that, cancels it, waits for its `finally` blocks, and throws.
 * @throws TimeoutError, whose `cause` is the error that `op` threw after that time, if any; what `op` throws
 */
export function timeout<T>(seconds: number, op: Op<T>): Awaitable<T> {
  return made(timing(seconds, op), op)
}

function* timing<T>(seconds: number, op: Op<T>): Op<T> {
  checkSeconds('timeout', seconds)
  checkOperation('timeout', op)
  const caller = runningTask('lev.timeout()')
  const { timers, driver } = caller.loop
  const child = new Child(caller, op)
  const { task } = child
  let isOver = false
  const timer = new Timer(() => {
    if (task.cancelReason !== null) return
    isOver = true
    task.cancel('timeout')
  })
  timers.set(timer, driver.now() + seconds)
  if (child.start()) yield child
  timers.remove(timer)
  const { outcome } = task
  if (outcome?.kind === 'value') return outcome.value
  if (!isOver) return yield* given(caller, task)
  const cause = outcome?.kind === 'error' ? { cause: outcome.error } : {}
  return yield* caller.cancellation.unwindWith(new TimeoutError(`not done within ${seconds} s`, cause))
}

/**
 * Runs `op` to its end even if the running task is cancelled meanwhile, or was before: for cleanup that must finish.
 * The cancellation takes effect afterwards. A shield has a deadline, so that it cannot hold up a cancelled task for ever.
 * @param seconds the deadline
 * @throws TimeoutError; what `op` throws
 */
export function shield<T>(op: Op<T>, seconds = shieldSeconds): Awaitable<T> {
  return made(shielding(op, seconds), op)
}

function* shielding<T>(op: Op<T>, seconds: number): Op<T> {
  checkOperation('shield', op)
  const { cancellation } = runningTask('lev.shield()')
  cancellation.shields++
  try {
    return yield* timing(seconds, op)
  } finally {
    cancellation.shields--
  }
}

/** Seconds on the clock that deadlines use: monotonic, or virtual on the memory driver. */
export function now(): number {
  return runningTask('lev.now()').loop.driver.now()
}

/** Seconds since 1970-01-01T00:00:00Z; virtual on the memory driver. */
export function wallClock(): number {
  return runningTask('lev.wallClock()').loop.driver.wallClock()
}

/** Lets all other ready tasks and external events run first. */
export function yieldNow(): Awaitable<void> {
  return made(yieldingNow())
}

function* yieldingNow(): Op<void> {
  yield new YieldNow(runningTask('lev.yieldNow()').loop)
}

makesAwaitable(sleeping, timing, shielding, yieldingNow)

class YieldNow implements Suspension, Runnable {
  readonly #loop: Loop
  #waker: Waker | null = null

  constructor(loop: Loop) {
    this.#loop = loop
  }

  arm(waker: Waker): void {
    this.#waker = waker
    this.#loop.enqueueLater(this)
  }

  disarm(): void {
    this.#waker = null
  }

  run(): void {
    this.#waker?.resume(undefined)
  }
}
