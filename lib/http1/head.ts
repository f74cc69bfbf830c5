import { PATH, QUERY, TOKEN, isDigit, sameBytes } from './bytes.js'
import { FieldLines } from './field-lines.js'
import type { HeadLimits } from './field-lines.js'
import { Framing } from './framing.js'
import { FieldBlock, NO_FIELDS } from './headers.js'
import { KnownBytes } from './known-bytes.js'
import { NEED_MORE, REJECTED, rejections } from './rejection.js'
import type { Rejection } from './rejection.js'
import { NO_HEAD, RequestHead } from './request-head.js'
import { readTarget } from './target.js'

export { NEED_MORE, REJECTED } from './rejection.js'
export { RequestHead } from './request-head.js'
export type { HeadLimits } from './field-lines.js'
export type { TargetForm } from './target.js'

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
const FIELDS = 9

// Returns constants for common methods: comparing a string with itself is faster.
function methodName(buf: Buffer, from: number, to: number): string {
  switch (to - from) {
    case 3:
      if (sameBytes(buf, from, 'GET')) return 'GET'
      if (sameBytes(buf, from, 'PUT')) return 'PUT'
      break
    case 4:
      if (sameBytes(buf, from, 'POST')) return 'POST'
      if (sameBytes(buf, from, 'HEAD')) return 'HEAD'
      break
    case 6:
      if (sameBytes(buf, from, 'DELETE')) return 'DELETE'
      break
    case 7:
      if (sameBytes(buf, from, 'OPTIONS')) return 'OPTIONS'
      if (sameBytes(buf, from, 'CONNECT')) return 'CONNECT'
      break
  }
  return buf.toString('latin1', from, to)
}

/**
 * Reads request heads (RFC 9112 2 to 5), strictly. A connection uses one reader for all its requests.
 *
 * It checks all bytes in one pass, so it takes linear time, gives the same result for the same bytes in any pieces, and
 * enforces a limit at the byte that exceeds it. The text of a head is decoded once as a whole, which costs little more than
 * decoding the target alone; all other strings are slices of it.
 */
export class HeadReader {
  /** The last head that `read` found. It is immutable; the same object is returned for an identical head. */
  head: RequestHead = NO_HEAD
  /** The reason for REJECTED. */
  rejection: Rejection | null = null

  readonly #limits: HeadLimits
  readonly #fields: FieldLines

  /** Text of the last head, at least its request line, and the length of that line with CRLF; 0: it is not compared. */
  #text = ''
  #lineLength = 0
  // Cache of the last request's fields: their bytes, and their meaning.
  readonly #known = new KnownBytes()
  readonly #framing = new Framing()
  #host = ''
  #block = NO_FIELDS

  #state = START
  #blankLines = 0
  // Relative to the `start` of `read`.
  #at = 0
  #line = 0
  #methodEnd = 0
  #question = -1
  #targetEnd = 0
  #minorVersion: 0 | 1 = 1

  constructor(limits: HeadLimits) {
    this.#limits = limits
    this.#fields = new FieldLines(limits)
  }

  /** Whether the first byte of a request line was read; blank lines do not count. */
  get begun(): boolean {
    return this.#state >= METHOD
  }

  /** Discards a partly read head. */
  reset(): void {
    this.rejection = null
    this.#state = START
    this.#blankLines = 0
    this.#at = 0
  }

