import { background, ClosedError, event, scope, type Op, type Stream } from '../../lev/index.js'
import { RequestError } from '../errors.js'
import type { FieldBlock } from '../http1/headers.js'
import { noHead, type ResponseHead } from '../http1/response-head.js'
import { keepAliveTimeout, responseFraming } from '../http1/response-framing.js'
import type { ContentSource } from '../response/content-source.js'
import { ContentReader, type Pieces } from './content-reader.js'
import { ContentWriter } from './outgoing.js'
import { pool } from './pool.js'
import { readHead } from './read-head.js'
import { requestHead } from './request-head.js'
import type { Hop } from './redirect.js'
import type { RequestRules } from './request-options.js'
import { openRoute, routeTo, type Route } from './route.js'

/** Methods after which a request may be sent again when it is not known whether the server has had it (RFC 9110 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Bytes of a response that is not wanted which are read so that its connection can be used again. */
const skipLimit = 64 * 1024

const nothing = Buffer.alloc(0)

/**
 * Sends one request, on an idle connection if there is one, and waits for the head of its response. The caller closes the exchange.
 * @throws RequestError; AddressError; HandshakeError; IdentityError; ClosedError; what the content throws
 */
export function* send(hop: Hop, rules: RequestRules): Op<Exchange> {
  const route = routeTo(hop.url, { tls: hop.tls, proxy: rules.proxy, socketPath: hop.socketPath })
  const idle = pool().take(route.name)
  if (idle !== null) {
    // The server may have closed it already, and the news be on its way.
    const again = hop.body === null || hop.body.repeatable
    const exchange = new Exchange(idle, route, hop, rules)
    if (yield* exchange.begin(again && idempotent.has(hop.method))) return exchange
  }
  const exchange = new Exchange(yield* openRoute(route), route, hop, rules)
  yield* exchange.begin(false)
  return exchange
}

/** One request and its response, on one connection. */
export class Exchange implements Pieces {
  readonly #stream: Stream
  readonly #route: Route
  readonly #hop: Hop
  readonly #rules: RequestRules
  readonly #pool = pool()
  #head: ResponseHead = noHead
  #content: ContentReader | null = null
  /** Whether another request can follow this one. */
  #keepAlive = false
  /** Whether all of the request's content was put in. */
  #sent = false
  /** Why its content could not be. */
  #failure: { readonly error: unknown } | null = null
  #closed = false
  /** Whether it outlives the scope in which it began. */
  #detached = false
  readonly #over = event()

  constructor(stream: Stream, route: Route, hop: Hop, rules: RequestRules) {
    this.#stream = stream
    this.#route = route
    this.#hop = hop
    this.#rules = rules
  }

  /** Bytes of content; -1: it is not known. */
  get length(): number {
    return Math.max(-1, this.#content?.length ?? 0)
  }

  get head(): ResponseHead {
    return this.#head
  }

  /** What was sent behind the content; null before its end, and when nothing was. */
  get trailers(): FieldBlock | null {
    return this.#content?.trailers ?? null
  }

  /** Sends the request and waits for the head of the response. False: there is none, not one byte of it, and `again` allows another try. */
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
    const { head, announced } = requestHead(this.#hop, this.#route, this.#rules.decompress)
    this.#stream.put(head)
    const source = this.#hop.body?.source ?? nothing
    const content = typeof source === 'function' ? source() : null
    if (typeof source !== 'function') {
      if (source.length > 0) this.#stream.put(source)
      this.#sent = true
      if (!this.#rules.stream) return
    }
    const tending = background(() => this.#tend(content, announced))
    // In a scope that has been cancelled it takes no step.
    if (tending.outcome !== null) content?.cancel()
  }

  /** Sends content that is written piece by piece, and closes the exchange when its scope does not need it any more. */
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
    const writer = new ContentWriter(this.#stream, announced)
    try {
      yield* content.writeTo(writer)
      writer.end()
      this.#sent = true
    } catch (error) {
      this.#failWriting(error)
    }
  }

  #failWriting(error: unknown): void {
    // What happens to the connection shows when the response is read: it may have come all the same.
    if (!this.#stream.isOpen) return
    this.#failure = { error }
    this.#stream.reset()
  }

  #take(head: ResponseHead): void {
    if (head.status === 101) throw new RequestError('the server changes the protocol, which it was not asked for')
    const framing = responseFraming(this.#hop.method, head)
    if ('reason' in framing) throw new RequestError(`the response cannot be read: ${framing.reason}`)
    const { stream, timeout, maxBodySize } = this.#rules
    this.#head = head
    this.#keepAlive = framing.keepAlive && !/\bclose\b/i.test(String(this.#hop.headers.connection))
    this.#content = new ContentReader(this.#stream, { length: framing.length, limit: maxBodySize, patience: stream ? timeout : Infinity })
    if (this.#content.done) this.close()
  }

  /** The next piece of the content as it came, never an empty one; null at its end. @throws RequestError; ClosedError; TimeoutError */
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

  /** Reads what is left and throws it away, if it is little: then the connection can be used again. */
  *skip(): Op<void> {
    for (let size = 0; size <= skipLimit;) {
      const piece = yield* this.next()
      if (piece === null) return
      size += piece.length
    }
  }

  /** The response is to outlive the scope in which the request was sent: its reader closes it. */
  detach(): void {
    this.#detached = true
    this.#over.set()
  }

  /** Ends it: gives the connection back if it can be used again, and else closes it. Harmless when repeated. May be called from anywhere until the content was read. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#over.set()
    if (this.#content?.done === true && this.#keepAlive && this.#sent) this.#pool.keep(this.#route.name, this.#stream, keepAliveTimeout(this.#head))
    else this.#stream.close()
  }
}
