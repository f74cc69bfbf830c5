import { isUtf8 } from 'node:buffer'
import { FieldLines, type HeadLimits } from './field-lines.js'
import { FieldBlock, NO_FIELDS } from './headers.js'
import { NEED_MORE, REJECTED, rejections, type Rejection } from './rejection.js'

/** The header fields of a part are in `fields`. */
export const PART = 1
/** A piece of the part's content is in `data`. */
export const CONTENT = 2
/** The end of the part's content. */
export const PART_END = 3
/** The end of the last part. */
export const FORM_END = 4

/** Maximum parts of one form. */
export const partLimit = 1000

/** Longest boundary (RFC 2046 section 5.1.1). */
const boundaryLimit = 70

/** Limits for the header fields of one part. */
const headLimits: HeadLimits = { lineLimit: 8 * 1024, countLimit: 100, sizeLimit: 16 * 1024 }

const DASH = 0x2d
const HTAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SP = 0x20

/** States of the reader: the next element to read. */
const START = 0
const PREAMBLE = 1
const BEHIND_BOUNDARY = 2
const PADDING = 3
const HEAD = 4
const EMPTY_LINE = 5
const BODY = 6
const EPILOGUE = 7

/**
 * Reads multipart bodies (RFC 2046 section 5.1, RFC 7578) from pieces of any size. It reads each byte once or twice, and buffers
 * at most the head of one part. The same bytes give the same parts in any pieces.
 */
export class MultipartReader {
  /** The header fields of the part; their latin1 text holds the bytes of valid UTF-8. */
  fields: FieldBlock = NO_FIELDS
  data: Buffer = Buffer.alloc(0)
  rejection: Rejection | null = null
  /** CRLF, two dashes and the boundary: before each part, except that the first may lack the CRLF, and after the last. */
  readonly #delimiter: Buffer
  readonly #lines = new FieldLines(headLimits)
  readonly #window = new Window()
  #state = START
  #parts = 0

  /** @param boundary undefined: the Content-Type has none, and the form is rejected */
  constructor(boundary: string | undefined) {
    if (boundary === undefined || boundary === '' || boundary.length > boundaryLimit) this.rejection = rejections.form
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** Adds the next piece of the body after `next` has returned NEED_MORE. The piece must not be changed afterwards. */
  push(piece: Buffer): void {
    this.#window.push(piece)
  }

  /** The next event: PART, CONTENT, PART_END, FORM_END, NEED_MORE (at the end of the body: a malformed form) or REJECTED. */
  next(): number {
    for (;;) {
      if (this.rejection !== null) return REJECTED
      const event = this.#step()
      if (event !== null) return event
    }
  }

  /** Advances by one state; null: no event. */
  #step(): number | null {
    switch (this.#state) {
      case START:
        return this.#afterStart()
      case PREAMBLE:
      case BODY:
        return this.#upToDelimiter()
      case BEHIND_BOUNDARY:
        return this.#behindBoundary()
      case PADDING:
        return this.#padding()
      case HEAD:
        return this.#head()
      case EMPTY_LINE:
        return this.#afterEmptyLine()
      default:
        this.#window.from = this.#window.end
        return FORM_END
    }
  }

