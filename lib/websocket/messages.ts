import { isAscii, isUtf8 } from 'node:buffer'
import { allocBuffer, scratchBuffer } from '../../lev/internal.js'
import { closeReasons, type CloseReason } from './close-reasons.js'
import { CLOSE, CONTROL, DATA, FAILED, FrameReader, isCloseCode, NEED_MORE, PING, TEXT, xor } from './frames.js'
import { Utf8Check } from './utf8.js'

/** The results of `MessageReader.next`, besides NEED_MORE and FAILED of frames. */
export const MESSAGE = 4
export const PINGED = 5
export const PONGED = 6
export const CLOSED = 7
type MessageEvent =
  | typeof NEED_MORE | typeof FAILED | typeof MESSAGE | typeof PINGED | typeof PONGED | typeof CLOSED

/** A received message: text as a string, binary data as bytes. */
export type Message = string | Buffer

/** Decompresses messages. */
export interface Decompressor {
  /** @param content the received bytes, followed by `ending` */
  decompress(content: Buffer, limit: number): Buffer | CloseReason
}

/**
 * Appended to a compressed message: the four bytes that are not sent (RFC 7692 section 7.2.1), and an empty final block,
 * without which zlib would accept truncated data.
 */
export const ending = Buffer.from([0x00, 0x00, 0xff, 0xff, 0x03, 0x00])

const nothing = Buffer.alloc(0)

/** Initial buffer size, in bytes, for a message whose frames announce more. */
const firstRoom = 64 * 1024

/** Where texts that arrived in one piece are unmasked. All readers share it. */
const scratch = scratchBuffer(16 * 1024)
const scratchWords = new Int32Array(scratch.buffer)
/** The bits of a word that are 0 in ASCII characters. */
const notAscii = 0x80808080 | 0

/** Assembles messages from bytes that arrive in arbitrary chunks; used like a FrameReader. */
export class MessageReader {
  position = 0
  /** With MESSAGE. */
  message: Message = ''
  /** With PINGED and PONGED: the content of the frame. */
  content: Buffer = nothing
  /** With CLOSED: the peer's code, 1005 if it sent none. With FAILED: the code to send to the peer. */
  code = 0
  reason = ''
  /** With FAILED. */
  failure: CloseReason | null = null
  readonly #frames: FrameReader
  readonly #limit: number
  readonly #decompressor: Decompressor | null
  /** The message that is arriving in several pieces; null if there is none. */
  #partial: Partial | null = null

  /** @param rules its `limit` is the maximum size of a message, in bytes, decompressed */
  constructor(rules: { readonly masked: boolean; readonly limit: number }, decompressor: Decompressor | null) {
    this.#limit = rules.limit
    this.#decompressor = decompressor
    this.#frames = new FrameReader({ ...rules, compression: decompressor !== null })
  }

  /** Whether messages may be compressed. */
  get inflates(): boolean {
    return this.#decompressor !== null
  }

  next(buf: Buffer, start: number, end: number): MessageEvent {
    const frames = this.#frames
    for (let at = start; ; at = frames.position) {
      const event = frames.next(buf, at, end)
      this.position = frames.position
      if (event === NEED_MORE) return NEED_MORE
      if (event === CONTROL) return this.#control(buf)
      if (event === FAILED) return this.#fail(frames.failure ?? closeReasons.closeCode)
      if (event === DATA && frames.first && frames.last && !frames.compressed) {
        if (frames.opcode !== TEXT) return this.#binary(buf)
        if (frames.dataEnd - frames.dataStart <= scratch.length) return this.#text(buf)
      }
      const found = this.#gather(buf)
      if (found !== NEED_MORE) return found
    }
  }

