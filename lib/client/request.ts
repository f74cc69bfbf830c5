import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import type { buildConnector, Dispatcher } from 'undici'
import { TimeoutError, timeout as within, wait, type Op } from '../../lev/index.js'
import { clientSecurity, IdentityError, type ClientTlsOptions } from '../../tls/index.js'
import { RequestError } from '../errors.js'
import { reasonOf } from '../http1/status.js'
import { Connections } from './connections.js'
import { requestRulesOf, type RequestOptions, type RequestRules } from './request-options.js'

export type { ClientValue, RequestOptions } from './request-options.js'

export interface ClientResponse {
  /** Whether the status is 200 to 299. */
  readonly ok: boolean
  readonly status: number
  /** The status code's own phrase: "Not Found". */
  readonly reason: string
  /** By lower-case name; a header that came several times is joined with ", ", `set-cookie` with line ends. */
  readonly headers: Readonly<Record<string, string>>
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

async function perform(rules: RequestRules, signal: AbortSignal): Promise<ClientResponse> {
  const { url, method, body, redirects, decompress, tls } = rules
  const options = tls === null ? null : connectOptions(url, tls)
  // Loaded by the first who needs it: it takes 50 ms, and holds 3 MB.
  const undici = await import('undici')
  const headers = { ...rules.headers }
  if (decompress) headers['accept-encoding'] ??= 'gzip, deflate, br'
  const connections = options === null ? (shared ??= new Connections(undici, {})) : new Connections(undici, options)
  const { agent } = connections
  try {
    return await connections.during(signal, async () => await received(await undici.request(url, {
      method: method as Dispatcher.HttpMethod,
      headers,
      body,
      maxRedirections: redirects,
      signal,
      // One deadline is enough.
      headersTimeout: 0,
      bodyTimeout: 0,
      dispatcher: agent,
    }), rules))
  } finally {
    if (options !== null) agent.destroy().catch(() => {})
  }
}

/** @throws Error when the response is too large, or broken */
async function received(response: Dispatcher.ResponseData, { decompress, maxBodySize }: RequestRules): Promise<ClientResponse> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response.body as AsyncIterable<Buffer>) {
    size += part.length
    if (size > maxBodySize) throw new Error(`the response has more than ${maxBodySize} bytes`)
    parts.push(part)
  }
  const headers = plainHeaders(response.headers)
  const body = decompress ? await unpack(headers, Buffer.concat(parts), maxBodySize) : Buffer.concat(parts)
  const status = response.statusCode
  return { ok: status >= 200 && status < 300, status, reason: reasonOf(status), headers, body }
}

type Unpack = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>
const unpackers: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip), 'x-gzip': promisify(gunzip), deflate: promisify(inflate), br: promisify(brotliDecompress),
}

/** Decompresses content, and takes the headers away that were about how it came. Unknown codings stay as they are. */
async function unpack(headers: Record<string, string>, bytes: Buffer, limit: number): Promise<Buffer> {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  const unpacker = Object.hasOwn(unpackers, coding) ? unpackers[coding] : null
  if (unpacker === null) return bytes
  delete headers['content-encoding']
  delete headers['content-length']
  return bytes.length === 0 ? bytes : await unpacker(bytes, { maxOutputLength: Math.max(1, limit) })
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
  return { secureContext: context, rejectUnauthorized: verify, ...(tls.serverName === undefined ? {} : { servername: tls.serverName }) }
}

function reasonFor(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonFor(error.errors[0])
  // What OpenSSL says is a line of its source; node has the reason beside it.
  if (error instanceof Error && 'reason' in error && 'library' in error) return `the TLS handshake failed: ${String(error.reason)}`
  return error instanceof Error ? error.message : String(error)
}
