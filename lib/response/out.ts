import type { Op } from '../../lev/index.js'
import type { HeaderValue } from '../http1/response-headers.js'

/** The writer that a `function* (out)` sends its content with. */
export interface Out {
  /** Aborts when the server begins to stop: the moment to end content that has no end of its own. The same as `ctx.draining`. */
  readonly draining: AbortSignal
  /**
   * Sends a piece of content, and waits while the client is behind. A string is sent as UTF-8. Bytes are not copied and
   * must not be changed afterwards. All pieces of one step, between two waits, leave in one write.
   * @throws ResponseError if it is not a string or bytes, or exceeds Content-Length; StateError after the end of the response
   */
  write(piece: string | Uint8Array): Op<void>
  /** Sends the head, if it is not sent yet, and waits until everything written is sent. @throws StateError as `write` */
  flush(): Op<void>
  /**
   * Sets fields to send after the content, in addition to those set before. They are sent with chunked content, which HTTP/1.1
   * clients get unless Content-Length is given, and dropped otherwise; clients may drop them too.
   * @throws ResponseError for a name or value that cannot be sent, or a field that is not allowed there (RFC 9110 6.5.1);
   * StateError as `write`
   */
  trailers(fields: Readonly<Record<string, HeaderValue>>): void
}
