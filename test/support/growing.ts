/** Bytes that are added to, at linear cost. */
export class GrowingBuffer {
  #room: Buffer = Buffer.alloc(0)
  #length = 0

  /** All that is there now: a view that does not grow with what is added later. */
  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length)
  }

  add(more: Buffer): void {
    const length = this.#length + more.length
    if (length > this.#room.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#room.length, 1024))
      this.#room.copy(larger, 0, 0, this.#length)
      this.#room = larger
    }
    more.copy(this.#room, this.#length)
    this.#length = length
  }
}
