import { isUtf8 } from 'node:buffer'

/**
 * Checks UTF-8 text that arrives in chunks: the first byte that cannot continue a well-formed text is detected as soon as
 * it arrives (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
 */
export class Utf8Check {
  /** Bytes missing from the current character. */
  #missing = 0
  /** The range of its next byte. */
  #low = 0x80
  #high = 0xbf

  /** Whether the text may end here. */
  get complete(): boolean {
    return this.#missing === 0
  }

  /** Checks `bytes[from, to)`; false if the text is not well-formed. */
  push(bytes: Buffer, from: number, to: number): boolean {
    let at = from
    while (at < to && this.#missing > 0) if (!this.#take(bytes[at++])) return false
    if (at === to) return true
    const end = lastStart(bytes, at, to)
    if (end > at && !isUtf8(bytes.subarray(at, end))) return false
    for (at = end; at < to; at++) if (!this.#take(bytes[at])) return false
    return true
  }

  #take(byte: number): boolean {
    if (this.#missing > 0) {
      if (byte < this.#low || byte > this.#high) return false
      this.#missing--
      this.#low = 0x80
      this.#high = 0xbf
      return true
    }
    if (byte < 0x80) return true
    if (byte < 0xc2 || byte > 0xf4) return false
    this.#missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    this.#low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
    this.#high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
    return true
  }
}

/** The start of the last character of `bytes[from, to)`, if it may be incomplete; else `to`. */
function lastStart(bytes: Buffer, from: number, to: number): number {
  for (let at = to - 1; at >= from && at >= to - 3; at--) {
    if (bytes[at] >= 0xc0) return at
    if (bytes[at] < 0x80) return to
  }
  return to
}
