import { isUtf8 } from 'node:buffer'
import type { Op } from '../../../lev/index.js'
import { typeName } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import { mediaTypeOf } from '../../http1/parameters.js'
import { isThenable, settled, type Handler, type HandlerResult } from '../../request/handler.js'
import { describe, type RouteDescription } from './description.js'
import { HttpError, ValidationError, type InvalidPart } from './http-error.js'
import { RouteRequest } from './route-request.js'
import type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.js'
import type { RouteHandler } from './table.js'

/** The schemas of a route; what has none is not validated. */
export interface Schemas {
  /** Of the content, which must be JSON. */
  readonly body?: StandardSchema | null | undefined
  /** Of the parameters after `?`: strings by name, an array for a name that was sent several times. */
  readonly query?: StandardSchema | null | undefined
  /** Of the parameters of the path, strings by name. */
  readonly params?: StandardSchema | null | undefined
}

type OutputOr<Schema, Otherwise> = Schema extends { readonly '~standard': { readonly types?: infer Types } }
  ? NonNullable<Types> extends { readonly output: infer Output } ? Output : Otherwise
  : Otherwise

type Validated<Given extends Schemas, Params> =
  RouteHandler<OutputOr<Given['params'], Params>, OutputOr<Given['query'], URLSearchParams>, OutputOr<Given['body'], Buffer | null>>

/**
 * A handler of a route that gets `params`, `query` and `body` as its schemas return them. A request that does not fit gets 422
 * with all that is wrong; one whose content is not JSON 415, or 400. If no schema returns a promise, nothing waits.
 * @param schemas with what a document (`leveret/openapi`) says of the route
 */
export function validated<const Given extends Schemas & RouteDescription, Params = Readonly<Record<string, string | undefined>>>(
  schemas: Given, handler: Validated<Given, Params>,
): RouteHandler<Params> {
  if (typeof handler !== 'function') throw new ArgumentError('handler', `handler must be a function, got ${typeName(handler)}`)
  const handle = handler as RouteHandler<unknown, unknown, unknown>
  const isOpen = !schemas.body && !schemas.query && !schemas.params
  return describe((request: RouteRequest<Params>) => {
    if (isOpen) return handle(request)
    const { body, headers, ctx } = request
    const isLeft = schemas.body && body === null && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
    return isLeft ? readFirst(ctx.body.bytes(), (bytes) => check(schemas, request, bytes, handle)) : check(schemas, request, body, handle)
  }, schemas)
}

/** Reads content that was not buffered. */
function* readFirst(reading: Op<Buffer>, then: (bytes: Buffer) => ReturnType<Handler>): Op<HandlerResult> {
  return (yield* settled(then(yield* reading))) as HandlerResult
}

type Place = InvalidPart['in']
type Result = SchemaResult<unknown>

function check(
  schemas: Schemas, request: RouteRequest<unknown>, body: Buffer | null, handle: RouteHandler<unknown, unknown, unknown>,
): ReturnType<Handler> {
  const params = validate(schemas.params, () => request.params)
  const query = validate(schemas.query, () => namedValues(request.query))
  const content = validate(schemas.body, () => jsonOf(body, request.headers['content-type']))
  const call = (params: Result | null, query: Result | null, content: Result | null): ReturnType<Handler> => {
    const wrong = [...invalid('params', params), ...invalid('query', query), ...invalid('body', content)]
    if (wrong.length > 0) throw new ValidationError(wrong)
    const { method, path, args, headers, ctx } = request
    return handle(new RouteRequest<unknown, unknown, unknown>(
      method, path, args, valueOr(params, request.params), headers, valueOr(content, body), ctx, valueOr(query, null),
    ))
  }
  if (!isThenable(params) && !isThenable(query) && !isThenable(content)) return call(params as Result | null, query as Result | null, content as Result | null)
  return Promise.all([params, query, content]).then(([params, query, content]) => call(params, query, content)) as Promise<HandlerResult>
}

/** Null without a schema. */
function validate(schema: StandardSchema | null | undefined, value: () => unknown): Result | Promise<Result> | null {
  return schema ? schema['~standard'].validate(value()) : null
}

function valueOr(result: Result | null, otherwise: unknown): unknown {
  return result !== null && 'value' in result ? result.value : otherwise
}

function invalid(place: Place, result: Result | null): InvalidPart[] {
  return (result?.issues ?? []).map(({ message, path }: SchemaIssue) => ({ in: place, pointer: pointerOf(path ?? []), detail: message }))
}

/** A JSON pointer (RFC 6901) as a fragment, as in the examples of RFC 9457. */
function pointerOf(path: NonNullable<SchemaIssue['path']>): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part))
  return `#${keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`
}

/** The parameters by name, without inherited members. */
function namedValues(query: URLSearchParams): Record<string, string | string[]> {
  const values = Object.create(null) as Record<string, string | string[]>
  for (const [name, value] of query) {
    const earlier: string | string[] | undefined = values[name]
    values[name] = earlier === undefined ? value : [earlier, value].flat()
  }
  return values
}

const JSON_TYPE = /^application\/(?:[^/]+\+)?json$/

/** Content as JSON; undefined if there is none. @throws HttpError */
function jsonOf(body: Buffer | null, contentType: string | undefined): unknown {
  if (body === null || body.length === 0) return undefined
  if (!JSON_TYPE.test(mediaTypeOf(contentType).type)) throw new HttpError(415, 'the content has to be JSON', { Accept: 'application/json' })
  if (!isUtf8(body)) throw new HttpError(400, 'the content is not UTF-8')
  try {
    return JSON.parse(body.toString()) as unknown
  } catch (error) {
    throw new HttpError(400, 'the content is not JSON', {}, { cause: error })
  }
}
