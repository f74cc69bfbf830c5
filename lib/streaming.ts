import { CancelledError, ClosedError, scope, TimeoutError, type Op } from '../lev/index.js'
import { instanceOf } from '../lev/foreign.js'
import { attend } from './attend.js'
import { streamEncoding } from './encode.js'
import type { Disposition, Exchange } from './exchange.js'
import {
  CHUNKED, declaredLength, hasContent, headerOf, NO_LENGTH, responseHead, UNTIL_CLOSE, type ResponseHeaders,
} from './http1/response.js'
import { Outlet } from './outlet.js'
import { Packer } from './packer.js'
import type { Producer } from './producers.js'

/** Everything about a streamed answer that is decided before its content begins. */
interface Plan {
  readonly status: number
  readonly head: string
  /** CHUNKED, UNTIL_CLOSE, NO_LENGTH (no content is sent), or bytes. */
  readonly length: number
  /** What the content has to amount to, before it is compressed; -1: anything. */
  readonly announced: number
  readonly packer: Packer | null
}

/**
 * Sends an answer whose content streams. The head leaves with the first piece of content (or `out.flush()`), so that content
 * which fails before can still become a 500. The producer is closed on every path.
 *
 * @throws ResponseError for a head that cannot be sent, before anything is; what the producer throws, before the head is sent
 */
export function streamAnswer(exchange: Exchange, producer: Producer, status: number, headers: ResponseHeaders | undefined): Op<Disposition> | Disposition {
  try {
    const plan = prepare(exchange, producer, status, headers)
    if (plan.length !== NO_LENGTH) return sendStream(exchange, producer, plan)
    exchange.phase = 'sending'
    exchange.connection.client.put(plan.head)
    producer.discard()
    return exchange.complete(status, 0)
  } catch (error) {
    producer.discard()
    throw error
  }
}

function prepare(exchange: Exchange, producer: Producer, status: number, given: ResponseHeaders | undefined): Plan {
  const { method } = exchange.head
  let announced = declaredLength(given)
  if (announced < 0) announced = producer.length
  const { encoding, headers } = streamEncoding(exchange, status, typed(given, producer.type), announced < 0 ? Infinity : announced)
  const framed = encoding === null && announced >= 0 ? announced : exchange.minorVersion === 1 ? CHUNKED : UNTIL_CLOSE
  exchange.keepAlive = exchange.mayKeepAlive()
  const content = hasContent(method, status)
  // A client of 1.0 is not told how the content of GET would end.
  const length = !content && framed === UNTIL_CLOSE ? NO_LENGTH : framed
  const head = responseHead(status, headers, length, exchange, exchange.connection.dateLine)
  if (!content) return { status, head, length: NO_LENGTH, announced, packer: null }
  return { status, head, length, announced, packer: encoding === null ? null : new Packer(encoding) }
}

function* sendStream(exchange: Exchange, producer: Producer, plan: Plan): Op<Disposition> {
  const { client } = exchange.connection
  const { head, length, announced, packer, status } = plan
  const outlet = new Outlet(exchange, { head, chunked: length === CHUNKED, announced, packer })
  let whole = false
  let started = false
  const pour = function* (): Op<void> {
    started = true
    if (packer !== null) return yield* pourPacked(producer, outlet, packer)
    yield* producer.pour(outlet)
    outlet.end()
  }
  try {
    yield* attend(exchange, pour())
    outlet.finish()
    if (outlet.full) yield* outlet.relieve()
    whole = true
    return exchange.complete(status, outlet.sent)
  } catch (error) {
    if (!outlet.begun) throw error
    return afterFault(exchange, outlet, status, error)
  } finally {
    outlet.close()
    packer?.release()
    if (!started) producer.discard()
    // What ends with the connection would look like a whole.
    if (!whole && outlet.begun && length === UNTIL_CLOSE) client.reset()
    // Cancelled by a server that stops waiting.
    if (!whole && outlet.begun) exchange.abandon([null, 'closed'], outlet.sent)
  }
}

function* pourPacked(producer: Producer, outlet: Outlet, packer: Packer): Op<void> {
  yield* scope(function* (both) {
    both.spawn(() => outlet.pack(packer))
    yield* producer.pour(outlet)
    outlet.end()
  })
}

/** What becomes of an answer when it failed after its head was sent: only the end of the connection tells its client. */
function afterFault(exchange: Exchange, outlet: Outlet, status: number, error: unknown): Disposition {
  const { client, logger } = exchange.connection
  const { method, query } = exchange.head
  const lost = !client.isOpen && instanceOf<ClosedError | TimeoutError>(error, ClosedError, TimeoutError)
  if (lost || (exchange.isGone && instanceOf(error, CancelledError))) {
    const reason = lost ? error.message : 'the client went away'
    return exchange.abandon([null, `failed to send response: ${reason}`], outlet.sent)
  }
  logger.error({ err: error, method, query }, 'the content of the answer failed')
  if (exchange.isGone || !client.isOpen) return exchange.abandon([null, 'closed'], outlet.sent)
  return exchange.finish(status, outlet.sent, [null, 'the content of the answer failed'])
}

/** The headers with the type that the content itself tells of, a Blob's, unless they have one. */
function typed(headers: ResponseHeaders | undefined, type: string): ResponseHeaders | undefined {
  if (type === '' || headerOf(headers, 'content-type') !== undefined) return headers
  return { ...headers, 'Content-Type': type }
}
