import { ClosedError, now, TimeoutError, wallClock, type Op, type Stream } from '../lev/index.js'
import { chooseEncoding, compress, isCompressible, mergeVary, weakenEtag, type Compressible, type Encoding } from './compression.js'
import type { Settings } from './config.js'
import type { Disposition, Exchange } from './exchange.js'
import type { Answer, Content } from './handler.js'
import type { Refusal } from './http1/refusal.js'
import {
  dateLine, hasContent, headerOf, NO_LENGTH, reasonOf, ResponseError, responseHead, type ResponseHeaders,
} from './http1/response.js'

const kept: Disposition = ['keep-alive', null]
const closing: Disposition = ['close', null]

/** Bytes of unsent output above which the next request waits: pipelined answers must not pile up for a slow reader. */
const unsentLimit = 128 * 1024

const textHeaders: ResponseHeaders = { 'Content-Type': 'text/plain; charset=utf-8' }

/** Content ready to be sent. */
type Bytes = Buffer | string

/**
 * Sends what a handler answered. An answer that cannot be sent (a wrong status, a header with a line break in it) is the
 * handler's mistake: it is logged, and the client gets a 500.
 * @param written bytes that the handler has written to the connection itself
 */
export function* sendAnswer(exchange: Exchange, answer: Answer, count: number, written: number): Op<Disposition> {
  const { connection } = exchange
  exchange.keepAlive = mayKeepAlive(exchange, count)
  const parts: readonly unknown[] = Array.isArray(answer) ? answer : [answer]
  if (parts.every((part) => part === undefined)) return passOver(exchange, written)
  try {
    return yield* send(exchange, parts)
  } catch (error) {
    if (error instanceof ClosedError || error instanceof TimeoutError) return sendFailed(exchange, error)
    if (!(error instanceof ResponseError)) throw error
    connection.logger.error({ err: error, method: exchange.head.method, query: exchange.head.query }, 'the handler\'s answer cannot be sent')
    return yield* sendFailure(exchange, count)
  }
}

/** The 500 of a handler that failed. The connection lives on: nothing of an answer was sent. */
export function* sendFailure(exchange: Exchange, count: number): Op<Disposition> {
  exchange.keepAlive = mayKeepAlive(exchange, count)
  return yield* send(exchange, [`${reasonOf(500)}\n`, 500, textHeaders])
}

function mayKeepAlive({ connection, head }: Exchange, count: number): boolean {
  return head.keepAlive && count < connection.settings.requests_per_connection && !connection.service.draining
}

/** Tells the client why its request is not served; then the connection must be closed. */
export function* sendRefusal(exchange: Exchange, refusal: Refusal): Op<Disposition> {
  const { client } = exchange.connection
  const text = refusalText(refusal)
  client.put(exchange.head.method === 'HEAD' ? text.slice(0, text.indexOf('\r\n\r\n') + 4) : text)
  return exchange.finish(refusal.status, 0, [null, refusal.reason])
}

/** The whole answer for a request that is not served. */
export function refusalText({ status, reason }: Refusal): string {
  const text = `${reasonOf(status)}: ${reason}\n`
  return responseHead(status, textHeaders, text.length, { minorVersion: 1, keepAlive: false }, dateLine(wallClock())) + text
}

/** The handler has answered on the connection itself. */
function passOver(exchange: Exchange, written: number): Disposition {
  const { connection, head } = exchange
  if (written === 0) {
    connection.logger.warn({ method: head.method, query: head.query }, 'the handler returned nothing and wrote nothing: its client waits')
  }
  return exchange.finish(0, written, exchange.keepAlive ? kept : closing)
}

function* send(exchange: Exchange, [content, status = 200, headers]: readonly unknown[]): Op<Disposition> {
  const { connection, head } = exchange
  const { client } = connection
  const answerStatus = status as number
  let answerHeaders = headersOf(content, headers as ResponseHeaders | null | undefined)
  let bytes = bytesOf(content as Content)
  let length = bytes.length
  if (length >= connection.settings.compression.min_size) {
    const packed = yield* pack(exchange, answerStatus, answerHeaders, bytes)
    answerHeaders = packed.headers
    bytes = packed.bytes
    length = packed.length
  }
  const text = responseHead(answerStatus, answerHeaders, length, exchange, dateLine(wallClock()))
  const size = hasContent(head.method, answerStatus) ? bytes.length : 0
  client.put(text)
  if (size > 0) client.put(bytes)
  if (client.unsent > unsentLimit) yield* relieve(client, connection.settings)
  return exchange.finish(answerStatus, size, exchange.keepAlive ? kept : closing)
}

