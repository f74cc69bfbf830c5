import type { CancelReason } from './errors.js'
import type { Loop } from './loop.js'
import type { Op, Suspension } from './op.js'
import { Timer } from './timers.js'

/** Seconds during which a cancelled task may still suspend outside of `shield`, for all `finally` blocks together. */
export const cleanupSeconds = 5

/** The cleanup time of a cancelled task, shared with the tasks that it waits for and that are cancelled with it. */
export class CleanupTime {
  /** When it ends, in the loop's seconds; Infinity until the first suspension starts it. */
  end = Infinity

  begin(now: number): void {
    if (this.end === Infinity) this.end = now + cleanupSeconds
  }

  /** The shorter of the two: applies to a task that has `own` and is cancelled again together with a task that waits for it. */
  static shorter(own: CleanupTime | null, given: CleanupTime, now: number): CleanupTime {
    if (own !== null && own.end !== Infinity) given.begin(now)
    return own === null || given.end <= own.end ? given : own
  }
}

/** Tasks that a task waits for and that are cancelled in its place. */
interface Delegate {
  cancelWithin(time: CleanupTime, reason: CancelReason): void
}

/** Yielded to end a cancelled task at this point. Never armed: the task unwinds instead. */
export class Ending implements Suspension {
  /** Errors to be thrown at the end of the unwinding. */
  readonly errors: readonly unknown[]

  constructor(errors: readonly unknown[]) {
    this.errors = errors
  }

  arm(): void {}

  disarm(): void {}
}

const plainEnding = new Ending([])

/** The task as its cancellation sees it. */
interface Cancellable {
  readonly loop: Loop
  /** Ends the current suspension, because the cleanup time is over. */
  endCleanup(): void
}

/** The state of one task's cancellation. */
export class Cancellation {
  /** Why the task was cancelled; null if it was not. */
  reason: CancelReason | null = null
  /** Whether its `finally` blocks are running. */
  unwinding = false
  /** How many operations currently defer the cancellation. */
  shields = 0
  /** Tasks that this task waits for: they are cancelled in its place. Holds one shield. */
  #delegate: Delegate | null = null
  readonly #task: Cancellable
  #time: CleanupTime | null = null
  #timer: Timer | null = null

  constructor(task: Cancellable) {
    this.#task = task
  }

  /** The task takes its first step. Returns whether it was cancelled before that. */
  begin(): boolean {
    return (this.unwinding = this.reason !== null)
  }

  /** Whether the task must end at its next suspension. */
  get due(): boolean {
    return this.reason !== null && !this.unwinding && this.shields === 0
  }

  /**
   * From here on the task waits for its child tasks. A cancellation is delegated to them, and the task keeps waiting until they
   * are done, so that none of their values and errors is lost.
   */
  beginDelegating(to: Delegate): void {
    this.#delegate = to
    this.shields++
    if (!(this.unwinding && this.mayCleanUp())) this.handOn()
  }

  /** The child tasks are done. */
  endDelegating(): void {
    this.shields--
    this.#delegate = null
  }

  /** Ends the task here if it was cancelled and has not begun to unwind; otherwise does nothing. */
  *unwind(): Op<void> {
    if (this.due) yield plainEnding
  }

  /**
   * Takes the error of a cancelled task that this one has waited for. If this one was cancelled too, it ends here with that
   * error, and no `catch` in it sees the error.
   * @throws the error, if this task was not cancelled, or is waiting in a `finally` block
   */
  *unwindWith(error: unknown): Op<never> {
    if (this.due) yield new Ending([error])
    throw error
  }

  /** The task is cancelled together with one that waits for it, and shares its cleanup time. */
  share(time: CleanupTime): void {
    const { loop } = this.#task
    this.#time = CleanupTime.shorter(this.#time, time, loop.now)
    if (this.#timer !== null) loop.timers.set(this.#timer, this.#time.end)
  }

  /** Whether an unwinding task may suspend again. */
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

  /** Whether the task must not be interrupted now. If it waits for child tasks, they are cancelled instead. */
  handOn(): boolean {
    if (this.shields === 1 && this.reason !== null) this.#delegate?.cancelWithin((this.#time ??= new CleanupTime()), this.reason)
    return this.shields > 0
  }

  /** Removes the timer once the task is done. */
  stop(): void {
    if (this.#timer !== null) this.#task.loop.timers.remove(this.#timer)
  }
}
