import { checkStart } from './arguments.js'
import { sameContext } from './async-context.js'
import { makesAwaitable, type Awaitable } from './operation.js'
import { CleanupTime } from './cancellation.js'
import { ClosedError, type CancelReason } from './errors.js'
import { together } from './failure.js'
import { made } from './forgotten.js'
import type { Loop } from './loop.js'
import type { Op, Suspension, Waker } from './op.js'
import { IndexedSet } from './indexed-set.js'
import { runningTask, Task, type Aftermath } from './task.js'

/**
 * Owns tasks: none outlives it. Created by `lev.scope()`. If a task fails and no task is joining it, the others are cancelled.
 */
export class Scope {
  readonly #loop: Loop
  readonly #tasks = new IndexedSet<Task<unknown>>()
  /** Background tasks, with the function that ends each; most scopes have none. */
  #background: Map<Task<unknown>, () => void> | null = null
  readonly #errors: unknown[] = []
  /**
   * Whether the errors must pass every `catch` of the enclosing task, once that is cancelled: a cancelled task threw one of
   * them, or there was one before the enclosing task was cancelled.
   */
  #past = false
  #reason: CancelReason | null = null
  #cleanupTime: CleanupTime | null = null
  #waiter: Waker | null = null
  #ended = false

  /** Whether background tasks may outlive the others; then nothing ends them. */
  readonly #lasting: boolean
  /** Set when `onSettled` was called. */
  #told: (() => void) | null = null

  /** @internal */
  constructor(loop: Loop, lasting = false) {
    this.#loop = loop
    this.#lasting = lasting
  }

  /** Number of tasks of the scope that are not done yet. */
  get size(): number {
    return this.#tasks.size
  }

  /**
   * Starts a task that the scope owns. Its first step runs after the caller has suspended or returned.
   * In a cancelled scope the task is cancelled before it runs.
   * @throws ClosedError if the scope has ended
   */
  spawn<T>(start: () => Op<T>): Task<T> {
    const task = this.#adopt('spawn', start)
    task.start()
    return task
  }

