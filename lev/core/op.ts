import { checkPromise } from './arguments.js'
import { made } from './forgotten.js'
import { makesAwaitable, type Awaitable, type Op, type Suspension, type Waker } from './operation.js'

export type { Awaitable, Op, Suspension, Waker } from './operation.js'

/** Releases what a suspension set up. */
export type Disarm = () => void

// `void`, so that a function without a return statement is accepted too.
type Arm<T> = (resume: (value: T) => void, fail: (error: unknown) => void) => void | Disarm

class Suspended<T> implements Suspension {
  readonly #start: Arm<T>
  #waker: Waker | null = null
  #stop: ReturnType<Arm<T>> = undefined

  constructor(start: Arm<T>) {
    this.#start = start
  }

  arm(waker: Waker): void {
    this.#waker = waker
    this.#stop = this.#start(
      (value) => this.#take()?.resume(value),
      (error) => this.#take()?.fail(error),
    )
  }

  disarm(): void {
    if (this.#take() !== null) this.#stop?.()
  }

  /** The waker on the first call, null after that. */
  #take(): Waker | null {
    const waker = this.#waker
    this.#waker = null
    return waker
  }
}

/** Waits for a promise; to be yielded as soon as it is made. A rejection after its end is ignored. */
export class PromiseWait implements Suspension {
  /** Whether the wait has ended by the promise. */
  settled = false
  readonly #guaranteed: boolean
  #waker: Waker | null = null

  constructor(promise: PromiseLike<unknown>, guaranteed: boolean) {
    this.#guaranteed = guaranteed
    // `resolve` isolates us from the `then` of a foreign thenable; it returns a native promise unchanged.
    Promise.resolve(promise).then(
      (value) => this.#end()?.resume(value),
      (error: unknown) => this.#end()?.fail(error),
    )
  }

  arm(waker: Waker): void {
    this.#waker = waker
    waker.externalWait(1, this.#guaranteed)
  }

  disarm(): void {
    this.#take()
  }

  /** Ends the wait before the promise has settled: the `yield` returns undefined. */
  interrupt(): void {
    this.#take()?.resume(undefined)
  }

  #end(): Waker | null {
    const waker = this.#take()
    this.settled = waker !== null
    return waker
  }

  #take(): Waker | null {
    const waker = this.#waker
    this.#waker = null
    waker?.externalWait(-1, this.#guaranteed)
    return waker
  }
}

/**
 * Suspends the running coroutine until `resume` or `fail` is called.
 * `arm` may return a function that undoes what it did; it is called if the coroutine is cancelled while suspended.
 * Calls of `resume` and `fail` after the first, or after a cancellation, do nothing. On the memory driver the call must come
 * from within its world; use `wait` for events of the real one.
 *
 * @throws the argument of `fail`
 */
export function suspend<T>(arm: Arm<T>): Awaitable<T> {
  return made(suspending(arm))
}

function* suspending<T>(arm: Arm<T>): Op<T> {
  return (yield new Suspended<T>(arm)) as T
}

/**
 * Waits for a promise (or any thenable): returns its value or throws its rejection. Cancelling ends the waiting, not the
 * promise; a later rejection is ignored.
 * @throws what the promise is rejected with; UsageError if it is an operation or a function
 */
export function wait<T>(promise: PromiseLike<T>): Awaitable<T> {
  return made(waiting('wait', promise, false))
}

/**
 * Like `wait`, for work that always ends by itself, such as compression in the thread pool: the memory driver's clock
 * stands still until it has ended.
 */
export function waitForThreadPool<T>(promise: PromiseLike<T>): Awaitable<T> {
  return made(waiting('waitForThreadPool', promise, true))
}

function* waiting<T>(what: string, promise: PromiseLike<T>, guaranteed: boolean): Op<T> {
  checkPromise(what, promise)
  return (yield new PromiseWait(promise, guaranteed)) as T
}

makesAwaitable(suspending, waiting)

/** An operation that is already done: for functions that seldom have to wait. Can be run any number of times. */
export const done: Op<void> = finished()

function finished(): Op<void> {
  const op = (function* (): Op<void> {})()
  op.next()
  return op
}
