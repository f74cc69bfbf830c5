import { VALUE } from './bytes.js'
import { FieldLines } from './field-lines.js'
import type { HeadLimits } from './field-lines.js'
import { FieldBlock, NO_FIELDS } from './headers.js'
import { NEED_MORE, REJECTED, rejections } from './rejection.js'
import type { Rejection } from './rejection.js'

// status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 4)
const STATUS_LINE = /^HTTP\/([0-9])\.([0-9]) ([1-9][0-9][0-9]) ([^]*)$/
const LF = 0x0a
const CR = 0x0d

/** The head of a response. */
export interface ResponseHead {
  /** 100 to 999. */
  readonly status: number
  /** The reason phrase as sent by the server; may be empty. */
  readonly reason: string
  readonly minorVersion: 0 | 1
  readonly fields: FieldBlock
}

/** Placeholder until a head is read. */
export const noHead: ResponseHead = { status: 0, reason: '', minorVersion: 1, fields: NO_FIELDS }

/**
 * Reads response heads (RFC 9112 4 and 5), strictly. Limits are enforced at the byte that exceeds them, and the same bytes give
 * the same result in any pieces.
 */
export class ResponseHeadReader {
  /** The last head that `read` found. */
  head: ResponseHead = noHead
  /** The reason for REJECTED. Its status has no meaning for a client. */
  rejection: Rejection | null = null

  readonly #limits: HeadLimits
  readonly #fields: FieldLines
  #inFields = false
  /** Bytes of the status line read so far. */
  #at = 0
  #status = 0
  #reason = ''
  #minorVersion: 0 | 1 = 1

  /** @param limits `lineLimit` applies to the status line too */
  constructor(limits: HeadLimits) {
    this.#limits = limits
    this.#fields = new FieldLines(limits)
  }

  /**
   * Reads a head in buf[start, end). Called again for the same head with more bytes, it continues where it stopped; the bytes may
   * have been moved. After a head it is ready for the next one; after REJECTED it always returns REJECTED.
   *
   * @returns the offset just after the head (`head` has it), NEED_MORE, or REJECTED (`rejection` has the reason)
   */
  read(buf: Buffer, start: number, end: number): number {
    if (this.rejection !== null) return REJECTED
    if (!this.#inFields) {
      const at = this.#readStatusLine(buf, start, end)
      if (at < 0) return at
      this.#inFields = true
      this.#fields.begin(at - start)
    }
    const next = this.#fields.read(buf, start, end)
    if (next === REJECTED) this.rejection = this.#fields.rejection
    if (next < 0) return next
    const fields = new FieldBlock(buf.toString('latin1', start, next), this.#fields.ownMarks())
    this.head = { status: this.#status, reason: this.#reason, minorVersion: this.#minorVersion, fields }
    this.#inFields = false
    this.#at = 0
    return next
  }

  // Returns the offset after the status line, NEED_MORE or REJECTED.
  #readStatusLine(buf: Buffer, start: number, end: number): number {
    const { lineLimit, sizeLimit } = this.#limits
    const hardStop = Math.min(end, start + sizeLimit)
    const stop = Math.min(hardStop, start + lineLimit + 1)
    let i = start + this.#at
    while (i < stop && VALUE[buf[i]] !== 0) i++
    this.#at = i - start
    if (i - start > lineLimit) return this.#reject(rejections.lineTooLong(lineLimit + 1))
    if (i < stop && buf[i] !== CR) return this.#reject(buf[i] === LF ? rejections.bareLf : rejections.statusLine)
    if (i + 1 < hardStop) return buf[i + 1] === LF ? this.#takeStatusLine(buf, start, i) : this.#reject(rejections.bareCr)
    return hardStop - start >= sizeLimit ? this.#reject(rejections.headTooLarge(sizeLimit + 1)) : NEED_MORE
  }

  #takeStatusLine(buf: Buffer, start: number, cr: number): number {
    const match = STATUS_LINE.exec(buf.toString('latin1', start, cr))
    if (match === null) return this.#reject(rejections.statusLine)
    const [, major, minor, status, reason] = match
    if (major !== '1') return this.#reject(rejections.versionUnsupported)
    this.#minorVersion = minor === '0' ? 0 : 1
    this.#status = Number(status)
    this.#reason = reason
    return cr + 2
  }

  #reject(rejection: Rejection): number {
    this.rejection = rejection
    return REJECTED
  }
}
