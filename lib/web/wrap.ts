import { wait, type Op, type Suspension } from '../../lev/index.js'
import { typeName } from '../config/validators.js'
import { ArgumentError } from '../errors.js'
import type { RequestHeaders } from '../http1/headers.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import { Context } from '../request/context.js'
import { isOp, isThenable, type Content, type Handler, type HandlerResult, type ResponseParts } from '../request/handler.js'
import { dropLate, markHandled } from '../request/late-result.js'
import { chooserOf, withChooser } from '../request/route-choice.js'
import { cancelContent } from '../response/content-source.js'
import { contentOf } from '../response/send-response.js'
import { Upgrade } from '../websocket/upgrade.js'

/** The arguments of a handler, for a wrapper. The handler gets what the wrapper changes in them. */
export interface WrappedRequest {
  /** As sent. */
  method: string
  /** The path of the target, as sent. */
  query: string
  /** The text after `?`, as sent; empty if there is none. */
  args: string
  /** By lower-case name. */
  headers: RequestHeaders
  /** Null when the request has none. */
  body: Buffer | null
  /** Everything else about the request. */
  readonly ctx: Context
}

/** The response of a handler, with all its parts. */
export type WrappedResponse = readonly [content: Content, status: number, headers: ResponseHeaders]

/**
 * Calls the wrapped handler.
 *
 * @param after gets its response, when it is there, and returns the one to send. It is not called for a WebSocket, nor for a
 * handler that has responded on `ctx.client` itself. Content that it does not pass on is its to close
 * @param failed gets the handler's error, and returns a response in its place or throws; by default the error is thrown on
 */
export type Next = (
  after?: ((response: WrappedResponse) => ReturnType<Handler>) | null,
  failed?: ((error: unknown) => ReturnType<Handler>) | null,
) => ReturnType<Handler>

/** Runs in place of a handler: returns a response of its own, or `next()`. A plain function, a coroutine or async. */
export type Around = (
  request: WrappedRequest, next: Next,
) => ReturnType<Handler> | Op<ReturnType<Handler>> | PromiseLike<ReturnType<Handler>>

/**
 * Makes a handler that runs `around` in place of `handler`. Each of them, and what is given to `next`, may be a plain function, a
 * coroutine or async; where none of them waits, nothing does.
 * @throws ArgumentError if one of the two is no function
 */
export function wrap(handler: Handler, around: Around): Handler {
  for (const [name, given] of Object.entries({ handler, around })) {
    if (typeof given !== 'function') throw new ArgumentError(name, `${name} must be a function, got ${typeName(given)}`)
  }
  const wrapped: Handler = (method, query, args, headers, body, ctx) => {
    const request: WrappedRequest = { method, query, args, headers, body, ctx }
    // The server settles results that are again coroutines or promises.
    return around(request, (after, failed) => {
      const { method, query, args, headers, body } = request
      return call(request, () => handler(method, query, args, headers, body, ctx), after, failed)
    }) as ReturnType<Handler>
  }
  return withChooser(wrapped, chooserOf(handler))
}

type After = Parameters<Next>[0]
type Failed = Parameters<Next>[1]
type Result = ReturnType<Handler>

function call(request: WrappedRequest, handle: () => Result, after: After, failed: Failed): Result {
  let result: Result
  try {
    result = handle()
  } catch (error) {
    if (!failed) throw error
    return failed(error)
  }
  // Operations of lev are thenable too.
  if (isOp(result)) return after || failed ? settle(request, result, after, failed) : result
  if (isThenable(result)) return after || failed ? later(request, result, after, failed) : result
  return after ? respond(request, result, after) : result
}

/**
 * The promise of an async handler stays a promise: waiting for it costs the server half as much as a coroutine. Nothing of the
 * wrapper is called once the server waits no longer; the server then closes or logs what the promise gives.
 */
function later(request: WrappedRequest, result: PromiseLike<HandlerResult | Op<HandlerResult>>, after: After, failed: Failed): Promise<HandlerResult | Op<HandlerResult>> {
  const over = (): boolean => Context.isOver(request.ctx)
  return markHandled(Promise.resolve(result).then(
    (value): Result => {
      if (over()) return value
      if (isOp(value)) return settle(request, value, after, failed)
      return after ? respond(request, value, after) : value
    },
    (error: unknown): Result => {
      if (!failed || over()) throw error
      return failed(error)
    },
  ))
}

/** Waits for the handler's result. */
function* settle(request: WrappedRequest, pending: Op<HandlerResult> | Promise<unknown>, after: After, failed: Failed): Op<HandlerResult> {
  let result: HandlerResult
  try {
    result = yield* resultOf(request, pending)
  } catch (error) {
    if (!failed) throw error
    return yield* resultOf(request, failed(error))
  }
  return after ? yield* resultOf(request, respond(request, result, after)) : result
}

/** Settles a result, and again while it is a coroutine or a promise. */
function* resultOf(request: WrappedRequest, pending: unknown): Op<HandlerResult> {
  let result = pending
  while (isOp(result) || isThenable(result)) result = isOp(result) ? yield* result : yield* arriving(request, markHandled(result))
  return result as HandlerResult
}

/** Waits for a promise, whose value is closed if the wait is cancelled. */
function* arriving(request: WrappedRequest, promise: Promise<unknown>): Op<unknown> {
  let cancelled = true
  try {
    const value = yield* wait(promise)
    cancelled = false
    return value
  } catch (error) {
    cancelled = false
    throw error
  } finally {
    if (cancelled) drop(request, promise)
  }
}

/** Closes a result that is not sent, when it is there. */
function drop({ method, query, ctx }: WrappedRequest, result: unknown): void {
  if (result instanceof Promise) dropLate(result, ctx.logger, { method, query })
  else cancelContent(result)
}

const nothing: Suspension = { arm() {}, disarm() {} }

/**
 * An operation that calls `unused` if it is closed before it is run: an async wrapper may return it when the client has left.
 * It has begun already, since closing a generator that has not begun runs no `finally`.
 */
function ready<T>(work: Op<T>, unused: () => void): Op<T> {
  const operation = (function* (): Op<T> {
    let run = false
    try {
      yield nothing
      run = true
    } finally {
      if (!run) unused()
    }
    return yield* work
  })()
  operation.next()
  return operation
}

/** Gives a response to `after`; its content is closed unless `after` returns. */
function respond(request: WrappedRequest, result: HandlerResult, after: NonNullable<After>): Result {
  const response = partsOf(result)
  if (response === null) return result
  let replaced: Result
  try {
    replaced = after(response)
  } catch (error) {
    cancelContent(result)
    throw error
  }
  if (!isOp(replaced) && !isThenable(replaced)) return replaced
  const pending = isOp(replaced) ? replaced : markHandled(replaced)
  return ready(guarded(request, result, pending), () => {
    cancelContent(result)
    drop(request, pending)
  })
}

function* guarded(request: WrappedRequest, result: HandlerResult, pending: unknown): Op<HandlerResult> {
  let whole = false
  try {
    const replaced = yield* resultOf(request, pending)
    whole = true
    return replaced
  } finally {
    if (!whole) cancelContent(result)
  }
}

/** The parts of a response; null if there is none, or a WebSocket. @throws ResponseError for a bare iterable */
function partsOf(result: HandlerResult): WrappedResponse | null {
  if (result === undefined || result instanceof Upgrade) return null
  if (!Array.isArray(result)) return [contentOf(result) as Content, 200, {}]
  const [content, status, headers] = result as ResponseParts
  if (content === undefined && status === undefined && headers === undefined) return null
  return [content ?? null, status ?? 200, headers ?? {}]
}
