import { optionsOf } from '../../config/arguments.js'
import { boolean } from '../../config/validators.js'
import type { ClientValue, RequestOptions as CoreOptions } from '../../client/request.js'
import { request as send } from '../../client/request.js'
import { ArgumentError } from '../../errors.js'
import { hasScheme } from '../../http1/grammar.js'
import type { Waiting } from '../../waiting.js'
import { attempt, type Attempt } from './attempt.js'

/** A request without content. */
export interface BareRequestOptions {
  /** Default: GET. */
  readonly method?: 'GET' | null | undefined
  /** Headers to send, by name. */
  readonly headers?: Readonly<Record<string, ClientValue>> | null | undefined
  /** Whether redirections are followed, 10 of them. Default: true. */
  readonly allowRedirects?: boolean | null | undefined
}

/** A request that may have content. */
export interface BodyRequestOptions {
  /** The method. */
  readonly method: 'POST' | 'PUT' | 'DELETE'
  /** Headers to send, by name. */
  readonly headers?: Readonly<Record<string, ClientValue>> | null | undefined
  /** The content to send. Default: none. */
  readonly body?: string | Uint8Array | null | undefined
  /** Whether redirections are followed, 10 of them. Default: true. */
  readonly allowRedirects?: boolean | null | undefined
}

/** Options of a request. */
export type RequestOptions = BareRequestOptions | BodyRequestOptions

/** The response to a request. */
export interface Response {
  /** Whether the status is 200 to 299. */
  readonly ok: boolean
  /** The status code, such as 404. */
  readonly statusCode: number
  /** The standard phrase of the status code. */
  readonly statusReason: string
  /** The headers by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The content as UTF-8 text; empty if there is none. */
  readonly body: string
  /** The content as bytes. */
  readonly bytes: Buffer
}

/** Default timeout of a whole request, in seconds. */
const patience = 300

/**
 * Sends a request and waits for the response, whatever its status. Never throws.
 * @param host a URL; without a protocol, `http:` is used
 * @param settings options of the core that have no name here
 */
export function request(
  host: string, options?: RequestOptions | null, settings?: Pick<CoreOptions, 'insecureRedirects' | 'decompress' | 'timeout' | 'maxBodySize' | 'tls'> | null,
): Waiting<Attempt<Response>> {
  return attempt(function* () {
    const given = options ?? {}
    optionsOf(given, 'options', 'a table', ['method', 'headers', 'body', 'allowRedirects'])
    const { method, headers, allowRedirects } = given
    const redirects = boolean(allowRedirects ?? true, 'allowRedirects')
    const response = yield* send({
      timeout: patience,
      ...settings,
      url: withProtocol(host, 'http'),
      method: method ?? 'GET',
      headers: headers ?? {},
      body: 'body' in given ? given.body ?? null : null,
      redirects,
    })
    return {
      ok: response.ok,
      statusCode: response.status,
      statusReason: response.reason,
      headers: response.headers,
      body: response.body.toString(),
      bytes: response.body,
    }
  })
}

/** Adds `protocol` to a URL without one. @throws ArgumentError if the result is not a URL */
export function withProtocol(host: string, protocol: 'http' | 'ws'): string {
  const url = hasScheme(String(host)) ? host : `${protocol}://${host}`
  if (typeof host !== 'string' || !URL.canParse(url)) {
    throw new ArgumentError('host', `host must be a URL, got ${JSON.stringify(String(host).slice(0, 200))}`)
  }
  return url
}
