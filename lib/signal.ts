import { suspend, type Op } from '../lev/index.js'

/** Wakes all waiting tasks after a change; each checks its own condition again. `tell` may be called from anywhere. */
export class Signal {
  readonly #waiting = new Set<() => void>()

  tell(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  *wait(): Op<void> {
    yield* suspend<undefined>((resume) => {
      const wake = (): void => resume(undefined)
      this.#waiting.add(wake)
      return () => this.#waiting.delete(wake)
    })
  }
}
