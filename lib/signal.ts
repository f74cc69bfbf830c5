import { suspend, type Op } from '../lev/index.js'

/** Tells whoever waits that something has changed; they look for themselves what. May be told from anywhere. */
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
