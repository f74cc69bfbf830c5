import { sameBytes } from './bytes.js'
import { FieldLines } from './field-lines.js'
import type { HeadLimits } from './field-lines.js'
import { Framing } from './framing.js'
import { FieldBlock, NO_FIELDS } from './headers.js'
import { NEED_MORE, REJECTED, rejections } from './rejection.js'
import type { Rejection } from './rejection.js'
import { NO_HEAD, RequestHead } from './request-head.js'
import { RequestLineReader } from './request-line.js'
import { readTarget } from './target.js'

export { NEED_MORE, REJECTED } from './rejection.js'

const SLASH = 0x2f

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
  /** The last head that `read` found. It is immutable. */
  head: RequestHead = NO_HEAD
  /** The reason for REJECTED. */
  rejection: Rejection | null = null

  /** Text of `head`, at least up to the end of its request line. */
  protected text = ''
  /** Whether the request line was read. */
  protected inFields = false
  readonly #line: RequestLineReader
  readonly #fields: FieldLines
  // What the fields of a head mean.
  readonly #framing = new Framing()
  #host = ''
  #block = NO_FIELDS

  constructor(limits: HeadLimits) {
    this.#line = new RequestLineReader(limits)
    this.#fields = new FieldLines(limits)
  }

  /** Whether the first byte of a request line was read; blank lines do not count. */
  get begun(): boolean {
    return this.inFields || this.#line.begun
  }

  /** Whether any byte of a head was read. */
  protected get touched(): boolean {
    return this.#line.touched
  }

  /** Discards a partly read head. */
  reset(): void {
    this.rejection = null
    this.inFields = false
    this.#line.reset()
  }

  /**
   * Reads a head in buf[start, end). Called again for the same head with more bytes, it continues where it stopped; the bytes may
   * have been moved to another place or buffer. After REJECTED it returns REJECTED until `reset`.
   *
   * @returns the offset just after the head (`head` has it), NEED_MORE, or REJECTED (`rejection` has the reason)
   */
  read(buf: Buffer, start: number, end: number): number {
    if (this.rejection !== null) return REJECTED
    if (!this.inFields) {
      const at = this.readLine(buf, start, end)
      if (at < 0) return at
    }
    return this.readFields(buf, start, end)
  }

  /** Reads the request line. Returns the offset just after it, NEED_MORE or REJECTED. */
  protected readLine(buf: Buffer, start: number, end: number): number {
    const at = this.#line.read(buf, start, end)
    if (at >= 0) {
      this.inFields = true
      this.#fields.begin(at - start)
    } else if (at === REJECTED) {
      this.rejection = this.#line.rejection
    }
    return at
  }

  /** Takes the request line for that of the head before, which has `length` bytes. */
  protected reuseLine(length: number): void {
    this.inFields = true
    this.#fields.begin(length)
  }

  /** Reads what follows the request line, and makes the head. Returns as `read`. */
  protected readFields(buf: Buffer, start: number, end: number): number {
    const next = this.#fields.read(buf, start, end)
    if (next === NEED_MORE) return NEED_MORE
    this.rejection = next === REJECTED ? this.#fields.rejection : this.#interpret(buf, start, next)
    if (this.rejection !== null) return REJECTED
    this.reset()
    return next
  }

  /** Makes the head of the request line, which ends at `at`, and the fields of the head before. Returns false for REJECTED. */
  protected reuseFields(buf: Buffer, start: number, at: number): boolean {
    this.rejection = this.#makeHead(buf, start, buf.toString('latin1', start, at))
    if (this.rejection !== null) return false
    this.reset()
    return true
  }

  /** Interprets a complete and well-formed head. */
  #interpret(buf: Buffer, start: number, next: number): Rejection | null {
    const { marks, known, knownLength } = this.#fields
    const framing = this.#framing
    framing.reset()
    for (let k = 0; k < knownLength; k += 2) {
      const mark = known[k + 1]
      const rejection = framing.take(known[k], buf, start + marks[mark + 2], start + marks[mark + 3])
      if (rejection !== null) return rejection
    }
    const text = buf.toString('latin1', start, next)
    this.#host = framing.hostFrom < 0 ? '' : text.slice(framing.hostFrom - start, framing.hostTo - start)
    this.#block = new FieldBlock(text, framing.lengthRepeated ? this.#fields.foldLengths(text) : this.#fields.ownMarks())
    return this.#makeHead(buf, start, text)
  }

  /** Makes the head from the request line at the beginning of `text`, and the meaning of the fields. */
  #makeHead(buf: Buffer, start: number, text: string): Rejection | null {
    const { methodStart, methodEnd, question, targetEnd, minorVersion } = this.#line
    const framing = this.#framing
    const method = methodName(buf, start + methodStart, start + methodEnd)
    const rejection = framing.finish(minorVersion, method === 'CONNECT')
    if (rejection !== null) return rejection
    const from = methodEnd + 1
    const target = text.slice(from, targetEnd)
    if (buf[start + from] !== SLASH || method === 'CONNECT') {
      const other = readTarget(method, target)
      if (other === null) return target === '*' || method === 'CONNECT' ? rejections.targetForm : rejections.target
      const { form, path, args } = other
      const host = other.host ?? this.#host
      this.head = new RequestHead(method, target, form, path, args, minorVersion, host, framing, this.#block)
    } else {
      const path = question < 0 ? target : text.slice(from, question)
      const args = question < 0 ? '' : text.slice(question + 1, targetEnd)
      this.head = new RequestHead(method, target, 'origin', path, args, minorVersion, this.#host, framing, this.#block)
    }
    this.text = text
    return null
  }
}
