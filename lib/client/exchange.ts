import { background, ClosedError, event, scope, type Op, type Stream } from '../../lev/index.js'
import { RequestError } from '../errors.js'
import type { FieldBlock } from '../http1/headers.js'
import { noHead, type ResponseHead } from '../http1/response-head-reader.js'
import { keepAliveTimeout, responseFraming } from '../http1/response-framing.js'
import type { ContentSource } from '../response/content-source.js'
import type { Pieces } from '../pieces.js'
import { ContentReader } from './content-reader.js'
import { RequestContentWriter } from './outgoing.js'
import { pool } from './pool.js'
import { readHead } from './read-head.js'
import { requestHead, type OutgoingHead } from './request-head.js'
import type { Hop } from './redirect.js'
import type { RequestRules } from './request-options.js'
import { openRoute, routeTo } from './route.js'

/** Methods whose requests may be sent again if it is unknown whether the server has received them (RFC 9110 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Maximum bytes of an unwanted response that are read so that its connection can be reused. */
const skipLimit = 64 * 1024

const nothing = Buffer.alloc(0)

/**
 * Sends one request, on an idle connection if there is one, and waits for the head of its response. The caller must close the
 * exchange.
 * @throws RequestError; AddressError; HandshakeError; IdentityError; ClosedError; what the content throws
 */
export function* send(hop: Hop, rules: RequestRules): Op<Exchange> {
  const route = routeTo(hop.url, { tls: hop.tls, proxy: rules.proxy, socketPath: hop.socketPath })
  const connections = pool()
  const keep = (stream: Stream, seconds: number | null): void => connections.keep(route.name, stream, seconds)
  const request = { ...hop, ...requestHead(hop, route, rules.decompress) }
  const idle = connections.take(route.name)
  if (idle !== null) {
    // The server may have closed it already, and we may not know yet.
    const again = hop.body === null || hop.body.repeatable
    const exchange = new Exchange(idle, request, rules, keep)
    if (yield* exchange.begin(again && idempotent.has(hop.method))) return exchange
  }
  const exchange = new Exchange(yield* openRoute(route), request, rules, keep)
  yield* exchange.begin(false)
  return exchange
}

/** A request that is ready to be sent. */
export type ReadyRequest = Pick<Hop, 'method' | 'headers' | 'body'> & OutgoingHead

/** One request and its response, on one connection. */
export class Exchange implements Pieces {
  readonly #stream: Stream
  readonly #request: ReadyRequest
  readonly #rules: Pick<RequestRules, 'stream' | 'timeout' | 'maxBodySize'>
  readonly #keep: (stream: Stream, seconds: number | null) => void
  #head: ResponseHead = noHead
  #content: ContentReader | null = null
  /** Whether the connection can be used for another request. */
  #keepAlive = false
  /** Whether all content of the request was put on the stream. */
  #sent = false
  /** Why the content could not be sent. */
  #failure: { readonly error: unknown } | null = null
  #closed = false
  /** Whether the exchange outlives the scope in which it began. */
  #detached = false
  readonly #over = event()

  /** @param keep takes the stream when another request may follow, with the seconds for which the server keeps it, if it says so */
  constructor(
    stream: Stream,
    request: ReadyRequest,
    rules: Pick<RequestRules, 'stream' | 'timeout' | 'maxBodySize'>,
    keep: (stream: Stream, seconds: number | null) => void,
  ) {
    this.#stream = stream
    this.#request = request
    this.#rules = rules
    this.#keep = keep
  }