/** Text without a type of its own is plain text: no browser is to guess that it is a page. */
function headersOf(content: unknown, headers: ResponseHeaders | null | undefined): ResponseHeaders | null | undefined {
  if (typeof content !== 'string' || content === '') return headers
  if (headers === undefined || headers === null) return textHeaders
  return typeof headers !== 'object' || headerOf(headers, 'content-type') !== undefined ? headers : { ...textHeaders, ...headers }
}

/** Text of one byte a character stays text, since it joins the head at no cost; anything else becomes bytes. */
function bytesOf(content: Content | undefined): Bytes {
  if (content === null || content === undefined) return ''
  if (typeof content === 'string') return Buffer.byteLength(content) === content.length ? content : Buffer.from(content)
  if (content instanceof Uint8Array) return Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  throw new ResponseError(null, `the content is neither a string nor bytes nor null: ${typeof content}`)
}

interface Packed {
  readonly headers: ResponseHeaders | null | undefined
  readonly bytes: Bytes
  readonly length: number
}

/** Compresses content that is worth it for a client that accepts it, and says so in the headers. */
function* pack(exchange: Exchange, status: number, headers: ResponseHeaders | null | undefined, bytes: Bytes): Op<Packed> {
  const { settings } = exchange.connection
  const answer = compressible(status, headers, bytes.length)
  if (!isCompressible(settings.compression, answer)) return { headers, bytes, length: bytes.length }
  const encoding = chooseEncoding(settings.compression, exchange.head.fields.get('accept-encoding'), answer)
  const packedHeaders = encodedHeaders(headers, encoding)
  if (encoding === null) return { headers: packedHeaders, bytes, length: bytes.length }
  // The length of what GET would send is known only by compressing it: HEAD does without.
  if (exchange.head.method === 'HEAD') return { headers: packedHeaders, bytes: '', length: NO_LENGTH }
  const packed = yield* compress(encoding, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  return { headers: packedHeaders, bytes: packed, length: packed.length }
}

function compressible(status: number, headers: ResponseHeaders | null | undefined, size: number): Compressible {
  const text = (name: string): string | undefined => {
    const value = headerOf(headers, name)
    return value === undefined || value === null ? undefined : Array.isArray(value) ? value.join(', ') : String(value)
  }
  return {
    size,
    status,
    contentType: text('content-type'),
    contentEncoding: text('content-encoding'),
    contentRange: text('content-range'),
    cacheControl: text('cache-control'),
  }
}

/** The headers of content that varies by Accept-Encoding, and is encoded unless `encoding` is null. */
function encodedHeaders(headers: ResponseHeaders | null | undefined, encoding: Encoding | null): ResponseHeaders {
  const result: Record<string, ResponseHeaders[string]> = {}
  let vary: string | undefined
  for (const [name, value] of Object.entries(headers ?? {})) {
    const lower = name.toLowerCase()
    if (lower === 'vary') vary = Array.isArray(value) ? value.join(', ') : String(value ?? '')
    else if (encoding === null) result[name] = value
    else if (lower === 'etag' && typeof value === 'string') result[name] = weakenEtag(value)
    else if (lower !== 'content-length' && lower !== 'content-encoding') result[name] = value
  }
  if (encoding !== null) result['Content-Encoding'] = encoding
  result['Vary'] = mergeVary(vary)
  return result
}

/** Waits until a slow reader has taken most of what it was sent; one that is slower than `min_transfer_rate` is cut. */
function* relieve(client: Stream, settings: Settings): Op<void> {
  if (settings.min_transfer_rate > 0) {
    client.writeDeadline = now() + settings.send_timeout + client.unsent / settings.min_transfer_rate
  }
  try {
    yield* client.write('')
  } finally {
    client.writeDeadline = Infinity
  }
}

function sendFailed(exchange: Exchange, error: Error): Disposition {
  exchange.abandon(closing)
  return [null, `failed to send response: ${error.message}`]
}