  /**
   * Starts a task that does not keep the scope open, because it only serves the others. Once all of those are done, `end` is
   * called, which must make it end; without `end` it is cancelled. The scope waits for its end; in all other respects it is an
   * ordinary task. Its first step runs before this returns, so that its `finally` blocks are in force; in a cancelled scope it
   * does not run at all, as `outcome` shows.
   * @throws ClosedError if the scope has ended
   */
  background<T>(start: () => Op<T>, end?: () => void): Task<T> {
    const task = this.#adopt('background', start);
    (this.#background ??= new Map<Task<unknown>, () => void>()).set(task, end ?? (() => task.cancel()))
    task.run()
    return task
  }

  /** Cancels every task of the scope, including those spawned later. Repeated calls do nothing. */
  cancel(reason: CancelReason = 'cancelled'): void {
    if (this.#reason !== null) return
    this.#reason = reason
    for (const task of this.#tasks) task.cancel(reason)
  }

  /** @internal Cancels the scope together with the task that waits for it: all share the cleanup time `time`. */
  cancelWithin(time: CleanupTime, reason: CancelReason): void {
    this.#reason ??= reason
    this.#past ||= this.failed
    this.#cleanupTime = CleanupTime.shorter(this.#cleanupTime, time, this.#loop.now)
    for (const task of this.#tasks) task.cancelWithin(time, this.#reason)
  }

  /** @internal */
  settled(task: Task<unknown>, joined: boolean): void {
    this.#tasks.delete(task)
    if (task.outcome?.kind === 'error' && !joined) {
      this.#past ||= task.cancellation.unwinding
      this.#fail(task.outcome.error)
    }
    if (this.#background !== null) {
      this.#background.delete(task)
      if (!this.#lasting) this.#endBackground(this.#background)
    }
    if (this.#tasks.size === 0) this.#waiter?.resume(undefined)
    this.#told?.()
  }

  /** @internal Calls `act` whenever a task has ended. */
  onSettled(act: () => void): void {
    this.#told = act
  }

  /** @internal Number of tasks that the scope waits for. */
  get pending(): number {
    return this.#tasks.size - (this.#background?.size ?? 0)
  }

  /** @internal Takes the errors of failed tasks: null if there is none, an AggregateError if there are several. */
  takeError(): { readonly error: unknown } | null {
    const errors = this.#errors.splice(0)
    return errors.length === 0 ? null : { error: together(errors) }
  }

  #adopt<T>(what: string, start: () => Op<T>): Task<T> {
    checkStart(what, start)
    if (this.#ended) throw new ClosedError('the scope has ended: a task can be spawned only while it runs')
    const task = new Task(this.#loop, start(), this, this)
    this.#tasks.add(task)
    if (this.#reason !== null) {
      if (this.#cleanupTime === null) task.cancel(this.#reason)
      else task.cancelWithin(this.#cleanupTime, this.#reason)
    }
    return task
  }

  /** Ends the background tasks if no other tasks are left; from here on the scope waits for them. */
  #endBackground(background: Map<Task<unknown>, () => void>): void {
    if (this.#tasks.size > background.size) return
    this.#background = null
    for (const end of background.values()) {
      try {
        end()
      } catch (error) {
        this.#fail(error)
      }
    }
  }

  #fail(error: unknown): void {
    this.#errors.push(error)
    this.cancel('error')
  }

  /** @internal Waits until every task is done, then marks the scope as ended. */
  *finish(): Op<void> {
    while (this.#tasks.size > 0) yield new Emptied((waker) => (this.#waiter = waker))
    this.#ended = true
  }

  /** @internal Whether a task failed. */
  get failed(): boolean {
    return this.#errors.length > 0
  }

  /** @internal Delivers the errors of failed tasks to `caller`. @throws the error, an AggregateError if several failed */
  *tell(caller: Task<unknown>): Op<never> {
    const error = together(this.#errors)
    if (this.#past) yield* caller.cancellation.unwindWith(error)
    throw error
  }
}

/** Waits until a scope has no tasks; `keep` gets the waker, then null when the waker must no longer be called. */
class Emptied implements Suspension {
  readonly #keep: (waker: Waker | null) => void

  constructor(keep: (waker: Waker | null) => void) {
    this.#keep = keep
  }

  arm(waker: Waker): void {
    this.#keep(waker)
  }

  disarm(): void {
    this.#keep(null)
  }
}

/**
 * Runs `body`, and every task it spawns, in a new scope, and returns the value of `body` once all of them are done.
 * If a task or the body fails, the rest are cancelled.
 *
 * @throws the error of the task that failed (an AggregateError if several did); CancelledError if the scope was
 * cancelled before the body had a value
 */
export function scope<T>(body: (scope: Scope) => Op<T>): Awaitable<T> {
  checkStart('scope', body)
  return made(scopeAfter({ spawned: null, context: sameContext }, body))
}

/** Like `scope`, but including the tasks of `aftermath`, and in its async context. */
export function* scopeAfter<T>(aftermath: Aftermath, body: (scope: Scope) => Op<T>): Op<T> {
  const caller = runningTask('lev.scope()')
  const inner = spawnedOf(aftermath, caller.loop)
  aftermath.spawned = null
  const main = aftermath.context(() => inner.spawn(() => body(inner)))
  caller.cancellation.beginDelegating(inner)
  yield* inner.finish()
  caller.cancellation.endDelegating()
  if (inner.failed) yield* inner.tell(caller)
  return yield* main.join()
}
makesAwaitable(scopeAfter)

/**
 * Starts a task in the nearest enclosing scope of the running task.
 * @throws UsageError outside of every task
 */
export function spawn<T>(start: () => Op<T>): Task<T> {
  return scopeOf('lev.spawn()').spawn(start)
}

/**
 * Starts a task that does not keep the nearest enclosing scope open: see `Scope.background`.
 * @throws UsageError outside of every task
 */
export function background<T>(start: () => Op<T>, end?: () => void): Task<T> {
  return scopeOf('lev.background()').background(start, end)
}

function scopeOf(what: string): Scope {
  const { scope: place, loop } = runningTask(what)
  if (place instanceof Scope) return place
  if ('spawned' in place) return spawnedOf(place, loop)
  throw new ClosedError('the running task has no scope')
}

/** The scope of the spawned tasks, created if there is none. */
function spawnedOf(aftermath: Aftermath, loop: Loop): Scope {
  const spawned = aftermath.spawned instanceof Scope ? aftermath.spawned : new Scope(loop)
  aftermath.spawned = spawned
  return spawned
}
