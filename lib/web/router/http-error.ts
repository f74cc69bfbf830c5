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

/** One thing that is wrong with a request. */
export interface InvalidPart {
  /** The part of the request. */
  readonly in: 'params' | 'query' | 'body'
  /** Where in that part: a JSON pointer (RFC 6901) as a fragment, such as `#/items/0/title`. */
  readonly pointer: string
  /** What is wrong. */
  readonly detail: string
}

/** A request does not fit the schemas of its route: a 422, whose problem has `errors`. */
export class ValidationError extends HttpError {
  /** All that is wrong. */
  readonly errors: readonly InvalidPart[]
  constructor(errors: readonly InvalidPart[]) {
    super(422, 'the request is not valid')
    this.errors = errors
  }
}