  /**
   * Reads a head in buf[start, end). Called again for the same head with more bytes, it continues where it stopped; the bytes may
   * have been moved to another place or buffer. After REJECTED it returns REJECTED until `reset`.
   *
   * @returns the offset just after the head (`head` has it), NEED_MORE, or REJECTED (`rejection` has the reason)
   */
  read(buf: Buffer, start: number, end: number): number {
    if (this.rejection !== null) return REJECTED
    if (this.#state !== FIELDS) {
      const same = this.#isSameLine(buf, start, end)
      const at = same ? start + this.#lineLength : this.#readRequestLine(buf, start, end)
      if (at < 0) return at
      this.#state = FIELDS
      if (this.#isKnown(buf, start, at, end)) return same ? this.#finishSame(at) : this.#finishKnown(buf, start, at)
      this.#fields.begin(at - start)
    }
    const next = this.#fields.read(buf, start, end)
    if (next === NEED_MORE) return NEED_MORE
    if (next === REJECTED) {
      this.rejection = this.#fields.rejection
      return REJECTED
    }
    this.rejection = this.#finish(buf, start, next)
    if (this.rejection !== null) return REJECTED
    this.reset()
    return next
  }

  // Returns the offset after the request line, NEED_MORE or REJECTED. Each step below runs if the one before is complete.
  #readRequestLine(buf: Buffer, start: number, end: number): number {
    const { lineLimit, sizeLimit } = this.#limits
    const hardStop = Math.min(end, start + sizeLimit)
    this.#lineLength = 0
    let i = start + this.#at
    if (this.#state <= BLANK_END) i = this.#skipBlankLines(buf, start, i, hardStop)
    const line = start + this.#line
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
        this.#line = i - start
        return i
      }
    }
    return stop
  }

  #readMethod(buf: Buffer, start: number, from: number, stop: number): number {
    const line = start + this.#line
    const methodStop = Math.min(stop, line + MAX_METHOD + 1)
    let i = from
    while (i < methodStop && token[buf[i]] !== 0) i++
    if (i - line > MAX_METHOD) return this.#reject(rejections.methodTooLong)
    if (i === stop) return i
    if (buf[i] !== SP || i === line) return this.#reject(rejections.method)
    this.#methodEnd = i - start
    this.#question = -1
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
        this.#question = i - start
        this.#state = IN_QUERY
      }
    }
    if (this.#state !== IN_PATH) while (i < stop && queryByte[buf[i]] !== 0) i++
    if (i === stop) return i
    const byte = buf[i]
    if (byte === CR || byte === LF || i === start + this.#methodEnd + 1) return this.#reject(rejections.requestLine)
    if (byte !== SP) return this.#reject(rejections.targetByte)
    this.#targetEnd = i - start
    this.#state = IN_VERSION
    return i + 1
  }

  #readVersion(buf: Buffer, start: number, from: number, stop: number): number {
    const version = start + this.#targetEnd + 1
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
    this.#minorVersion = buf[version + MINOR] === 0x30 ? 0 : 1
    this.#state = LINE_END
    return i + 1
  }

  // Interprets a complete and well-formed head.
  #finish(buf: Buffer, start: number, next: number): Rejection | null {
    const { marks, known, knownLength } = this.#fields
    const framing = this.#framing
    this.#known.forget()
    framing.reset()
    for (let k = 0; k < knownLength; k += 2) {
      const mark = known[k + 1]
      const rejection = framing.take(known[k], buf, start + marks[mark + 2], start + marks[mark + 3])
      if (rejection !== null) return rejection
    }
    const text = buf.toString('latin1', start, next)
    this.#host = framing.hostFrom < 0 ? '' : text.slice(framing.hostFrom - start, framing.hostTo - start)
    this.#block = new FieldBlock(text, framing.lengthRepeated ? this.#fields.foldLengths(text) : this.#fields.ownMarks())
    this.#known.keep(buf, start + this.#fields.from, next)
    return this.#makeHead(buf, start, text)
  }

  /** Whether the field lines at `at` are byte for byte those of the request before, and so have the same meaning. */
  #isKnown(buf: Buffer, start: number, at: number, end: number): boolean {
    return this.#known.startAt(buf, at, Math.min(end, start + this.#limits.sizeLimit))
  }

  /** Whether the buffer begins with the whole request line of the request before. */
  #isSameLine(buf: Buffer, start: number, end: number): boolean {
    const length = this.#lineLength
    if (length === 0 || this.#at > 0 || this.#state !== START || end - start < length) return false
    const text = this.#text
    for (let k = 0; k < length; k++) if (buf[start + k] !== text.charCodeAt(k)) return false
    return true
  }

  /** Finishes a head that is byte for byte the one before: `head` stays. */
  #finishSame(at: number): number {
    this.reset()
    return at + this.#known.length
  }

  #finishKnown(buf: Buffer, start: number, at: number): number {
    this.rejection = this.#makeHead(buf, start, buf.toString('latin1', start, at))
    if (this.rejection !== null) return REJECTED
    this.reset()
    return at + this.#known.length
  }

  /** Makes the head from the request line at the beginning of `text` and the cached fields. */
  #makeHead(buf: Buffer, start: number, text: string): Rejection | null {
    const framing = this.#framing
    this.#text = text
    this.#lineLength = this.#line === 0 ? this.#targetEnd + 1 + VERSION.length + 2 : 0
    const method = methodName(buf, start + this.#line, start + this.#methodEnd)
    const rejection = framing.settle(this.#minorVersion, method === 'CONNECT')
    if (rejection !== null) return rejection
    const from = this.#methodEnd + 1
    const target = text.slice(from, this.#targetEnd)
    if (buf[start + from] !== SLASH || method === 'CONNECT') {
      const other = readTarget(method, target)
      if (other === null) return target === '*' || method === 'CONNECT' ? rejections.targetForm : rejections.target
      const { form, path, args } = other
      const host = other.host ?? this.#host
      this.head = new RequestHead(method, target, form, path, args, this.#minorVersion, host, framing, this.#block)
      return null
    }
    const question = this.#question
    const path = question < 0 ? target : text.slice(from, question)
    const args = question < 0 ? '' : text.slice(question + 1, this.#targetEnd)
    this.head = new RequestHead(method, target, 'origin', path, args, this.#minorVersion, this.#host, framing, this.#block)
    return null
  }

  #reject(rejection: Rejection): number {
    this.rejection = rejection
    return REJECTED
  }
}
