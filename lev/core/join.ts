import type { Disarm, Suspension, Waker } from './op.js'

/** Is told of a task's end. */
export interface Joiner {
  /** Whether the task's error goes here, and not to the task's scope. */
  readonly takesError: boolean
  /** The task is done. */
  wake(): void
}

/** What tells of its end: a task. */
export interface Joinable {
  /** Has `joiner` woken at its end; the function takes that back. */
  addJoiner(joiner: Joiner): Disarm
}

/** Suspends until a task is done. */
export class Join implements Suspension, Joiner {
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

  wake(): void {
    this.#waker?.resume(undefined)
  }
}
