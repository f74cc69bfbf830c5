/** Slots of a ring that holds nothing, and slots that it gives back once it is empty. */
const fewest = 8
const many = 4096

/** A queue, first in, first out, in a ring of slots: adding and taking allocate nothing, and a slot is used again as soon as it is free. */
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

  /** Slots that it has. */
  get capacity(): number {
    return this.#slots.length
  }

  /** Takes out the first; null if there is none. */
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
