import { show } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import { Context } from '../../request/context.js'

/** What is used of Hono's `c`. */
export interface HonoContext {
  readonly req: { readonly url: string }
  readonly env: unknown
}

/** The context of the request that `c` belongs to. @throws ArgumentError if the application has other bindings */
export function contextOf(c: HonoContext): Context {
  const ctx = (c.env as { readonly ctx?: unknown } | null | undefined)?.ctx
  if (ctx instanceof Context) return ctx
  throw new ArgumentError('env', `c.env.ctx must be that of fromFetch(app.fetch), got ${show(ctx)}`)
}
