import { wait } from '../../../lev/index.js'
import { ArgumentError } from '../../errors.js'
import { show } from '../../config/validators.js'
import type { Context } from '../../request/context.js'
import { isThenable, type Handler, type HandlerResult } from '../../request/handler.js'
import type { Upgrade } from '../../websocket/upgrade.js'
import { resultOf } from './response-result.js'
import { areLight } from './light-globals.js'
import { lightRequest } from './light-request.js'
import { normalUrl } from './normal-url.js'
import { refusal, requestOrigin, requestTarget, serverRequest } from './server-request.js'
import { upgradeOf } from './upgrade-response.js'

export { lightGlobals } from './light-globals.js'
export { upgradeResponse } from './upgrade-response.js'

/** The second argument of an application; in Hono `c.env`. */
export interface FetchEnv {
  /** The context of the request: the client's address, the logger, early hints. */
  readonly ctx: Context
}

/** The third argument of an application; in Hono `c.executionCtx`. */
export interface FetchExecution {
  /** Keeps a stopping server waiting for `work`, as `ctx.detach` does; an error of it is logged. */
  waitUntil(work: Promise<unknown>): void
  /** Does nothing: there is no origin server behind this one. */
  passThroughOnException(): void
  /** Always empty; libraries of other platforms expect it. */
  readonly props: Record<string, never>
}

/** An application of the fetch standard: what Hono, h3, tRPC, GraphQL Yoga and others call `fetch`. */
export type FetchApplication = (request: Request, env: FetchEnv, execution: FetchExecution) => Response | PromiseLike<Response>

/**
 * The handler that serves an application of the fetch standard: `server.new(config, fromFetch(app.fetch))`.
 * @throws ArgumentError if `application` is not a function
 */
export function fromFetch(application: FetchApplication): Handler {
  if (typeof application !== 'function') {
    throw new ArgumentError('application', `fromFetch: application must be a function (request) => Response, got ${show(application)}`)
  }
  return (method, query, args, headers, body, ctx) => {
    const refused = refusal(method, ctx)
    if (refused !== null) return refused
    const origin = requestOrigin(ctx)
    const target = requestTarget(query, args)
    const request = areLight()
      ? lightRequest(method, normalUrl(origin, target), headers, body, ctx)
      : serverRequest(method, origin + target, headers, body, ctx)
    const response = application(request, { ctx }, new Execution(ctx))
    return isThenable(response) ? later(ctx, response) : sent(ctx, response)
  }
}

async function later(ctx: Context, response: PromiseLike<Response>): Promise<HandlerResult> {
  return sent(ctx, await response)
}

function sent(ctx: Context, response: Response): Upgrade | ReturnType<typeof resultOf> {
  return upgradeOf(ctx, response) ?? resultOf(response)
}

class Execution implements FetchExecution {
  readonly #ctx: Context
  readonly props = {}

  constructor(ctx: Context) {
    this.#ctx = ctx
  }

  waitUntil(work: Promise<unknown>): void {
    this.#ctx.detach(() => wait(work))
  }

  passThroughOnException(): void {}
}
