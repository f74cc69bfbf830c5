/** Up to this many bytes a loop is faster than a call of Buffer.copy. */
const SHORT = 32

/** Collects a body of unknown length. It grows by doubling, so a body of n bytes, in any pieces, costs no more than 3n. */
export class BodyBuffer {
  #bytes: Buffer
  #length = 0

  /** @param capacity bytes to allocate first; the final length, if known */
  constructor(capacity = 0) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** Adds a copy of buf[from, to). */
  append(buf: Buffer, from: number, to: number): void {
    const length = this.#length + to - from
    if (length > this.#bytes.length) this.#grow(length)
    const bytes = this.#bytes
    if (to - from > SHORT) buf.copy(bytes, this.#length, from, to)
    else for (let i = from, j = this.#length; i < to; i++, j++) bytes[j] = buf[i]
    this.#length = length
  }

  /** Returns the body; nothing may be appended afterwards. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(length: number): void {
    const larger = Buffer.allocUnsafe(Math.max(length, this.#bytes.length * 2, 1024))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
