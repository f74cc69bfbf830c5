/** One item in a queue, with its neighbours. */
interface Place<T> {
  readonly item: T
  before: Place<T> | null
  after: Place<T> | null
  hasLeft: boolean
}

/**
 * A queue, first in, first out, whose items can leave from anywhere in it. The language's own Set keeps the holes
 * of items that have left at its front: to take 100,000 items from the front took 5 s with one.
 */
export class WaitQueue<T> {
  #first: Place<T> | null = null
  #last: Place<T> | null = null

  get isEmpty(): boolean {
    return this.#first === null
  }

  /** Adds an item at the end. The function that is returned removes it; harmless when it has left already. */
  join(item: T): () => void {
    const place: Place<T> = { item, before: this.#last, after: null, hasLeft: false }
    if (this.#last === null) this.#first = place
    else this.#last.after = place
    this.#last = place
    return () => this.#remove(place)
  }

  /** Takes out the first; null if there is none. */
  take(): T | null {
    const first = this.#first
    if (first === null) return null
    this.#remove(first)
    return first.item
  }

  #remove(place: Place<T>): void {
    if (place.hasLeft) return
    place.hasLeft = true
    const { before, after } = place
    if (before === null) this.#first = after
    else before.after = after
    if (after === null) this.#last = before
    else after.before = before
  }
}
