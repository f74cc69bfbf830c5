/** Most text that `take` returns at once, in bytes: it is then converted to bytes, which needs the same amount of memory again. */
const textSize = 64 * 1024

/** Buffers up to this size, in bytes, are joined to preceding text: copying them is cheaper than one more part in the write. */
const joinedSize = 2048

/**
 * Output to be sent, in order: text (latin1, one byte per character) and buffers. Text is gathered by concatenating strings,
 * which costs nothing until they are written.
 */
export class OutputQueue {
  /** Bytes in the queue. */
  size = 0
  #parts: (Buffer | string)[] = []
  /** Index in `#parts` of the first part; the slots before it were taken and are empty. */
  #first = 0

  push(data: Buffer | string): void {
    if (data.length === 0) return
    this.size += data.length
    const last = this.#parts.length - 1
    const before = last >= this.#first ? this.#parts[last] : null
    // Long text is split when it is sent; if it were joined to other text, the split would copy all of it.
    if (typeof before !== 'string' || data.length > textSize) this.#parts.push(data)
    else if (typeof data === 'string') this.#parts[last] = before + data
    else if (data.length <= joinedSize) this.#parts[last] = before + data.toString('latin1')
    else this.#parts.push(data)
  }

  /** Removes and returns the first `limit` bytes, or all if there are fewer; of text, at most `textSize` bytes. */
  take(limit: number): (Buffer | string)[] {
    const parts = this.#parts
    if (this.size <= Math.min(limit, textSize) && this.#first === 0) {
      this.clear()
      return parts
    }
    const taken: (Buffer | string)[] = []
    let room = limit
    let textRoom = textSize
    while (this.size > 0 && room > 0) {
      const part = parts[this.#first]
      const isText = typeof part === 'string'
      const count = Math.min(part.length, room, isText ? textRoom : Infinity)
      if (count === 0) break
      const whole = count === part.length
      taken.push(whole ? part : isText ? part.slice(0, count) : part.subarray(0, count))
      parts[this.#first] = whole ? '' : isText ? part.slice(count) : part.subarray(count)
      if (whole) this.#first++
      if (isText) textRoom -= count
      this.size -= count
      room -= count
    }
    this.#closeUp()
    return taken
  }

  /** Drops the empty slots, but only when there are many: that moves all the others. */
  #closeUp(): void {
    if (this.#first === this.#parts.length) this.clear()
    else if (this.#first >= 64 && this.#first > this.#parts.length / 2) {
      this.#parts = this.#parts.slice(this.#first)
      this.#first = 0
    }
  }

  clear(): void {
    this.#parts = []
    this.#first = 0
    this.size = 0
  }
}
