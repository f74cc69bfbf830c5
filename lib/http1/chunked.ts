import { BodyBuffer } from './body-buffer.js'
import { HEX } from './bytes.js'
import { afterExtensionByte, EXTENSION_FAULT, EXTENSION_START, mayEndExtension } from './chunk-extension.js'
import { FieldLines } from './field-lines.js'
import type { HeadLimits } from './field-lines.js'
import { FieldBlock } from './headers.js'
import { NEED_MORE, REJECTED, rejections } from './rejection.js'
import type { Rejection } from './rejection.js'
import { FORBIDDEN_TRAILERS } from './trailers.js'

export { NEED_MORE, REJECTED } from './rejection.js'

/** Result of `next`: content in buf[dataStart, dataEnd). */
export const DATA = 1
/** Result of `next`: the end of the body; `trailers` has the trailer fields, if any. */
export const DONE = 2

/** Maximum digits of a chunk size, with leading zeros. */
const MAX_DIGITS = 16
/** Maximum bytes of one chunk's extensions. */
const MAX_EXTENSION = 1024
/**
 * Maximum framing bytes of a body: FREE_OVERHEAD, and OVERHEAD_PER_BYTE for each byte of content. A plain one-byte chunk ("1",
 * CRLF, the byte, CRLF) has five; a sender that pads sizes with zeros or adds extensions to every chunk has a few more.
 */
const FREE_OVERHEAD = 8192
const OVERHEAD_PER_BYTE = 16
/** Bytes of content from which a chunk is returned without a copy; smaller ones are joined, up to `ENOUGH`. */
const LARGE_CHUNK = 4 * 1024
const ENOUGH = 16 * 1024

// Not imported: see field-lines.ts.
const hex = HEX
const HTAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SP = 0x20
const SEMICOLON = 0x3b

// States of the reader: the next element to read.
const SIZE = 0
const BEFORE_EXTENSION = 1
const EXTENSION = 2
const SIZE_END = 3
const CONTENT = 4
const CONTENT_CR = 5
const CONTENT_END = 6
const TRAILERS = 7
const OVER = 8

/**
 * Reads a chunked body (RFC 9112 7.1), strictly: lines end in CRLF only, sizes are bounded in digits and value, and extensions
 * are checked, bounded and skipped. A body over `maxBody` is rejected as soon as a chunk's size shows it. The bytes may arrive in
 * any pieces and be moved between calls; chunks are not buffered.
 *
 * ```ts
 * let at = start
 * while (reader.next(buf, at, end) === DATA) {
 *   body.append(buf, reader.dataStart, reader.dataEnd)
 *   at = reader.position
 * }
 * ```
 */
export class ChunkedReader {
  /** Offset after the last byte that `next` has consumed; the next call must start with the byte there. */
  position = 0
  dataStart = 0
  dataEnd = 0
  /** The trailer fields, null if there are none. Valid after DONE. */
  trailers: FieldBlock | null = null
  /** The reason for REJECTED. */
  rejection: Rejection | null = null
  /** The event at which `nextPiece` stopped: DATA, NEED_MORE, DONE or REJECTED. */
  event = NEED_MORE
  /** Bytes of content so far, including the whole size of the current chunk. */
  received = 0

  readonly #maxBody: number
  readonly #trailerLines: FieldLines
  #state = SIZE
  #digits = 0
  #size = 0
  #extension = 0
  #extensionState = EXTENSION_START
  #overhead = 0
  #left = 0

  /**
   * @param maxBody maximum bytes of content, of all chunks together
   * @param limits for the trailer section, which may be as long as a head
   */
  constructor(maxBody: number, limits: HeadLimits) {
    // Numbers count sizes exactly only up to here, whatever a user sets.
    this.#maxBody = Math.min(maxBody, Number.MAX_SAFE_INTEGER)
    this.#trailerLines = new FieldLines(limits)
  }

