import { portal, type Awaitable, type Op, type Portal } from '../../lev/index.js'
import { Exclusive, opMethods } from '../../lev/internal.js'
import { readAll, type Pieces } from '../pieces.js'
import { RequestError, StateError } from '../errors.js'
import { NO_FIELDS, requestHeaders, type RequestHeaders } from '../http1/headers.js'
import type { Exchange } from './exchange.js'
import { handOver, contentSource, type ContentSink, type ContentSource } from '../response/content-source.js'

/**
 * The content of a response that is read as it arrives, in pieces or as a whole, and only once. In async code iterate over it:
 * `for await (const piece of response.body)`. A handler may return it as its content. Its connection is released when the content
 * was read to its end or closed, or when the scope ends in which the request was sent.
 */
export class ResponseBody implements AsyncIterable<Buffer> {
  readonly #exchange: Exchange
  readonly #pieces: Pieces
  readonly #tell: (error: unknown) => unknown
  readonly #world: Portal = portal()
  readonly #reading = new Exclusive('read one response')
  #readBegun = false

  /** @internal @param pieces the content of `exchange`, decoded @param tell converts an error for the reader */
  constructor(exchange: Exchange, pieces: Pieces, tell: (error: unknown) => unknown) {
    this.#exchange = exchange
    this.#pieces = pieces
    this.#tell = tell
  }

  /** The trailer fields of chunked content, by lower-case name; empty before the content was read to its end. */
  get trailers(): RequestHeaders {
    return requestHeaders(this.#exchange.trailers ?? NO_FIELDS, {})
  }

  /** The next piece, of any size; null at the end. @throws RequestError; TimeoutError; UsageError while another task reads */
  read(): Awaitable<Buffer | null>
  *read(): Op<Buffer | null> {
    this.#readBegun = true
    return yield* this.#next()
  }

  /** The whole content. @throws as `read`; StateError if some of it was read before */
  bytes(): Awaitable<Buffer>
  *bytes(): Op<Buffer> {
    if (this.#readBegun) throw new StateError('bytes: some of the body was read already, and it can be read only once')
    this.#readBegun = true
    return yield* readAll(() => this.#next())
  }

  /** The whole content, decoded as UTF-8 without a byte order mark, like fetch. @throws as `bytes` */
  text(): Awaitable<string>
  *text(): Op<string> {
    return new TextDecoder().decode(yield* this.bytes())
  }

  /** The whole content, parsed as JSON. @throws as `bytes`; RequestError if it is not JSON */
  json(): Awaitable<unknown>
  *json(): Op<unknown> {
    const text = yield* this.text()
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      throw this.#tell(new RequestError('the body of the response is not JSON', { cause: error }))
    }
  }

  /** Discards unread content by closing the connection. Repeated calls do nothing. May be called from anywhere. */
  close(): void {
    this.#exchange.close()
  }

  /** Iterates over the pieces, for async code; in a coroutine, `read` is simpler. @throws as `read` */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    this.#readBegun = true
    return {
      next: async () => {
        const piece = await this.#world.run(() => this.#next())
        return piece === null ? { done: true, value: undefined } : { done: false, value: piece }
      },
      return: async () => {
        this.close()
        return { done: true, value: undefined }
      },
    }
  }

  /** @internal */
  [handOver](): void {
    this.#exchange.detach()
  }

  /** @internal */
  [contentSource](): ContentSource {
    return {
      length: this.#pieces === this.#exchange ? this.#exchange.length : -1,
      type: '',
      writeTo: (sink) => this.#writeTo(sink),
      cancel: () => this.close(),
    }
  }

  *#writeTo(sink: ContentSink): Op<void> {
    try {
      for (let piece = yield* this.read(); piece !== null; piece = yield* this.read()) {
        sink.put(piece)
        if (sink.needsDrain) yield* sink.waitForDrain()
      }
    } finally {
      this.close()
    }
  }

  #next(): Op<Buffer | null> {
    return this.#reading.run(this.#told())
  }

  *#told(): Op<Buffer | null> {
    try {
      return yield* this.#pieces.next()
    } catch (error) {
      throw this.#tell(error)
    }
  }
}

opMethods(ResponseBody.prototype, 'read', 'bytes', 'text', 'json')
