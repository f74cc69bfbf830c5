import type { Op, Stream } from '../../lev/index.js'
import { done, sendable, unsentLimitBytes } from '../../lev/internal.js'
import { StateError } from '../errors.js'
import type { Exchange } from '../request/exchange.js'
import { transitions } from '../request/states.js'
import { chunkSize, lastChunk, LAST_CHUNK } from '../http1/chunk-framing.js'
import { CHUNKED, UNTIL_CLOSE } from '../http1/response-framing.js'
import { ResponseError, type HeaderValue } from '../http1/response-headers.js'
import type { StreamCompressor } from '../coding/stream-compressor.js'
import type { ContentSink } from './content-source.js'
import { Signal } from '../signal.js'

/** Bytes waiting for the compressor above which the source has to wait. */
const uncompressedLimit = 32 * 1024

/** How to send a response's content. */
export interface Plan {
  readonly status: number
  /** The whole head, sent with the first piece. */
  readonly head: string
  /** CHUNKED, UNTIL_CLOSE, NO_LENGTH (no content is sent), or bytes. */
  readonly length: number
  /** Announced bytes of content, before compression; -1: not announced. */
  readonly announced: number
  readonly compressor: StreamCompressor | null
  /** Makes the plan for content that begins with `start`, "" if it is empty; null: this plan fits any content. */
  readonly revise: ((start: Buffer | string) => Plan) | null
}

/** Sends one response's content to the client: counts, frames and compresses it, and applies backpressure to its source. */
export class ContentWriter implements ContentSink {
  /** Whether the head was sent: no other response is possible any more. */
  begun = false
  readonly #exchange: Exchange
  readonly #client: Stream
  #plan: Plan
  /** Whether text is joined into larger chunks: framing dominates the cost of many small pieces. */
  readonly #joins: boolean
  /** Bytes of content received from the source. */
  #taken = 0
  #sent = 0
  /** Text received since output was last sent; it becomes one chunk. */
  #text = ''
  #beforeSend: (() => void) | null = null
  #trailers: Record<string, HeaderValue> | null = null
  #over = false
  #uncompressed: Buffer[] = []
  #uncompressedSize = 0
  #compressing = false
  readonly #toCompress = new Signal()
  readonly #compressed = new Signal()

