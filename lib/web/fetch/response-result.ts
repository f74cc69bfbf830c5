import type { ReadableStreamDefaultReader, ReadableStreamReadResult } from 'node:stream/web'
import { show } from '../../config/validators.js'
import { ResponseError } from '../../http1/response-headers.js'
import type { ResponseParts } from '../../request/handler.js'
import { asynchronous, contentSource, handOver, type ContentSource } from '../../response/content-source.js'
import { fieldsOf, type Fields } from './fields.js'
import { Light } from './light.js'
import { LightResponse } from './light-response.js'

/** Microtasks in which a stream gives what it has, and tells that it has ended. */
const microtasks = 4

type Reader = ReadableStreamDefaultReader<Uint8Array>
type Read = ReadableStreamReadResult<Uint8Array>

/**
 * The result of a handler that sends `response`: whole if all of its content is there, else as a stream.
 * @throws ResponseError if it is no response, or was read already
 */
export function resultOf(response: Response): ResponseParts | Promise<ResponseParts> {
  if (response instanceof LightResponse) {
    return LightResponse.parts(response) ?? resultOf(Light.real(response) as Response)
  }
  if (!isResponse(response)) throw new ResponseError(null, `the application must return a Response, got ${show(response)}`)
  if (response.type === 'error') throw new ResponseError(null, 'the application returned Response.error()')
  if (response.bodyUsed) throw new ResponseError(null, 'the body of the Response was read already')
  const { body, status } = response
  const headers = fieldsOf(response.headers)
  if (body === null) return [null, status, headers]
  if (isDecoded(response.url, headers['content-encoding'])) {
    delete headers['content-encoding']
    delete headers['content-length']
  }
  return begun(body.getReader() as Reader, status, headers)
}

/**
 * Whether a Response of `fetch`, which alone has a URL, was decoded: its headers still tell of the content as it came. Of other
 * Responses, and of other codings, only the content tells.
 */
function isDecoded(url: string | undefined, coding: string | string[] | undefined): boolean {
  return url !== undefined && url !== '' && typeof coding === 'string' && coding.split(',').every((one) => /^\s*(?:gzip|x-gzip|deflate|br)\s*$/i.test(one))
}

/** Also for a Response of another library than the platform's. */
function isResponse(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'status' in value && 'headers' in value && 'body' in value
}

/** Reads what is there already; content that ends with its first piece is sent whole, with its length. */
async function begun(reader: Reader, status: number, headers: Fields): Promise<ResponseParts> {
  const first = reader.read()
  const start = await soon(first)
  // Whether content is still in its coding shows in the first piece: `fetch` decodes, and leaves the header.
  if (start === null) return [new BodyContent(reader, [first], headers['content-encoding'] === undefined), status, headers]
  if (start.done) return ['', status, headers]
  const piece = bytesOf(start.value, reader)
  const next = reader.read()
  const end = await soon(next)
  return [end?.done === true ? piece : new BodyContent(reader, [first, next], false), status, headers]
}

/** A chunk of a body. @throws ResponseError, and cancels the body, if it is anything but bytes, as where the standard reads one */
function bytesOf(chunk: unknown, reader: Reader): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  const error = new ResponseError(null, `the stream of a Response must give bytes (Uint8Array), got ${show(chunk)}`)
  reader.cancel(error).catch(() => {})
  throw error
}

/** The value of a promise if it settles within some microtasks, else null. @throws what it is rejected with */
async function soon<T>(promise: Promise<T>): Promise<T | null> {
  let settled = false
  const settle = (): void => void (settled = true)
  promise.then(settle, settle)
  for (let k = 0; k < microtasks && !settled; k++) await undefined
  return settled ? await promise : null
}

/** A body that is sent as it is read. */
class BodyContent implements AsyncIterableIterator<Uint8Array> {
  readonly #reader: Reader
  /** Reads that were begun, and whose pieces were not sent yet. */
  readonly #ahead: Promise<Read>[]
  readonly #isIdle: boolean

  /** @param isIdle whether the first piece may be a long time coming: the head is then sent at once */
  constructor(reader: Reader, ahead: Promise<Read>[], isIdle: boolean) {
    this.#reader = reader
    this.#ahead = ahead
    this.#isIdle = isIdle
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { done, value } = await (this.#ahead.shift() ?? this.#reader.read())
    return done ? { done: true, value: undefined } : { done: false, value: bytesOf(value, this.#reader) }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    await this.#reader.cancel('the response is not wanted any more')
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @internal */
  [handOver](): void {}

  /** @internal */
  [contentSource](): ContentSource {
    const isIdle = this.#isIdle
    const pieces = asynchronous(this)
    return {
      ...pieces,
      *writeTo(sink) {
        let begun = false
        try {
          if (isIdle) yield* sink.flush()
          begun = true
        } finally {
          if (!begun) pieces.cancel()
        }
        yield* pieces.writeTo(sink)
      },
    }
  }
}
