import { ClosedError, now, TimeoutError, type Op, type Stream } from '../../lev/index.js'
import type { Settings } from '../config/settings.js'
import { bodyError, BodyError, StateError } from '../errors.js'
import { BodyBuffer } from '../http1/body-buffer.js'
import { ChunkedReader, DONE, REJECTED } from '../http1/chunked.js'
import type { HeadLimits } from '../http1/field-lines.js'
import type { FieldBlock } from '../http1/headers.js'
import type { RequestHead } from '../http1/request-head.js'
import { CONTINUE } from '../http1/response.js'
import { rejections, type Rejection } from '../http1/rejection.js'

/** Most memory reserved on the strength of Content-Length alone, in bytes. */
const firstRoom = 64 * 1024

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
  #waiting = false
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

  /** Whether more of it is being waited for. */
  get waiting(): boolean {
    return this.#waiting
  }

  /** Whether some of it has not arrived, as far as that can be seen. */
  get incomplete(): boolean {
    const { client } = this.#connection
    if (this.#chunks !== null) return !this.#done
    return this.#head.contentLength - this.#received > client.inputEnd - client.inputStart
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
      if (!this.#done) yield* this.#wait(client.fill())
    }
    return null
  }

  /** All of it, in one piece. @throws BodyError */
  *whole(): Op<Buffer> {
    if (!this.#begun) this.#begin()
    return yield* (this.#chunks === null ? this.#wholeSized(this.#head.contentLength) : this.#wholeChunked())
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
   * Waits for `input`, which gives nothing at the end of all input. Only waiting counts against the timeouts: a handler may take
   * its time between two pieces.
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

/** Room for all of it, or for 16 times as much as has come if that is less. */
function grown(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(length, bytes.length * 16))
  bytes.copy(larger)
  return larger
}

/** The content of a request that has arrived whole; null while it has not, and if it is chunked. It is the stream's memory, not a copy. */
export function bodyAtHand({ client }: Carrier, { contentLength }: RequestHead): Buffer | null {
  const start = client.inputStart
  if (contentLength <= 0 || client.inputEnd - start < contentLength) return null
  client.consume(contentLength)
  return client.input.subarray(start, start + contentLength)
}
