import { CancelledError, ClosedError, scope, TimeoutError, type Op } from '../../lev/index.js'
import { instanceOf } from '../../lev/internal.js'
import { attend } from '../request/cancel-on-disconnect.js'
import { streamEncoding } from '../coding/content-encoding.js'
import type { Disposition, Exchange } from '../request/exchange.js'
import {
  CHUNKED, declaredLength, hasContent, NO_LENGTH, opensTunnel, responseHead, TUNNEL, UNTIL_CLOSE, withDefaults, type ResponseHeaders,
} from '../http1/response.js'
import { logFailure } from '../log/log-failure.js'
import { Outlet, type Plan } from './content-writer.js'
import { Packer } from '../coding/stream-compressor.js'
import type { Producer } from './content-source.js'
import { decodedHeaders, mayBeIn, testableCoding } from './stale-headers.js'

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

/** @param plain never to compress: the content has begun, and is written by one task alone */
function prepare(exchange: Exchange, producer: Producer, status: number, given: ResponseHeaders | undefined, plain = false): Plan {
  const { method } = exchange.head
  let announced = declaredLength(given)
  if (announced < 0) announced = producer.length
  const ownHeaders = producer.type === '' ? given : withDefaults(given, 'content-type', { 'Content-Type': producer.type })
  const { encoding, headers } = plain
    ? { encoding: null, headers: ownHeaders }
    : streamEncoding(exchange, status, ownHeaders, announced < 0 ? Infinity : announced)
  const framed = encoding === null && announced >= 0 ? announced : exchange.minorVersion === 1 ? CHUNKED : UNTIL_CLOSE
  exchange.keepAlive = exchange.mayKeepAlive()
  const content = hasContent(method, status)
  // A client of 1.0 is not told how the content of GET would end.
  const length = opensTunnel(method, status) ? TUNNEL : !content && framed === UNTIL_CLOSE ? NO_LENGTH : framed
  const head = responseHead(status, headers, length, exchange, exchange.connection.dateLine)
  const plan = { status, head, length, announced, packer: null, revise: null }
  if (!content) return { ...plan, length: NO_LENGTH }
  const coding = testableCoding(given, status)
  if (coding === null) return { ...plan, packer: encoding === null ? null : new Packer(encoding) }
  return { ...plan, revise: (start) => (mayBeIn(coding, start) ? plan : prepare(exchange, producer, status, decodedHeaders(given), true)) }
}

function* sendStream(exchange: Exchange, producer: Producer, plan: Plan): Op<Disposition> {
  const { client } = exchange.connection
  const { packer, status } = plan
  const outlet = new Outlet(exchange, plan)
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
    if (!whole && outlet.begun && outlet.untilClose) client.reset()
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
  const lost = !client.isOpen && instanceOf<ClosedError | TimeoutError>(error, ClosedError, TimeoutError)
  if (lost || (exchange.isGone && instanceOf(error, CancelledError))) {
    const reason = lost ? error.message : 'the client went away'
    return exchange.abandon([null, `failed to send response: ${reason}`], outlet.sent)
  }
  logFailure(logger, exchange.head, error, 'the content of the answer failed')
  if (exchange.isGone || !client.isOpen) return exchange.abandon([null, 'closed'], outlet.sent)
  return exchange.finish(status, outlet.sent, [null, 'the content of the answer failed'])
}
