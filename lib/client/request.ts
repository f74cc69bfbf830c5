import { setMaxListeners } from 'node:events'
import type { buildConnector, Dispatcher } from 'undici'
import { TimeoutError, timeout as within, wait, type Op } from '../../lev/index.js'
import { clientSecurity, IdentityError, type ClientTlsOptions } from '../../tls/index.js'
import { RequestError } from '../errors.js'
import { hasContent, reasonOf } from '../http1/status.js'
import { userAgent } from '../version.js'
import { Connections } from './connections.js'
import { acceptEncoding, decoded } from './content-coding.js'
import { redirected, type Hop } from './redirect.js'
import { requestRulesOf, type RequestOptions, type RequestRules } from './request-options.js'

export type { ClientValue, RequestOptions } from './request-options.js'

/** What came back for a request. */
export interface ClientResponse {
  /** Whether the status is 200 to 299. */
  readonly ok: boolean
  /** The status code, such as 404. */
  readonly status: number
  /** The status code's own phrase: "Not Found". */
  readonly reason: string
  /** By lower-case name; a header that came several times is joined with ", ", `set-cookie` with line ends. */
  readonly headers: Readonly<Record<string, string>>
  /** The values of `set-cookie`, which cannot be joined, one by one. */
  readonly setCookie: readonly string[]
  /** The content, decompressed unless `decompress` is false; empty if there is none. */
  readonly body: Buffer
}

/**
 * Sends a request and waits for the whole response, whatever its status. Cancelling aborts it.
 * @throws ArgumentError; IdentityError; RequestError when there is no response (nobody listens, a broken connection, a certificate that is not
 * trusted, content that is too large or cannot be decompressed); TimeoutError
 */
export function* request(options: string | URL | RequestOptions): Op<ClientResponse> {
  const rules = requestRulesOf(options)
  return yield* within(rules.timeout, exchange(rules))
}

function* exchange(rules: RequestRules): Op<ClientResponse> {
  const aborter = new AbortController()
  // Each redirect adds its own.
  setMaxListeners(0, aborter.signal)
  let over = false
  try {
    const response = yield* wait(perform(rules, aborter.signal))
    over = true
    return response
  } catch (error) {
    over = true
    if (error instanceof IdentityError || error instanceof TimeoutError) throw error
    throw new RequestError(`${rules.method} ${rules.url.origin}: ${reasonFor(error)}`, { cause: error })
  } finally {
    if (!over) aborter.abort()
  }
}

/** What requests without TLS options of their own share. */
let shared: Connections | null = null

/** The request, and those that redirects ask for. */
async function perform(rules: RequestRules, signal: AbortSignal): Promise<ClientResponse> {
  let hop: Hop = rules
  for (let followed = 0; ; followed++) {
    const response = await send(hop, rules, signal)
    const next = rules.redirects === 0 ? null : redirected(hop, response.status, response.headers.location, rules.insecureRedirects)
    if (next === null) return response
    if (followed === rules.redirects) throw new Error(`it redirects more than ${rules.redirects} times`)
    hop = next
  }
}

async function send({ url, method, headers: given, body, tls }: Hop, rules: RequestRules, signal: AbortSignal): Promise<ClientResponse> {
  const options = tls === null ? null : connectOptions(url, tls)
  // Loaded by the first who needs it: it takes 50 ms, and holds 3 MB.
  const undici = await import('undici')
  const headers = { 'user-agent': userAgent, accept: '*/*', ...(rules.decompress ? { 'accept-encoding': acceptEncoding } : {}), ...given }
  const connections = options === null ? (shared ??= new Connections(undici, { timeout: 0 })) : new Connections(undici, options)
  const { agent } = connections
  try {
    return await connections.during(signal, async () => await received(await undici.request(url, {
      method: method as Dispatcher.HttpMethod,
      headers,
      body,
      signal,
      // One deadline is enough.
      headersTimeout: 0,
      bodyTimeout: 0,
      dispatcher: agent,
    }), method, rules))
  } finally {
    if (options !== null) agent.destroy().catch(() => {})
  }
}

/** @throws Error when the response is too large, or broken */
async function received(response: Dispatcher.ResponseData, method: string, { decompress, maxBodySize }: RequestRules): Promise<ClientResponse> {
  const status = response.statusCode
  const headers = plainHeaders(response.headers)
  const setCookie = [response.headers['set-cookie'] ?? []].flat()
  let body: Buffer = Buffer.alloc(0)
  if (hasContent(method, status)) {
    const coded = await contentOf(response, maxBodySize)
    const content = decompress ? await decoded(headers['content-encoding'] ?? '', coded, maxBodySize) : null
    body = content ?? coded
    if (content !== null) {
      // They were about the content as it came.
      delete headers['content-encoding']
      delete headers['content-length']
    }
  } else {
    // Its headers may tell of content all the same (RFC 9110 section 8.6), which undici would wait for.
    response.body.on('error', () => {}).destroy()
  }
  return { ok: status >= 200 && status < 300, status, reason: reasonOf(status), headers, setCookie, body }
}

async function contentOf({ body }: Dispatcher.ResponseData, limit: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length
    if (size > limit) throw new Error(`the response has more than ${limit} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const plain: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(name === 'set-cookie' ? '\n' : ', ') : value
  }
  return plain
}

/** @throws IdentityError */
function connectOptions(url: URL, tls: ClientTlsOptions): buildConnector.BuildOptions {
  const { context, verify } = clientSecurity(url.hostname, tls)
  return { timeout: 0, secureContext: context, rejectUnauthorized: verify, ...(typeof tls.serverName === 'string' ? { servername: tls.serverName } : {}) }
}

function reasonFor(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonFor(error.errors[0])
  // What OpenSSL says is a line of its source; node has the reason beside it.
  if (error instanceof Error && 'reason' in error && 'library' in error) return `the TLS handshake failed: ${String(error.reason)}`
  return error instanceof Error ? error.message : String(error)
}
