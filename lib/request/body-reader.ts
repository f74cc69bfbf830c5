import { ClosedError, now, scope, TimeoutError, type Op, type Stream } from '../../lev/index.js'
import { callContained, instanceOf } from '../../lev/internal.js'
import { acceptEncodingOf, decodableCodings, type DecodableCoding } from '../coding/codings.js'
import { bodyCoding, bodyDecoder, decodeWhole } from '../coding/content-decoding.js'
import type { Decoder } from '../coding/decoder.js'
import { unreadBodyBytes, unreadBodySeconds } from '../config/fixed-limits.js'
import { bodySize, type BufferChoice, type SizeChoice } from '../config/settings.js'
import { boolean } from '../config/validators.js'
import { bodyError, BodyError, StateError } from '../errors.js'
import { closing, isPending, type Exchange, type NextAction, type OpenBody } from './exchange.js'
import { ChunkedReader, DONE, REJECTED } from '../http1/chunked.js'
import { rejections, type Rejection } from '../http1/rejection.js'
import { readAll, type Pieces } from '../pieces.js'
import { RequestBody } from './request-body.js'

/** Most memory reserved on the strength of Content-Length alone, in bytes. */
const firstBufferBytes = 64 * 1024

/** How the body of one request is read. */
interface Plan {
  /** Whether the handler gets it whole. */
  readonly buffered: boolean
  /** Maximum bytes, as sent and decoded. */
  readonly limit: number
  /** The content coding to undo. */
  readonly coding: DecodableCoding | null
}

/** What reads a body that the handler does not get whole. */
interface BodyReading {
  readonly body: RequestBody
  readonly reader: BodyReader
  readonly decoder: Decoder | null
}

/** Fast path of `receiveBody`: the content, if it is in the input buffer and goes to the handler whole and as sent; else null. */
export function bodyAtHand(exchange: Exchange): Buffer | null {
  const { connection, limits, head: { contentLength } } = exchange
  if (limits !== null) return null
  const { buffer_body, decode_body, max_body_size } = connection.settings
  const asSent = buffer_body === true && !decode_body && typeof max_body_size === 'number' && contentLength <= max_body_size
  return asSent ? takeWhole(exchange) : null
}

/** Reads the content of a request, or opens it for the handler to read. A Rejection if neither is possible. */
export function* receiveBody(exchange: Exchange): Op<Buffer | BodyReading | Rejection> {
  const plan = planOf(exchange)
  if ('status' in plan) return plan
  const { buffered, limit, coding } = plan
  exchange.decoded = coding !== null
  const reader = new BodyReader(exchange, limit)
  if (!buffered) {
    exchange.body = reader
    const decoder = coding === null ? null : bodyDecoder(reader, coding, limit)
    return { body: new RequestBody(decoder ?? reader, exchange.head.fields.get('content-type'), exchange), reader, decoder }
  }
  try {
    const bytes = yield* reader.whole()
    return coding === null ? bytes : yield* decodeWhole(bytes, coding, limit)
  } catch (error) {
    if (!(error instanceof BodyError)) throw error
    return { status: error.status, reason: error.reason }
  }
}

function planOf(exchange: Exchange): Plan | Rejection {
  const { connection, head } = exchange
  const { decode_body } = connection.settings
  const max_body_size = exchange.limits?.max_body_size ?? connection.settings.max_body_size
  const buffer_body = exchange.limits?.buffer_body ?? connection.settings.buffer_body
  let limit: number
  let buffered: boolean
  try {
    limit = typeof max_body_size === 'number' ? max_body_size : bodySize(ask(exchange, max_body_size), 'what max_body_size gives')
    buffered = typeof buffer_body === 'boolean' ? buffer_body : boolean(ask(exchange, buffer_body), 'what buffer_body gives')
  } catch (error) {
    exchange.logger.error({ err: error, method: head.method, query: head.query }, 'a setting of the body failed')
    return rejections.bodyNotRead
  }
  if (head.contentLength > limit) return rejections.bodyTooLarge(head.contentLength)
  const coding = decode_body ? bodyCoding(head.fields.get('content-encoding')) : null
  return coding === undefined ? rejections.contentCoding(acceptEncodingOf(decodableCodings)) : { buffered, limit, coding }
}

/** Calls a function among the settings. */
function ask({ peer, head }: Exchange, choice: BufferChoice | SizeChoice): unknown {
  const given: unknown = callContained(() => choice(head.method, head.query, peer.headersOf(head)))
  // A promise is not a valid value; its own rejection must not end the process.
  if (given instanceof Promise) given.catch(() => {})
  return given
}

/** Responds to a request whose handler reads the body from the connection, then discards the unread rest. */
export function* withOpenBody({ body, reader, decoder }: BodyReading, respond: () => NextAction | Op<NextAction>): Op<NextAction> {
  const nextAction = yield* scope(function* (around) {
    const serving = around.spawn(() => RequestBody.serve(body))
    try {
      const sent = respond()
      return isPending(sent) ? yield* sent : sent
    } finally {
      serving.cancel()
      decoder?.close()
    }
  })
  return nextAction[0] !== 'keep-alive' || (yield* reader.drain()) ? nextAction : closing
}

