import type { Disarm, Suspension, Waker } from './op.js'

/** What tells of its end: a task. */
export interface Joinable {
  /** Has `join` woken at its end; the function takes that back. */
  addJoiner(join: Join): Disarm
}

/** Suspends until a task is done. */
export class Join implements Suspension {
  /** Whether the task's error goes to who waits. */
  readonly takesError: boolean
  readonly #task: Joinable
  #waker: Waker | null = null
  #leave: Disarm | null = null

  constructor(task: Joinable, takesError: boolean) {
    this.#task = task
    this.takesError = takesError
  }

  arm(waker: Waker): void {
    this.#waker = waker
    this.#leave = this.#task.addJoiner(this)
  }

  disarm(): void {
    this.#leave?.()
  }

  /** The task is done. */
  wake(): void {
    this.#waker?.resume(undefined)
  }
}
