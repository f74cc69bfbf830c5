import { wait, type Op } from '../../lev/index.js'
import type { Context } from './context.js'
import type { RequestHeaders } from '../http1/headers.js'
import type { ResponseHeaders } from '../http1/response.js'
import type { StreamingContent } from '../response/content-source.js'
import type { Upgrade } from '../websocket/upgrade.js'

/** What an answer consists of. A string is sent as UTF-8; null is an answer without content. */
export type Content = string | Uint8Array | StreamingContent | null

/** `[content, status, headers]`: what is not given is null, 200 and none. */
export type AnswerParts = readonly [content?: Content, status?: number, headers?: ResponseHeaders]

/**
 * What a handler returns: `[content, status, headers]`, or just the content; the status is 200 where it says none.
 * `undefined` (or nothing but undefined) means that the handler has answered on `ctx.client` itself. It must be returned: with
 * `void` among the types, a forgotten `return` would compile.
 *
 * `ctx.upgrade(...)` makes a WebSocket of the connection.
 *
 * A bare iterable is not among it, since a generator would be taken for a coroutine: `[iterable]` is.
 */
export type Answer = string | Uint8Array | Exclude<StreamingContent, Iterable<unknown>> | null | undefined | AnswerParts | Upgrade

/**
 * Answers one request. A plain function, a coroutine (`function*`, its operations being `yield*`-ed) or an async function.
 *
 * @param method as sent
 * @param query the path of the target, as sent (percent-encoding and all)
 * @param args the text after `?`, as sent; empty if there is none
 * @param headers by lower-case name; a name sent several times has its values joined
 * @param body null when the request has none
 */
export type Handler = (
  method: string,
  query: string,
  args: string,
  headers: RequestHeaders,
  body: Buffer | null,
  ctx: Context,
) => Answer | Op<Answer> | PromiseLike<Answer | Op<Answer>>

/** Whether a handler's result is a coroutine that is to be run. */
export function isOp(value: unknown): value is Op<Answer> {
  return typeof value === 'object' && value !== null && 'next' in value && 'throw' in value && Symbol.iterator in value
}

/** Whether a handler's result is a promise, or anything else that has a `then`. */
export function isThenable(value: unknown): value is PromiseLike<Answer | Op<Answer>> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * Waits for what a user's function gave, which may be plain, a coroutine or async, and again where that gives something to wait for;
 * gives its value.
 */
export function* settled(result: unknown): Op<unknown> {
  let value = result
  while (isOp(value) || isThenable(value)) value = isOp(value) ? yield* value : yield* wait(value)
  return value
}
