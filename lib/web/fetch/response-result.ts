import type { ReadableStreamDefaultReader, ReadableStreamReadResult } from 'node:stream/web'
import { show } from '../../config/validators.js'
import { ResponseError, type ResponseHeaders } from '../../http1/response-headers.js'
import type { ResponseParts } from '../../request/handler.js'

/** Microtasks in which a stream that has all its content tells that it ends. */
const microtasks = 4

type Reader = ReadableStreamDefaultReader<Uint8Array>

/**
 * The result of a handler that sends `response`: whole if all of its content is there, else as a stream.
 * @throws ResponseError if it is no response, or was read already
 */
export function resultOf(response: Response): ResponseParts | Promise<ResponseParts> {
  if (!isResponse(response)) throw new ResponseError(null, `the application must return a Response, got ${show(response)}`)
  if (response.type === 'error') throw new ResponseError(null, 'the application returned Response.error()')
  if (response.bodyUsed) throw new ResponseError(null, 'the body of the Response was read already')
  const { body, status } = response
  const headers = headersOf(response.headers)
  return body === null ? [null, status, headers] : begun(body.getReader() as Reader, status, headers)
}

/** Also for a Response of another library than the platform's. */
function isResponse(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'status' in value && 'headers' in value && 'body' in value
}

function headersOf(given: Headers): ResponseHeaders {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of given) {
    const earlier = headers[name]
    // Only `set-cookie` comes more than once.
    if (earlier === undefined) headers[name] = value
    else headers[name] = Array.isArray(earlier) ? [...earlier, value] : [earlier, value]
  }
  return headers
}

/** Reads the first piece; content that ends with it is sent whole, with its length. */
async function begun(reader: Reader, status: number, headers: ResponseHeaders): Promise<ResponseParts> {
  const { done, value } = await reader.read()
  if (done) return ['', status, headers]
  const next = reader.read()
  let after: ReadableStreamReadResult<Uint8Array> | null = null
  next.then((result) => (after = result), () => {})
  for (let k = 0; k < microtasks && after === null; k++) await undefined
  const ended = (after as ReadableStreamReadResult<Uint8Array> | null)?.done === true
  return [ended ? value : new Rest(reader, value, next), status, headers]
}

/** A stream's content from its first piece on. */
class Rest implements AsyncIterableIterator<Uint8Array> {
  readonly #reader: Reader
  #first: Uint8Array | null
  #next: Promise<ReadableStreamReadResult<Uint8Array>> | null

  constructor(reader: Reader, first: Uint8Array, next: Promise<ReadableStreamReadResult<Uint8Array>>) {
    this.#reader = reader
    this.#first = first
    this.#next = next
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#first !== null) {
      const value = this.#first
      this.#first = null
      return { done: false, value }
    }
    const next = this.#next ?? this.#reader.read()
    this.#next = null
    const { done, value } = await next
    return done ? { done: true, value: undefined } : { done: false, value }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    await this.#reader.cancel('the response is not wanted any more')
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
