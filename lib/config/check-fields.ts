import { ConfigError } from '../errors.js'
import { suggest } from './suggest.js'
import { fieldsOf, show, type Check } from './validators.js'

/** The checks of an object, by the names of its members. */
export type Checks<T> = { readonly [K in keyof T]-?: Check<NonNullable<T[K]>> }

/** Checks an object of settings and returns a copy; null counts as not given. @throws ConfigError, also for an unknown name */
export function checkFields<T extends object>(checks: Checks<T>, value: unknown, key: string, expected: string): Partial<T> {
  return checkGiven(checks, fieldsOf(value, key, expected), key)
}

/** As `checkFields`, of members that were read already. */
export function checkGiven<T extends object>(checks: Checks<T>, fields: ReadonlyMap<string, unknown>, key: string): Partial<T> {
  const known = Object.keys(checks)
  for (const name of fields.keys()) if (!known.includes(name)) refuseUnknown(name, known, `${key}.`)
  const result: Partial<T> = {}
  for (const name of known as (keyof T & string)[]) {
    const given = fields.get(name) ?? undefined
    if (given !== undefined) result[name] = checks[name](given, `${key}.${name}`)
  }
  return result
}

/** Throws the ConfigError for an unknown setting `name`, with a suggestion. */
export function refuseUnknown(name: string, known: readonly string[], prefix = ''): never {
  const near = suggest(name, known)
  const hint = near === null ? '' : `; did you mean ${prefix}${near}?`
  const shown = /^[\w.-]{1,60}$/.test(name) ? name : show(name)
  throw new ConfigError(`${prefix}${name}`, `unknown setting ${prefix}${shown}${hint}`)
}
