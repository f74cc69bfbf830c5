import { fieldsOf, boolean, listOf, refuse, text, type Check } from '../../config/validators.js'
import { optionsOf } from '../../config/arguments.js'
import type { Handler } from '../../request/handler.js'
import { chooserOf, type RouteChooser } from '../../request/route-choice.js'
import { isSchema, type StandardSchema } from './standard-schema.js'
import type { ReadKey, RouteHandler, RouteParts, Wrapper } from './table.js'

/** What a document of the routes (`leveret/openapi`) says of one; requests are served alike with it and without. */
export interface RouteDescription {
  /** What the route does, in a few words. */
  readonly summary?: string | null | undefined
  /** What it does, at length; may be Markdown. */
  readonly description?: string | null | undefined
  /** Names of the groups that it belongs to. */
  readonly tags?: readonly string[] | null | undefined
  /** Its name in programs that are generated from the document; by default made of the method and path. */
  readonly operationId?: string | null | undefined
  /** Whether clients should stop using it. Default: false. */
  readonly deprecated?: boolean | null | undefined
  /** Whether the document leaves it out. Default: false. */
  readonly hidden?: boolean | null | undefined
  /** What a client must have, by names of `components.securitySchemes`: any one of the objects, with all of its members. */
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[] | null | undefined
  /** Its responses by status: the schema of the JSON, or only what the response means. */
  readonly responses?: Readonly<Record<number, StandardSchema | string | ResponseDescription>> | null | undefined
}

const security: Check<unknown> = (value, key) => {
  const isList = Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one))
  return isList ? value : refuse(key, value, 'an array of objects, such as [{ session: [] }]')
}

const responses: Check<unknown> = (value, key) => {
  for (const [status, given] of fieldsOf(value, key, 'an object of responses by status')) {
    if (typeof given === 'string' || isSchema(given)) continue
    const place = `${key}.${status}`
    const { schema } = Object.fromEntries(optionsOf(given, place, 'a text, a schema or an object of a description', ['description', 'schema', 'type'], `${place}.`))
    if (schema !== undefined && !isSchema(schema)) refuse(`${place}.schema`, schema, 'a schema that implements Standard Schema')
  }
  return value
}

const checks: Readonly<Record<keyof RouteDescription, Check<unknown>>> = {
  summary: text, description: text, tags: listOf('texts', text), operationId: text, deprecated: boolean, hidden: boolean, security, responses,
}

/** The names of a description. */
export const descriptionNames = Object.keys(checks)

/** Checks the members of a description, by name. @throws ConfigError */
export function checkDescription(fields: ReadonlyMap<string, unknown>): void {
  for (const [name, check] of Object.entries(checks)) if (fields.has(name)) check(fields.get(name), name)
}

/** What a document of the routes says of a response. */
export interface ResponseDescription {
  /** What it means; by default the reason phrase of the status. */
  readonly description?: string | null | undefined
  /** Of the content. */
  readonly schema?: StandardSchema | null | undefined
  /** The media type of the content. Default: "application/json" if there is a schema, else no content. */
  readonly type?: string | null | undefined
}

/** A route as a document sees it. */
export type TableEntry = ReadKey & RouteParts

const descriptions = new WeakMap<object, RouteDescription>()
// By their choosers, which the handlers that `wrap` makes have too.
const tables = new WeakMap<RouteChooser, readonly TableEntry[]>()
const readers = new WeakMap<object, (table: readonly TableEntry[]) => void>()

/** Notes the description of a handler or wrapper; of a validated handler with its schemas. */
export function describe<Described extends RouteHandler<never, never, never> | Wrapper>(described: Described, given: RouteDescription): Described {
  descriptions.set(described, given)
  return described
}

/** The description of a handler or wrapper; null if it has none. */
export function descriptionOf(described: object): RouteDescription | null {
  return descriptions.get(described) ?? null
}

/** Has `read` called with the table that `handler` is in, when `routes` makes a handler of it. */
export function onTable(handler: RouteHandler, read: (table: readonly TableEntry[]) => void): void {
  readers.set(handler, read)
}

/** Notes the table of `routes`, and tells it to the handlers that asked for it. */
export function noteTable(chooser: RouteChooser, table: readonly TableEntry[]): void {
  tables.set(chooser, table)
  for (const { handle } of table) readers.get(handle)?.(table)
}

/** The table of a handler that `routes` has made, or `wrap` of such a one; null for another. */
export function tableOf(handler: Handler): readonly TableEntry[] | null {
  const chooser = chooserOf(handler)
  return chooser === null ? null : tables.get(chooser) ?? null
}
