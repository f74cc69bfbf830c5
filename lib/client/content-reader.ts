import { now, type Op, type Stream } from '../../lev/index.js'
import { RequestError } from '../errors.js'
import { ChunkedReader, DONE, REJECTED } from '../http1/chunked.js'
import type { FieldBlock } from '../http1/headers.js'
import { CHUNKED, UNTIL_CLOSE } from '../http1/response-framing.js'
import type { Pieces } from '../pieces.js'
import { headLimits } from './read-head.js'

interface ContentOptions {
  /** Bytes of content, CHUNKED or UNTIL_CLOSE. */
  readonly length: number
  /** Maximum size of the content, in bytes. */
  readonly limit: number
  /** Seconds that one piece may take; Infinity for no limit. */
  readonly patience: number
}

/** The content of one response as it arrives on its connection. */
export class ContentReader implements Pieces {
  /** The trailer fields; null before the end of the content, and if there are none. */
  trailers: FieldBlock | null = null
  readonly #stream: Stream
  readonly #options: ContentOptions
  readonly #chunks: ChunkedReader | null
  #received = 0
  #done: boolean

  constructor(stream: Stream, options: ContentOptions) {
    this.#stream = stream
    this.#options = options
    this.#chunks = options.length === CHUNKED ? new ChunkedReader(options.limit, headLimits) : null
    this.#done = options.length === 0
  }

  /** Bytes of content, CHUNKED or UNTIL_CLOSE. */
  get length(): number {
    return this.#options.length
  }

  /** Whether all content was read. */
  get done(): boolean {
    return this.#done
  }

  /** @throws RequestError if the content is too large, malformed or cut off; ClosedError if the connection is lost; TimeoutError */
  *next(): Op<Buffer | null> {
    const stream = this.#stream
    const { length, limit, patience } = this.#options
    if (length > limit) throw tooLarge(limit)
    while (!this.#done) {
      const piece = this.#chunks === null ? this.#plain() : this.#chunked(this.#chunks)
      if (piece !== null) {
        this.#received += piece.length
        if (this.#received > limit) throw tooLarge(limit)
        this.#done ||= this.#received === length
        return piece
      }
      if (this.#done) break
      if (patience !== Infinity) stream.readDeadline = now() + patience
      if (yield* stream.fill()) continue
      if (length !== UNTIL_CLOSE) throw new RequestError('the server closed the connection within the content of its response')
      this.#done = true
    }
    return null
  }

  #plain(): Buffer | null {
    const stream = this.#stream
    const { length } = this.#options
    const there = stream.inputEnd - stream.inputStart
    const size = length < 0 ? there : Math.min(there, length - this.#received)
    if (size === 0) return null
    const piece = stream.input.subarray(stream.inputStart, stream.inputStart + size)
    stream.consume(size)
    return piece
  }

  #chunked(chunks: ChunkedReader): Buffer | null {
    const stream = this.#stream
    const piece = chunks.nextPiece(stream.input, stream.inputStart, stream.inputEnd)
    stream.consume(chunks.position - stream.inputStart)
    if (chunks.event === DONE) {
      this.trailers = chunks.trailers
      this.#done = true
    } else if (chunks.event === REJECTED && piece === null) {
      throw chunks.rejection?.status === 413 ? tooLarge(this.#options.limit) : new RequestError(`the response cannot be read: ${chunks.rejection?.reason}`)
    }
    return piece
  }
}

function tooLarge(limit: number): RequestError {
  return new RequestError(`the response has more than ${limit} bytes`)
}
