import { HEX, SP } from './bytes.js'

/** Event: a field was read; `name` and `value` have it. */
export const FIELD = 1
/** Event: all bytes of the piece were read. */
const PIECE_END = 2

const PERCENT = 0x25
const AMPERSAND = 0x26
const PLUS = 0x2b
const EQUALS = 0x3d

const nothing: Buffer = Buffer.alloc(0)

/** Reads `application/x-www-form-urlencoded` (WHATWG URL standard, section 5.1) from pieces of any size, each byte once. */
export class UrlEncodedReader {
  /** Name and value of the last field: bytes after percent-decoding, in the charset of the form. */
  name = nothing
  value = nothing
  /** The current name or value, decoded. */
  #bytes: Buffer = Buffer.allocUnsafe(256)
  #length = 0
  /** The next digit after a percent sign: 1 or 2; 0: none. */
  #digit = 0
  /** Whether any byte of the current field was read, and whether its name is complete. */
  #begun = false
  #named = false

  /** Continues in buf[from, to). Returns the event and the position after it. */
  next(buf: Buffer, from: number, to: number): { readonly event: number; readonly position: number } {
    for (let i = from; i < to; i++) {
      const byte = buf[i]
      if (byte !== AMPERSAND) this.#read(byte)
      else if (this.end()) return { event: FIELD, position: i + 1 }
    }
    return { event: PIECE_END, position: to }
  }

  /** Ends the current field; also to be called at the end of the body. False: there is none. */
  end(): boolean {
    if (!this.#begun) return false
    const text = this.#take()
    if (!this.#named) this.name = text
    this.value = this.#named ? text : nothing
    this.#named = false
    this.#begun = false
    return true
  }

  #read(byte: number): void {
    this.#begun = true
    if (byte === EQUALS && !this.#named) {
      this.name = this.#take()
      this.#named = true
      return
    }
    if (this.#length === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], 2 * this.#length)
    this.#bytes[this.#length++] = byte === PLUS ? SP : byte
    if (byte === PERCENT) this.#digit = 1
    else if (this.#digit !== 0) this.#readDigit(byte)
  }

  /** Replaces a complete escape by its byte; an invalid one stays as it is. */
  #readDigit(byte: number): void {
    if (HEX[byte] === 255) {
      this.#digit = 0
    } else if (this.#digit++ === 2) {
      this.#digit = 0
      this.#length -= 2
      this.#bytes[this.#length - 1] = HEX[this.#bytes[this.#length]] * 16 + HEX[byte]
    }
  }

  #take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    this.#digit = 0
    return taken
  }
}