  /** Length of the content in bytes; -1 if it is unknown. */
  get length(): number {
    return Math.max(-1, this.#content?.length ?? 0)
  }

  get head(): ResponseHead {
    return this.#head
  }

  /** The trailer fields; null before the end of the content, and if there are none. */
  get trailers(): FieldBlock | null {
    return this.#content?.trailers ?? null
  }

  /** Sends the request and waits for the head of the response. False if not one byte of it came and `again` allows another try. */
  *begin(again: boolean): Op<boolean> {
    const stream = this.#stream
    let begun = false
    try {
      this.#send()
      const head = yield* readHead(stream)
      if (head === null && again) return false
      if (head === null) throw new RequestError('the server closed the connection without a response')
      this.#take(head)
      begun = true
      return true
    } catch (error) {
      if (again && error instanceof ClosedError && stream.inputStart === stream.inputEnd) return false
      throw this.#failure === null ? error : this.#failure.error
    } finally {
      if (!begun) this.close()
    }
  }

  #send(): void {
    const { head, announced, body } = this.#request
    this.#stream.put(head)
    const source = body?.source ?? nothing
    const content = typeof source === 'function' ? source() : null
    if (typeof source !== 'function') {
      if (source.length > 0) this.#stream.put(source)
      this.#sent = true
      if (!this.#rules.stream) return
    }
    const tending = background(() => this.#tend(content, announced))
    // In a cancelled scope the task does not run.
    if (tending.outcome !== null) content?.cancel()
  }

  /** Sends content that is written in pieces, and closes the exchange when its scope ends. */
  *#tend(content: ContentSource | null, announced: number): Op<void> {
    try {
      if (content === null) return yield* this.#over.wait()
      yield* scope((inner) => {
        inner.background(() => this.#write(content, announced)).takeError((error) => this.#failWriting(error))
        return this.#over.wait()
      })
    } finally {
      if (!this.#detached) this.close()
    }
  }

  *#write(content: ContentSource, announced: number): Op<void> {
    const writer = new RequestContentWriter(this.#stream, announced)
    try {
      yield* content.writeTo(writer)
      writer.end()
      this.#sent = true
    } catch (error) {
      this.#failWriting(error)
    }
  }

  #failWriting(error: unknown): void {
    // If the connection is lost, reading reports that: the response may have arrived nevertheless.
    if (!this.#stream.isOpen) return
    this.#failure = { error }
    this.#stream.reset()
  }

  #take(head: ResponseHead): void {
    if (head.status === 101) throw new RequestError('the server changes the protocol, which it was not asked for')
    const framing = responseFraming(this.#request.method, head)
    if ('reason' in framing) throw new RequestError(`the response cannot be read: ${framing.reason}`)
    const { stream, timeout, maxBodySize } = this.#rules
    this.#head = head
    this.#keepAlive = framing.keepAlive && !/\bclose\b/i.test(String(this.#request.headers.connection))
    this.#content = new ContentReader(this.#stream, { length: framing.length, limit: maxBodySize, patience: stream ? timeout : Infinity })
    if (this.#content.done) this.close()
  }

  /** The next piece of the content, as received, never empty; null at the end. @throws RequestError; ClosedError; TimeoutError */
  *next(): Op<Buffer | null> {
    const content = this.#content
    if (content === null || content.done) return null
    if (this.#closed) throw new ClosedError('the response was closed')
    try {
      const piece = yield* content.next()
      if (content.done) this.close()
      return piece
    } catch (error) {
      this.close()
      throw this.#failure === null ? error : this.#failure.error
    }
  }

  /** Reads and discards the rest of the content if it is small, so that the connection can be reused. */
  *skip(): Op<void> {
    for (let size = 0; size <= skipLimit;) {
      const piece = yield* this.next()
      if (piece === null) return
      size += piece.length
    }
  }

  /** Lets the response outlive the scope in which the request was sent: its reader must close it. */
  detach(): void {
    this.#detached = true
    this.#over.set()
  }

  /** Waits until the exchange was closed or detached. */
  ended(): Op<void> {
    return this.#over.wait()
  }

  /**
   * Ends the exchange: gives the connection back if it can be reused, and otherwise closes it. Repeated calls do
   * nothing. May be called from anywhere until the content was read.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#over.set()
    if (this.#content?.done === true && this.#keepAlive && this.#sent) this.#keep(this.#stream, keepAliveTimeout(this.#head))
    else this.#stream.close()
  }
}
