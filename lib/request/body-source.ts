import { ClosedError, now, TimeoutError, type Op, type Stream } from '../../lev/index.js'
import type { Settings } from '../config/settings.js'
import { bodyError, BodyError, StateError } from '../errors.js'
import { BodyBuffer } from '../http1/body-buffer.js'
import { ChunkedReader, DONE, REJECTED } from '../http1/chunked.js'
import type { HeadLimits } from '../http1/field-lines.js'
import type { FieldBlock } from '../http1/headers.js'
import type { RequestHead } from '../http1/request-head.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import type { InterimStatus } from '../http1/response.js'
import { rejections, type Rejection } from '../http1/rejection.js'

/** Most memory reserved on the strength of Content-Length alone, in bytes. */
const firstRoom = 64 * 1024

/** Sends interim responses (1xx). */
export interface InterimResponses {
  /** Sends an interim response; false once the final one has begun, and for a client that speaks HTTP/1.0. */
  putInterim(status: InterimStatus, headers: ResponseHeaders): boolean
}

/** The request that content belongs to. */
export interface Recipient extends InterimResponses {
  /** Fields sent after the content; null until the content is read to its end, and when there were none. */
  trailers: FieldBlock | null
  /** Called when the handler is given the connection, on which it may write its response. */
  watchOutput(): void
}

/** Source of the pieces of a body. */
export interface Pieces {
  /** The next piece, never empty; null at the end. @throws BodyError */
  next(): Op<Buffer | null>
}

/** Joins all remaining pieces; a single piece is returned without a copy. */
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

/** The connection that carries the content. */
interface Carrier {
  readonly client: Stream
  readonly settings: Settings
  readonly headLimits: HeadLimits
}

/** The content of a request as it arrives, piece by piece, bounded by a byte limit and the timeouts. */
export class BodySource implements Pieces {
  readonly #connection: Carrier
  readonly #head: RequestHead
  readonly #request: Recipient
  readonly #chunks: ChunkedReader | null
  #received = 0
  #waited = 0
  /** Absolute deadline of all waits, whatever the timeouts allow. */
  #end = Infinity
  #begun = false
  #waiting = false
  #done: boolean
  #failure: Error | null = null

  /** @param limit maximum bytes of chunked content; the caller has compared a known length with it */
  constructor(connection: Carrier, head: RequestHead, request: Recipient, limit: number) {
    this.#connection = connection
    this.#request = request
    this.#head = head
    this.#chunks = head.chunked ? new ChunkedReader(limit, connection.headLimits) : null
    this.#done = !head.chunked && head.contentLength <= 0
  }

  /** Whether a read is waiting for more input. */
  get waiting(): boolean {
    return this.#waiting
  }

  /** Whether part of the content has not arrived; chunked content counts as incomplete until its end is read. */
  get incomplete(): boolean {
    const { client } = this.#connection
    if (this.#chunks !== null) return !this.#done
    return this.#head.contentLength - this.#received > client.inputEnd - client.inputStart
  }

  /** Whether all of the content was read. */
  get done(): boolean {
    return this.#done
  }

  /**
   * Whether no other request can follow: the body is malformed, or the client was never sent the 100 (Continue) that it waits
   * for, so that its next bytes may be this body or another request.
   */
  get unusable(): boolean {
    return this.#failure !== null || (this.#head.expectContinue && !this.#begun && !this.#done)
  }

  /** Ends reading: later reads fail, and the bytes left must not be taken for another request. */
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
      if (!this.#done) yield* this.#wait(client.fill())
    }
    return null
  }

  /** Reads all of the content into one buffer. @throws BodyError */
  *whole(): Op<Buffer> {
    if (!this.#begun) this.#begin()
    return yield* (this.#chunks === null ? this.#wholeSized(this.#head.contentLength) : this.#wholeChunked())
  }

  /** Reads and discards the rest, up to about `limit` bytes and for at most `seconds`; true when it reached the end. */
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
    if (this.#head.expectContinue && !this.#done && client.inputStart === client.inputEnd) this.#request.putInterim(100, {})
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

  #nextChunked(chunks: ChunkedReader): Buffer | null {
    const { client } = this.#connection
    const piece = chunks.nextPiece(client.input, client.inputStart, client.inputEnd)
    client.consume(chunks.position - client.inputStart)
    if (chunks.event === DONE) {
      this.#done = true
      this.#request.trailers = chunks.trailers
    } else if (chunks.event === REJECTED) {
      this.#fail(chunks.rejection ?? rejections.chunkSize)
    }
    return piece
  }

  *#wholeSized(length: number): Op<Buffer> {
    const { client } = this.#connection
    let bytes: Buffer = Buffer.allocUnsafe(Math.min(length, firstRoom))
    while (this.#received < length) {
      if (this.#received === bytes.length) bytes = grown(bytes, length)
      this.#received += yield* this.#wait(client.readInto(bytes, this.#received))
    }
    this.#done = true
    return bytes
  }

  *#wholeChunked(): Op<Buffer> {
    const bytes = new BodyBuffer()
    for (let piece = yield* this.next(); piece !== null; piece = yield* this.next()) bytes.append(piece, 0, piece.length)
    return bytes.take()
  }

  /**
   * Waits for `input`, which returns false or 0 at the end of the input. Only waiting counts against the timeouts, so a handler
   * may take its time between two pieces.
   */
  *#wait<T extends boolean | number>(input: Op<T>): Op<T> {
    const { client } = this.#connection
    client.refuseSecondReader()
    const { request_body_timeout, min_transfer_rate } = this.#connection.settings
    const began = now()
    const earned = min_transfer_rate === 0 ? 0 : this.#received / min_transfer_rate
    client.readDeadline = Math.min(began + request_body_timeout + earned - this.#waited, this.#end)
    this.#waiting = true
    try {
      const given = yield* input
      if (given === false || given === 0) throw this.#fail(rejections.bodyCutOff)
      return given
    } catch (error) {
      throw error instanceof TimeoutError && client.isOpen ? this.#fail(rejections.bodyTimeout) : error
    } finally {
      this.#waiting = false
      client.readDeadline = Infinity
      this.#waited += now() - began
    }
  }

  #fail(rejection: Rejection): BodyError {
    const failure = bodyError(rejection)
    this.#failure = failure
    return failure
  }
}

/** A copy with space for all `length` bytes, or for 16 times those received if that is less. */
function grown(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(length, bytes.length * 16))
  bytes.copy(larger)
  return larger
}

/** The content of a request if all of it is in the input buffer, as a view of it; null if it is not, or is chunked. */
export function bodyAtHand({ client }: Carrier, { contentLength }: RequestHead): Buffer | null {
  const start = client.inputStart
  if (contentLength <= 0 || client.inputEnd - start < contentLength) return null
  client.consume(contentLength)
  return client.input.subarray(start, start + contentLength)
}
