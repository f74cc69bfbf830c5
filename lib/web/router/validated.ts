import type { Op } from '../../../lev/index.js'
import { asArguments, optionsOf } from '../../config/arguments.js'
import { typeName } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import { isThenable, settled, type Handler, type HandlerResult } from '../../request/handler.js'
import { markHandled } from '../../request/late-result.js'
import { parseContent, type ParsedContent } from './content.js'
import { checkDescription, describe, descriptionNames, type RouteDescription } from './description.js'
import { ValidationError, type InvalidPart } from './http-error.js'
import { withLists } from './lists.js'
import { queryValues } from './query-values.js'
import { RouteRequest } from './route-request.js'
import { isSchema, type SchemaIssue, type SchemaResult, type StandardSchema } from './standard-schema.js'
import type { RouteHandler } from './table.js'

/** The schemas of a route; what has none is not validated. */
export interface Schemas {
  /** Of the content, which must be JSON, or a form if there is a schema of one. */
  readonly body?: StandardSchema | null | undefined
  /**
   * Of content that is a form, urlencoded or multipart: strings and `File`s by name, an array for a name that was sent several times,
   * or of which the schema takes arrays alone.
   * The handler gets it as `body`.
   */
  readonly form?: StandardSchema | null | undefined
  /** Of the parameters after `?`: strings by name; an array as in `form`. */
  readonly query?: StandardSchema | null | undefined
  /** Of the parameters of the path, strings by name. */
  readonly params?: StandardSchema | null | undefined
}

type OutputOr<Schema, Otherwise> = Schema extends { readonly '~standard': { readonly types?: infer Types } }
  ? NonNullable<Types> extends { readonly output: infer Output } ? Output : Otherwise
  : Otherwise

/** The content as it reaches the handler: that of one schema or the other, or as it came if there is none. */
type Content<Given extends Schemas> = Given['body'] extends StandardSchema
  ? OutputOr<Given['body'], unknown> | (Given['form'] extends StandardSchema ? OutputOr<Given['form'], unknown> : never)
  : OutputOr<Given['form'], Buffer | null>

type Validated<Given extends Schemas, Params> =
  RouteHandler<OutputOr<Given['params'], Params>, OutputOr<Given['query'], URLSearchParams>, Content<Given>>

/**
 * A handler of a route that gets `params`, `query` and `body` as its schemas return them. A request that does not fit gets 422
 * with what is wrong, at most 100 things; one whose content is neither JSON nor a form, as there is a schema of, 415, or 400 if it is malformed. If no
 * schema returns a promise, and the content is no form, nothing waits.
 * @param schemas with what a document (`leveret/openapi`) says of the route
 * @throws ArgumentError for a member that is unknown, or is not a schema
 */
export function validated<const Given extends Schemas & RouteDescription, Params = Readonly<Record<string, string | undefined>>>(
  schemas: Given, handler: Validated<Given, Params>,
): RouteHandler<Params> {
  if (typeof handler !== 'function') throw new ArgumentError('handler', `handler must be a function, got ${typeName(handler)}`)
  checkSchemas(schemas)
  const handle = handler as RouteHandler<unknown, unknown, unknown>
  const accepted = { json: Boolean(schemas.body), form: Boolean(schemas.form) }
  const hasContent = accepted.json || accepted.form
  const isOpen = !hasContent && !schemas.query && !schemas.params
  return describe((request: RouteRequest<Params>) => {
    if (isOpen) return handle(request)
    const content = hasContent ? parseContent(accepted, request) : null
    if (content === null || 'kind' in content) return check(schemas, request, content, handle)
    return whenRead(content, (read) => check(schemas, request, read, handle))
  }, schemas)
}

const schemaNames = Object.keys({ body: 0, form: 0, query: 0, params: 0 } satisfies Record<keyof Schemas, 0>)

/** @throws ArgumentError for a member that is unknown, or is not a schema or a description */
function checkSchemas(given: object): void {
  const fields = asArguments(() => {
    const fields = optionsOf(given, 'schemas', 'an object of schemas', [...schemaNames, ...descriptionNames])
    checkDescription(fields)
    return fields
  })
  for (const name of schemaNames) {
    const schema = fields.get(name)
    if (schema === undefined || isSchema(schema)) continue
    throw new ArgumentError(name, `${name} must be a schema that implements Standard Schema, got ${typeName(schema)}`)
  }
}

function* whenRead(reading: Op<ParsedContent>, then: (content: ParsedContent) => ReturnType<Handler>): Op<HandlerResult> {
  return (yield* settled(then(yield* reading))) as HandlerResult
}

type Place = InvalidPart['in']
type Result = SchemaResult<unknown>

function check(
  schemas: Schemas, request: RouteRequest<unknown>, parsed: ParsedContent | null, handle: RouteHandler<unknown, unknown, unknown>,
): ReturnType<Handler> {
  const params = validate(schemas.params, () => request.params)
  const query = validate(schemas.query, (schema) => withLists(queryValues(request.args), schema))
  const content = parsed === null ? null
    : parsed.kind === 'json' ? validate(schemas.body, () => parsed.value)
    : validate(schemas.form, (schema) => withLists(parsed.value as Record<string, unknown>, schema))
  const call = (params: Result | null, query: Result | null, content: Result | null): ReturnType<Handler> => {
    if (params?.issues || query?.issues || content?.issues) {
      throw new ValidationError(invalidParts([['params', params], ['query', query], ['body', content]]))
    }
    const { method, path, args, headers, ctx } = request
    return handle(new RouteRequest<unknown, unknown, unknown>(
      method, path, args, valueOr(params, request.params), headers, valueOr(content, request.body), ctx, valueOr(query, null),
    ))
  }
  if (!isThenable(params) && !isThenable(query) && !isThenable(content)) return call(params as Result | null, query as Result | null, content as Result | null)
  return Promise.all([params, query, content]).then(([params, query, content]) => call(params, query, content)) as Promise<HandlerResult>
}

/** Null without a schema. */
function validate(schema: StandardSchema | null | undefined, value: (schema: StandardSchema) => unknown): Result | Promise<Result> | null {
  const result = schema ? schema['~standard'].validate(value(schema)) : null
  return isThenable(result) ? markHandled(result) as Promise<Result> : result
}

function valueOr(result: Result | null, otherwise: unknown): unknown {
  return result !== null && 'value' in result ? result.value : otherwise
}

/** Most parts that a response lists, and most characters of them but for the last: else a list of numbers in place of texts would make it fifty times as large. */
const mostParts = 100
const mostCharacters = 64 * 1024

function invalidParts(results: readonly (readonly [Place, Result | null])[]): InvalidPart[] {
  const parts: InvalidPart[] = []
  let characters = 0
  for (const [place, result] of results) {
    for (const { message, path } of (result?.issues ?? []) as Iterable<SchemaIssue>) {
      if (parts.length === mostParts || characters > mostCharacters) return parts
      const pointer = pointerOf(path ?? [])
      characters += pointer.length + message.length
      parts.push({ in: place, pointer, detail: message })
    }
  }
  return parts
}

/** A JSON pointer (RFC 6901) as a fragment, as in the examples of RFC 9457. */
function pointerOf(path: NonNullable<SchemaIssue['path']>): string {
  // Not `path.map`: the paths of arktype are of a class that cannot be made so.
  const keys = Array.from(path, (part) => String(typeof part === 'object' ? part.key : part))
  return `#${keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`
}
