/** Slots of a new ring, and the size from which an empty ring shrinks back to that. */
const fewest = 8
const many = 4096

/** A first-in, first-out queue in a ring buffer: `push` and `take` allocate nothing unless the ring grows or shrinks. */
export class Ring<T> {
  #slots: (T | null)[] = new Array<null>(fewest).fill(null)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#size++) & (this.#slots.length - 1)] = item
  }

  /** Number of slots. */
  get capacity(): number {
    return this.#slots.length
  }

  /** Removes and returns the first item; null if there is none. */
  take(): T | null {
    if (this.#size === 0) return null
    const first = this.#slots[this.#head]
    this.#slots[this.#head] = null
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    if (--this.#size === 0 && this.#slots.length >= many) this.clear()
    return first
  }

  clear(): void {
    this.#slots = new Array<null>(fewest).fill(null)
    this.#head = this.#size = 0
  }

  #grow(): void {
    const { length } = this.#slots
    const larger = new Array<T | null>(2 * length).fill(null)
    for (let index = 0; index < length; index++) larger[index] = this.#slots[(this.#head + index) & (length - 1)]
    this.#slots = larger
    this.#head = 0
  }
}