  /** A binary message in one piece. */
  #binary(buf: Buffer): MessageEvent {
    const { dataStart, dataEnd, mask } = this.#frames
    const message = allocBuffer(dataEnd - dataStart)
    buf.copy(message, 0, dataStart, dataEnd)
    if (mask !== 0) xor(message, 0, message.length, mask)
    this.message = message
    return MESSAGE
  }

  /** A short text message in one piece: the usual case. */
  #text(buf: Buffer): MessageEvent {
    const { dataStart, dataEnd, mask } = this.#frames
    const size = dataEnd - dataStart
    if (unmask(buf, dataStart, size, mask)) {
      this.message = scratch.toString('latin1', 0, size)
    } else {
      if (!isUtf8(scratch.subarray(0, size))) return this.#fail(closeReasons.notText)
      this.message = scratch.toString('utf8', 0, size)
    }
    return MESSAGE
  }

  #gather(buf: Buffer): MessageEvent {
    const frames = this.#frames
    const partial = (this.#partial ??= new Partial())
    partial.append(buf, frames.dataStart, frames.dataEnd, frames.mask, frames.remaining)
    if (frames.compressed) return frames.last ? this.#decompress(partial, frames.opcode) : NEED_MORE
    if (frames.opcode === TEXT && !partial.isText(frames.last)) return this.#fail(closeReasons.notText)
    if (!frames.last) return NEED_MORE
    const bytes = partial.take()
    this.#partial = null
    this.message = frames.opcode === TEXT ? textOf(bytes) : bytes
    return MESSAGE
  }

  #decompress(partial: Partial, opcode: number): MessageEvent {
    this.#partial = null
    partial.append(ending, 0, ending.length, 0, 0)
    const bytes = this.#decompressor?.decompress(partial.take(), this.#limit) ?? closeReasons.tooBig
    if ('code' in bytes) return this.#fail(bytes)
    if (opcode === TEXT && !isUtf8(bytes)) return this.#fail(closeReasons.notText)
    this.message = opcode === TEXT ? textOf(bytes) : bytes
    return MESSAGE
  }

  #control(buf: Buffer): MessageEvent {
    const { opcode, dataStart, dataEnd, mask } = this.#frames
    const size = dataEnd - dataStart
    unmask(buf, dataStart, size, mask)
    if (opcode === CLOSE) return this.#close(size)
    this.content = size === 0 ? nothing : Buffer.from(scratch.subarray(0, size))
    return opcode === PING ? PINGED : PONGED
  }

  #close(size: number): MessageEvent {
    this.code = 1005
    this.reason = ''
    if (size === 1) return this.#fail(closeReasons.closeLength)
    if (size === 0) return CLOSED
    this.code = scratch.readUInt16BE(0)
    if (!isCloseCode(this.code)) return this.#fail(closeReasons.closeCode)
    if (!isUtf8(scratch.subarray(2, size))) return this.#fail(closeReasons.notText)
    this.reason = scratch.toString('utf8', 2, size)
    return CLOSED
  }

  #fail(failure: CloseReason): MessageEvent {
    this.failure = failure
    this.code = failure.code
    this.reason = failure.reason
    this.#partial = null
    return FAILED
  }
}

/** Decodes UTF-8. Decoding ASCII as latin1 is several times as fast. */
function textOf(bytes: Buffer): string {
  return bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')
}

/** Unmasks `size` bytes into the scratch buffer. Returns whether they are all ASCII. */
function unmask(buf: Buffer, from: number, size: number, mask: number): boolean {
  let bits = 0
  if (size < 32) {
    let turned = mask
    for (let i = 0; i < size; i++) {
      const byte = buf[from + i] ^ (turned & 0xff)
      scratch[i] = byte
      bits |= byte
      turned = (turned >>> 8) | (turned << 24)
    }
    return (bits & 0x80) === 0
  }
  buf.copy(scratch, 0, from, from + size)
  const words = size >> 2
  for (let i = 0; i < words; i++) bits |= scratchWords[i] ^= mask
  bits &= notAscii
  let turned = mask
  for (let i = words * 4; i < size; i++) {
    bits |= (scratch[i] ^= turned & 0xff) & 0x80
    turned = (turned >>> 8) | (turned << 24)
  }
  return bits === 0
}

/** An incomplete message. Beyond `firstRoom` its buffer grows with the bytes that have arrived, not with those announced. */
class Partial {
  #bytes: Buffer = nothing
  #length = 0
  /** End of the text that was checked. */
  #checked = 0
  readonly #text = new Utf8Check()

  /** Adds buf[from, to), unmasked. `promised`: bytes of its frame that are still to come. */
  append(buf: Buffer, from: number, to: number, mask: number, promised: number): void {
    const length = this.#length + to - from
    if (length > this.#bytes.length) this.#grow(length, promised)
    buf.copy(this.#bytes, this.#length, from, to)
    if (mask !== 0) xor(this.#bytes, this.#length, length, mask)
    this.#length = length
  }

  /** Whether the bytes so far are, or can become, valid text. */
  isText(whole: boolean): boolean {
    if (!this.#text.push(this.#bytes, this.#checked, this.#length)) return false
    this.#checked = this.#length
    return !whole || this.#text.complete
  }

  take(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(length: number, promised: number): void {
    const before = this.#bytes.length
    const room = Math.max(firstRoom, 2 * before)
    // One large frame ends up in a buffer of its exact size; else the buffer doubles, so that many small ones cost linear time.
    const whole = length + promised + ending.length
    const exact = promised > 0 && whole <= room && whole >= 1.5 * before
    const larger = Buffer.allocUnsafe(exact ? whole : Math.max(length, before === 0 ? Math.min(room, whole) : 2 * before))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
