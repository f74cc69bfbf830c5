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

  push(data: Buffer | string): void {
    if (data.length === 0) return
    this.size += data.length
    const last = this.#parts.length - 1
    const before = last >= 0 ? this.#parts[last] : null
    // Long text is cut when it is sent: joined to other text, all of it would be copied for that.
    if (typeof before !== 'string' || data.length > textSize) this.#parts.push(data)
    else if (typeof data === 'string') this.#parts[last] = before + data
    else if (data.length <= joinedSize) this.#parts[last] = before + data.toString('latin1')
    else this.#parts.push(data)
  }

  /** Takes the first `limit` bytes out, or all if there are fewer; of text that is long, only some. */
  take(limit: number): (Buffer | string)[] {
    const parts = this.#parts
    if (this.size > textSize && parts.some((part) => typeof part === 'string')) limit = Math.min(limit, this.#upToText())
    if (this.size <= limit) {
      this.clear()
      return parts
    }
    this.size -= limit
    let whole = 0
    let room = limit
    while (parts[whole].length <= room) room -= parts[whole++].length
    const taken = parts.splice(0, whole)
    if (room > 0) {
      const part = parts[0]
      taken.push(typeof part === 'string' ? part.slice(0, room) : part.subarray(0, room))
      parts[0] = typeof part === 'string' ? part.slice(room) : part.subarray(room)
    }
    return taken
  }

  /** Bytes up to where `textSize` bytes of text, all together, are over. */
  #upToText(): number {
    let size = 0
    let text = 0
    for (const part of this.#parts) {
      if (typeof part !== 'string') size += part.length
      else if (text + part.length > textSize) return size + textSize - text
      else {
        text += part.length
        size += part.length
      }
    }
    return size
  }

  clear(): void {
    this.#parts = []
    this.size = 0
  }
}
