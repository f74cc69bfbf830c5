import type { Op } from '../../lev/index.js'
import type { HeaderValue } from '../http1/response.js'

/** What a `function* (out)` writes its content to. */
export interface Out {
  /** Aborts when the server begins to stop: the moment to end content that would go on for ever. The same as `ctx.draining`. */
  readonly draining: AbortSignal
  /**
   * Sends a piece of content, and waits while the client is behind. A string is sent as UTF-8. Bytes are not copied and
   * must not be changed afterwards. What is written in one step, between two waits, leaves in one write.
   * @throws ResponseError if it is no piece, or is more than Content-Length announced; StateError when the answer is over
   */
  write(piece: string | Uint8Array): Op<void>
  /** Sends the head, if it has not left yet, and waits until all that was written has left. @throws StateError */
  flush(): Op<void>
  /**
   * Sets fields to send behind the content, in addition to those set before. They are sent where the content is chunked,
   * which it is for clients of HTTP/1.1 unless Content-Length is given; else they are dropped, as clients may do, too.
   * @throws ResponseError for a name or value that cannot be sent, or a field that has no place there (RFC 9110 6.5.1)
   */
  trailers(fields: Readonly<Record<string, HeaderValue>>): void
}
