import type { Handler } from '../../request/handler.js'
import { asArguments } from '../../config/arguments.js'
import { checkLimits, type CheckedLimits, type Limits } from '../../config/limits.js'
import { typeName } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import type { PathParams } from './path-params.js'
import type { RouteRequest } from './route-request.js'

/** Responds to the requests of one route: a plain function, a coroutine or async. */
export type RouteHandler<Params = Readonly<Record<string, string | undefined>>, Query = URLSearchParams, Body = Buffer | null> =
  (request: RouteRequest<Params, Query, Body>) => ReturnType<Handler>

/** Makes a handler of a handler, as those that `wrap` helps to write. */
export type Wrapper = (handler: Handler) => Handler

/** A route that is more than its handler: one of a group, or with limits. */
export class Route<out Handle = unknown> {
  readonly #handle: Handle
  readonly #wrappers: readonly Wrapper[]
  readonly #limits: CheckedLimits | null

  /** @internal */
  constructor({ handle, wrappers, limits }: RouteParts<Handle>) {
    this.#handle = handle
    this.#wrappers = wrappers
    this.#limits = limits
  }

  /** @internal */
  static parts<Handle>(route: Route<Handle>): RouteParts<Handle> {
    return { handle: route.#handle, wrappers: route.#wrappers, limits: route.#limits }
  }
}

/** What a route consists of. */
export interface RouteParts<Handle = RouteHandler | Handler> {
  /** An ordinary handler, if the key has no method. */
  readonly handle: Handle
  /** The outermost first. */
  readonly wrappers: readonly Wrapper[]
  /** Null: those of the settings. */
  readonly limits: CheckedLimits | null
}

/** The value of an entry: a key with a method has the handler of a route, one without has an ordinary handler. */
type Entry<Key extends string, Prefix extends string = ''> =
  Key extends `${string} /${infer Path}` ? OrLimited<RouteHandler<PathParams<Joined<Prefix, `/${Path}`>>>>
  : Key extends `/${string}` ? OrLimited<Handler>
  : string extends Key ? OrLimited<RouteHandler>
  : never

type OrLimited<Handle> = Handle | Route<Handle>

/** Routes by method and path: `'GET /todos/:id'`. */
export type Routes<Key extends string, Prefix extends string = ''> = { readonly [K in Key]: Entry<K, Prefix> }

/** The key of an entry with a prefix before its path. */
type Prefixed<Key extends string, Prefix extends string> =
  Key extends `${infer Method} /${infer Path}` ? `${Method} ${Joined<Prefix, `/${Path}`>}` : Joined<Prefix, Key>

type Joined<Prefix extends string, Path extends string> = Path extends '/' ? (Prefix extends '' ? '/' : Prefix) : `${Prefix}${Path}`

/**
 * Routes with a common prefix and common wrappers, to spread into a table: `...group('/api', [withToken], { ... })`. The wrappers
 * run for each request that has a route in the group, the first one outermost.
 * @param prefix begins with a slash and does not end with one; it may have parameters; empty for none
 * @throws ArgumentError for an invalid prefix, wrappers that are no functions, or a key that is not `METHOD /path` or `/path`
 */
export function group<const Prefix extends string, Key extends string>(
  prefix: Prefix, wrappers: readonly Wrapper[], table: Routes<Key, Prefix>,
): { readonly [K in Key as Prefixed<K, Prefix>]: Route<never> } {
  if (prefix !== '' && !/^\/.*[^/]$/.test(prefix)) {
    throw new ArgumentError('prefix', `prefix: ${JSON.stringify(prefix)} has to begin with a slash, and not to end with one`)
  }
  if (!Array.isArray(wrappers) || wrappers.some((wrapper) => typeof wrapper !== 'function')) {
    throw new ArgumentError('wrappers', `wrappers must be an array of functions, got ${Array.isArray(wrappers) ? 'another one' : typeName(wrappers)}`)
  }
  const grouped: Record<string, Route> = {}
  for (const { method, path, wrappers: inner, ...route } of readTable(table)) {
    const joined = path === '/' && prefix !== '' ? prefix : prefix + path
    grouped[method === null ? joined : `${method} ${joined}`] = new Route({ ...route, wrappers: [...wrappers, ...inner] })
  }
  return grouped as { readonly [K in Key as Prefixed<K, Prefix>]: Route<never> }
}

/**
 * A route with limits of its own, in place of the settings: `'PUT /pictures/:name': limited({ max_body_size: 50_000_000 }, handler)`.
 * They hold where the handler that `routes` returns is that of the server, if need be inside of `wrap` or of a route of other `routes`.
 * Anywhere else a request of the route fails with a 500, and the log says so.
 * @throws ArgumentError naming the limit, the given value and the expected one
 */
export function limited<Handle extends RouteHandler<never> | Handler>(limits: Limits, handler: Handle): Route<Handle> {
  if (typeof handler !== 'function') throw new ArgumentError('handler', `handler must be a function, got ${typeName(handler)}`)
  return new Route({ handle: handler, wrappers: [], limits: asArguments(() => checkLimits(limits)) })
}

/** A key of a table, read. */
export interface ReadKey {
  readonly key: string
  /** Null for all methods. */
  readonly method: string | null
  readonly path: string
}

/** The entries of a table of routes. @throws ArgumentError for a malformed key, or an entry that is no handler */
export function readTable(table: object): (ReadKey & RouteParts)[] {
  if (typeof table !== 'object' || table === null || Array.isArray(table)) throw new ArgumentError('table', `table must be an object of routes, got ${typeName(table)}`)
  return Object.entries(table).map(([key, entry]: [string, unknown]) => {
    if (entry instanceof Route) return { ...readKey(key), ...Route.parts(entry as Route<RouteHandler | Handler>) }
    if (typeof entry !== 'function') throw new ArgumentError('table', `table: ${JSON.stringify(key)} has no handler`)
    return { ...readKey(key), handle: entry as RouteHandler | Handler, wrappers: [], limits: null }
  })
}

/** The parts of a key. @throws ArgumentError if it is malformed */
export function readKey(key: string): ReadKey {
  const match = /^(?:([A-Z-]+) )?(\/[^ ]*)$/.exec(key)
  if (match === null) throw new ArgumentError('table', `table: ${JSON.stringify(key)} is neither "METHOD /path" nor "/path"`)
  const [, method = null, path] = match
  if (method !== null && /^(?:ALL|ANY|USE)$/.test(method)) {
    throw new ArgumentError('table', `table: ${JSON.stringify(key)}: ${method} is no method; ${JSON.stringify(path)} without one is for all of them`)
  }
  const plain = path.replace(/\(.*\)/g, '').replace(/:[\w$]+\?/g, '')
  if (/[?#]/.test(plain)) throw new ArgumentError('table', `table: ${JSON.stringify(key)}: the path ends before "?" and "#"`)
  return { key, method, path }
}
