import type { Disarm, Suspension, Waker } from './op.js'

/** Woken when a task ends. */
export interface Joiner {
  /** Whether the joiner takes the task's error, so that it does not go to the task's scope. */
  readonly takesError: boolean
  /** Called when the task is done. */
  wake(): void
}

/** A task, as `Join` sees it. */
interface Joinable {
  /** Registers `joiner` to be woken when the task ends; the returned function unregisters it. */
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
