import { asArguments, optionsOf } from '../../config/arguments.js'
import { boolean, oneOf, refuse as refuseValue, text, type Check } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import { isToken } from '../../http1/grammar.js'
import type { RequestHeaders } from '../../http1/headers.js'
import { percentEncode } from './percent-encode.js'

/** The attributes of a cookie. The defaults are those of a session. */
export interface CookieOptions {
  /** Seconds until it ends; 0 removes it. By default it ends with the browser's session. */
  readonly maxAge?: number | null | undefined
  /** When it ends, for clients that do not know `maxAge`. */
  readonly expires?: Date | null | undefined
  /** The host that gets it, with all hosts below. By default the host of the request alone. */
  readonly domain?: string | null | undefined
  /** The path that gets it, with all below. Default: "/". */
  readonly path?: string | null | undefined
  /** Whether only TLS carries it; browsers take localhost for secure as well. Default: true. */
  readonly secure?: boolean | null | undefined
  /** Whether scripts of pages cannot read it. Default: true. */
  readonly httpOnly?: boolean | null | undefined
  /** Whether requests that other sites cause have it. `None` requires `secure`. Default: "Lax". */
  readonly sameSite?: 'Strict' | 'Lax' | 'None' | null | undefined
  /** Whether each site that embeds this one gets a cookie of its own (CHIPS); requires `secure`. Default: false. */
  readonly partitioned?: boolean | null | undefined
}

/**
 * The cookies of a request by name; no inherited members. Of several with one name it has the first, which is the most specific.
 * Values are percent-decoded if they are valid so, else as sent.
 */
export function cookies(headers: RequestHeaders): Readonly<Record<string, string | undefined>> {
  const found = Object.create(null) as Record<string, string | undefined>
  for (const pair of (headers.cookie ?? '').split(';')) {
    const equals = pair.indexOf('=')
    // Browsers send a cookie without a name as its value alone: it has no name to be looked up by.
    const name = pair.slice(0, Math.max(equals, 0)).trim()
    if (name !== '' && !(name in found)) found[name] = decoded(unquoted(pair.slice(equals + 1).trim()))
  }
  return found
}

/**
 * The value of a `Set-Cookie` header (RFC 6265bis). Characters that a cookie cannot have are percent-encoded in `value`.
 * @throws ArgumentError for an unknown option, an invalid name or attribute, for what browsers reject (`__Host-` with a domain, `None` without
 * `secure`), and for more than 4096 bytes
 */
export function setCookie(name: string, value: string, options: CookieOptions = {}): string {
  checkTypes(name, value, options)
  const { maxAge = null, expires = null, domain = null } = options
  const path = options.path ?? '/'
  const secure = options.secure ?? true
  const sameSite = options.sameSite ?? 'Lax'
  const partitioned = options.partitioned ?? false
  if (!isToken(name)) refuse('name', `${JSON.stringify(name)} is not a token`)
  if (maxAge !== null && !Number.isSafeInteger(maxAge)) refuse('maxAge', `${String(maxAge)} is not a whole number of seconds`)
  if (expires !== null && Number.isNaN(expires.getTime())) refuse('expires', 'an invalid date')
  if (domain !== null && !/^[A-Za-z0-9.-]+$/.test(domain)) refuse('domain', `${JSON.stringify(domain)} is not a host name`)
  if (!/^\/[\x20-\x3a\x3c-\x7e]*$/.test(path)) refuse('path', `${JSON.stringify(path)} does not begin with a slash, or has a character that cannot be sent`)
  if (!secure && (sameSite === 'None' || partitioned || /^__(?:secure|host)-/i.test(name))) refuse('secure', `browsers reject ${name} if it is not secure`)
  if (/^__host-/i.test(name) && (domain !== null || path !== '/')) refuse('name', `browsers reject ${name} with a domain, or another path than "/"`)
  const encoded = value.replace(/[^\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+|%/g, percentEncode)
  if (name.length + encoded.length > 4096) refuse('value', `${name} has more than 4096 bytes, which browsers reject`)
  return [
    `${name}=${encoded}`,
    `Path=${path}`,
    ...(domain === null ? [] : [`Domain=${domain}`]),
    ...(maxAge === null ? [] : [`Max-Age=${maxAge}`]),
    ...(expires === null ? [] : [`Expires=${expires.toUTCString()}`]),
    ...(options.httpOnly ?? true ? ['HttpOnly'] : []),
    ...(secure ? ['Secure'] : []),
    `SameSite=${sameSite}`,
    ...(partitioned ? ['Partitioned'] : []),
  ].join('; ')
}

/** The value of a `Set-Cookie` header that removes a cookie; `domain` and `path` as they were set. @throws as `setCookie` */
export function clearCookie(name: string, options: CookieOptions = {}): string {
  return setCookie(name, '', { ...options, maxAge: 0, expires: null })
}

const date: Check<Date> = (value, key) => value instanceof Date ? value : refuseValue(key, value, 'a Date')
const types: Readonly<Record<keyof CookieOptions, Check<unknown>>> = {
  maxAge: (value) => value, expires: date, domain: text, path: text, secure: boolean, httpOnly: boolean, sameSite: oneOf('Strict', 'Lax', 'None'), partitioned: boolean,
}

/** @throws ArgumentError for an unknown option, or a value of another type, from programs that no compiler has checked */
function checkTypes(name: string, value: string, options: CookieOptions): void {
  asArguments(() => {
    text(name, 'name')
    text(value, 'value')
    const given = optionsOf(options, 'options', 'an object of options', Object.keys(types))
    for (const [option, check] of Object.entries(types)) if (given.has(option)) check(given.get(option), option)
  })
}

function refuse(argument: string, fault: string): never {
  throw new ArgumentError(argument, `${argument}: ${fault}`)
}

function unquoted(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
