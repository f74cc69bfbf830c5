import { channel, ClosedError, portal, type Awaitable, type Channel, type Op } from '../../lev/index.js'
import { awaitableBy, Exclusive, opMethods } from '../../lev/internal.js'
import { decodeText } from './body-text.js'
import { formFieldBytes } from '../config/fixed-limits.js'
import { bodyError, StateError } from '../errors.js'
import type { FormParts } from './form-parts.js'
import { formParts, readForm, type Form } from './form.js'
import { NO_FIELDS, requestHeaders, type FieldBlock, type RequestHeaders } from '../http1/headers.js'
import { mediaTypeOf } from '../http1/parameters.js'
import { rejections } from '../http1/rejection.js'
import { OnePiece, readAll, type Pieces } from '../pieces.js'

/** The request that the content belongs to. */
interface Trailers {
  readonly trailers: FieldBlock | null
}

/** A read requested by code that is not a coroutine. */
interface Asker {
  run(): Op<void>
  reject(error: unknown): void
}

/**
 * The content of a request: `ctx.body`. It is read once, in pieces or as a whole. With `buffer_body: false` it is read from
 * the connection, and a limit or timeout throws BodyError; if the handler does not catch it, its status becomes the response.
 * In a coroutine `yield*` its methods; in async code await them, or iterate over it: `for await (const piece of ctx.body)`.
 */
export class RequestBody implements AsyncIterable<Buffer> {
  readonly #pieces: Pieces
  readonly #contentType: string | undefined
  readonly #request: Trailers
  /** Null for a buffered body, which any task can read. */
  readonly #asked: Channel<Asker> | null
  /** Runs an operation that async code awaits. */
  readonly #begin = <T>(operation: Op<T>): Promise<T> => this.#ask(() => operation)
  #readBegun = false

  /** @internal */
  constructor(pieces: Pieces, contentType: string | undefined, request: Trailers) {
    const reading = new Exclusive('read one body')
    this.#pieces = { next: () => reading.run(pieces.next()) }
    this.#contentType = contentType
    this.#request = request
    this.#asked = pieces instanceof OnePiece ? null : channel(Infinity)
  }

  /**
   * The trailer fields of a chunked body, by lower-case name; none before the body was read to its end. A request with a field
   * that is not allowed there (RFC 9110 section 6.5.1) was rejected.
   */
  get trailers(): RequestHeaders {
    return requestHeaders(this.#request.trailers ?? NO_FIELDS, {})
  }

  /**
   * The next piece, of the size that arrived; null at the end, and for a request without a body.
   * @throws BodyError; UsageError while another task waits for a piece
   */
  read(): Awaitable<Buffer | null> {
    return this.#awaitable(this.#read())
  }

  *#read(): Op<Buffer | null> {
    this.#readBegun = true
    return yield* this.#pieces.next()
  }

  /** The whole body. @throws BodyError; StateError when part of it was read before */
  bytes(): Awaitable<Buffer> {
    return this.#awaitable(this.#bytes())
  }

  *#bytes(): Op<Buffer> {
    this.#take('bytes')
    return yield* readAll(() => this.#pieces.next())
  }

  /**
   * The whole body as text, in the charset of its Content-Type, by default UTF-8.
   * @throws as `bytes`; BodyError 415 for an unknown charset, 400 for bytes that are not valid in it
   */
  text(): Awaitable<string> {
    return this.#awaitable(this.#text())
  }

  *#text(): Op<string> {
    return decodeText(yield* this.#bytes(), mediaTypeOf(this.#contentType).parameters.get('charset'))
  }

  /** The whole body, parsed as JSON. @throws as `text`; BodyError 400 if it is not JSON */
  json(): Awaitable<unknown> {
    return this.#awaitable(this.#json())
  }

  *#json(): Op<unknown> {
    const text = yield* this.#text()
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      throw bodyError(rejections.notJson, error)
    }
  }

  /** The whole body as a form, urlencoded or multipart. @throws as `bytes`; BodyError 415 if it is not one, 400 if malformed */
  form(): Awaitable<Form> {
    return this.#awaitable(this.#form())
  }

  *#form(): Op<Form> {
    this.#take('form')
    return yield* readForm(mediaTypeOf(this.#contentType), this.#pieces)
  }

  /**
   * The parts of a multipart form, read one after another as they arrive. A part that is not a file may have 1 MiB.
   * @throws BodyError 415 if the body is not one; StateError when part of it was read before
   */
  parts(): FormParts {
    this.#take('parts')
    return formParts(mediaTypeOf(this.#contentType), this.#pieces, { fieldLimit: formFieldBytes, ask: (operation) => this.#ask(operation) })
  }

  /** For async code; in a coroutine, `read` is simpler. @throws BodyError */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    this.#readBegun = true
    return {
      next: async () => {
        const piece = await this.#ask(() => this.#pieces.next())
        return piece === null ? { done: true, value: undefined } : { done: false, value: piece }
      },
      return: async () => ({ done: true, value: undefined }),
    }
  }

  /** @internal Runs reads on behalf of async code, in a task of the request. */
  static *serve(body: RequestBody): Op<void> {
    const asked = body.#asked
    if (asked === null) return
    let asker: Asker | null = null
    try {
      while ((asker = yield* asked.receive()) !== null) yield* asker.run()
    } finally {
      asked.close()
      const over = new ClosedError('the request is over')
      for (; asker !== null; asker = asked.tryReceive()) asker.reject(over)
    }
  }

  /** Runs `operation` in a task: one of the request if it reads from the connection. */
  #ask<T>(operation: () => Op<T>): Promise<T> {
    const asked = this.#asked
    if (asked === null) return portal().run(operation)
    return new Promise<T>((resolve, reject) => {
      const run = function* (): Op<void> {
        try {
          resolve(yield* operation())
        } catch (error) {
          reject(error)
        }
      }
      if (!asked.trySend({ run, reject })) reject(new ClosedError('the request is over'))
    })
  }

  #awaitable<T>(operation: Op<T>): Awaitable<T> {
    return awaitableBy(operation, this.#begin)
  }

  #take(what: string): void {
    if (this.#readBegun) throw new StateError(`${what}: some of the body was read already, and it can be read only once`)
    this.#readBegun = true
  }
}

opMethods(RequestBody.prototype, 'read', 'bytes', 'text', 'json', 'form')
