import { AddressError, ClosedError, HandshakeError, scope, timeout as within, type Awaitable, type Op } from '../../lev/index.js'
import { instanceOf, made, makesAwaitable } from '../../lev/internal.js'
import { readAll } from '../pieces.js'
import { ArgumentError, RequestError } from '../errors.js'
import { hasContent, reasonOf } from '../http1/status.js'
import { codingsOf, decoded, decodedPieces } from './content-coding.js'
import { send, type Exchange } from './exchange.js'
import { redirected, type Hop } from './redirect.js'
import { requestRulesOf, type RequestOptions, type RequestRules, type StreamRequestOptions } from './request-options.js'
import { ResponseBody } from './response-body.js'

export type { RequestContent } from './outgoing.js'
export type { ClientValue, RequestOptions, StreamRequestOptions } from './request-options.js'

/** A response without its content. */
export interface ResponseFacts {
  /** Whether the status is 200 to 299. */
  readonly ok: boolean
  /** The status code, such as 404. */
  readonly status: number
  /** The standard phrase of the status code: "Not Found". */
  readonly reason: string
  /** Headers by lower-case name; repeated ones are joined with ", ", `set-cookie` with line ends. */
  readonly headers: Readonly<Record<string, string>>
  /** The values of `set-cookie`, which cannot be split again once joined. */
  readonly setCookie: readonly string[]
}

/** The response to a request. */
export interface ClientResponse extends ResponseFacts {
  /** The content, decompressed unless `decompress` is false; empty if there is none. */
  readonly body: Buffer
}

/** A response whose content is read as it arrives. */
export interface StreamedResponse extends ResponseFacts {
  /** The content, to be read once. */
  readonly body: ResponseBody
}

/**
 * Sends a request and waits for the whole response, whatever its status; with `stream: true`, for its head. Cancellation aborts
 * it. A streamed response belongs to the nearest enclosing scope: it is closed when that ends.
 * @throws ArgumentError; IdentityError; RequestError if there is no usable response (connection refused or broken, a certificate
 * that is not trusted, content that is too large or cannot be decompressed); TimeoutError; what the request's content throws
 */
export function request(options: StreamRequestOptions): Awaitable<StreamedResponse>
export function request(options: string | URL | RequestOptions): Awaitable<ClientResponse>
export function request(options: string | URL | RequestOptions | StreamRequestOptions, more?: unknown): Awaitable<ClientResponse | StreamedResponse> {
  return made(requesting(options, more))
}

function* requesting(options: string | URL | RequestOptions | StreamRequestOptions, more: unknown): Op<ClientResponse | StreamedResponse> {
  // Called like fetch, which only JavaScript lets through: it would ignore the options and send a GET.
  if (typeof more === 'object' && more !== null) throw new ArgumentError('options', 'request takes the URL among its options: request({ url, ...options })')
  const rules = requestRulesOf(options)
  let done = false
  try {
    const response = yield* rules.stream ? streamed(rules) : within(rules.timeout, whole(rules))
    done = true
    return response
  } catch (error) {
    throw told(rules, error)
  } finally {
    // The request's content may still be open.
    if (!done && typeof rules.body?.source === 'function') rules.body.source().cancel()
  }
}

makesAwaitable(requesting)

function* whole(rules: RequestRules): Op<ClientResponse> {
  // Content in pieces is written by a task, which must end with the request.
  if (typeof rules.body?.source === 'function') return yield* scope(() => received(rules))
  return yield* received(rules)
}

function* received(rules: RequestRules): Op<ClientResponse> {
  const exchange = yield* followed(rules)
  try {
    const coded = yield* readAll(() => exchange.next())
    const facts = factsOf(exchange)
    const content = rules.decompress && hasContent(rules.method, facts.status) ? yield* decompressed(facts, coded, rules.maxBodySize) : null
    return content === null ? { ...facts, body: coded } : { ...withoutCoding(facts), body: content }
  } finally {
    exchange.close()
  }
}

function* decompressed({ headers }: ResponseFacts, coded: Buffer, limit: number): Op<Buffer | null> {
  const coding = headers['content-encoding'] ?? ''
  return coding === '' ? null : yield* decoded(coding, coded, limit)
}

function* streamed(rules: RequestRules): Op<StreamedResponse> {
  const exchange = yield* within(rules.timeout, followed(rules))
  const facts = factsOf(exchange)
  const codings = rules.decompress && hasContent(rules.method, facts.status) ? codingsOf(facts.headers['content-encoding'] ?? '') : null
  const tell = (error: unknown): unknown => told(rules, error)
  if (codings === null) return { ...facts, body: new ResponseBody(exchange, exchange, tell) }
  return { ...withoutCoding(facts), body: new ResponseBody(exchange, decodedPieces(codings, exchange, rules.maxBodySize), tell) }
}

/** Sends the request, and follows redirects. */
function* followed(rules: RequestRules): Op<Exchange> {
  let hop: Hop = rules
  for (let count = 0; ; count++) {
    const exchange = yield* send(hop, rules)
    let done = false
    try {
      const { status, fields } = exchange.head
      const next = rules.redirects === 0 ? null : redirected(hop, status, fields.get('location'), rules.insecureRedirects)
      if (next === null) {
        done = true
        return exchange
      }
      if (count === rules.redirects) throw new RequestError(`it redirects more than ${rules.redirects} times`)
      if (next.body?.repeatable === false) throw new RequestError('it redirects, and a body that streams cannot be sent again')
      yield* exchange.skip()
      hop = next
    } finally {
      if (!done) exchange.close()
    }
  }
}

/** What the head of a response says. */
export function factsOf({ head: { status, fields } }: Exchange): ResponseFacts {
  const headers = fields.toObject()
  const setCookie = fields.lines().filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, value]) => value)
  if (setCookie.length > 0) headers['set-cookie'] = setCookie.join('\n')
  return { ok: status >= 200 && status < 300, status, reason: reasonOf(status), headers, setCookie }
}

/** Removes the headers that describe the content before decoding. */
function withoutCoding(facts: ResponseFacts): ResponseFacts {
  const headers = Object.assign(Object.create(null) as Record<string, string>, facts.headers)
  delete headers['content-encoding']
  delete headers['content-length']
  return { ...facts, headers }
}

/** The error for the caller: errors of the connection become a RequestError that names the request. */
function told({ method, url }: RequestRules, error: unknown): unknown {
  if (!instanceOf<Error>(error, RequestError, AddressError, HandshakeError, ClosedError)) return error
  return new RequestError(`${method} ${url.origin}: ${error.message}`, { cause: error })
}
