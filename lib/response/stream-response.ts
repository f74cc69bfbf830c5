import { CancelledError, ClosedError, scope, TimeoutError, type Op } from '../../lev/index.js'
import { instanceOf } from '../../lev/internal.js'
import { cancelOnDisconnect } from '../request/cancel-on-disconnect.js'
import { streamEncoding } from '../coding/content-encoding.js'
import type { Exchange, NextAction } from '../request/exchange.js'
import { transitions } from '../request/states.js'
import { responseHead } from '../http1/response.js'
import { CHUNKED, NO_LENGTH, TUNNEL, UNTIL_CLOSE } from '../http1/response-framing.js'
import { declaredLength, withDefaults, type ResponseHeaders } from '../http1/response-headers.js'
import { hasContent, opensTunnel } from '../http1/status.js'
import { logFailure } from '../log/log-failure.js'
import { ContentWriter, type Plan } from './content-writer.js'
import { StreamCompressor } from '../coding/stream-compressor.js'
import type { ContentSource } from './content-source.js'
import { decodedHeaders, mayBeIn, testableCoding } from './stale-headers.js'

/**
 * Sends a response whose content streams. The head leaves with the first piece of content (or `out.flush()`), so that content
 * which fails before that can still become a 500. The source is closed on every path.
 *
 * @throws ResponseError for a head that cannot be sent, before anything is; errors of the source, before the head is sent
 */
export function streamResponse(exchange: Exchange, source: ContentSource, status: number, headers: ResponseHeaders | undefined): Op<NextAction> | NextAction {
  try {
    const plan = prepare(exchange, source, status, headers)
    if (plan.length !== NO_LENGTH) return sendStream(exchange, source, plan)
    exchange.advance(transitions.responseBegun)
    exchange.connection.client.put(plan.head)
    source.cancel()
    return exchange.complete(status, 0)
  } catch (error) {
    source.cancel()
    throw error
  }
}

/** @param plain without compression: the content has begun, and the compressor's task does not run */
function prepare(exchange: Exchange, source: ContentSource, status: number, given: ResponseHeaders | undefined, plain = false): Plan {
  const { method } = exchange.head
  let announced = declaredLength(given)
  if (announced < 0) announced = source.length
  const ownHeaders = source.type === '' ? given : withDefaults(given, 'content-type', { 'Content-Type': source.type })
  const { encoding, headers } = plain
    ? { encoding: null, headers: ownHeaders }
    : streamEncoding(exchange, status, ownHeaders, announced < 0 ? Infinity : announced)
  const framed = encoding === null && announced >= 0 ? announced : exchange.minorVersion === 1 ? CHUNKED : UNTIL_CLOSE
  exchange.keepAlive = exchange.mayKeepAlive()
  const content = hasContent(method, status)
  // A response to HEAD of HTTP/1.0 does not say how GET's content would end.
  const length = opensTunnel(method, status) ? TUNNEL : !content && framed === UNTIL_CLOSE ? NO_LENGTH : framed
  const head = responseHead(status, headers, length, exchange, exchange.connection.dateLine)
  const plan = { status, head, length, announced, compressor: null, revise: null }
  if (!content) return { ...plan, length: NO_LENGTH }
  const coding = testableCoding(given, status)
  if (coding === null) return { ...plan, compressor: encoding === null ? null : new StreamCompressor(encoding) }
  return { ...plan, revise: (start) => (mayBeIn(coding, start) ? plan : prepare(exchange, source, status, decodedHeaders(given), true)) }
}

function* sendStream(exchange: Exchange, source: ContentSource, plan: Plan): Op<NextAction> {
  const { client } = exchange.connection
  const { compressor, status } = plan
  const writer = new ContentWriter(exchange, plan)
  let whole = false
  let started = false
  const write = function* (): Op<void> {
    started = true
    if (compressor !== null) return yield* writeCompressed(source, writer, compressor)
    yield* source.writeTo(writer)
    writer.end()
  }
  try {
    yield* cancelOnDisconnect(exchange, write())
    writer.finish()
    if (writer.needsDrain) yield* writer.waitForDrain()
    whole = true
    return exchange.complete(status, writer.sent)
  } catch (error) {
    if (!writer.begun) throw error
    return afterFault(exchange, writer, status, error)
  } finally {
    writer.close()
    compressor?.release()
    if (!started) source.cancel()
    // Content delimited by the end of the connection would look complete.
    if (!whole && writer.begun && writer.untilClose) client.reset()
    // Logs a response that was cancelled by a server that stops waiting.
    if (!whole && writer.begun) exchange.abandon([null, 'closed'], writer.sent, 'cancelled')
  }
}

function* writeCompressed(source: ContentSource, writer: ContentWriter, compressor: StreamCompressor): Op<void> {
  yield* scope(function* (both) {
    both.spawn(() => writer.compress(compressor))
    yield* source.writeTo(writer)
    writer.end()
  })
}

/** Ends a response that failed after its head was sent: only the end of the connection shows that to the client. */
function afterFault(exchange: Exchange, writer: ContentWriter, status: number, error: unknown): NextAction {
  const { client, logger } = exchange.connection
  const lost = !client.isOpen && instanceOf<ClosedError | TimeoutError>(error, ClosedError, TimeoutError)
  if (lost || (exchange.gone !== null && instanceOf(error, CancelledError))) {
    const reason = lost ? error.message : 'the client went away'
    return exchange.abandon([null, `failed to send response: ${reason}`], writer.sent)
  }
  logFailure(logger, exchange.head, error, 'the content of the response failed')
  if (!exchange.mayRespond) return exchange.abandon([null, 'closed'], writer.sent)
  return exchange.finish(status, writer.sent, [null, 'the content of the response failed'], 'failed')
}
