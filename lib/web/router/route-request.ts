import type { RequestHeaders } from '../../http1/headers.js'
import type { Context } from '../../request/context.js'

/** What a handler of `routes` gets: a request, by names. */
export class RouteRequest<Params = Readonly<Record<string, string | undefined>>, Query = URLSearchParams, Body = Buffer | null> {
  /** As sent. */
  readonly method: string
  /** The path as sent, still percent-encoded. */
  readonly path: string
  /** The text after `?`, as sent; empty if there is none. */
  readonly args: string
  /** The parameters of the path, percent-decoded. */
  readonly params: Params
  /** By lower-case name. */
  readonly headers: RequestHeaders
  /** The content: a Buffer, or null when the request has none. */
  readonly body: Body
  /** Everything else about the request. */
  readonly ctx: Context
  #query: Query | null

  /** @internal @param query null: made of `args` when it is asked for */
  constructor(method: string, path: string, args: string, params: Params, headers: RequestHeaders, body: Body, ctx: Context, query: NoInfer<Query> | null) {
    this.method = method
    this.path = path
    this.args = args
    this.params = params
    this.headers = headers
    this.body = body
    this.ctx = ctx
    this.#query = query
  }

  /** The parameters after `?`. */
  get query(): Query {
    return (this.#query ??= new URLSearchParams(this.args) as Query)
  }
}
