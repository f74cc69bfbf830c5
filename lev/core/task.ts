import { captureContext, contextsInUse, copyContext, leaveContext, watchContexts, type Snapshot } from './async-context.js'
import { Cancellation, Ending, type CleanupTime } from './cancellation.js'
import { CancelledError, UsageError, type CancelReason } from './errors.js'
import { instanceOf } from './foreign.js'
import type { Awaitable } from './operation.js'
import { claim, makerDone, opMethods, watchMakers } from './forgotten.js'
import { Join, type Joiner } from './join.js'
import { WaitQueue } from './wait-queue.js'
import type { Loop } from './loop.js'
import type { Disarm, Op, Suspension } from './op.js'
import { Unwinder } from './unwind.js'

/** The scope, run or operation that is responsible for a task. */
export interface TaskOwner {
  /**
   * The task is done. Its joiners are already ready to run: they get its outcome even if the owner cancels them now.
   * @param joined whether its error, if any, goes to a task that waits in `join`
   */
  settled(task: Task<unknown>, joined: boolean): void
}

/** State that a function that cannot wait leaves behind for the operation that follows it. */
export interface Aftermath {
  /** The scope of the tasks that it has spawned; null if there are none. */
  spawned: TaskOwner | null
  /** The async context in which it returned. */
  context: Snapshot
}

/** How a task ended. */
export type Outcome<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'cancelled'; readonly reason: CancelReason }

/** The generator method that the next step calls. */
type Entry = 'next' | 'throw' | 'return'

/** The task whose code is running. */
let current: Task<unknown> | null = null
/** Whether the running code must be treated as code outside of every task. */
let hidden = false

watchContexts(() => current !== null)
watchMakers(() => current)

/** The running task, or null outside of every task. */
export function currentTask(): Task<unknown> | null {
  return hidden ? null : current
}

/** Whether the caller runs in a coroutine, and so may `yield*`. */
export function inCoroutine(): boolean {
  return currentTask() !== null
}

/**
 * Calls a function that cannot `yield*`, such as a user's callback, as if from outside of every task: functions that behave
 * differently inside coroutines (`lev.run`, for example) behave as they do outside. Returns what `call` returns.
 */
export function runOutsideTask<T>(call: () => T): T {
  const before = hidden
  hidden = true
  try {
    return call()
  } finally {
    hidden = before
  }
}

/**
 * The running task.
 * @throws UsageError outside of every task
 */
export function runningTask(what: string): Task<unknown> {
  if (current === null || hidden) {
    throw new UsageError(`${what} works inside a coroutine only: call it from what lev.run() runs`)
  }
  return current
}

/**
 * A running coroutine.
 *
 * It is ready (queued), running, suspended or done. `cancel` marks it; a suspended task is ended where it is, with the
 * generator's `return()`, a ready or running one at its next suspension, so that no value it was given is lost.
 */
export class Task<T> {
  /** @internal */
  readonly loop: Loop
  /** @internal Where `spawn` in the task adds tasks: a scope or, during `callApart`, the aftermath. */
  scope: TaskOwner | Aftermath
  /** @internal */
  readonly cancellation: Cancellation
  readonly #owner: TaskOwner
  readonly #generator: Op<T>
  #outcome: Outcome<T> | null = null
  #suspension: Suspension | null = null
  /** @internal */ index = -1
  #started = false
  #running = false
  #entry: Entry = 'next'
  #value: unknown = undefined
  /** Ends the generator once the task is cancelled. */
  #unwinder: Unwinder | null = null
  #joiners: WaitQueue<Joiner> | null = null
  #context: Snapshot | null

  /** @internal @throws UsageError if `generator` is not a generator */
  constructor(loop: Loop, generator: Op<T>, owner: TaskOwner, scope: TaskOwner | Aftermath) {
    if (typeof (generator as Partial<Op<T>> | undefined)?.next !== 'function') {
      throw new UsageError('a task is made of a generator: give a function*, and use `yield* lev.wait(promise)` for a promise')
    }
    claim(generator)
    this.loop = loop
    this.#generator = generator
    this.#owner = owner
    this.scope = scope
    this.cancellation = new Cancellation(this)
    this.#context = contextsInUse ? captureContext() : null
  }

