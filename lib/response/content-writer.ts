import type { Op } from '../../lev/index.js'
import { done, sendable } from '../../lev/internal.js'
import type { StreamCompressor } from '../coding/stream-compressor.js'
import { StateError } from '../errors.js'
import { lastChunk } from '../http1/chunk-framing.js'
import { ResponseError, type HeaderValue } from '../http1/response-headers.js'
import type { Exchange } from '../request/exchange.js'
import { Signal } from '../signal.js'
import type { ContentSink } from './content-source.js'
import type { ResponseWriter } from './response-writer.js'

/** Bytes waiting for the compressor above which the source has to wait. */
const uncompressedLimit = 32 * 1024

/** How to send a response's content. */
export interface Plan {
  /** Announced bytes of content, before compression; -1: not announced. */
  readonly announced: number
  readonly compressor: StreamCompressor | null
  /** Makes the plan, and the head, for content that begins with `start`, "" if it is empty; null: this plan fits any content. */
  readonly revise: ((start: Buffer | string) => Plan) | null
}

/** Sends one response's content: counts and compresses it, and applies backpressure to its source. */
export class ContentWriter implements ContentSink {
  readonly #exchange: Exchange
  readonly #writer: ResponseWriter
  #plan: Plan
  /** Whether text goes out as it comes, neither counted nor compressed, so that the writer may join it. */
  readonly #plainText: boolean
  /** Bytes of content received from the source. */
  #taken = 0
  #trailers: Record<string, HeaderValue> | null = null
  #over = false
  #uncompressed: Buffer[] = []
  #uncompressedSize = 0
  #compressing = false
  readonly #toCompress = new Signal()
  readonly #compressed = new Signal()

  /** @param exchange whose head was given to the connection's writer */
  constructor(exchange: Exchange, plan: Plan) {
    const { announced, compressor, revise } = plan
    this.#exchange = exchange
    this.#writer = exchange.writer
    this.#plan = plan
    this.#plainText = announced < 0 && compressor === null && revise === null
  }

  get draining(): AbortSignal {
    return this.#exchange.draining
  }

  get needsDrain(): boolean {
    return this.#plan.compressor === null ? this.#writer.needsDrain : this.#uncompressedSize > uncompressedLimit
  }

  put(piece: unknown): void {
    if (this.#over) throw new StateError('the response has ended: nothing more can be written')
    if (typeof piece === 'string' && this.#plainText) {
      if (piece !== '') this.#writer.putText(piece)
      return
    }
    const bytes = pieceOf(piece)
    if (bytes.length === 0) return
    this.#revise(bytes)
    this.#count(bytes.length)
    if (this.#plan.compressor === null) return this.#writer.put(bytes)
    this.#writer.begin()
    this.#uncompressed.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    this.#uncompressedSize += bytes.length
    this.#toCompress.tell()
  }

  write(piece: string | Uint8Array): Op<void> {
    this.put(piece)
    return this.needsDrain ? this.waitForDrain() : done
  }

  waitForDrain(): Op<void> {
    // With a compressor, the task in `compress` waits for the client.
    return this.#plan.compressor === null ? this.#writer.waitForDrain() : this.#waitForCompressor()
  }

  *#waitForCompressor(): Op<void> {
    while (this.#uncompressedSize > uncompressedLimit) yield* this.#compressed.wait()
  }

  *flush(): Op<void> {
    if (this.#over) throw new StateError('the response has ended: nothing more can be flushed')
    this.#writer.begin()
    while (this.#uncompressedSize > 0 || this.#compressing) yield* this.#compressed.wait()
    yield* this.#writer.flush()
  }

  trailers(fields: Readonly<Record<string, HeaderValue>>): void {
    if (this.#over) throw new StateError('the response has ended: it has sent its trailers')
    const trailers = { ...this.#trailers, ...fields }
    lastChunk(trailers)
    this.#trailers = trailers
  }

  /** Compresses the content until `end`, everything of a step at once. Runs in a task of its own. */
  *compress(compressor: StreamCompressor): Op<void> {
    const writer = this.#writer
    for (;;) {
      while (this.#uncompressedSize === 0 && !this.#over) yield* this.#toCompress.wait()
      const last = this.#over
      const bytes = this.#uncompressed.length === 1 ? this.#uncompressed[0] : Buffer.concat(this.#uncompressed, this.#uncompressedSize)
      this.#uncompressed = []
      this.#uncompressedSize = 0
      this.#compressing = true
      for (const part of yield* compressor.compress(bytes, last)) if (part.length > 0) writer.put(part)
      this.#compressing = false
      this.#compressed.tell()
      if (last) return
      if (writer.needsDrain) yield* writer.waitForDrain()
    }
  }

  /** Ends the content. @throws ResponseError if it is shorter than announced */
  end(): void {
    this.#revise('')
    if (this.#plan.announced > this.#taken) throw this.#mismatch(`has only ${this.#taken}`)
    this.#writer.begin()
    this.#over = true
    this.#toCompress.tell()
  }

  /** Ends the response, after all of the content and of the compressor's work. */
  finish(): void {
    this.#writer.end(this.#trailers)
  }

  /** Ends writing, on every path. */
  close(): void {
    this.#over = true
  }

  #revise(start: Buffer | string): void {
    if (!this.#writer.begun && this.#plan.revise !== null) this.#plan = this.#plan.revise(start)
  }

  #count(bytes: number): void {
    this.#taken += bytes
    const { announced } = this.#plan
    // No byte of an excess piece is sent: the client might take it for the next response.
    if (announced >= 0 && this.#taken > announced) throw this.#mismatch('has more')
  }

  #mismatch(what: string): ResponseError {
    return new ResponseError('content-length', `${this.#plan.announced} bytes announced, but the content ${what}`)
  }
}

/** A piece in sendable form. @throws ResponseError if it is neither a string nor bytes */
function pieceOf(piece: unknown): Buffer | string {
  if (typeof piece === 'string' || piece instanceof Uint8Array) return sendable(piece)
  const hint = typeof piece === 'object' && piece !== null && 'arm' in piece ? ' (content that waits is a function* (out) of its own)' : ''
  throw new ResponseError(null, `a piece of the content is neither a string nor bytes: ${piece === null ? 'null' : typeof piece}${hint}`)
}
