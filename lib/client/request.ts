import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import type { buildConnector, Dispatcher } from 'undici'
import { TimeoutError, timeout as within, wait, type Op } from '../../lev/index.js'
import type { ClientTlsOptions } from '../../tls/index.js'
import { ArgumentError, RequestError } from '../errors.js'
import { reasonOf } from '../http1/status.js'
import { Connections } from './connections.js'

/** A value of a query or a header; a list stands for several of the same name. */
export type ClientValue = string | number | boolean | readonly (string | number | boolean)[] | null | undefined

export interface RequestOptions {
  /** `http:` or `https:`. */
  readonly url: string | URL
  /** Default: GET. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, ClientValue>>
  /** Added to the query that the URL has. */
  readonly query?: Readonly<Record<string, ClientValue>>
  readonly body?: string | Uint8Array | null
  /** How many redirections are followed; true: 10, false: none. Default: true. */
  readonly redirects?: boolean | number
  /** Whether compressed content is asked for and decompressed. Default: true. */
  readonly decompress?: boolean
  /** Seconds for all of it. Default: 30. */
  readonly timeout?: number
  /** Largest content of a response, in bytes, also once decompressed. Default: 67108864 (64 MiB). */
  readonly maxBodySize?: number
  readonly tls?: ClientTlsOptions
}

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

const defaultRedirects = 10
const defaultTimeout = 30
const defaultBodySize = 64 * 1024 * 1024

/**
 * Sends a request and waits for the whole response, whatever its status. Cancelling aborts it.
 * @throws ArgumentError; RequestError when there is no response (nobody listens, a broken connection, a certificate that is not
 * trusted, content that is too large or cannot be decompressed); TimeoutError
 */
export function* request(options: string | URL | RequestOptions): Op<ClientResponse> {
  const given = typeof options === 'string' || options instanceof URL ? { url: options } : options
  if (typeof given !== 'object' || given === null) throw new ArgumentError('options', 'options must be a URL or an object with one')
  const { timeout = defaultTimeout } = given
  if (typeof timeout !== 'number' || !(timeout > 0)) throw new ArgumentError('timeout', 'timeout must be a number of seconds above 0')
  return yield* within(timeout, exchange(urlOf(given), given))
}

function* exchange(url: URL, options: RequestOptions): Op<ClientResponse> {
  const aborter = new AbortController()
  let over = false
  try {
    const response = yield* wait(perform(url, options, aborter.signal))
    over = true
    return response
  } catch (error) {
    over = true
    if (error instanceof ArgumentError || error instanceof TimeoutError) throw error
    throw new RequestError(`${options.method ?? 'GET'} ${url.origin}: ${reasonFor(error)}`, { cause: error })
  } finally {
    if (!over) aborter.abort()
  }
}

/** What requests without TLS options of their own share. */
let shared: Connections | null = null

async function perform(url: URL, options: RequestOptions, signal: AbortSignal): Promise<ClientResponse> {
  // Loaded by the first who needs it: it takes 50 ms, and holds 3 MB.
  const undici = await import('undici')
  const { method = 'GET', redirects = true, decompress = true, tls } = options
  const headers = headersOf(options.headers ?? {})
  if (decompress && headers['accept-encoding'] === undefined) headers['accept-encoding'] = 'gzip, deflate, br'
  const connections = tls === undefined ? (shared ??= new Connections(undici, {})) : new Connections(undici, connectOptions(tls))
  const { agent } = connections
  try {
    return await connections.during(signal, async () => await received(await undici.request(url, {
      method: method as Dispatcher.HttpMethod,
      headers,
      body: options.body ?? null,
      maxRedirections: typeof redirects === 'number' ? redirects : redirects ? defaultRedirects : 0,
      signal,
      // One deadline is enough.
      headersTimeout: 0,
      bodyTimeout: 0,
      dispatcher: agent,
    }), options))
  } finally {
    if (tls !== undefined) agent.destroy().catch(() => {})
  }
}

/** @throws Error when the response is too large, or broken */
async function received(response: Dispatcher.ResponseData, { decompress = true, maxBodySize = defaultBodySize }: RequestOptions): Promise<ClientResponse> {
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

function urlOf({ url, query = {} }: RequestOptions): URL {
  if (!URL.canParse(String(url))) throw new ArgumentError('url', `url must be a URL, got ${JSON.stringify(String(url).slice(0, 200))}`)
  const parsed = new URL(url)
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') throw new ArgumentError('url', `url must begin with http: or https:, got ${parsed.protocol}`)
  for (const [name, value] of Object.entries(query)) for (const one of listOf(value)) parsed.searchParams.append(name, one)
  return parsed
}

function headersOf(given: Readonly<Record<string, ClientValue>>): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(given)) {
    const values = listOf(value)
    if (values.length > 0) headers[name.toLowerCase()] = values.length === 1 ? values[0] : values
  }
  return headers
}

function listOf(value: ClientValue): string[] {
  if (value === null || value === undefined) return []
  return typeof value === 'object' ? value.map(String) : [String(value)]
}

function plainHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const plain: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(name === 'set-cookie' ? '\n' : ', ') : value
  }
  return plain
}

function connectOptions({ ca, cert, key, passphrase, serverName, verify = true }: ClientTlsOptions): buildConnector.BuildOptions {
  return {
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

function reasonFor(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonFor(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
