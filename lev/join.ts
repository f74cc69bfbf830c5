import type { Suspension, Waker } from './op.js'

/** What tells of its end: a task. */
export interface Joinable {
  addJoiner(join: Join): void
  removeJoiner(join: Join): void
}

/** Suspends until a task is done. */
export class Join implements Suspension {
  /** Whether the task's error goes to who waits. */
  readonly takesError: boolean
  readonly #task: Joinable
  #waker: Waker | null = null

  constructor(task: Joinable, takesError: boolean) {
    this.#task = task
    this.takesError = takesError
  }

  arm(waker: Waker): void {
    this.#waker = waker
    this.#task.addJoiner(this)
  }

  disarm(): void {
    this.#task.removeJoiner(this)
  }

  /** The task is done. */
  wake(): void {
    this.#waker?.resume(undefined)
  }
}
