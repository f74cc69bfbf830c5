import { ConfigError } from '../errors.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import { checkFields, type Checks } from './check-fields.js'
import { boolean, integer, refuse } from './validators.js'

/** The setting `hsts`: that browsers are to reach this host by TLS alone from now on (RFC 6797). */
export interface HstsSettings {
  /** For how long, in seconds; 0 ends it. */
  readonly max_age: number
  /** Whether that counts for its subdomains too. Default: false. */
  readonly include_subdomains?: boolean | null | undefined
  /** Whether browsers may be delivered with it. Default: false. */
  readonly preload?: boolean | null | undefined
}

const expected = 'an object { max_age, include_subdomains, preload }'

const checks: Checks<HstsSettings> = {
  max_age: integer(0, 2 ** 31 - 1, 'seconds'),
  include_subdomains: boolean,
  preload: boolean,
}

/** The shortest `max_age`, in seconds, that the preload list of browsers accepts: a year. */
const shortestPreload = 31_536_000

/** Checks the setting `hsts`, and returns a copy. @throws ConfigError */
export function hstsSettings(value: unknown, key: string): HstsSettings {
  const { max_age, include_subdomains = false, preload = false } = checkFields(checks, value, key, expected)
  if (max_age === undefined) return refuse(`${key}.max_age`, undefined, 'an integer from 0 to 2147483647 (seconds)')
  if (preload === true && (include_subdomains !== true || max_age < shortestPreload)) {
    throw new ConfigError(`${key}.preload`, `${key}.preload needs include_subdomains: true and a max_age of at least ${shortestPreload}: browsers list no other hosts`)
  }
  return Object.freeze({ max_age, include_subdomains, preload })
}

const made = new WeakMap<HstsSettings, ResponseHeaders>()

/** The header field that says it. */
export function hstsHeaders(hsts: HstsSettings): ResponseHeaders {
  const before = made.get(hsts)
  if (before !== undefined) return before
  const { max_age, include_subdomains, preload } = hsts
  const value = `max-age=${max_age}${include_subdomains === true ? '; includeSubDomains' : ''}${preload === true ? '; preload' : ''}`
  const headers: ResponseHeaders = { 'Strict-Transport-Security': value }
  made.set(hsts, headers)
  return headers
}
