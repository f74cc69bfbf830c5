import type { CancelReason } from './errors.js'
import type { Loop } from './loop.js'
import type { Op, Suspension } from './op.js'
import { Timer } from './timers.js'

/** Seconds for which cancelled tasks may go on suspending, outside of `shield`: all `finally` blocks of one unwinding together. */
const cleanupSeconds = 5

/** The time for cleaning up, which a cancelled task shares with the tasks that it waits for and that are cancelled with it. */
export class CleanupTime {
  /** When it is over, in the loop's seconds; Infinity: it has not begun, as it does with the first suspension. */
  end = Infinity

  begin(now: number): void {
    if (this.end === Infinity) this.end = now + cleanupSeconds
  }

  /** The one of the two that counts for a task that has `own` and is cancelled once more, with one that waits for it: the shorter. */
  static shorter(own: CleanupTime | null, given: CleanupTime, now: number): CleanupTime {
    if (own !== null && own.end !== Infinity) given.begin(now)
    return own === null || given.end <= own.end ? given : own
  }
}

/** Tasks that a task waits for and that are cancelled in its place. */
export interface Delegate {
  cancelWithin(time: CleanupTime, reason: CancelReason): void
}

/** Where a cancelled task ends: it is never armed, since the task unwinds instead. */
export class Ending implements Suspension {
  /** Errors that the task ends with. */
  readonly errors: readonly unknown[]

  constructor(errors: readonly unknown[]) {
    this.errors = errors
  }

  arm(): void {}

  disarm(): void {}
}

const plainEnding = new Ending([])

/** What a cancellation knows of its task. */
export interface Cancellable {
  readonly loop: Loop
  /** Ends the present suspension, since the time for cleaning up is over. */
  endCleanup(): void
}

/** How far the cancelling of one task has come. */
export class Cancellation {
  /** Why the task was cancelled; null: it was not. */
  reason: CancelReason | null = null
  /** Whether its `finally` blocks run. */
  unwinding = false
  /** How many operations hold the cancellation off. */
  shields = 0
  /** Told of a cancellation in place of the task, which waits for these. It holds one shield. */
  #delegate: Delegate | null = null
  readonly #task: Cancellable
  #time: CleanupTime | null = null
  #timer: Timer | null = null

  constructor(task: Cancellable) {
    this.#task = task
  }

  /** The task takes its first step; gives whether it was cancelled before. */
  begin(): boolean {
    return (this.unwinding = this.reason !== null)
  }

  /** Whether the task is to end at its next suspension. */
  get due(): boolean {
    return this.reason !== null && !this.unwinding && this.shields === 0
  }

  /**
   * From here on the task waits for tasks of its own. A cancellation goes to them, and the waiting goes on until they are done: so
   * nothing that they give, a value or an error, is lost.
   */
  beginDelegating(to: Delegate): void {
    this.#delegate = to
    this.shields++
    if (!(this.unwinding && this.mayCleanUp())) this.handOn()
  }

  /** They are done. */
  endDelegating(): void {
    this.shields--
    this.#delegate = null
  }

  /** Ends the task here if it was cancelled and has not begun to unwind; else does nothing. */
  *unwind(): Op<void> {
    if (this.due) yield plainEnding
  }

  /**
   * The error of a cancelled task that this one has waited for: if this one was cancelled, too, ends it here with that error,
   * which no `catch` is to see.
   * @throws the error, if this task was not cancelled, or waits in a `finally` block
   */
  *unwindWith(error: unknown): Op<never> {
    if (this.due) yield new Ending([error])
    throw error
  }

  /** The task is cancelled together with one that waits for it, and cleans up in the same time. */
  share(time: CleanupTime): void {
    const { loop } = this.#task
    this.#time = CleanupTime.shorter(this.#time, time, loop.now)
    if (this.#timer !== null) loop.timers.set(this.#timer, this.#time.end)
  }

  /** Whether an unwinding task may suspend once more. */
  mayCleanUp(): boolean {
    const task = this.#task
    const time = (this.#time ??= new CleanupTime())
    time.begin(task.loop.now)
    if (time.end <= task.loop.heardUntil) return false
    if (this.#timer === null) {
      this.#timer = new Timer(() => task.endCleanup())
      task.loop.timers.set(this.#timer, time.end)
    }
    return true
  }

  /** Whether the task is not to be interrupted now; if it waits for tasks of its own, they are told. */
  handOn(): boolean {
    if (this.shields === 1 && this.reason !== null) this.#delegate?.cancelWithin((this.#time ??= new CleanupTime()), this.reason)
    return this.shields > 0
  }

  /** The task is done. */
  stop(): void {
    if (this.#timer !== null) this.#task.loop.timers.remove(this.#timer)
  }
}
