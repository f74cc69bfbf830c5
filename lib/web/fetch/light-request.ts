import { headerEntries, type RequestHeaders } from '../../http1/headers.js'
import type { Context } from '../../request/context.js'
import { finish, Light, makeHeaders, makeReal } from './light.js'
import { serverRequest } from './server-request.js'

/** A Request of which only the parts that were asked for exist. */
export class LightRequest extends Light<Request> {
  readonly #method: string
  readonly #url: string
  readonly #headers: RequestHeaders
  readonly #body: Buffer | null
  readonly #ctx: Context

  /** The arguments are those of `serverRequest`. */
  constructor(method: string, url: string, headers: RequestHeaders, body: Buffer | null, ctx: Context) {
    super(method === 'GET' || method === 'HEAD' ? null : body)
    this.#method = method
    this.#url = url
    this.#headers = headers
    this.#body = body
    this.#ctx = ctx
  }

  get method(): string {
    return this.#method
  }

  get url(): string {
    return this.#url
  }

  get signal(): AbortSignal {
    return this.#ctx.signal
  }

  [makeReal](): Request {
    return serverRequest(this.#method, this.#url, this.#headers, this.#body, this.#ctx)
  }

  [makeHeaders](): Headers {
    return new Headers(headerEntries(this.#headers))
  }
}

finish(LightRequest, Request)

/** A light Request. The arguments are those of `serverRequest`; `url` is a normal one. */
export function lightRequest(method: string, url: string, headers: RequestHeaders, body: Buffer | null, ctx: Context): Request {
  const light: unknown = new LightRequest(method, url, headers, body, ctx)
  return light as Request
}
