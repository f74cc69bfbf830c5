import type { Op, Stream } from '../../lev/index.js'
import { asBuffer, bytesOf, done } from '../../lev/internal.js'
import { StateError } from '../errors.js'
import { lastChunk, LAST_CHUNK, putChunk } from '../http1/chunk-framing.js'
import { ResponseError, type HeaderValue } from '../http1/response-headers.js'
import { contentSourceOf, type ContentSink, type ContentSource, type StreamingContent } from '../response/content-source.js'
import { multipart } from './multipart.js'

/** The content of a request. */
export type RequestContent = string | Uint8Array | URLSearchParams | FormData | StreamingContent | null

/** Opens content that is sent in pieces. */
type Opening = () => ContentSource

/** Content that is ready to be sent. */
export interface Outgoing {
  /** In bytes; -1 if it is unknown. */
  readonly length: number
  /** Media type of the content; "" if unknown. */
  readonly type: string
  /** Whether it can be sent again. */
  readonly repeatable: boolean
  /** The whole content, or a function that opens it for sending in pieces. */
  readonly source: Buffer | Opening
}

/** Converts the content of a request to one form; null if `content` is not valid content. */
export function outgoingOf(content: unknown): Outgoing | null {
  if (typeof content === 'string') return whole(Buffer.from(content), '')
  if (content instanceof Uint8Array) return whole(asBuffer(content), '')
  if (content instanceof URLSearchParams) return whole(Buffer.from(content.toString()), 'application/x-www-form-urlencoded;charset=UTF-8')
  const source = content instanceof FormData ? multipart(content) : content
  const first = contentSourceOf(source)
  if (first === null) return null
  return { length: first.length, type: first.type, repeatable: source instanceof Blob, source: () => contentSourceOf(source) ?? first }
}

function whole(bytes: Buffer, type: string): Outgoing {
  return { length: bytes.length, type, repeatable: true, source: bytes }
}

const neverDraining = new AbortController().signal

/** Writes a request's content to its stream: frames and counts the pieces. */
export class RequestContentWriter implements ContentSink {
  readonly draining: AbortSignal = neverDraining
  readonly #stream: Stream
  /** Announced length in bytes; -1 if the content is chunked. */
  readonly #announced: number
  #sent = 0
  #trailers: Record<string, HeaderValue> | null = null
  #over = false

  constructor(stream: Stream, announced: number) {
    this.#stream = stream
    this.#announced = announced
  }

  get needsDrain(): boolean {
    return this.#stream.needsDrain
  }

  put(piece: unknown): void {
    if (this.#over) throw new StateError('the request is over: nothing more can be written')
    if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) {
      throw new ResponseError(null, `a piece of the content is neither a string nor bytes: ${piece === null ? 'null' : typeof piece}`)
    }
    const bytes = bytesOf(piece)
    if (bytes.length === 0) return
    this.#sent += bytes.length
    if (this.#announced < 0) putChunk(this.#stream, bytes)
    else if (this.#sent > this.#announced) throw this.#mismatch('has more')
    else this.#stream.put(bytes)
  }

  write(piece: string | Uint8Array): Op<void> {
    this.put(piece)
    return this.needsDrain ? this.waitForDrain() : done
  }

  waitForDrain(): Op<void> {
    return this.#stream.waitForDrain()
  }

  *flush(): Op<void> {
    yield* this.#stream.flush()
  }

  trailers(fields: Readonly<Record<string, HeaderValue>>): void {
    const trailers = { ...this.#trailers, ...fields }
    lastChunk(trailers)
    this.#trailers = trailers
  }

  /** Ends the content. @throws ResponseError if it is shorter than was announced */
  end(): void {
    if (this.#sent < this.#announced) throw this.#mismatch(`has only ${this.#sent}`)
    this.#over = true
    if (this.#announced < 0) this.#stream.put(this.#trailers === null ? LAST_CHUNK : lastChunk(this.#trailers))
  }

  #mismatch(what: string): ResponseError {
    return new ResponseError('content-length', `${this.#announced} bytes announced, but the content ${what}`)
  }
}
