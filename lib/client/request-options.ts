import { constants } from 'node:buffer'
import type { ClientTlsOptions } from '../../tls/index.js'
import { asArguments, optionsOf } from '../config/arguments.js'
import { boolean, fieldsOf, integer, refuse, unixPath, type Check } from '../config/validators.js'
import { isToken } from '../http1/grammar.js'
import { withCredentials } from './credentials.js'
import { headersFor, proxyCheck, tlsOptions } from './options.js'
import type { Proxy } from './proxy.js'
import { outgoingOf, type Outgoing, type RequestContent } from './outgoing.js'

/** A value of a query or a header; a list gives several values for one name. */
export type ClientValue = string | number | boolean | readonly (string | number | boolean)[] | null | undefined

/** Options of a request; all but `url` are optional. */
export interface RequestOptions {
  /** `http:` or `https:`. */
  readonly url: string | URL
  /** Default: GET. */
  readonly method?: string | null | undefined
  /** Headers to send; they replace the client's own (`User-Agent`, `Accept`, `Accept-Encoding`). */
  readonly headers?: Readonly<Record<string, ClientValue>> | null | undefined
  /** Query parameters to add to those of the URL. */
  readonly query?: Readonly<Record<string, ClientValue>> | null | undefined
  /** The content: a string as UTF-8, a form as multipart; streaming content in pieces, chunked unless its length is known. */
  readonly body?: RequestContent | null | undefined
  /** Whether to return when the head of the response has arrived, with a body that is read as it arrives. Default: false. */
  readonly stream?: false | null | undefined
  /** Maximum number of redirects, beyond which it fails; true is 10, false returns the redirect itself. Default: true. */
  readonly redirects?: boolean | number | null | undefined
  /** Whether a redirect from `https:` to `http:` is followed; if not, it is an error. Default: false. */
  readonly insecureRedirects?: boolean | null | undefined
  /** Whether to ask for compressed content and decompress it. Default: true. */
  readonly decompress?: boolean | null | undefined
  /** Seconds for the whole request; with `stream`, for the head of the response and then for each piece. Default: 30. */
  readonly timeout?: number | null | undefined
  /** Maximum content of a response, in bytes, also once decompressed. Default: 67108864 (64 MiB); no limit with `stream`. */
  readonly maxBodySize?: number | null | undefined
  /**
   * The URL of a proxy, `http:` or `https:`, optionally with a user and a password; false for none. Default: the environment's
   * (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, also in lower case).
   */
  readonly proxy?: string | URL | false | null | undefined
  /** The path of a Unix socket to connect to instead of the URL's host. */
  readonly socketPath?: string | null | undefined
  /** TLS options, for `https:`. */
  readonly tls?: ClientTlsOptions | null | undefined
}

/** Options of a request whose response is read as it arrives. */
export interface StreamRequestOptions extends Omit<RequestOptions, 'stream'> {
  /** Returns the response when its head has arrived. */
  readonly stream: true
}

/** The options of a request, complete and checked. */
export interface RequestRules {
  readonly url: URL
  readonly method: string
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: Outgoing | null
  readonly stream: boolean
  readonly redirects: number
  readonly insecureRedirects: boolean
  readonly decompress: boolean
  readonly timeout: number
  readonly maxBodySize: number
  readonly proxy: Proxy | false | null
  readonly socketPath: string | null
  readonly tls: ClientTlsOptions | null
}

const defaultRedirects = 10

/** Headers for framing and for the connection are set by the client. */
const headersCheck = headersFor(/^(?:transfer-encoding|keep-alive|upgrade|expect)$/, "the client's own")

const checks = {
  url: urlOf,
  method: methodOf,
  headers: headersOf,
  query: pairsOf,
  body: bodyOf,
  stream: boolean,
  redirects: (value, key) => (typeof value === 'boolean' ? (value ? defaultRedirects : 0) : integer(0, 1000)(value, key)),
  insecureRedirects: boolean,
  decompress: boolean,
  timeout: secondsOf,
  maxBodySize: integer(0, constants.MAX_LENGTH, 'bytes'),
  proxy: proxyCheck,
  socketPath: unixPath,
  tls: tlsOptions,
} satisfies { readonly [K in keyof RequestOptions]-?: Check<unknown> }

/** @throws ArgumentError naming the option, the given value and the expected one */
export function requestRulesOf(options: string | URL | RequestOptions | StreamRequestOptions): RequestRules {
  const given = typeof options === 'string' || options instanceof URL ? { url: options } : options
  return asArguments(() => {
    const fields = optionsOf(given, 'options', 'a URL or an object with one', Object.keys(checks))
    const option = <T>(name: keyof typeof checks, check: Check<T>, otherwise: T): T => (fields.has(name) ? check(fields.get(name), name) : otherwise)
    const url = checks.url(fields.get('url'), 'url')
    for (const [name, value] of option('query', checks.query, [])) url.searchParams.append(name, value)
    const stream = option('stream', checks.stream, false)
    const headers = option('headers', checks.headers, {})
    const body = option('body', checks.body, null)
    const socketPath = option<string | null>('socketPath', checks.socketPath, null)
    if (socketPath !== null && fields.get('proxy')) refuse('proxy', 'a proxy', 'left out where there is a socketPath')
    checkLength(headers['content-length'], body)
    return {
      ...withCredentials(url, headers),
      method: option('method', checks.method, 'GET'),
      body,
      stream,
      redirects: option('redirects', checks.redirects, defaultRedirects),
      insecureRedirects: option('insecureRedirects', checks.insecureRedirects, false),
      decompress: option('decompress', checks.decompress, true),
      timeout: option('timeout', checks.timeout, 30),
      maxBodySize: option('maxBodySize', checks.maxBodySize, stream ? Infinity : 64 * 1024 * 1024),
      proxy: option<RequestRules['proxy']>('proxy', checks.proxy, null),
      socketPath,
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

export function methodOf(value: unknown, key: string): string {
  if (typeof value === 'string' && isToken(value) && value !== 'CONNECT') return value
  return refuse(key, value, 'a method such as "POST", and not CONNECT')
}

export function bodyOf(value: unknown, key: string): Outgoing | null {
  if (value === null) return null
  return outgoingOf(value) ?? refuse(key, value, 'a string, bytes, a form, content that streams, or null')
}

/** With a wrong length, the server would take the rest of the content for another request. */
export function checkLength(given: string | string[] | undefined, body: Outgoing | null): void {
  if (given === undefined) return
  const length = body?.length ?? 0
  if (typeof given === 'string' && /^[0-9]{1,15}$/.test(given) && (length < 0 || Number(given) === length)) return
  refuse('headers.content-length', given, length < 0 ? 'a length in bytes' : `the length of the body, ${length}`)
}

function secondsOf(value: unknown, key: string): number {
  return typeof value === 'number' && value > 0 ? value : refuse(key, value, 'a number of seconds above 0')
}

/** Headers to send, by lower-case name. @param check what they may be */
export function headersOf(value: unknown, key: string, check = headersCheck): Record<string, string | string[]> {
  const headers = Object.create(null) as Record<string, string | string[]>
  for (const [name, given] of Object.entries(check(value, key))) {
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
