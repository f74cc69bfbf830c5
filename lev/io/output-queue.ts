/** Bytes of text that are taken at once: it is made bytes then, which takes as much memory again. */
const textSize = 64 * 1024

/** Bytes up to which a buffer is joined to the text before it: copying so few is cheaper than a second piece in the write. */
const joinedSize = 2048

/**
 * What is to be sent, in order: text (latin1, one byte a character) and buffers. Text is gathered by joining strings, which
 * costs nothing until they are written.
 */
export class OutputQueue {
  /** Bytes in the queue. */
  size = 0
  #parts: (Buffer | string)[] = []
  /** Where in `#parts` the queue begins: the slots before were taken, and are empty. */
  #first = 0

  push(data: Buffer | string): void {
    if (data.length === 0) return
    this.size += data.length
    const last = this.#parts.length - 1
    const before = last >= this.#first ? this.#parts[last] : null
    // Long text is cut when it is sent: joined to other text, all of it would be copied for that.
    if (typeof before !== 'string' || data.length > textSize) this.#parts.push(data)
    else if (typeof data === 'string') this.#parts[last] = before + data
    else if (data.length <= joinedSize) this.#parts[last] = before + data.toString('latin1')
    else this.#parts.push(data)
  }

  /** Takes the first `limit` bytes out, or all if there are fewer; of text, at most `textSize` bytes. */
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

  /** Gives up the slots of what was taken: seldom, since the others are moved for that. */
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
