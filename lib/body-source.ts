import { ClosedError, now, TimeoutError, type Op, type Stream } from '../lev/index.js'
import type { Settings } from './config.js'
import { BodyError, StateError } from './errors.js'
import { BodyBuffer } from './http1/body-buffer.js'
import { ChunkedReader, DATA, DONE, NEED_MORE } from './http1/chunked.js'
import type { HeadLimits } from './http1/field-lines.js'
import type { FieldBlock } from './http1/headers.js'
import type { RequestHead } from './http1/request-head.js'
import { CONTINUE } from './http1/response.js'
import { refusals, type Refusal } from './http1/refusal.js'

export const bodyTimeout: Refusal = { status: 408, reason: 'request body timeout' }
export const bodyCutOff: Refusal = { status: 400, reason: 'the client ended within the body' }

/** What sends interim answers. */
export interface InterimAnswers {
  /** Sends an interim answer; false if it is too late for one, or the client is too old to understand it. */
  putInterim(text: string): boolean
}

/** The request that content belongs to. */
export interface Recipient extends InterimAnswers {
  /** What was sent behind the content; null while that was not read to its end, and when nothing was. */
  trailers: FieldBlock | null
  /** The handler is given the connection, to write its response there. */
  watchOutput(): void
}

/** Where the pieces of a body come from. */
export interface Pieces {
  /** The next piece, never an empty one; null at the end. @throws BodyError */
  next(): Op<Buffer | null>
}

/** All that is left of the pieces in one: the piece itself if there is but one. */
export function* readAll(next: () => Op<Buffer | null>): Op<Buffer> {
  const first = (yield* next()) ?? Buffer.alloc(0)
  let all: BodyBuffer | null = null
  for (let piece = yield* next(); piece !== null; piece = yield* next()) {
    if (all === null) {
      all = new BodyBuffer()
      all.append(first, 0, first.length)
    }
    all.append(piece, 0, piece.length)
  }
  return all === null ? first : all.take()
}

/** The connection that content comes on. */
interface Carrier {
  readonly client: Stream
  readonly settings: Settings
  readonly headLimits: HeadLimits
}

/** Bytes of a chunk that is copied to be joined with those behind it, and of what is enough. */
const smallChunk = 4 * 1024
const enough = 16 * 1024

/** The content of a request as it arrives, piece by piece, within a limit of bytes and the timeouts. */
export class BodySource implements Pieces {
  readonly #connection: Carrier
  readonly #head: RequestHead
  readonly #request: Recipient
  readonly #chunks: ChunkedReader | null
  #received = 0
  #waited = 0
  /** When waiting for more ends in any case. */
  #end = Infinity
  #begun = false
  #done: boolean
  #failure: Error | null = null

  /** @param limit most bytes of content that comes chunked; a length that is known was compared with it before */
  constructor(connection: Carrier, head: RequestHead, request: Recipient, limit: number) {
    this.#connection = connection
    this.#request = request
    this.#head = head
    this.#chunks = head.chunked ? new ChunkedReader(limit, connection.headLimits) : null
    this.#done = !head.chunked && head.contentLength <= 0
  }

  /** Whether all of it was read. */
  get done(): boolean {
    return this.#done
  }

  /**
   * Whether no other request can follow: the body is faulty, or the client waits for a word before it sends it and has had
   * none, so that nobody knows what it will send next.
   */
  get unusable(): boolean {
    return this.#failure !== null || (this.#head.expectContinue && !this.#begun && !this.#done)
  }

  /** Nobody reads any more: what is left stays unread, and must not be taken for another request. */
  close(): void {
    if (!this.#done) this.#failure ??= new StateError('the request is over: its body cannot be read any more')
  }

  *next(): Op<Buffer | null> {
    if (this.#failure !== null) throw this.#failure
    if (!this.#begun) this.#begin()
    const { client } = this.#connection
    while (!this.#done) {
      const piece = this.#chunks === null ? this.#nextSized() : this.#nextChunked(this.#chunks)
      if (piece !== null) {
        this.#received += piece.length
        return piece
      }
      if (this.#failure !== null) throw this.#failure
      if (!this.#done) yield* this.#more(client)
    }
    return null
  }

  /** Reads what is left and throws it away, at most `limit` bytes and for `seconds`. Whether that was all. */
  *drain(limit: number, seconds: number): Op<boolean> {
    const { client } = this.#connection
    this.#end = now() + seconds
    try {
      for (let dropped = 0; dropped <= limit; ) {
        const piece = yield* this.next()
        if (piece === null) return true
        dropped += piece.length
      }
    } catch (error) {
      if (!(error instanceof BodyError || error instanceof ClosedError)) throw error
    } finally {
      client.readDeadline = Infinity
    }
    return false
  }

  #begin(): void {
    this.#begun = true
    const { client } = this.#connection
    if (this.#head.expectContinue && !this.#done && client.inputStart === client.inputEnd) this.#request.putInterim(CONTINUE)
  }

  #nextSized(): Buffer | null {
    const { client } = this.#connection
    const size = Math.min(client.inputEnd - client.inputStart, this.#head.contentLength - this.#received)
    if (size === 0) return null
    const piece = client.input.subarray(client.inputStart, client.inputStart + size)
    client.consume(size)
    this.#done = this.#received + size === this.#head.contentLength
    return piece
  }

  /** Small chunks that are at hand are joined, so that what reads them pays for bytes, not for chunks. */
  #nextChunked(chunks: ChunkedReader): Buffer | null {
    const { client } = this.#connection
    let joined: BodyBuffer | null = null
    for (;;) {
      const event = chunks.next(client.input, client.inputStart, client.inputEnd)
      const { dataStart, dataEnd } = chunks
      const { input } = client
      client.consume(chunks.position - client.inputStart)
      if (event === DATA) {
        if (joined === null && dataEnd - dataStart >= smallChunk) return input.subarray(dataStart, dataEnd)
        joined ??= new BodyBuffer()
        joined.append(input, dataStart, dataEnd)
        if (joined.length >= enough) return joined.take()
        continue
      }
      if (event === DONE) {
        this.#done = true
        this.#request.trailers = chunks.trailers
      } else if (event !== NEED_MORE) {
        this.#fail(chunks.refusal ?? refusals.chunkSize)
      }
      return joined?.take() ?? null
    }
  }

  /** Only waiting counts against the timeouts: a handler may take its time between two pieces. */
  *#more(client: Stream): Op<void> {
    const { request_body_timeout, min_transfer_rate } = this.#connection.settings
    const began = now()
    const earned = min_transfer_rate === 0 ? 0 : this.#received / min_transfer_rate
    client.readDeadline = Math.min(began + request_body_timeout + earned - this.#waited, this.#end)
    try {
      if (!(yield* client.fill())) throw this.#fail(bodyCutOff)
    } catch (error) {
      throw error instanceof TimeoutError && client.isOpen ? this.#fail(bodyTimeout) : error
    } finally {
      client.readDeadline = Infinity
      this.#waited += now() - began
    }
  }

  #fail(refusal: Refusal): BodyError {
    const failure = new BodyError(refusal.status, refusal.reason)
    this.#failure = failure
    return failure
  }
}
