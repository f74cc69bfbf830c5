import { PATH, QUERY, TOKEN, isDigit } from './bytes.js'
import type { HeadLimits } from './field-lines.js'
import { NEED_MORE, REJECTED, rejections } from './rejection.js'
import type { Rejection } from './rejection.js'

// Not imported: see field-lines.ts.
const token = TOKEN
const pathByte = PATH
const queryByte = QUERY
const LF = 0x0a
const CR = 0x0d
const SP = 0x20
const SLASH = 0x2f
const QUESTION = 0x3f

/** Maximum empty lines before a request; RFC 9112 2.2 asks for at least one to be skipped. */
const MAX_BLANK_LINES = 4
/** No registered method has more than 17 characters. A longer one than this gets 501 (RFC 9112 3). */
const MAX_METHOD = 32

const VERSION = 'HTTP/1.1'
const MAJOR = 5
const MINOR = 7

// States of the reader: the next element to read.
const START = 0
const BLANK_END = 1
const METHOD = 2
const TARGET = 3
const IN_PATH = 4
const IN_QUERY = 5
const IN_OTHER = 6
const IN_VERSION = 7
const LINE_END = 8

/**
 * Reads request lines (RFC 9112 2.2 and 3), with blank lines before them. It checks all bytes in one pass, so the same bytes give
 * the same result in any pieces. All positions are relative to the start of the head, so that the bytes may be moved between
 * two calls.
 */
export class RequestLineReader {
  rejection: Rejection | null = null
  /** Positions in the last line that was read; the target begins just after `methodEnd`. */
  methodStart = 0
  methodEnd = 0
  /** The first "?" of a target that begins with "/"; -1: none. */
  question = -1
  targetEnd = 0
  minorVersion: 0 | 1 = 1

  readonly #limits: HeadLimits
  #state = START
  #blankLines = 0
  #at = 0

  constructor(limits: HeadLimits) {
    this.#limits = limits
  }

  /** Whether the first byte of a line was read; blank lines do not count. */
  get begun(): boolean {
    return this.#state >= METHOD
  }

  /** Whether any byte was read. */
  get touched(): boolean {
    return this.#at > 0
  }

  /** Starts a new line, the first of a head. */
  reset(): void {
    this.rejection = null
    this.#state = START
    this.#blankLines = 0
    this.#at = 0
  }

  /** Continues in buf[start, end). Returns the offset just after the line, NEED_MORE or REJECTED. */
  read(buf: Buffer, start: number, end: number): number {
    const { lineLimit, sizeLimit } = this.#limits
    const hardStop = Math.min(end, start + sizeLimit)
    let i = start + this.#at
    // Each step runs if the one before is complete.
    if (this.#state <= BLANK_END) i = this.#skipBlankLines(buf, start, i, hardStop)
    const line = start + this.methodStart
    const stop = Math.min(hardStop, line + lineLimit + 1)
    if (this.#state === METHOD) i = this.#readMethod(buf, start, i, stop)
    if (this.#state >= TARGET && this.#state <= IN_OTHER) i = this.#readTarget(buf, start, i, stop)
    if (this.#state === IN_VERSION) i = this.#readVersion(buf, start, i, stop)
    if (this.#state === LINE_END && i < hardStop) return buf[i] === LF ? i + 1 : this.#reject(rejections.bareCr)
    if (this.rejection !== null) return REJECTED

    this.#at = i - start
    if (this.#state >= METHOD && this.#state < LINE_END && i - line > lineLimit) {
      return this.#reject(rejections.requestLineTooLong(lineLimit + 1))
    }
    return i - start >= sizeLimit ? this.#reject(rejections.headTooLarge(sizeLimit + 1)) : NEED_MORE
  }

  #skipBlankLines(buf: Buffer, start: number, from: number, stop: number): number {
    for (let i = from; i < stop; i++) {
      const byte = buf[i]
      if (this.#state === BLANK_END) {
        if (byte !== LF) return this.#reject(rejections.bareCr)
        if (++this.#blankLines > MAX_BLANK_LINES) return this.#reject(rejections.blankLines)
        this.#state = START
      } else if (byte === CR) {
        this.#state = BLANK_END
      } else if (byte === LF) {
        return this.#reject(rejections.bareLf)
      } else {
        this.#state = METHOD
        this.methodStart = i - start
        return i
      }
    }
    return stop
  }

  #readMethod(buf: Buffer, start: number, from: number, stop: number): number {
    const line = start + this.methodStart
    const methodStop = Math.min(stop, line + MAX_METHOD + 1)
    let i = from
    while (i < methodStop && token[buf[i]] !== 0) i++
    if (i - line > MAX_METHOD) return this.#reject(rejections.methodTooLong)
    if (i === stop) return i
    if (buf[i] !== SP || i === line) return this.#reject(rejections.method)
    this.methodEnd = i - start
    this.question = -1
    this.#state = TARGET
    return i + 1
  }

  #readTarget(buf: Buffer, start: number, from: number, stop: number): number {
    let i = from
    if (i === stop) return i
    if (this.#state === TARGET) this.#state = buf[i] === SLASH ? IN_PATH : IN_OTHER
    if (this.#state === IN_PATH) {
      while (i < stop && pathByte[buf[i]] !== 0) i++
      if (i < stop && buf[i] === QUESTION) {
        this.question = i - start
        this.#state = IN_QUERY
      }
    }
    if (this.#state !== IN_PATH) while (i < stop && queryByte[buf[i]] !== 0) i++
    if (i === stop) return i
    const byte = buf[i]
    if (byte === CR || byte === LF || i === start + this.methodEnd + 1) return this.#reject(rejections.requestLine)
    if (byte !== SP) return this.#reject(rejections.targetByte)
    this.targetEnd = i - start
    this.#state = IN_VERSION
    return i + 1
  }

  #readVersion(buf: Buffer, start: number, from: number, stop: number): number {
    const version = start + this.targetEnd + 1
    let i = from
    for (; i < stop && i < version + VERSION.length; i++) {
      const k = i - version
      const good = k === MAJOR || k === MINOR ? isDigit(buf[i]) : buf[i] === VERSION.charCodeAt(k)
      if (!good) return this.#reject(rejections.version)
    }
    if (i === stop) return i
    if (buf[i] !== CR) return this.#reject(rejections.version)
    if (buf[version + MAJOR] !== 0x31) return this.#reject(rejections.versionUnsupported)
    // A higher minor version is processed as the highest supported one (RFC 9110 2.5).
    this.minorVersion = buf[version + MINOR] === 0x30 ? 0 : 1
    this.#state = LINE_END
    return i + 1
  }

  #reject(rejection: Rejection): number {
    this.rejection = rejection
    return REJECTED
  }
}
