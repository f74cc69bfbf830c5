import type { Op } from '../../../lev/index.js'
import { instanceOf } from '../../../lev/internal.js'
import { asArguments, optionsOf } from '../../config/arguments.js'
import type { CheckedLimits } from '../../config/limits.js'
import { typeName } from '../../config/validators.js'
import { ArgumentError, BodyError, StateError } from '../../errors.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import { Context } from '../../request/context.js'
import { isOp, isThenable, settled, type Handler, type HandlerResult } from '../../request/handler.js'
import { isEndOfRequest } from '../../request/late-result.js'
import { chooserOf, withChooser, type RouteChoice, type RouteChooser } from '../../request/route-choice.js'
import { noteTable } from './description.js'
import { HttpError, ValidationError } from './http-error.js'
import { Matcher, type Match, type Mismatch } from './matcher.js'
import { problem } from './responses.js'
import { RouteRequest } from './route-request.js'
import { readTable, type RouteHandler, type Routes, type Wrapper } from './table.js'

type Result = ReturnType<Handler>

/** Options of `routes`. */
export interface RoutesOptions {
  /**
   * Responds to an error: one that a handler or a wrapper has thrown, or the HttpError of a request that no handler gets (400, 404,
   * 405, 414) or whose content cannot be read (400, 408, 413, 415). It may throw: an HttpError becomes its response, anything else a
   * 500. It is not told of errors that come from the end of a request, such as the AbortError of `ctx.signal`.
   */
  readonly onError?: ((error: unknown, request: RouteRequest) => ReturnType<Handler>) | null | undefined
}

/** What serves a route. */
interface Target {
  readonly handle: RouteHandler
  /** Its handler in its wrappers; null if it has none. */
  readonly wrapped: Handler | null
  /** Its path in the table. */
  readonly route: string
  readonly limits: CheckedLimits | null
  /** The routes that its handler consists of; null if it does not. */
  readonly inner: RouteChooser | null
}

/**
 * A handler that calls the handler of the route which fits a request. Keys are `'METHOD /path'`, with `:name` for a segment and
 * `*` at the end for the rest; a key without a method gives all methods of a path to an ordinary handler.
 * @throws ArgumentError for a key that is malformed, or fits the same requests as another
 */
