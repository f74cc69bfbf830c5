import { isUtf8 } from 'node:buffer'
import { FieldLines, type HeadLimits } from './field-lines.js'
import { FieldBlock, NO_FIELDS } from './headers.js'
import { NEED_MORE, REJECTED, rejections, type Rejection } from './rejection.js'

/** The header fields of a part were read: `fields`. */
export const PART = 1
/** Some content of the part: `data`. */
export const CONTENT = 2
/** The content of the part is over. */
export const PART_END = 3
/** The last part is over. */
export const FORM_END = 4

/** Parts of one form. */
export const partLimit = 1000

/** Longest boundary (RFC 2046 section 5.1.1). */
const boundaryLimit = 70

/** Header fields of one part. */
const headLimits: HeadLimits = { lineLimit: 8 * 1024, countLimit: 100, sizeLimit: 16 * 1024 }

const DASH = 0x2d
const HTAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SP = 0x20

/** Where the reader is: what it expects at its position. */
const START = 0
const PREAMBLE = 1
const BEHIND_BOUNDARY = 2
const PADDING = 3
const HEAD = 4
const EMPTY_LINE = 5
const BODY = 6
const EPILOGUE = 7

/**
 * Reads multipart bodies (RFC 2046 section 5.1, RFC 7578) from pieces of any size. It looks at each byte once or twice, and keeps
 * no more of them than the head of one part. The same bytes give the same parts, however they were cut.
 */
export class MultipartReader {
  /** The header fields of the part, in UTF-8. */
  fields: FieldBlock = NO_FIELDS
  data: Buffer = Buffer.alloc(0)
  rejection: Rejection | null = null
  /** CRLF, two dashes and the boundary: what stands before each part but the first, and behind the last. */
  readonly #delimiter: Buffer
  readonly #lines = new FieldLines(headLimits)
  readonly #window = new Window()
  #state = START
  #parts = 0

  /** @param boundary undefined: the form does not say where its parts end */
  constructor(boundary: string | undefined) {
    if (boundary === undefined || boundary === '' || boundary.length > boundaryLimit) this.rejection = rejections.form
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** Gives it the next piece of the body, once `next` has wanted more. The piece must not be changed afterwards. */
  push(piece: Buffer): void {
    this.#window.push(piece)
  }

  /** What comes next: PART, CONTENT, PART_END, FORM_END, NEED_MORE (at the end of the body, the form is malformed) or REJECTED. */
  next(): number {
    for (;;) {
      if (this.rejection !== null) return REJECTED
      const event = this.#step()
      if (event !== null) return event
    }
  }

  /** Goes on by one state; null: what was read means nothing by itself. */
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

  /** The first delimiter may stand at the very beginning, without its CRLF. */
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

  /** Two dashes end the form. What goes on otherwise than by a line's end is another text that begins like the boundary. */
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
    // The empty line is left: its end may be the beginning of the delimiter.
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

/** Bytes that were not read yet. A piece is looked at where it lies; what is left of it is copied in front of the next one. */
class Window {
  bytes: Buffer = Buffer.alloc(0)
  from = 0
  end = 0
  /** Whether `bytes` is the window's own, so that more may be written behind `end`. */
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

  /** Whether the bytes begin with `text` from its place `at` on; null: there are too few of them to tell. */
  startsWith(text: Buffer, at: number): boolean | null {
    const size = Math.min(this.length, text.length - at)
    if (this.bytes.compare(text, at, at + size, this.from, this.from + size) !== 0) return false
    return size === text.length - at ? true : null
  }

  /** How many bytes stand before the delimiter, or before what may turn out to be its beginning, and whether it was found. */
  before(delimiter: Buffer): { readonly size: number; readonly found: boolean } {
    const unread = this.bytes.subarray(this.from, this.end)
    const place = unread.indexOf(delimiter)
    if (place >= 0) return { size: place, found: true }
    // CR stands nowhere in it but at its beginning.
    const tail = unread.subarray(Math.max(0, unread.length + 1 - delimiter.length))
    const mark = tail.lastIndexOf(CR)
    const mayBegin = mark >= 0 && tail.compare(delimiter, 0, tail.length - mark, mark) === 0
    return { size: mayBegin ? unread.length - tail.length + mark : unread.length, found: false }
  }

  /** What was taken stays as it is: the bytes move to new memory. */
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
