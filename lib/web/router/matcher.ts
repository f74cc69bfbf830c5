import findMyWay from 'find-my-way'
import { messageOf } from '../../../lev/internal.js'
import { ArgumentError } from '../../errors.js'
import type { ReadKey } from './table.js'

/** The longest parameter, in characters: bounds the work of regular expressions in paths. */
export const longestParam = 1024

/** What fits a request: the value that was added, and the parameters of the path. */
export interface Match<Value> {
  readonly value: Value
  readonly params: Readonly<Record<string, string | undefined>>
}

/** Why nothing fits, as a status: a malformed path, no such path, or a parameter that is too long. */
export type Mismatch = 400 | 404 | 414

type Tree = ReturnType<typeof newTree>

/** Finds values by method and path, by the rules of find-my-way: case and trailing slashes matter. */
export class Matcher<Value> {
  readonly #byMethod = newTree()
  readonly #forAll = newTree()
  readonly #methods = new Set<string>()

  /** @throws ArgumentError for a path that is malformed, or fits the same requests as another */
  add({ key, method, path }: ReadKey, value: Value): void {
    const tree = method === null ? this.#forAll : this.#byMethod
    try {
      checkNames(path)
      tree.on((method ?? 'GET') as findMyWay.HTTPMethod, path, noHandler, { value })
    } catch (error) {
      throw new ArgumentError('table', `table: ${JSON.stringify(key)}: ${messageOf(error)}`, { cause: error })
    }
    if (method !== null) this.#methods.add(method)
  }

  /** The value for a request. Values for one method come before those for all; HEAD gets those of GET after its own. */
  find(method: string, path: string): Match<Value> | Mismatch {
    if (isMalformed(path)) return 400
    // As for `*`, or the authority of CONNECT.
    if (path.charCodeAt(0) !== SLASH) return 404
    let found = match<Value>(this.#byMethod, method, path)
    if (found === 404 && method === 'HEAD') found = match(this.#byMethod, 'GET', path)
    return found === 404 ? match(this.#forAll, 'GET', path) : found
  }

  /** The methods that fit a path, with HEAD for GET and with OPTIONS; none if there are no others. All of the table for `*`. */
  allowed(path: string): string[] {
    const methods = [...this.#methods].filter((method) => path === '*' || typeof match(this.#byMethod, method, path) !== 'number')
    if (methods.length === 0) return []
    if (methods.includes('GET')) methods.push('HEAD')
    return [...new Set([...methods, 'OPTIONS'])].sort()
  }
}

const SLASH = 0x2f

function newTree() {
  return findMyWay({ maxParamLength: longestParam, onMaxParamLength: noHandler })
}

// Matches are asked for by `find`, so that find-my-way calls none of its handlers.
function noHandler(): void {}

function match<Value>(tree: Tree, method: string, path: string): Match<Value> | Mismatch {
  const found = tree.find(method as findMyWay.HTTPMethod, path)
  if (found === null) return 404
  // The match of a parameter that is too long.
  if (found.store === null) return 414
  return { value: (found.store as { value: Value }).value, params: found.params }
}

/**
 * Whether a path is not percent-encoded UTF-8, or has a NUL or, as a segment, `.` or `..`, encoded or not: clients resolve these, and a
 * parameter must not lead out of the folder that a handler looks it up in.
 */
function isMalformed(path: string): boolean {
  if (!path.includes('%')) return path.includes('/.') && DOT_SEGMENT.test(path)
  try {
    return DOT_SEGMENT.test(decodeURIComponent(path))
  } catch {
    return true
  }
}

const DOT_SEGMENT = /(?:^|[/\\])\.{1,2}(?=[/\\]|$)|\0/

const NAME = /^[A-Za-z_$][\w$]*$/

/** Refuses names that only the wildcard has, and one name for two parameters. */
function checkNames(path: string): void {
  const names = new Set<string>()
  for (const [, name] of path.replaceAll('::', '').replace(/\((?:[^()]|\([^()]*\))*\)/g, '(').matchAll(/:([^/.(?-]*)/g)) {
    if (!NAME.test(name)) throw new Error(`${JSON.stringify(name)} is not the name of a parameter`)
    if (names.has(name)) throw new Error(`two parameters are named ${JSON.stringify(name)}`)
    names.add(name)
  }
}
