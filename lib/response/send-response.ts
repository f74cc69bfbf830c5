import type { Op } from '../../lev/index.js'
import { instanceOf, sendable } from '../../lev/internal.js'
import { typeName } from '../config/validators.js'
import { encode, isEncodable, variedHeaders, type Encoded } from '../coding/content-encoding.js'
import { closing, type Exchange, type NextAction } from '../request/exchange.js'
import type { HandlerResult, ResponseParts } from '../request/handler.js'
import { rejections, type Rejection } from '../http1/rejection.js'
import { NO_LENGTH } from '../http1/response-framing.js'
import { declaredLength, ResponseError, withDefaults, type ResponseHeaders } from '../http1/response-headers.js'
import { reasonOf } from '../http1/status.js'
import { tellRejection } from '../observe/tell-rejection.js'
import { cancelContent, contentSourceOf } from './content-source.js'
import type { RespondedRequest, ResponseWriter } from './response-writer.js'
import { currentHeaders } from './stale-headers.js'
import { streamResponse } from './stream-response.js'

/** Headers of text without a type: plain text, so that no browser guesses that it is a page. */
export const textHeaders: ResponseHeaders = { 'Content-Type': 'text/plain; charset=utf-8' }

/**
 * Sends a handler's response: synchronously, or as an operation if there is something to wait for.
 *
 * A response that cannot be sent (a status out of range, a header with a line break) is an error of the handler: it is logged,
 * and the client gets a 500.
 */
export function sendResult(exchange: Exchange, given: HandlerResult): NextAction | Op<NextAction> {
  try {
    if (!Array.isArray(given)) return given === undefined ? handledByHandler(exchange) : send(exchange, contentOf(given), 200, undefined)
    const [content, status, headers] = given as ResponseParts
    if (content === undefined && status === undefined && headers === undefined) return handledByHandler(exchange)
    return send(exchange, content, status ?? 200, headers)
  } catch (error) {
    if (!instanceOf(error, ResponseError)) throw error
    const { method, query } = exchange.head
    exchange.logger.error({ err: error, method, query }, 'the handler\'s response cannot be sent')
    cancelContent(given)
    return fail(exchange)
  }
}

/**
 * Sends the 500 of a handler that failed. If it has written to the connection already, or ended it, only closing shows the
 * client that the response is incomplete.
 */
export function fail(exchange: Exchange): NextAction {
  const { written, writtenStatus, connection: { client } } = exchange
  if (written > 0 || client.outputEnded) return exchange.finish(writtenStatus, written, [null, 'the handler failed'], 'failed')
  return exchange.complete(500, put(exchange, `${reasonOf(500)}\n`, 500, textHeaders), 'failed')
}

/**
 * Sends the 503 of a handler that has taken too long. The connection is always closed: async code cannot be stopped, and may
 * still write to it.
 */
export function failLate(exchange: Exchange): NextAction {
  const { written, writtenStatus, connection: { client } } = exchange
  const { handlerTimeout } = rejections
  const next = [null, handlerTimeout.reason] as const
  exchange.body?.close()
  if (!exchange.mayRespond) return exchange.abandon(next)
  if (written > 0 || client.outputEnded) return exchange.finish(writtenStatus, written, next, 'failed')
  return exchange.finish(handlerTimeout.status, writeRejection(exchange.writer, exchange, handlerTimeout), next, 'failed')
}

/** Sends the response of a rejected request; the caller must then close the connection. */
export function reject(exchange: Exchange, rejection: Rejection): NextAction {
  const size = writeRejection(exchange.writer, exchange, rejection)
  const next = exchange.finish(rejection.status, size, [null, rejection.reason], 'rejected')
  tellRejection(exchange.peer, rejection)
  return next
}

/** Sends a redirect of a request whose body is not read; the caller must then close the connection. The method stays (RFC 9110 15.4.9). */
export function redirect(exchange: Exchange, location: string): NextAction {
  const headers = { ...textHeaders, 'Location': location, 'Connection': 'close' }
  return exchange.finish(308, exchange.writer.whole(exchange, 308, headers, `${reasonOf(308)}: ${location}\n`), closing)
}