  /** How the task ended; null while it has not. */
  get outcome(): Outcome<T> | null {
    return this.#outcome
  }

  /** Why the task was cancelled, or null. It may still be unwinding. */
  get cancelReason(): CancelReason | null {
    return this.cancellation.reason
  }

  /** @internal Puts the task into the ready queue for the first time. */
  start(): void {
    this.loop.enqueue(this)
  }

  /** Waits until the task is done, however it ends. Unlike `join`, this does not take its error. */
  done(): Awaitable<void>
  *done(): Op<void> {
    if (current === this) throw new UsageError('a task cannot join itself')
    if (this.#outcome === null) yield new Join(this, false)
  }

  /**
   * Waits until the task is done, and returns its value.
   * @throws what the task threw; CancelledError if it was cancelled
   */
  join(): Awaitable<T>
  *join(): Op<T> {
    if (current === this) throw new UsageError('a task cannot join itself')
    if (this.#outcome === null) yield new Join(this, true)
    if (this.#outcome?.kind === 'cancelled') yield* runningTask('join').cancellation.unwind()
    return this.result()
  }

  /** @internal The value of a task that is done. @throws what the task threw; CancelledError if it was cancelled */
  result(): T {
    const outcome = this.#outcome
    if (outcome === null) throw new UsageError('the task is not done: wait for it by `yield* task.join()`')
    if (outcome.kind === 'value') return outcome.value
    throw outcome.kind === 'error' ? outcome.error : new CancelledError(outcome.reason)
  }

  /**
   * Ends the task: its `finally` blocks run, innermost first; no `catch` can stop that. Does nothing when repeated or too late.
   * @param reason the reason that CancelledError and `cancelReason` show
   */
  cancel(reason: CancelReason = 'cancelled'): void {
    if (this.#outcome !== null || this.cancellation.reason !== null) return
    this.cancellation.reason = reason
    this.#interrupt()
  }

  /** @internal Cancels the task together with one that waits for it. Both share `time`, even if this one was cancelled before. */
  cancelWithin(time: CleanupTime, reason: CancelReason): void {
    if (this.#outcome !== null) return
    this.cancellation.share(time)
    if (this.cancellation.reason === null) this.cancel(reason)
    // The tasks that it waits for must share `time` too, but not those that its `finally` blocks wait for: they were not cancelled.
    else if (!this.cancellation.unwinding) this.cancellation.handOn()
  }

  /** @internal */
  resume(value: unknown): void {
    this.#wake('next', value)
  }

  /** @internal */
  fail(error: unknown): void {
    this.#wake('throw', error)
  }

  /** @internal */
  externalWait(change: 1 | -1, guaranteed: boolean): void {
    this.loop.driver.awaitExternal(change, guaranteed)
  }

  /** @internal One step: from here to the next suspension. The loop calls it. */
  run(): void {
    if (contextsInUse) (this.#context ?? copyContext(this.loop.context))(() => this.#step())
    else this.#step()
  }

  /** @internal */
  addJoiner(joiner: Joiner): Disarm {
    return (this.#joiners ??= new WaitQueue<Joiner>()).join(joiner)
  }

  /**
   * @internal
   * If the task fails, passes the error to `take` and not to its scope. That includes errors that `finally` blocks throw in a
   * cancelled task, which no `catch` in the task sees.
   */
  takeError(take: (error: unknown) => void): void {
    this.addJoiner({ takesError: true, wake: () => this.#outcome?.kind === 'error' && take(this.#outcome.error) })
  }

  #step(): void {
    const { cancellation } = this
    const outer = current
    const plain = !contextsInUse
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- which task runs is known to the whole module
    current = this
    this.#running = true
    try {
      if (!this.#started) {
        this.#started = true
        // If it was cancelled before its first step, none of its code runs.
        if (cancellation.begin()) return this.#settle({ kind: 'value', value: undefined as T })
      }
      let entry = this.#entry
      let value = this.#value
      this.#value = undefined
      for (;;) {
        const step = this.#enter(entry, value)
        if (step.done === true) return this.#settle({ kind: 'value', value: step.value as T })
        if (cancellation.reason !== null && cancellation.shields === 0) {
          if (!cancellation.unwinding) {
            cancellation.unwinding = true
            entry = 'return'
            value = step.value
            continue
          }
          if (!cancellation.mayCleanUp()) return this.#refuse(cancellation.reason)
        }
        const fault = this.#suspend(step.value)
        if (fault === null) return
        entry = 'throw'
        value = fault.error
      }
    } catch (error) {
      this.#settle({ kind: 'error', error })
    } finally {
      this.#running = false
      current = outer
      if (contextsInUse) {
        if (this.#outcome === null) this.#context = captureContext()
        if (plain) leaveContext(this.loop.context, outer === null)
      }
    }
  }

  #enter(entry: Entry, value: unknown): IteratorResult<Suspension, unknown> {
    if (this.#unwinder !== null) return entry === 'return' ? this.#unwinder.force() : this.#unwinder.resume(entry, value)
    if (entry === 'next') return this.#generator.next(value)
    if (entry === 'throw') return this.#generator.throw(value)
    this.#unwinder = new Unwinder()
    if (value instanceof Ending) value.errors.forEach((error) => this.#unwinder?.keep(error))
    return this.#unwinder.begin(this.#generator)
  }

  /** Suspends; returns the error to throw into the generator if that fails. */
  #suspend(suspension: Suspension): { error: unknown } | null {
    if (!isSuspension(suspension)) return { error: new UsageError(notAnOperation) }
    this.#suspension = suspension
    try {
      suspension.arm(this)
    } catch (error) {
      if (this.#suspension !== null) {
        this.#release(suspension)
        return { error }
      }
      this.loop.report(error)
    }
    this.#running = false
    // `arm` may have cancelled it.
    if (this.cancellation.due) this.#interrupt()
    return null
  }

  #release(suspension: Suspension): void {
    this.#suspension = null
    try {
      suspension.disarm()
    } catch (error) {
      this.loop.report(error)
    }
  }

  #wake(entry: Entry, value: unknown): void {
    if (this.#suspension === null) return
    this.#suspension = null
    this.#ready(entry, value)
  }

  #ready(entry: Entry, value: unknown): void {
    this.#entry = entry
    this.#value = value
    this.loop.enqueue(this)
  }

  /** Ends the current suspension of a cancelled task, or delegates the cancellation to its child tasks. */
  #interrupt(): void {
    const suspension = this.#suspension
    if (this.cancellation.handOn() || suspension === null || this.#running) return
    this.#release(suspension)
    this.cancellation.unwinding = true
    this.#ready('return', undefined)
  }

  /** @internal The cleanup time is over. */
  endCleanup(): void {
    const suspension = this.#suspension
    if (this.cancellation.handOn() || suspension === null) return
    this.#release(suspension)
    this.#ready('throw', new CancelledError(this.cancellation.reason ?? 'cancelled'))
  }

  /** Makes the next step throw, or end by force. It runs in a later turn, so that a task that keeps catching starves no others. */
  #refuse(reason: CancelReason): void {
    this.#entry = this.#unwinder?.refuse() === true ? 'throw' : 'return'
    this.#value = new CancelledError(reason)
    this.loop.enqueueLater(this)
  }

  #settle(outcome: Outcome<T>): void {
    const { reason, unwinding } = this.cancellation
    this.cancellation.stop()
    makerDone(this, outcome.kind === 'value' ? outcome.value : undefined)
    const failed = outcome.kind === 'error' && !instanceOf(outcome.error, CancelledError)
    this.#outcome = unwinding && !failed && reason !== null ? { kind: 'cancelled', reason } : outcome
    let joined = false
    const joiners = this.#joiners
    this.#joiners = null
    if (joiners !== null) {
      for (let joiner = joiners.take(); joiner !== null; joiner = joiners.take()) {
        joined ||= joiner.takesError
        joiner.wake()
      }
    }
    this.#owner.settled(this, joined)
  }
}

opMethods(Task.prototype, 'done', 'join')

function isSuspension(value: unknown): boolean {
  try {
    return typeof (value as Partial<Suspension> | null | undefined)?.arm === 'function'
  } catch {
    return false
  }
}

const notAnOperation = 'only operations can be yielded: write `yield*`, and `yield* lev.wait(promise)` for a promise'
