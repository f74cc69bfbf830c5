import { normalHostName } from '../../tls/host-name.js'
import { ConfigError } from '../errors.js'
import { isIpv4, isIpv6, isToken } from '../http1/grammar.js'
import { suggest } from './suggest.js'

/** Returns the value to store for the setting `key`, or throws a ConfigError that names the expected values. */
export type Check<T> = (value: unknown, key: string) => T

/** The minimum and maximum of a duration among the settings, in seconds. */
const shortest = 0.001
export const longest = 3600

export function refuse(key: string, value: unknown, expected: string, hint?: string): never {
  throw new ConfigError(key, `${key} must be ${expected}, got ${show(value)}${hint === undefined ? '' : ` (${hint})`}`)
}

/** A value for use in messages: short, and without the contents of objects. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  return typeName(value)
}

/** The type of a value, with an article. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object') return `a ${typeof value}`
  const tag = Object.prototype.toString.call(value).slice(8, -1)
  return tag === 'Object' ? 'an object' : `a ${tag}`
}

/** A hint for a number written as text, such as "15" from an environment variable. */
function numberHint(value: unknown): string | undefined {
  if (typeof value === 'bigint') return `did you mean the number ${value}?`
  if (typeof value !== 'string' || !/^\s*-?\d+(\.\d+)?\s*$/.test(value)) return undefined
  return `did you mean the number ${Number(value)}?`
}

/** Seconds, from a millisecond to an hour. Neither 0 nor Infinity is allowed: no wait on the open net may be unbounded. */
export const duration: Check<number> = (value, key) => {
  const expected = `a number of seconds from ${shortest} to ${longest}`
  if (typeof value !== 'number' || Number.isNaN(value)) return refuse(key, value, expected, numberHint(value))
  if (value >= shortest && value <= longest) return value
  if (value <= 0) return refuse(key, value, expected, 'a timeout cannot be turned off')
  if (value < shortest) return refuse(key, value, expected)
  if (value === Infinity) return refuse(key, value, expected, 'the unit is seconds, and a timeout cannot be turned off')
  const seconds = value / 1000
  if (seconds > longest) return refuse(key, value, expected, 'the unit is seconds')
  return refuse(key, value, expected, `the unit is seconds; ${value} looks like milliseconds: did you mean ${seconds}?`)
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number, unit?: string): Check<number> {
  const expected = `an integer from ${min} to ${max}${unit === undefined ? '' : ` (${unit})`}`
  return (value, key) => {
    if (typeof value !== 'number') return refuse(key, value, expected, numberHint(value))
    if (!Number.isInteger(value) || value < min || value > max) return refuse(key, value, expected)
    // Turns -0 into 0.
    return value + 0
  }
}

/** Any number from `min` to `max`. */
export function number(min: number, max: number, unit: string): Check<number> {
  const expected = `a number from ${min} to ${max} (${unit})`
  return (value, key) => {
    if (typeof value !== 'number') return refuse(key, value, expected, numberHint(value))
    if (!(value >= min && value <= max)) return refuse(key, value, expected)
    return value + 0
  }
}

export const boolean: Check<boolean> = (value, key) => {
  if (typeof value === 'boolean') return value
  return refuse(key, value, 'true or false')
}

export const text: Check<string> = (value, key) => typeof value === 'string' ? value : refuse(key, value, 'a string')

/** One of the given words. */
export function oneOf<const T extends string>(...words: readonly T[]): Check<T> {
  const listed = words.map((word) => `"${word}"`).join(', ')
  return (value, key) => {
    const found = words.find((word) => word === value)
    if (found !== undefined) return found
    const near = typeof value === 'string' ? suggest(value, words) : null
    return refuse(key, value, `one of ${listed}`, near === null ? undefined : `did you mean "${near}"?`)
  }
}

/** A list of strings, each as returned by `item`, without duplicates. The list is a copy. */
export function listOf(what: string, item: Check<string>): Check<readonly string[]> {
  return (value, key) => {
    if (!Array.isArray(value)) return refuse(key, value, `an array of ${what}`)
    return [...new Set(Array.from(value, (entry: unknown, index) => item(entry, `${key}[${index}]`)))]
  }
}