  /**
   * Continues in buf[start, end). While the trailers are incomplete, `position` stays at their start: pass them again, with more
   * bytes after them.
   *
   * @returns DATA (content in buf[dataStart, dataEnd)), NEED_MORE, DONE or REJECTED (`rejection` has the reason)
   */
  next(buf: Buffer, start: number, end: number): number {
    let i = start
    while (i < end && this.#state < TRAILERS) {
      if (this.#state === CONTENT) {
        this.dataStart = i
        this.dataEnd = Math.min(end, i + this.#left)
        this.position = this.dataEnd
        this.#left -= this.dataEnd - i
        if (this.#left === 0) this.#state = CONTENT_CR
        return DATA
      }
      i = this.#state >= CONTENT_CR ? this.#readContentEnd(buf, i) : this.#readSizeLine(buf, i, end)
    }
    this.position = i
    if (this.rejection !== null) return REJECTED
    if (this.#state === TRAILERS) return this.#readTrailers(buf, i, end)
    return this.#state === OVER ? DONE : NEED_MORE
  }

  /**
   * As `next`, but joins small chunks in buf[start, end), so that the cost depends on bytes, not on chunks. A large chunk is
   * returned as a view of `buf`. `event` is the event after the piece; after DATA there may be more content in `buf`.
   *
   * @returns the piece; null if there is no content
   */
  nextPiece(buf: Buffer, start: number, end: number): Buffer | null {
    let joined: BodyBuffer | null = null
    let at = start
    while ((this.event = this.next(buf, at, end)) === DATA) {
      const { dataStart, dataEnd } = this
      at = this.position
      if (joined === null && dataEnd - dataStart >= LARGE_CHUNK) return buf.subarray(dataStart, dataEnd)
      joined ??= new BodyBuffer(Math.min(end - dataStart, LARGE_CHUNK + ENOUGH))
      joined.append(buf, dataStart, dataEnd)
      if (joined.length >= ENOUGH) break
    }
    return joined?.take() ?? null
  }

  #readSizeLine(buf: Buffer, from: number, end: number): number {
    let i = from
    if (this.#state === SIZE) {
      i = this.#readSize(buf, i, end)
      if (i === end || this.rejection !== null) return i
    }
    if (this.#state === BEFORE_EXTENSION || this.#state === EXTENSION) {
      i = this.#skipExtensions(buf, i, end)
      if (i === end || this.rejection !== null) return i
    }
    if (buf[i] !== LF) return this.#reject(rejections.bareCr, i)
    this.#overhead += 2 + this.#digits + this.#extension
    const allowed = FREE_OVERHEAD + this.received * OVERHEAD_PER_BYTE
    if (this.#overhead > allowed) return this.#reject(rejections.chunkOverhead, i)
    this.#left = this.#size
    this.#state = this.#size > 0 ? CONTENT : TRAILERS
    if (this.#size === 0) this.#trailerLines.begin(0)
    this.#size = 0
    this.#digits = 0
    this.#extension = 0
    return i + 1
  }

  #readSize(buf: Buffer, from: number, end: number): number {
    let i = from
    for (; i < end && hex[buf[i]] < 16; i++) {
      if (++this.#digits > MAX_DIGITS) return this.#reject(rejections.chunkSizeTooLong, i)
      this.#size = this.#size * 16 + hex[buf[i]]
    }
    if (i === end) return i
    const byte = buf[i]
    if (this.#digits === 0) return this.#reject(rejections.chunkSize, i)
    if (byte !== CR && byte !== SEMICOLON && byte !== SP && byte !== HTAB) return this.#reject(rejections.chunkSize, i)
    this.received += this.#size
    if (this.received > this.#maxBody) return this.#reject(rejections.bodyTooLarge(this.received), i)
    this.#state = byte === CR ? SIZE_END : BEFORE_EXTENSION
    return byte === CR ? i + 1 : i
  }

  // Whitespace is allowed before the ";", but not between the size and the CR.
  #skipExtensions(buf: Buffer, from: number, end: number): number {
    const stop = Math.min(end, from + MAX_EXTENSION + 1 - this.#extension)
    let i = from
    if (this.#state === BEFORE_EXTENSION) {
      while (i < stop && (buf[i] === SP || buf[i] === HTAB)) i++
      if (i < stop && buf[i] !== SEMICOLON) return this.#reject(rejections.chunkSize, i)
      if (i < stop) {
        this.#state = EXTENSION
        this.#extensionState = EXTENSION_START
      }
    }
    if (this.#state === EXTENSION) {
      for (; i < stop && buf[i] !== CR; i++) {
        this.#extensionState = afterExtensionByte(this.#extensionState, buf[i])
        if (this.#extensionState === EXTENSION_FAULT) return this.#reject(rejections.chunkExtension, i)
      }
    }
    this.#extension += i - from
    if (this.#extension > MAX_EXTENSION) return this.#reject(rejections.chunkExtensionTooLong, i)
    if (i === end) return i
    if (!mayEndExtension(this.#extensionState)) return this.#reject(rejections.chunkExtension, i)
    this.#state = SIZE_END
    return i + 1
  }

  #readContentEnd(buf: Buffer, at: number): number {
    if (buf[at] !== (this.#state === CONTENT_CR ? CR : LF)) return this.#reject(rejections.chunkEnd, at)
    this.#overhead++
    this.#state = this.#state === CONTENT_CR ? CONTENT_END : SIZE
    return at + 1
  }

  #readTrailers(buf: Buffer, start: number, end: number): number {
    const lines = this.#trailerLines
    const next = lines.read(buf, start, end)
    if (next === NEED_MORE) return NEED_MORE
    if (next === REJECTED) {
      this.rejection = lines.rejection
      return REJECTED
    }
    if (lines.count > 0) {
      const trailers = new FieldBlock(buf.toString('latin1', start, next), lines.ownMarks())
      if (trailers.names().some((name) => FORBIDDEN_TRAILERS.has(name))) {
        this.rejection = rejections.trailer
        return REJECTED
      }
      this.trailers = trailers
    }
    this.#state = OVER
    this.position = next
    return DONE
  }

  // Returns the position of the byte at fault. The state OVER ends the loop of `next`.
  #reject(rejection: Rejection, at: number): number {
    this.rejection = rejection
    this.#state = OVER
    return at
  }
}

/**
 * Keeps one instance alive for V8: a garbage collection drops the shape of a class without instances, and code that has seen
 * several shapes stays slow. After three such collections a one-byte chunk took 400 ns instead of 90.
 */
export const keptReader = new ChunkedReader(0, { lineLimit: 0, countLimit: 0, sizeLimit: 0 })