export function routes<Key extends string>(table: Routes<Key>, options: RoutesOptions = {}): Handler {
  const onError = errorHandlerOf(options)
  const matcher = new Matcher<Target>()
  // The routes of requests that are with its wrappers.
  const matched = new WeakMap<Context, { readonly handle: RouteHandler, readonly params: RouteRequest['params'] }>()
  // Errors that `onError` has had already, and that wrappers have passed on.
  const told = new WeakSet()

  function failed(given: unknown, request: RouteRequest): Result {
    if (isEndOfRequest(given) && request.ctx.signal.aborted) throw given
    const error = instanceOf(given, BodyError) ? new HttpError(given.status, given.reason, {}, { cause: given }) : given
    if (onError === null || (typeof error === 'object' && error !== null && told.has(error))) return responseTo(error)
    if (typeof error === 'object' && error !== null) told.add(error)
    let result: Result
    try {
      result = onError(error, request)
    } catch (again) {
      return responseTo(again)
    }
    return guarded(result, responseTo)
  }

  function call(handle: RouteHandler, request: RouteRequest): Result {
    let result: Result
    try {
      result = handle(request)
    } catch (error) {
      return failed(error, request)
    }
    return isOp(result) || isThenable(result) ? guarded(result, (error) => failed(error, request)) : result
  }

  const behindWrappers: Handler = (method, path, args, headers, body, ctx) => {
    const { handle, params } = matched.get(ctx) ?? lost()
    return call(handle, new RouteRequest(method, path, args, params, headers, body, ctx, null))
  }

  const entries = readTable(table)
  let hasLimits = false
  for (const { handle: given, wrappers, limits, ...key } of entries) {
    const inner = chooserOf(given as Handler)
    if (key.method !== null && inner !== null) {
      throw new ArgumentError('table', `table: ${JSON.stringify(key.key)}: what \`routes\` returns belongs under a key without a method, ${JSON.stringify(key.path)}`)
    }
    if (limits !== null && inner?.hasLimits === true) {
      throw new ArgumentError('table', `table: ${JSON.stringify(key.key)} has limits, and so have the routes that it leads to`)
    }
    hasLimits ||= limits !== null || inner?.hasLimits === true
    const handle = key.method === null ? spread(given as Handler) : given as RouteHandler
    const wrapped = wrappers.length === 0 ? null : wrappers.reduceRight((inner, wrapper) => wrappedBy(wrapper, inner, key.key), behindWrappers)
    matcher.add(key, { handle, wrapped, route: key.path, limits, inner })
  }

  /** Calls `handle` for a request that fits `target`. */
  function serve(wrapped: Handler | null, handle: RouteHandler, request: RouteRequest): Result {
    if (wrapped === null) return call(handle, request)
    const { method, path, args, params, headers, body, ctx } = request
    matched.set(ctx, { handle, params })
    return call(() => wrapped(method, path, args, headers, body, ctx), request)
  }

  // Without `onError` no error is made: its stack would be most of the cost, and scanners cause many.
  function refused(status: number, headers: ResponseHeaders, request: RouteRequest): Result {
    return onError === null ? problem({ status }, headers) : failed(new HttpError(status, '', headers), request)
  }

  /** Responds to a request that fits no route, or only those of other methods. */
  function mismatched(status: Mismatch, request: RouteRequest): Result {
    const { method, path } = request
    const allowed = status === 404 ? matcher.allowed(path) : []
    if (allowed.length === 0) return refused(status, {}, request)
    const headers = { Allow: allowed.join(', ') }
    if (method !== 'OPTIONS') return refused(405, headers, request)
    const other = matcher.find(allowed[0], path)
    return serve(typeof other === 'number' ? null : other.value.wrapped, () => [null, 204, headers], request)
  }

  // What `choose` has found, for the call of the handler that follows, if no other request comes between.
  let foundMethod = ''
  let foundPath = ''
  let lastFound: Match<Target> | Mismatch | null = null

  function choose(method: string, path: string): RouteChoice | null {
    const found = lastFound = matcher.find(foundMethod = method, foundPath = path)
    if (typeof found === 'number') return null
    const { inner, limits } = found.value
    const choice = inner?.choose(method, path) ?? found.value
    return choice.limits === null && limits !== null ? { route: choice.route, limits } : choice
  }

  function find(method: string, path: string): Match<Target> | Mismatch {
    const found = path === foundPath && method === foundMethod ? lastFound : null
    // The parameters belong to one request.
    lastFound = null
    return found ?? matcher.find(method, path)
  }

  const handler: Handler = (method, path, args, headers, body, ctx) => {
    const found = find(method, path)
    if (typeof found === 'number') return mismatched(found, new RouteRequest(method, path, args, {}, headers, body, ctx, null))
    const { handle, wrapped, route, limits } = found.value
    if (limits !== null && Context.limits(ctx) !== limits) throw new StateError(`the limits of ${method} ${route} do not hold: ${passOn}`)
    ctx.route = route
    return serve(wrapped, handle, new RouteRequest(method, path, args, found.params, headers, body, ctx, null))
  }
  const chooser = { hasLimits, choose }
  noteTable(chooser, entries)
  return withChooser(handler, chooser)
}

const passOn = 'give the handler that `routes` returns to the server itself, or wrap it with `wrap`'

function errorHandlerOf(options: RoutesOptions): NonNullable<RoutesOptions['onError']> | null {
  const onError = asArguments(() => optionsOf(options, 'options', 'an object of options', ['onError'])).get('onError') ?? null
  if (onError !== null && typeof onError !== 'function') throw new ArgumentError('onError', `onError must be a function, got ${typeName(onError)}`)
  return onError as NonNullable<RoutesOptions['onError']> | null
}

/** An ordinary handler as that of a route. */
function spread(handler: Handler): RouteHandler {
  return ({ method, path, args, headers, body, ctx }) => handler(method, path, args, headers, body, ctx)
}

function wrappedBy(wrapper: Wrapper, handler: Handler, key: string): Handler {
  const wrapped: unknown = wrapper(handler)
  if (typeof wrapped !== 'function') throw new ArgumentError('table', `table: ${JSON.stringify(key)}: a wrapper has to return a handler, got ${typeName(wrapped)}`)
  return wrapped as Handler
}

function lost(): never {
  throw new ArgumentError('ctx', 'ctx: a wrapper gave its handler that of another request')
}

/** Gives the error of a coroutine or a promise to `failed`. */
function guarded(result: Result, failed: (error: unknown) => Result): Result {
  if (isOp(result)) return guardedOp(result, failed)
  if (!isThenable(result)) return result
  const mapped = Promise.resolve(result).then((value): unknown => isOp(value) ? guardedOp(value, failed) : value, failed)
  return mapped as Promise<HandlerResult>
}

function* guardedOp(op: Op<HandlerResult>, failed: (error: unknown) => Result): Op<HandlerResult> {
  try {
    return (yield* settled(op)) as HandlerResult
  } catch (error) {
    return (yield* settled(failed(error))) as HandlerResult
  }
}

/** The response to an HttpError. @throws any other error on */
function responseTo(error: unknown): HandlerResult {
  if (!instanceOf(error, HttpError)) throw error
  const members = { status: error.status, detail: error.message === '' ? null : error.message }
  return problem(instanceOf(error, ValidationError) ? { ...members, errors: error.errors } : members, error.headers)
}
