import { ArgumentError, LeveretError } from '../../errors.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'

/** Thrown by a handler of `routes` in place of a response: the client gets `status`, and `message` as the detail of a problem. */
export class HttpError extends LeveretError {
  readonly code = 'LEVERET_HTTP'
  /** The status of the response, from 400 to 599. */
  readonly status: number
  /** Headers of the response. */
  readonly headers: ResponseHeaders
  /** @param message for the client; empty for none. @throws ArgumentError for another status */
  constructor(status: number, message = '', headers: ResponseHeaders = {}, options?: ErrorOptions) {
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new ArgumentError('status', `status: ${String(status)} is not the status of an error, 400 to 599`)
    }
    super(message, options)
    this.status = status
    this.headers = headers
  }
}