  constructor(exchange: Exchange, plan: Plan) {
    const { length, announced, compressor, revise } = plan
    this.#exchange = exchange
    this.#client = exchange.connection.client
    this.#plan = plan
    this.#joins = length === CHUNKED && announced < 0 && compressor === null && revise === null
    if (this.#joins) this.#client.beforeSend.attach(this.#beforeSend = () => this.#emitText())
  }

  get draining(): AbortSignal {
    return this.#exchange.draining
  }

  /** Whether the content is delimited only by the end of the connection. */
  get untilClose(): boolean {
    return this.#plan.length === UNTIL_CLOSE
  }

  /** Bytes of content sent, without framing. */
  get sent(): number {
    return this.#sent + this.#text.length
  }

  get needsDrain(): boolean {
    if (this.#plan.compressor !== null) return this.#uncompressedSize > uncompressedLimit
    return this.#client.unsent + this.#text.length > unsentLimitBytes
  }

  put(piece: unknown): void {
    if (this.#over) throw new StateError('the response has ended: nothing more can be written')
    if (typeof piece === 'string' && this.#joins) return this.#join(piece)
    const bytes = pieceOf(piece)
    if (bytes.length === 0) return
    this.#revise(bytes)
    this.#count(bytes.length)
    this.#begin()
    if (this.#plan.compressor === null) return this.#emit(bytes)
    this.#uncompressed.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    this.#uncompressedSize += bytes.length
    this.#toCompress.tell()
  }

  write(piece: string | Uint8Array): Op<void> {
    this.put(piece)
    return this.needsDrain ? this.waitForDrain() : done
  }

  *waitForDrain(): Op<void> {
    this.#emitText()
    while (this.#uncompressedSize > uncompressedLimit) yield* this.#compressed.wait()
    // With a compressor, the task in `compress` waits for the client.
    if (this.#plan.compressor === null) yield* this.#client.write('')
  }

  *flush(): Op<void> {
    if (this.#over) throw new StateError('the response has ended: nothing more can be flushed')
    this.#begin()
    while (this.#uncompressedSize > 0 || this.#compressing) yield* this.#compressed.wait()
    yield* this.#client.flush()
  }

  trailers(fields: Readonly<Record<string, HeaderValue>>): void {
    if (this.#over) throw new StateError('the response has ended: it has sent its trailers')
    const trailers = { ...this.#trailers, ...fields }
    lastChunk(trailers)
    this.#trailers = trailers
  }

  /** Compresses the content until `end`, everything of a step at once. Runs in a task of its own. */
  *compress(compressor: StreamCompressor): Op<void> {
    for (;;) {
      while (this.#uncompressedSize === 0 && !this.#over) yield* this.#toCompress.wait()
      const last = this.#over
      const bytes = this.#uncompressed.length === 1 ? this.#uncompressed[0] : Buffer.concat(this.#uncompressed, this.#uncompressedSize)
      this.#uncompressed = []
      this.#uncompressedSize = 0
      this.#compressing = true
      for (const part of yield* compressor.compress(bytes, last)) if (part.length > 0) this.#emit(part)
      this.#compressing = false
      this.#compressed.tell()
      if (last) return
      const client = this.#client
      if (client.unsent > unsentLimitBytes) yield* client.write('')
    }
  }

  /** Ends the content. @throws ResponseError if it is shorter than announced */
  end(): void {
    this.#revise('')
    if (this.#plan.announced > this.#taken) throw this.#mismatch(`has only ${this.#taken}`)
    this.#begin()
    this.#over = true
    this.#toCompress.tell()
  }

  /** After all of the content: writes the last chunk and the trailers if the content is chunked. */
  finish(): void {
    this.#emitText()
    if (this.#plan.length !== CHUNKED) return
    this.#client.put(this.#trailers === null ? LAST_CHUNK : lastChunk(this.#trailers))
  }

  /** Ends writing, on every path; text received so far is sent if the connection is open. */
  close(): void {
    this.#over = true
    this.#client.beforeSend.detach(this.#beforeSend)
    if (this.#client.isOpen) this.#emitText()
  }

  #revise(start: Buffer | string): void {
    if (!this.begun && this.#plan.revise !== null) this.#plan = this.#plan.revise(start)
  }

  #begin(): void {
    if (this.begun) return
    this.begun = true
    this.#exchange.advance(transitions.responseBegun)
    this.#client.put(this.#plan.head)
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

  #join(piece: string): void {
    if (piece === '') return
    this.#begin()
    // Schedules a send, which calls `beforeSend`.
    if (this.#text === '') this.#client.put('')
    this.#text += piece
  }

  #emitText(): void {
    if (this.#text === '') return
    const bytes = sendable(this.#text)
    this.#text = ''
    this.#emit(bytes)
  }

  #emit(bytes: Buffer | string): void {
    const client = this.#client
    if (this.#text !== '') this.#emitText()
    this.#sent += bytes.length
    if (this.#plan.length !== CHUNKED) client.put(bytes)
    else if (typeof bytes === 'string') client.put(chunkSize(bytes.length) + bytes + '\r\n')
    else {
      client.put(chunkSize(bytes.length))
      client.put(bytes)
      client.put('\r\n')
    }
  }
}

/** A piece in sendable form. @throws ResponseError if it is neither a string nor bytes */
function pieceOf(piece: unknown): Buffer | string {
  if (typeof piece === 'string' || piece instanceof Uint8Array) return sendable(piece)
  const hint = typeof piece === 'object' && piece !== null && 'arm' in piece ? ' (content that waits is a function* (out) of its own)' : ''
  throw new ResponseError(null, `a piece of the content is neither a string nor bytes: ${piece === null ? 'null' : typeof piece}${hint}`)
}