  /** The first delimiter may be at the very beginning, without its CRLF. */
  #afterStart(): number | null {
    const begins = this.#window.startsWith(this.#delimiter, 2)
    if (begins === null) return NEED_MORE
    if (begins) this.#window.from += this.#delimiter.length - 2
    this.#state = begins ? BEHIND_BOUNDARY : PREAMBLE
    return null
  }

  #upToDelimiter(): number | null {
    const window = this.#window
    const inPart = this.#state === BODY
    const { size, found } = window.before(this.#delimiter)
    if (size > 0) {
      this.data = window.take(size)
      return inPart ? CONTENT : null
    }
    if (!found) return NEED_MORE
    window.from += this.#delimiter.length
    this.#state = BEHIND_BOUNDARY
    return inPart ? PART_END : null
  }

  /** Two dashes after the boundary end the form; otherwise padding and a line end must follow. */
  #behindBoundary(): number | null {
    const window = this.#window
    if (window.length < 2) return NEED_MORE
    const isLast = window.at(0) === DASH && window.at(1) === DASH
    this.#state = isLast ? EPILOGUE : PADDING
    return null
  }

  #padding(): number | null {
    const window = this.#window
    while (window.length > 0 && (window.at(0) === SP || window.at(0) === HTAB)) window.from++
    if (window.length > 0 && window.at(0) !== CR) return this.#reject(rejections.form)
    if (window.length < 2) return NEED_MORE
    if (window.at(1) !== LF) return this.#reject(rejections.form)
    window.from += 2
    this.#lines.begin(0)
    this.#state = HEAD
    return null
  }

  #head(): number | null {
    const window = this.#window
    const lines = this.#lines
    const end = lines.read(window.bytes, window.from, window.end)
    if (end === NEED_MORE) return NEED_MORE
    if (end === REJECTED) return this.#reject(headRejection(lines.rejection ?? rejections.form))
    if (++this.#parts > partLimit) return this.#reject(rejections.tooManyParts(partLimit + 1))
    // The empty line is not consumed: its CRLF may be the beginning of the delimiter.
    const head = window.take(end - window.from - 2)
    if (!isUtf8(head)) return this.#reject(rejections.form)
    this.fields = new FieldBlock(head.toString('latin1'), lines.ownMarks())
    this.#state = EMPTY_LINE
    return PART
  }

  #afterEmptyLine(): number | null {
    const isEmpty = this.#window.startsWith(this.#delimiter, 0)
    if (isEmpty === null) return NEED_MORE
    if (!isEmpty) this.#window.from += 2
    this.#state = BODY
    return null
  }

  #reject(rejection: Rejection): number {
    this.rejection = rejection
    return REJECTED
  }
}

function headRejection({ status, reason }: Rejection): Rejection {
  return status === 431 ? rejections.partHead(reason) : rejections.form
}

/** The unread bytes. A piece is read in place; its unread rest is copied in front of the next one. */
class Window {
  bytes: Buffer = Buffer.alloc(0)
  from = 0
  end = 0
  /** Whether `bytes` belongs to the window, so that it may write after `end`. */
  #own = false

  get length(): number {
    return this.end - this.from
  }

  at(place: number): number {
    return this.bytes[this.from + place]
  }

  push(piece: Buffer): void {
    if (this.length === 0) {
      this.bytes = piece
      this.from = 0
      this.end = piece.length
      this.#own = false
      return
    }
    if (!this.#own || this.bytes.length - this.end < piece.length) this.#grow(piece.length)
    piece.copy(this.bytes, this.end)
    this.end += piece.length
  }

  /** Takes bytes from the front. */
  take(size: number): Buffer {
    const taken = this.bytes.subarray(this.from, this.from + size)
    this.from += size
    return taken
  }

  /** Whether the bytes begin with `text` from its index `at` on; null: too few bytes to decide. */
  startsWith(text: Buffer, at: number): boolean | null {
    const size = Math.min(this.length, text.length - at)
    if (this.bytes.compare(text, at, at + size, this.from, this.from + size) !== 0) return false
    return size === text.length - at ? true : null
  }

  /** Number of bytes before the delimiter, or before its possible beginning, and whether it was found. */
  before(delimiter: Buffer): { readonly size: number; readonly found: boolean } {
    const unread = this.bytes.subarray(this.from, this.end)
    const place = unread.indexOf(delimiter)
    if (place >= 0) return { size: place, found: true }
    // CR occurs only at the beginning of the delimiter.
    const tail = unread.subarray(Math.max(0, unread.length + 1 - delimiter.length))
    const mark = tail.lastIndexOf(CR)
    const mayBegin = mark >= 0 && tail.compare(delimiter, 0, tail.length - mark, mark) === 0
    return { size: mayBegin ? unread.length - tail.length + mark : unread.length, found: false }
  }

  /** Moves the bytes to a new buffer, since pieces returned earlier are views of the old one. */
  #grow(more: number): void {
    const { length } = this
    const larger = Buffer.allocUnsafe(2 * length + more)
    this.bytes.copy(larger, 0, this.from, this.end)
    this.bytes = larger
    this.from = 0
    this.end = length
    this.#own = true
  }
}
