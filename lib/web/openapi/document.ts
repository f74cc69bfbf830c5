import { asArguments, optionsOf } from '../../config/arguments.js'
import { ArgumentError } from '../../errors.js'
import type { Handler } from '../../request/handler.js'
import { tableOf, type RouteDescription, type TableEntry } from '../router/description.js'
import { SchemaComponents } from './components.js'
import { describedOf, operationOf } from './operation.js'
import { templatesOf } from './path-template.js'
import type { OpenApiComponents, OpenApiDocument, OpenApiInfo, OpenApiOperation, OpenApiPath } from './types.js'

/** What a document has that the routes do not say: members of it, as they are. */
export interface DocumentOptions {
  /** The name of the service, the version of what it offers, and what else there is to say: `description`, `contact`, `license`. */
  readonly info: OpenApiInfo
  /** Where the service is. By default where the document is from. */
  readonly servers?: readonly { readonly url: string, readonly description?: string | null | undefined }[] | null | undefined
  /** What the tags of routes mean, in the order in which to show them. */
  readonly tags?: readonly { readonly name: string, readonly description?: string | null | undefined }[] | null | undefined
  /** What clients must have for routes that do not say so themselves. */
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[] | null | undefined
  /** Definitions, such as `securitySchemes`; those of schemas are added. */
  readonly components?: OpenApiComponents | null | undefined
  /** Where to read more. */
  readonly externalDocs?: { readonly url: string, readonly description?: string | null | undefined } | null | undefined
}

const known = ['info', 'servers', 'tags', 'security', 'components', 'externalDocs']

/** The methods for which OpenAPI 3.1 has operations. */
const methods = new Set(['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE'])

/**
 * The OpenAPI 3.1 document of the routes of a handler that `routes` has made, or `wrap` of such a one. Routes that are hidden, or have no method of their
 * own, are left out.
 * @throws ArgumentError for another handler, an invalid option, two routes that have the same operationId, and for a name in
 * `security` that is not defined
 */
export function openapi(handler: Handler, options: DocumentOptions): OpenApiDocument {
  const table = tableOf(handler)
  if (table === null) throw new ArgumentError('handler', 'handler: it has to be what `routes` returned, or `wrap` of that')
  return documentOf(table, options)
}

/** Options that are lists of objects, by the member that each must have. */
const lists = { servers: 'url', tags: 'name', security: null }

/** Checks the options of a document. @throws ArgumentError */
export function checkOptions(options: DocumentOptions): void {
  const given = asArguments(() => optionsOf(options, 'options', 'an object of options', known))
  for (const [name, member] of Object.entries(lists)) {
    const list = given.get(name)
    const isList = Array.isArray(list) && list.every((one: unknown) => typeof one === 'object' && one !== null && (member === null || typeof Reflect.get(one, member) === 'string'))
    if (list !== undefined && !isList) throw new ArgumentError(name, `${name} must be an array of objects${member === null ? '' : ` with a text \`${member}\``}`)
  }
  const info = given.get('info') as Partial<OpenApiInfo> | undefined
  for (const member of ['title', 'version'] as const) {
    if (typeof info?.[member] !== 'string') throw new ArgumentError('info', `info.${member}: a text is needed, not ${String(info?.[member])}`)
  }
}

/** The document of a table of routes. @throws ArgumentError */
export function documentOf(table: readonly TableEntry[], options: DocumentOptions): OpenApiDocument {
  checkOptions(options)
  const { info, components: given, ...others } = options
  const schemas = new SchemaComponents(Object.keys(given?.schemas ?? {}))
  const paths = pathsOf(table, schemas)
  checkSecurity(options, paths)
  const all = { ...given?.schemas, ...schemas.finish() }
  const components = { ...given, ...(Object.keys(all).length > 0 ? { schemas: all } : {}) }
  const document = {
    openapi: '3.1.0', ...withoutNulls({ info, ...others }), paths,
    ...(Object.keys(components).length > 0 ? { components } : {}),
  }
  // Plain data, which shares nothing with the options and the schemas.
  return JSON.parse(JSON.stringify(document)) as OpenApiDocument
}

/** Without members that are null, which JSON does not leave out. */
function withoutNulls(value: unknown): object {
  return JSON.parse(JSON.stringify(value, (_key, member: unknown) => member ?? undefined)) as object
}

function pathsOf(table: readonly TableEntry[], components: SchemaComponents): Record<string, OpenApiPath> {
  const paths: Record<string, Record<string, OpenApiOperation>> = {}
  // OpenAPI takes templates for the same if only the names of parameters differ.
  const shapes = new Map<string, { readonly template: string, readonly names: readonly string[] }>()
  const ids = new Map<string, string>()
  for (const entry of withInner(table)) {
    const given = describedOf(entry)
    if (entry.method === null || !methods.has(entry.method) || given.hidden === true) continue
    for (const template of templatesOf(entry.path)) {
      const shape = template.template.replace(/\{[^*}]*\}/g, '{}')
      const path = shapes.get(shape) ?? { template: template.template, names: template.params.map(({ name }) => name) }
      shapes.set(shape, path)
      const operations = paths[path.template] ??= {}
      const method = entry.method.toLowerCase()
      if (method in operations) continue
      const operation = operations[method] = operationOf(entry, given, template, path.names, components)
      const other = ids.get(operation.operationId)
      if (other !== undefined) refuse(entry, `${other} has the operationId ${operation.operationId} too: give one of them another`)
      ids.set(operation.operationId, JSON.stringify(entry.key))
    }
  }
  return paths
}

/** The routes of a table, and after them those of other `routes` that it leads to, as far as it does. */
function withInner(table: readonly TableEntry[]): TableEntry[] {
  const inner = table.flatMap((outer) => {
    const found = outer.method === null ? tableOf(outer.handle as Handler) : null
    return withInner(found ?? []).filter(({ path }) => leadsTo(outer.path, path)).map((one) => ({ ...one, wrappers: [...outer.wrappers, ...one.wrappers] }))
  })
  return [...table, ...inner]
}

/** Whether what fits the path of one route may fit that of another as well. */
function leadsTo(outer: string, inner: string): boolean {
  const [from, to] = [outer, inner].map((path) => path.replace(/:[\w$]+/g, ':'))
  return from.endsWith('*') ? to.startsWith(from.slice(0, -1)) : from === to
}

function checkSecurity(options: DocumentOptions, paths: Readonly<Record<string, OpenApiPath>>): void {
  const defined = options.components?.securitySchemes ?? {}
  const used = [options.security, ...Object.values(paths).flatMap((path) => Object.values(path).map((operation) => operation?.security as RouteDescription['security']))]
  for (const name of used.flatMap((one) => one ?? []).flatMap((one) => Object.keys(one))) {
    if (!Object.hasOwn(defined, name)) throw new ArgumentError('security', `security: ${JSON.stringify(name)} is not in components.securitySchemes`)
  }
}

function refuse({ key }: TableEntry, fault: string): never {
  throw new ArgumentError('table', `table: ${JSON.stringify(key)}: ${fault}`)
}
