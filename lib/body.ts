import { ClosedError, now, type Op, type Stream } from '../lev/index.js'
import type { Connection } from './connection.js'
import type { Exchange } from './exchange.js'
import { BodyBuffer } from './http1/body-buffer.js'
import { ChunkedReader, DATA, DONE, NEED_MORE, REFUSED } from './http1/chunked.js'
import { CONTINUE } from './http1/response.js'
import type { RequestHead } from './http1/request-head.js'
import { bodyTooLarge, refusals, type Refusal } from './http1/refusal.js'

/** Bytes that are set aside for content before it arrives; more is only when it does. */
const firstRoom = 64 * 1024

/** The content of a request that has arrived whole; null while it has not, and if it is chunked. It is the stream's memory, not a copy. */
export function bodyAtHand({ client }: Connection, { contentLength }: RequestHead): Buffer | null {
  const start = client.inputStart
  if (contentLength <= 0 || client.inputEnd - start < contentLength) return null
  client.consume(contentLength)
  return client.input.subarray(start, start + contentLength)
}

/**
 * Reads the content of a request into memory, at most `limit` bytes; a Refusal says why it cannot be had.
 * @throws TimeoutError when it comes too slowly (`request_body_timeout`, `min_transfer_rate`); ClosedError, also when the
 * client ends within it
 */
export function* readBody(exchange: Exchange, limit: number): Op<Buffer | Refusal> {
  const { connection, head } = exchange
  const { client } = connection
  if (head.contentLength > limit) return bodyTooLarge(head.contentLength)
  if (head.expectContinue && client.inputStart === client.inputEnd) client.put(CONTINUE)
  if (head.chunked) return yield* readChunked(exchange, limit)
  return bodyAtHand(connection, head) ?? (yield* readSized(connection, head.contentLength))
}

function* readSized(connection: Connection, length: number): Op<Buffer> {
  const { client } = connection
  const pace = new Pace(connection)
  let bytes: Buffer = Buffer.allocUnsafe(Math.min(length, firstRoom))
  for (let received = 0; received < length; ) {
    if (received === bytes.length) bytes = grown(bytes, length)
    pace.received(received)
    const more = yield* client.readInto(bytes, received)
    if (more === 0) throw new ClosedError('the client ended within the content')
    received += more
  }
  return bytes
}

/** Room for all of it, or for 16 times as much as has come if that is less. */
function grown(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(length, bytes.length * 16))
  bytes.copy(larger)
  return larger
}

function* readChunked(exchange: Exchange, limit: number): Op<Buffer | Refusal> {
  const { connection } = exchange
  const { client } = connection
  const pace = new Pace(connection)
  const bytes = new BodyBuffer()
  const reader = new ChunkedReader(limit, connection.headLimits)
  for (;;) {
    const event = reader.next(client.input, client.inputStart, client.inputEnd)
    if (event === DATA) bytes.append(client.input, reader.dataStart, reader.dataEnd)
    client.consume(reader.position - client.inputStart)
    if (event === REFUSED) return reader.refusal ?? refusals.chunkSize
    if (event === DONE) {
      exchange.trailers = reader.trailers
      return bytes.take()
    }
    if (event === NEED_MORE) yield* more(client, pace, bytes.length)
  }
}

function* more(client: Stream, pace: Pace, received: number): Op<void> {
  pace.received(received)
  if (!(yield* client.fill())) throw new ClosedError('the client ended within the content')
}

/** How fast content has to come: the read deadline moves with what has come. */
class Pace {
  readonly #connection: Connection
  readonly #start: number

  constructor(connection: Connection) {
    this.#connection = connection
    this.#start = now() + connection.settings.request_body_timeout
  }

  received(bytes: number): void {
    const rate = this.#connection.settings.min_transfer_rate
    this.#connection.client.readDeadline = this.#start + (rate === 0 ? 0 : bytes / rate)
  }
}
