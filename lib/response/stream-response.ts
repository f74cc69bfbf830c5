import { CancelledError, ClosedError, scope, TimeoutError, type Op } from '../../lev/index.js'
import { instanceOf } from '../../lev/internal.js'
import { cancelOnDisconnect } from '../request/cancel-on-disconnect.js'
import { streamEncoding } from '../coding/content-encoding.js'
import { closed, type Exchange, type NextAction } from '../request/exchange.js'
import { declaredLength, withDefaults, type ResponseHeaders } from '../http1/response-headers.js'
import { logFailure } from '../log/log-failure.js'
import { ContentWriter, type Plan } from './content-writer.js'
import { StreamCompressor } from '../coding/stream-compressor.js'
import type { ContentSource } from './content-source.js'
import { UNKNOWN_LENGTH } from './response-writer.js'
import { decodedHeaders, mayBeIn, testableCoding } from './stale-headers.js'

/**
 * Sends a response whose content streams. The head leaves with the first piece of content (or `out.flush()`), so that content
 * which fails before that can still become a 500. The source is closed on every path.
 *
 * @throws ResponseError for a head that cannot be sent, before anything is; errors of the source, before the head is sent
 */
export function streamResponse(
  exchange: Exchange, source: ContentSource, status: number, headers: ResponseHeaders | undefined,
): Op<NextAction> | NextAction {
  try {
    const plan = prepare(exchange, source, status, headers)
    const { writer } = exchange
    if (writer.hasContent) return sendStream(exchange, source, status, plan)
    writer.end()
    source.cancel()
    return exchange.complete(status, 0)
  } catch (error) {
    source.cancel()
    throw error
  }
}

/**
 * Sets the head of the response and decides how to send the content.
 *
 * @param plain without compression: the content has begun, and the compressor's task does not run
 */
function prepare(exchange: Exchange, source: ContentSource, status: number, given: ResponseHeaders | undefined, plain = false): Plan {
  const { writer } = exchange
  let announced = declaredLength(given)
  if (announced < 0) announced = source.length
  const ownHeaders = source.type === '' ? given : withDefaults(given, 'content-type', { 'Content-Type': source.type })
  const { encoding, headers } = plain
    ? { encoding: null, headers: ownHeaders }
    : streamEncoding(exchange, status, ownHeaders, announced < 0 ? Infinity : announced)
  writer.head(exchange, status, headers, encoding === null && announced >= 0 ? announced : UNKNOWN_LENGTH)
  const plan = { announced, compressor: null, revise: null }
  if (!writer.hasContent) return plan
  const coding = testableCoding(given, status)
  if (coding === null) return { ...plan, compressor: encoding === null ? null : new StreamCompressor(encoding) }
  return { ...plan, revise: (start) => (mayBeIn(coding, start) ? plan : prepare(exchange, source, status, decodedHeaders(given), true)) }
}

function* sendStream(exchange: Exchange, source: ContentSource, status: number, plan: Plan): Op<NextAction> {
  const { writer } = exchange
  const { compressor } = plan
  const content = new ContentWriter(exchange, plan)
  let whole = false
  let started = false
  const write = function* (): Op<void> {
    started = true
    if (compressor !== null) return yield* writeCompressed(source, content, compressor)
    yield* source.writeTo(content)
    content.end()
  }
  try {
    yield* cancelOnDisconnect(exchange, write())
    content.finish()
    if (writer.needsDrain) yield* writer.waitForDrain()
    whole = true
    return exchange.complete(status, writer.sent)
  } catch (error) {
    if (!writer.begun) throw error
    return afterFault(exchange, status, error)
  } finally {
    content.close()
    compressor?.release()
    if (!started) source.cancel()
    if (!whole && writer.begun) {
      writer.abort()
      // Logs a response that was cancelled by a server that stops waiting.
      exchange.abandon(closed, writer.sent, 'cancelled')
    }
  }
}

function* writeCompressed(source: ContentSource, content: ContentWriter, compressor: StreamCompressor): Op<void> {
  yield* scope(function* (both) {
    both.spawn(() => content.compress(compressor))
    yield* source.writeTo(content)
    content.end()
  })
}

/** Ends a response that failed after its head was sent: only the end of the connection shows that to the client. */
function afterFault(exchange: Exchange, status: number, error: unknown): NextAction {
  const { client, logger, writer: { sent } } = exchange.connection
  const lost = !client.isOpen && instanceOf<ClosedError | TimeoutError>(error, ClosedError, TimeoutError)
  if (lost || (exchange.gone !== null && instanceOf(error, CancelledError))) {
    const reason = lost ? error.message : 'the client went away'
    return exchange.abandon([null, `failed to send response: ${reason}`], sent)
  }
  logFailure(logger, exchange.head, error, 'the content of the response failed')
  if (!exchange.mayRespond) return exchange.abandon(closed, sent)
  return exchange.finish(status, sent, [null, 'the content of the response failed'], 'failed')
}
