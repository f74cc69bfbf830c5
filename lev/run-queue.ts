/** What the loop runs when it is ready: a task, mostly. */
export interface Runnable {
  run(): void
}

/** First in, first out, in a ring: neither putting in nor taking out allocates anything. */
export class RunQueue {
  #ring: (Runnable | null)[] = new Array<null>(64).fill(null)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(runnable: Runnable): void {
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#size++) & (this.#ring.length - 1)] = runnable
  }

  /** Takes out the first; null if there is none. */
  take(): Runnable | null {
    if (this.#size === 0) return null
    const first = this.#ring[this.#head]
    this.#ring[this.#head] = null
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#size--
    return first
  }

  #grow(): void {
    const { length } = this.#ring
    const larger = new Array<Runnable | null>(2 * length).fill(null)
    for (let index = 0; index < length; index++) larger[index] = this.#ring[(this.#head + index) & (length - 1)]
    this.#ring = larger
    this.#head = 0
  }
}
