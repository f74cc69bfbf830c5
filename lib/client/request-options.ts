import { constants } from 'node:buffer'
import type { ClientTlsOptions } from '../../tls/index.js'
import { asArguments, optionsOf } from '../arguments.js'
import { boolean, fieldsOf, integer, refuse, type Check } from '../checks.js'
import { withCredentials } from './credentials.js'
import { headersFor, tlsOptions } from './options.js'

/** A value of a query or a header; a list stands for several of the same name. */
export type ClientValue = string | number | boolean | readonly (string | number | boolean)[] | null | undefined

/** What is requested, and how; everything but `url` is optional. */
export interface RequestOptions {
  /** `http:` or `https:`. */
  readonly url: string | URL
  /** Default: GET. */
  readonly method?: string | null | undefined
  /** Headers to send; they replace those that the client adds (`User-Agent`, `Accept`, `Accept-Encoding`). */
  readonly headers?: Readonly<Record<string, ClientValue>> | null | undefined
  /** Added to the query that the URL has. */
  readonly query?: Readonly<Record<string, ClientValue>> | null | undefined
  /** The content to send: a string as UTF-8, or bytes. Default: none. */
  readonly body?: string | Uint8Array | null | undefined
  /** How many redirects are followed, one more is an error; true: 10, false: none, the response is the redirect. Default: true. */
  readonly redirects?: boolean | number | null | undefined
  /** Whether a redirect from `https:` to `http:` is followed. Default: false: it is an error. */
  readonly insecureRedirects?: boolean | null | undefined
  /** Whether compressed content is asked for and decompressed. Default: true. */
  readonly decompress?: boolean | null | undefined
  /** Seconds for all of it. Default: 30. */
  readonly timeout?: number | null | undefined
  /** Largest content of a response, in bytes, also once decompressed. Default: 67108864 (64 MiB). */
  readonly maxBodySize?: number | null | undefined
  /** How TLS is spoken, for `https:`. */
  readonly tls?: ClientTlsOptions | null | undefined
}

/** The options of a request: complete and checked. */
export interface RequestRules {
  readonly url: URL
  readonly method: string
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: string | Uint8Array | null
  readonly redirects: number
  readonly insecureRedirects: boolean
  readonly decompress: boolean
  readonly timeout: number
  readonly maxBodySize: number
  readonly tls: ClientTlsOptions | null
}

const defaultRedirects = 10

/** Framing is the client's own, and so is what is asked of the connection. */
const headersCheck = headersFor(/^(?:transfer-encoding|keep-alive|upgrade|expect)$/, "the client's own")

const checks = {
  url: urlOf,
  method: methodOf,
  headers: headersOf,
  query: pairsOf,
  body: bodyOf,
  redirects: (value, key) => (typeof value === 'boolean' ? (value ? defaultRedirects : 0) : integer(0, 1000)(value, key)),
  insecureRedirects: boolean,
  decompress: boolean,
  timeout: secondsOf,
  maxBodySize: integer(0, constants.MAX_LENGTH, 'bytes'),
  tls: tlsOptions,
} satisfies { readonly [K in keyof RequestOptions]-?: Check<unknown> }

/** @throws ArgumentError naming the option, what was given and what was expected */
export function requestRulesOf(options: string | URL | RequestOptions): RequestRules {
  const given = typeof options === 'string' || options instanceof URL ? { url: options } : options
  return asArguments(() => {
    const fields = optionsOf(given, 'options', 'a URL or an object with one', Object.keys(checks))
    const option = <T>(name: keyof typeof checks, check: Check<T>, otherwise: T): T => (fields.has(name) ? check(fields.get(name), name) : otherwise)
    const url = checks.url(fields.get('url'), 'url')
    for (const [name, value] of option('query', checks.query, [])) url.searchParams.append(name, value)
    return {
      ...withCredentials(url, option('headers', checks.headers, {})),
      method: option('method', checks.method, 'GET'),
      body: option('body', checks.body, null),
      redirects: option('redirects', checks.redirects, defaultRedirects),
      insecureRedirects: option('insecureRedirects', checks.insecureRedirects, false),
      decompress: option('decompress', checks.decompress, true),
      timeout: option('timeout', checks.timeout, 30),
      maxBodySize: option('maxBodySize', checks.maxBodySize, 64 * 1024 * 1024),
      tls: option<ClientTlsOptions | null>('tls', checks.tls, null),
    }
  })
}

function urlOf(value: unknown, key: string): URL {
  const text = String(value)
  if (!URL.canParse(text)) return refuse(key, text.slice(0, 200), 'a URL')
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse(key, text.slice(0, 200), 'a URL that begins with http: or https:')
  return url
}

function methodOf(value: unknown, key: string): string {
  if (typeof value === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value) && value !== 'CONNECT') return value
  return refuse(key, value, 'a method such as "POST", and not CONNECT')
}

function bodyOf(value: unknown, key: string): string | Uint8Array | null {
  return value === null || typeof value === 'string' || value instanceof Uint8Array ? value : refuse(key, value, 'a string, bytes or null')
}

function secondsOf(value: unknown, key: string): number {
  return typeof value === 'number' && value > 0 ? value : refuse(key, value, 'a number of seconds above 0')
}

function headersOf(value: unknown, key: string): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const [name, given] of Object.entries(headersCheck(value, key))) {
    const values = given === null || given === undefined ? [] : [given].flat().map(String)
    if (values.length > 0) headers[name.toLowerCase()] = values.length === 1 ? values[0] : values
  }
  return headers
}

function pairsOf(value: unknown, key: string): [name: string, value: string][] {
  const pairs: [string, string][] = []
  for (const [name, given] of fieldsOf(value, key, 'an object of names and values')) {
    if (given === null) continue
    for (const one of [given].flat() as unknown[]) {
      if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean') {
        return refuse(`${key}.${name}`, one, 'a string, a number, a boolean, or an array of them')
      }
      pairs.push([name, String(one)])
    }
  }
  return pairs
}