/** A list that is not empty. `instead` says what an empty one might be for. */
export function atLeastOne(list: Check<readonly string[]>, instead: string): Check<readonly string[]> {
  return (value, key) => {
    const given = list(value, key)
    return given.length > 0 ? given : refuse(key, value, 'an array of at least one name', instead)
  }
}

/** A list of strings as for `listOf`, or a set as in Lua: `{ 'text/html': true }`, in which `false` omits a string. */
export function setOf(what: string, item: Check<string>): Check<readonly string[]> {
  const list = listOf(what, item)
  return (value, key) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return list(value, key)
    const fields = fieldsOf(value, key, `an array of ${what}`)
    const given = Array.from(fields, ([name, included]): [string, boolean] => [item(name, key), boolean(included, `${key}["${name}"]`)])
    return [...new Set(given.filter(([, included]) => included).map(([name]) => name))]
  }
}

/** The path of a Unix socket; a zero byte in front makes it an abstract name. */
export const unixPath: Check<string> = (value, key) => (
  typeof value === 'string' && /^\0?[^\0]+$/.test(value) ? value : refuse(key, value, 'the path of a Unix socket')
)

/** A media type without parameters, converted to lower case (RFC 9110 8.3.1). */
export const mediaType: Check<string> = (value, key) => {
  const expected = 'a media type such as "text/html"'
  if (typeof value !== 'string') return refuse(key, value, expected)
  const parts = value.toLowerCase().split('/')
  if (parts.length === 2 && parts.every(isToken) && !value.includes('*')) return parts.join('/')
  if (value.includes(';')) return refuse(key, value, expected, 'without parameters: it counts whatever they are')
  return refuse(key, value, expected)
}

/** The name of a header field, converted to lower case (RFC 9110 5.1). */
export const fieldName: Check<string> = (value, key) => {
  if (typeof value === 'string' && isToken(value.toLowerCase())) return value.toLowerCase()
  return refuse(key, value, 'the name of a header')
}

/** Whether `text` is a valid host name in DNS. */
export function isHostName(text: string): boolean {
  return normalHostName(text) !== null
}

/** An IP address (IPv6 without brackets) or a host name. */
export const hostOrAddress: Check<string> = (value, key) => {
  const expected = 'an IP address or a host name'
  if (typeof value !== 'string') return refuse(key, value, expected)
  if (value === '*') return refuse(key, value, expected, '"0.0.0.0" or "::" listens on all addresses')
  if (value.startsWith('[')) return refuse(key, value, expected, 'IPv6 addresses are written without brackets')
  if (isIpv4(value) || isIpv6(value.replace(/%[\w.-]+$/, ''))) return value
  // A name that ends in a number is a mistyped IPv4 address: "10.0.0", "256.1.1.1".
  if (isHostName(value) && !/(?:^|\.)\d+\.?$/.test(value)) return value
  return refuse(key, value, expected)
}

/**
 * The settings in an object, by name: its own properties, and those of its class or prototype, without `undefined` values.
 * Each property is read once.
 */
export function fieldsOf(value: unknown, key: string, expected: string, hint?: string): Map<string, unknown> {
  const tag = Object.prototype.toString.call(value)
  if (typeof value !== 'object' || value === null || (tag !== '[object Object]' && tag !== '[object Module]')) {
    return refuse(key, value, expected, hint)
  }
  const fields = new Map<string, unknown>()
  let level: object | null = value
  while (level !== null && (level === value || !isRoot(level))) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (!fields.has(name) && isField(value, level, name)) fields.set(name, Reflect.get(value, name))
    }
    level = Object.getPrototypeOf(level) as object | null
  }
  for (const [name, given] of fields) if (given === undefined) fields.delete(name)
  return fields
}

/** Whether `level` is Object.prototype, of any realm. */
function isRoot(level: object): boolean {
  return Object.hasOwn(level, 'hasOwnProperty')
}

function isField(value: object, level: object, name: string): boolean {
  if (name === '__proto__') return level === value
  const property = Object.getOwnPropertyDescriptor(level, name)
  if (level === value) return property?.enumerable === true
  // Accessors of a class count, methods do not.
  return property !== undefined && typeof property.value !== 'function'
}
