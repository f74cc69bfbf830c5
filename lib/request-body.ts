import { channel, ClosedError, type Op } from '../lev/index.js'
import type { Pieces } from './body-source.js'
import { BodyError, StateError } from './errors.js'
import { readForm, type Form } from './form.js'

/** Somebody outside of the coroutine waits for a piece. */
interface Asker {
  resolve(piece: Buffer | null): void
  reject(error: unknown): void
}

/**
 * The content of a request: `ctx.body`. It is read once, in pieces or as a whole. With `buffer_body: false` it is read from
 * the connection, and its limits and timeouts show themselves as BodyError; a handler that does not catch that answers with
 * its status. In async code iterate over it: `for await (const piece of ctx.body)`.
 */
export class RequestBody implements AsyncIterable<Buffer> {
  readonly #pieces: Pieces
  readonly #contentType: string | undefined
  readonly #asked = channel<Asker>(Infinity)
  #taken = false

  constructor(pieces: Pieces, contentType: string | undefined) {
    this.#pieces = pieces
    this.#contentType = contentType
  }

  /** The next piece, as large as it arrives; null at the end, and for a request without a body. @throws BodyError */
  *read(): Op<Buffer | null> {
    this.#taken = true
    return yield* this.#pieces.next()
  }

  /** All of it. @throws BodyError; StateError when some was read before */
  *bytes(): Op<Buffer> {
    this.#take('bytes')
    const parts: Buffer[] = []
    for (let piece = yield* this.#pieces.next(); piece !== null; piece = yield* this.#pieces.next()) parts.push(piece)
    return parts.length === 1 ? parts[0] : Buffer.concat(parts)
  }

  /** All of it, as UTF-8. @throws as `bytes` */
  *text(): Op<string> {
    return (yield* this.bytes()).toString()
  }

  /** All of it, as JSON. @throws as `bytes`; BodyError 400 if it is none */
  *json(): Op<unknown> {
    const text = yield* this.text()
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      throw new BodyError(400, 'the body is not JSON', { cause: error })
    }
  }

  /** All of it, as a form, urlencoded or multipart. @throws as `bytes`; BodyError 415 if it is none, 400 if it is malformed */
  *form(): Op<Form> {
    this.#take('form')
    return yield* readForm(this.#contentType, this.#pieces)
  }

  /** For async code; in a coroutine, `read` is simpler. @throws BodyError */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    this.#taken = true
    return {
      next: async () => {
        const piece = await new Promise<Buffer | null>((resolve, reject) => {
          if (!this.#asked.trySend({ resolve, reject })) reject(new ClosedError('the request is over'))
        })
        return piece === null ? { done: true, value: undefined } : { done: false, value: piece }
      },
      return: async () => ({ done: true, value: undefined }),
    }
  }

  /** Reads for those who are no coroutines; a task of the request's own. */
  static *serve(body: RequestBody): Op<void> {
    let asker: Asker | null = null
    try {
      while ((asker = yield* body.#asked.receive()) !== null) {
        try {
          asker.resolve(yield* body.#pieces.next())
        } catch (error) {
          asker.reject(error)
        }
      }
    } finally {
      body.#asked.close()
      const over = new ClosedError('the request is over')
      for (; asker !== null; asker = body.#asked.tryReceive()) asker.reject(over)
    }
  }

  #take(what: string): void {
    if (this.#taken) throw new StateError(`${what}: some of the body was read already, and it can be read only once`)
    this.#taken = true
  }
}

/** A body that was read as a whole before. */
export class BufferedPieces implements Pieces {
  #bytes: Buffer | null

  constructor(bytes: Buffer | null) {
    this.#bytes = bytes
  }

  *next(): Op<Buffer | null> {
    const bytes = this.#bytes
    this.#bytes = null
    return bytes
  }
}