/** Writes the response to a request that is rejected, after which the connection must be closed. Returns its bytes of content. */
export function writeRejection(writer: ResponseWriter, request: RespondedRequest, { status, reason, headers }: Rejection): number {
  return writer.whole(request, status, { ...textHeaders, 'Connection': 'close', ...headers }, `${reasonOf(status)}: ${reason}\n`)
}

/** Ends a request whose handler has written its response to the connection itself, or closed it. */
function handledByHandler(exchange: Exchange): NextAction {
  const { client } = exchange.connection
  const { written } = exchange
  const usable = client.isOpen && !client.outputEnded
  if (written === 0 && usable) throw new ResponseError(null, 'the handler returned nothing, and wrote nothing on ctx.client')
  exchange.keepAlive = usable && exchange.mayKeepAlive()
  return exchange.complete(exchange.writtenStatus, written)
}

/** The content of a handler's result that is neither a list nor undefined. @throws ResponseError for an iterable */
export function contentOf(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || given instanceof Uint8Array) return given
  if (!(Symbol.iterator in given) || Symbol.asyncIterator in given) return given
  throw new ResponseError(null, 'an iterable is content only in a list: [iterable]')
}

function send(exchange: Exchange, content: unknown, status: number, given: ResponseHeaders | undefined): NextAction | Op<NextAction> {
  const { connection } = exchange
  if (exchange.written > 0) throw new ResponseError(null, 'the handler has written to the connection itself, and returned a response as well')
  if (connection.client.outputEnded) throw new ResponseError(null, 'the handler has ended the connection itself, and returned a response as well')
  const bytes = wholeContent(content)
  if (bytes === null) return stream(exchange, content, status, given)
  const current = given === undefined || bytes.length === 0 ? given : currentHeaders(given, status, bytes)
  const headers = typeof content === 'string' && content !== '' ? withDefaults(current, 'content-type', textHeaders) : current
  const length = bytes.length === 0 && exchange.head.method === 'HEAD' ? declaredLength(headers) : bytes.length
  if (length >= connection.settings.compression.min_size && isEncodable(exchange, status, headers, length)) {
    return sendEncoded(exchange, bytes, status, headers)
  }
  const size = put(exchange, bytes, status, variedHeaders(exchange, status, headers, length))
  return exchange.writer.needsDrain ? completeDrained(exchange, status, size) : exchange.complete(status, size)
}

function stream(exchange: Exchange, content: unknown, status: number, headers: ResponseHeaders | undefined): NextAction | Op<NextAction> {
  const source = contentSourceOf(content)
  if (source === null) {
    const hint = typeof content === 'object' ? '; `json` of leveret/router makes a response of it' : ''
    throw new ResponseError(null, `the content is neither a string nor bytes nor null, nor does it stream: ${typeName(content)}${hint}`)
  }
  return streamResponse(exchange, source, status, headers)
}

function* sendEncoded(exchange: Exchange, bytes: Buffer | string, status: number, headers: ResponseHeaders | undefined): Op<NextAction> {
  const encoded: Encoded = yield* encode(exchange, headers, bytes)
  const size = put(exchange, encoded.bytes, status, encoded.headers, encoded.length)
  return yield* completeDrained(exchange, status, size)
}

/** Writes a response, and returns its bytes of content. `length` is the value of Content-Length, where that differs. */
function put(
  exchange: Exchange,
  bytes: Buffer | string,
  status: number,
  headers: ResponseHeaders | undefined,
  length = bytes.length,
): number {
  // A handler that responds to HEAD without content may give GET's Content-Length in a header.
  if (length === 0 && exchange.head.method === 'HEAD') length = NO_LENGTH
  return exchange.writer.whole(exchange, status, headers, bytes, length)
}

/** Content in one piece; null: it streams, or is invalid. */
function wholeContent(content: unknown): Buffer | string | null {
  if (typeof content === 'string' || content instanceof Uint8Array) return sendable(content)
  return content === null || content === undefined ? '' : null
}

/** Completes the response once a slow client has read most of it. */
function* completeDrained(exchange: Exchange, status: number, size: number): Op<NextAction> {
  const { writer } = exchange
  if (writer.needsDrain) yield* writer.waitForDrain()
  return exchange.complete(status, size)
}