/** The content of one request as it arrives, piece by piece, bounded by a byte limit and the timeouts. */
class BodyReader implements Pieces, OpenBody {
  readonly #exchange: Exchange
  readonly #client: Stream
  /** Null: the content is `#length` bytes. */
  readonly #chunks: ChunkedReader | null
  readonly #length: number
  #waited = 0
  /** Absolute deadline of all waits, whatever the timeouts allow. */
  #end = Infinity
  #begun = false
  #waiting = false
  #done = false
  #failure: Error | null = null

  /** @param limit maximum bytes of chunked content; the caller has compared a known length with it */
  constructor(exchange: Exchange, limit: number) {
    const { head, connection } = exchange
    this.#exchange = exchange
    this.#client = connection.client
    this.#length = head.contentLength
    this.#chunks = head.chunked ? new ChunkedReader(limit, connection.headLimits) : null
  }

  get waiting(): boolean {
    return this.#waiting
  }

  get incomplete(): boolean {
    if (this.#chunks !== null) return !this.#done
    return this.#length - this.#exchange.received > this.#client.inputEnd - this.#client.inputStart
  }

  get unusable(): boolean {
    return this.#failure !== null || (this.#exchange.head.expectContinue && !this.#begun && !this.#done)
  }

  close(): void {
    if (!this.#done) this.#failure ??= new StateError('the request is over: its body cannot be read any more')
  }

  *next(): Op<Buffer | null> {
    if (this.#failure !== null) throw this.#failure
    this.#begin()
    while (!this.#done) {
      const piece = this.#chunks === null ? this.#nextSized() : this.#nextChunked(this.#chunks)
      if (piece !== null) {
        this.#exchange.received += piece.length
        return piece
      }
      if (this.#failure !== null) throw this.#failure
      if (!this.#done) yield* this.#wait(this.#client.fill())
    }
    return null
  }

  /** Reads all of the content into one buffer; to be called instead of `next`. @throws BodyError */
  *whole(): Op<Buffer> {
    if (this.#chunks !== null) return yield* readAll(() => this.next())
    return takeWhole(this.#exchange) ?? (yield* this.#wholeSized())
  }

  /** Reads and discards the rest of a body of moderate size. False: no other request can follow. */
  *drain(): Op<boolean> {
    this.#end = now() + unreadBodySeconds
    let left = unreadBodyBytes
    try {
      while (!this.#done && !this.unusable && left >= 0) left -= (yield* this.next())?.length ?? 0
    } catch (error) {
      if (!instanceOf<Error>(error, BodyError, ClosedError, TimeoutError)) throw error
    }
    this.close()
    return this.#done
  }

  /** Sends the 100 (Continue) that the client waits for before it sends the content. */
  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    if (this.#exchange.head.expectContinue && this.#client.inputStart === this.#client.inputEnd) this.#exchange.putInterim(100, {})
  }

  #nextSized(): Buffer | null {
    const available = this.#client.inputEnd - this.#client.inputStart
    const piece = takeBuffered(this.#client, Math.min(available, this.#length - this.#exchange.received))
    this.#done = piece !== null && this.#exchange.received + piece.length === this.#length
    return piece
  }

  #nextChunked(chunks: ChunkedReader): Buffer | null {
    const client = this.#client
    const piece = chunks.nextPiece(client.input, client.inputStart, client.inputEnd)
    client.consume(chunks.position - client.inputStart)
    if (chunks.event === DONE) {
      this.#done = true
      this.#exchange.trailers = chunks.trailers
    } else if (chunks.event === REJECTED) {
      this.#fail(chunks.rejection ?? rejections.chunkSize)
    }
    return piece
  }

  *#wholeSized(): Op<Buffer> {
    this.#begin()
    let bytes: Buffer = Buffer.allocUnsafe(Math.min(this.#length, firstBufferBytes))
    while (this.#exchange.received < this.#length) {
      if (this.#exchange.received === bytes.length) bytes = grown(bytes, this.#length)
      this.#exchange.received += yield* this.#wait(this.#client.readInto(bytes, this.#exchange.received))
    }
    return bytes
  }

  /**
   * Waits for `input`, which returns false or 0 at the end of the input. The deadline is `request_body_timeout`, and the time that
   * the bytes so far take at `min_transfer_rate`. Only waiting counts, so a handler may take its time between two pieces.
   */
  *#wait<T extends boolean | number>(input: Op<T>): Op<T> {
    const client = this.#client
    client.refuseSecondReader()
    const { min_transfer_rate } = this.#exchange.connection.settings
    const request_body_timeout = this.#exchange.limits?.request_body_timeout ?? this.#exchange.connection.settings.request_body_timeout
    const began = now()
    const earned = min_transfer_rate === 0 ? 0 : this.#exchange.received / min_transfer_rate
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

/** The content, if all of it is in the input buffer; else null. */
function takeWhole(exchange: Exchange): Buffer | null {
  const bytes = takeBuffered(exchange.connection.client, exchange.head.contentLength)
  if (bytes !== null) exchange.received = bytes.length
  return bytes
}

/** Consumes `length` bytes of input, at least 1, and returns a view of them; null if they are not all in the input buffer. */
function takeBuffered(client: Stream, length: number): Buffer | null {
  const start = client.inputStart
  if (length <= 0 || client.inputEnd - start < length) return null
  const bytes = client.input.subarray(start, start + length)
  client.consume(length)
  return bytes
}

/** A copy with space for all `length` bytes, or for 16 times those received if that is less. */
function grown(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(length, bytes.length * 16))
  bytes.copy(larger)
  return larger
}
