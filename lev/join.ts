import type { Suspension, Waker } from './op.js'

/** What tells of its end: a task. */
export interface Joinable {
  addJoiner(waker: Waker): void
  removeJoiner(waker: Waker): void
}

/** Suspends until a task is done. */
export class Join implements Suspension {
  readonly #task: Joinable
  #waker: Waker | null = null

  constructor(task: Joinable) {
    this.#task = task
  }

  arm(waker: Waker): void {
    this.#waker = waker
    this.#task.addJoiner(waker)
  }

  disarm(): void {
    if (this.#waker !== null) this.#task.removeJoiner(this.#waker)
  }
}
