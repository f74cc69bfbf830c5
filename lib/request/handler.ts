import { wait, type Op } from '../../lev/index.js'
import type { Context } from './context.js'
import type { RequestHeaders } from '../http1/headers.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import type { StreamingContent } from '../response/content-source.js'
import type { Upgrade } from '../websocket/upgrade.js'

/** The content of a response. A string is sent as UTF-8; null is a response without content. */
export type Content = string | Uint8Array | StreamingContent | null

/** `[content, status, headers]`: by default null, 200 and none. */
export type ResponseParts = readonly [content?: Content, status?: number, headers?: ResponseHeaders]

/**
 * A handler's return value: `[content, status, headers]`, or just the content, with status 200 by default. `undefined`, or a list
 * of nothing else, means that the handler has responded on `ctx.client` itself. It must be returned: if the type included `void`,
 * a forgotten `return` would compile.
 *
 * `ctx.upgrade(...)` turns the connection into a WebSocket.
 *
 * A bare iterable is excluded, since a generator would be taken for a coroutine; return `[iterable]`.
 */
export type HandlerResult = string | Uint8Array | Exclude<StreamingContent, Iterable<unknown>> | null | undefined | ResponseParts | Upgrade

/**
 * Responds to one request: a plain function, a coroutine (a `function*` that `yield*`s its operations) or an async function.
 *
 * @param method as sent
 * @param query the path of the target, as sent (still percent-encoded)
 * @param args the text after `?`, as sent; empty if there is none
 * @param headers by lower-case name; the values of a repeated name are joined
 * @param body null when the request has none
 */
export type Handler = (
  method: string,
  query: string,
  args: string,
  headers: RequestHeaders,
  body: Buffer | null,
  ctx: Context,
) => HandlerResult | Op<HandlerResult> | PromiseLike<HandlerResult | Op<HandlerResult>>

/** Whether a handler's result is a coroutine to run. */
export function isOp(value: unknown): value is Op<HandlerResult> {
  return typeof value === 'object' && value !== null && 'next' in value && 'throw' in value && Symbol.iterator in value
}

/** Whether a handler's result is a promise or another object with a `then` method. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * Resolves the result of a user's function, which may be plain, a coroutine or async, to a value; repeats while that is again
 * a coroutine or a promise.
 */
export function* settled(result: unknown): Op<unknown> {
  let value = result
  while (isOp(value) || isThenable(value)) value = isOp(value) ? yield* value : yield* wait(value)
  return value
}
