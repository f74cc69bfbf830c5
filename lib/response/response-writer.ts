import type { Op } from '../../lev/index.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import type { InterimStatus, Persistence } from '../http1/write-head.js'
import type { Transition } from '../request/states.js'

/** Length of content that is not known in advance. */
export const UNKNOWN_LENGTH = -1

/** What a writer needs to know of the request that it responds to. */
export interface RespondedRequest extends Persistence {
  readonly method: string
  /** Fields of a response that has none of their name; null: none. */
  readonly hsts: ResponseHeaders | null
  /** Whether the connection may stay open after the response. */
  mayKeepAlive(): boolean
  /** Called with `responseBegun` when the head is about to be written. */
  advance(transition: Transition): void
}

/** In place of a request, for a response to a client whose request is not read. */
export const noRequest: RespondedRequest = {
  method: '', hsts: null, minorVersion: 1, keepAlive: false, idleTimeout: 0, mayKeepAlive: () => false, advance() {},
}

/**
 * Writes responses to the wire, in one version of the protocol: for each request `whole`, or `head`, then pieces, then `end`, or
 * `abort` in place of the rest. Code above this interface knows neither how content is framed nor how a connection is kept.
 */
export interface ResponseWriter {
  /** Whether the head given to `head` was written: no other response can be sent in its place. */
  readonly begun: boolean
  /** Whether the response given to `head` has content. If it has none (HEAD, 204, 304), pieces are dropped. */
  readonly hasContent: boolean
  /** Bytes of its content written, without framing. */
  readonly sent: number
  /** True when the caller must `yield* waitForDrain()` before the next piece: the client reads slowly. */
  readonly needsDrain: boolean
  /**
   * Writes an interim response. False: the client's version of HTTP has none.
   * @throws ResponseError for a header that cannot be sent
   */
  interim(request: RespondedRequest, status: InterimStatus, headers: ResponseHeaders): boolean
  /**
   * Writes a final response whose content is at hand: bytes, or latin1 text.
   *
   * @param length the value of Content-Length, where it is not that of the content; NO_LENGTH: none
   * @returns bytes of content written: none for HEAD, 204 and 304
   * @throws ResponseError as `responseHead`, before anything is written
   */
  whole(
    request: RespondedRequest, status: number, headers: ResponseHeaders | null | undefined, content: Buffer | string, length?: number,
  ): number
  /**
   * Sets the head of a final response whose content comes in pieces. It is written with the first piece, or at the end; until
   * then another head replaces it.
   *
   * @param length bytes of content (for HEAD: those of GET), UNKNOWN_LENGTH, or NO_LENGTH
   * @throws ResponseError as `responseHead`
   */
  head(request: RespondedRequest, status: number, headers: ResponseHeaders | null | undefined, length: number): void
  /** Writes the head, if it was not written yet. */
  begin(): void
  /** Writes a piece of content, not empty: bytes, or latin1 text. */
  put(bytes: Buffer | string): void
  /** Writes a piece of content as UTF-8. The texts of one step, between two waits, may be joined. */
  putText(text: string): void
  /** Ends the response. @param trailers fields to send after the content, if the client can be sent any; null: none */
  end(trailers?: ResponseHeaders | null): void
  /** Ends a response that has begun and will not be whole, so that the client notices. */
  abort(): void
  /** Writes the response that ends HTTP on the connection. @throws ResponseError as `upgradeHead` */
  upgrade(request: RespondedRequest, headers: ResponseHeaders): void
  /** Waits until a slow client has read most of what was written. */
  waitForDrain(): Op<void>
  /** Writes the head, if it was not written yet, and waits until everything has left. */
  flush(): Op<void>
}
