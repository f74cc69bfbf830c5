import { ClosedError, portal, timeout, TimeoutError, type Op, type Portal, type Stream } from '../../../lev/index.js'
import { bytesOf } from '../../../lev/internal.js'
import type { ClientTlsOptions } from '../../../tls/index.js'
import { asArguments, optionsOf } from '../../config/arguments.js'
import { boolean } from '../../config/validators.js'
import { request as send, type ClientValue, type RequestOptions } from '../../client/request.js'
import { tcp as core } from '../../client/tcp.js'
import { ArgumentError } from '../../errors.js'
import { begun, done, waiting, type Waiting } from '../../waiting.js'

/** Options for the response. */
export interface FetchParamsOptions {
  /** Whether to ask for compressed content and decompress it. Default: true. */
  readonly decompress?: boolean | null | undefined
}

/** A request. */
export interface FetchParams {
  /** `http:` or `https:`. */
  readonly url: string
  /** The method, sent in upper case. Default: "GET". */
  readonly method?: string | null | undefined
  /** The content to send. Default: none. */
  readonly body?: string | Uint8Array | null | undefined
  /** Query parameters to add to those of the URL; an array gives several values for one key. */
  readonly query?: Readonly<Record<string, ClientValue>> | null | undefined
  /** Headers to send, by name. */
  readonly headers?: Readonly<Record<string, ClientValue>> | null | undefined
  /** Options for the response. */
  readonly options?: FetchParamsOptions | null | undefined
}

/** The response to a request. */
export interface FetchResponse {
  /** Whether the status is 200 to 299. */
  readonly ok: boolean
  /** The status code, such as 404. */
  readonly statusCode: number
  /** The standard phrase of the status code. */
  readonly statusMessage: string
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
 * Sends a request and waits for the response, whatever its status.
 * @param settings options of the core that have no name here
 * @throws ArgumentError at once; RequestError if there is no usable response; TimeoutError
 */
export function request(
  config: string | FetchParams, settings?: Pick<RequestOptions, 'redirects' | 'insecureRedirects' | 'timeout' | 'maxBodySize' | 'tls'> | null,
): Waiting<FetchResponse> {
  const params = typeof config === 'string' ? { url: config } : config
  if (typeof params !== 'object' || params === null) throw new ArgumentError('config', 'config must be a URL, or a table with one')
  const { url, method, body, query, headers, options }: FetchParams = params
  const decompress = asArguments(() => {
    optionsOf(params, 'config', 'a URL, or a table with one', ['url', 'method', 'body', 'query', 'headers', 'options'])
    const given = optionsOf(options ?? {}, 'options', 'a table { decompress }', ['decompress'], 'options.').get('decompress')
    return boolean(given ?? true, 'options.decompress')
  })
  if (!URL.canParse(url)) throw new ArgumentError('url', `url must be a URL, got ${JSON.stringify(String(url).slice(0, 200))}`)
  return waiting(function* () {
    const response = yield* send({
      timeout: patience,
      ...settings,
      url,
      method: typeof method === 'string' ? method.toUpperCase() : method ?? 'GET',
      body: body ?? null,
      query: query ?? {},
      headers: headers ?? {},
      decompress,
    })
    return {
      ok: response.ok,
      statusCode: response.status,
      statusMessage: response.reason,
      headers: response.headers,
      body: response.body.toString(),
      bytes: response.body,
    }
  })
}

/** Options of a connection. */
export interface TcpConfig {
  /** Whether to use TLS, or its options. The server's certificate is verified. Default: false. */
  readonly tls?: boolean | ClientTlsOptions | null | undefined
  /** Time to live of the packets. Setting it is an error: Node.js cannot set it for TCP. */
  readonly ttl?: number | null | undefined
}

/** Unsent bytes above which waiting for `write` takes time. */
const writeWindow = 128 * 1024

/** Seconds for which `close` waits for unsent output. */
const closeSeconds = 10

/** A connection, with or without TLS. */
export class TcpStream {
  /** IP address of this end. */
  readonly localIp: string
  /** Port of this end. */
  readonly localPort: number
  /** IP address of the peer. */
  readonly remoteIp: string
  /** Port of the peer. */
  readonly remotePort: number
  readonly #stream: Stream
  readonly #world: Portal = portal()
  #closed = false

  /** @internal Must be called in a task of the connection's world. */
  constructor(stream: Stream) {
    this.#stream = stream
    this.localIp = stream.local.ip
    this.localPort = stream.local.port
    this.remoteIp = stream.remote.ip
    this.remotePort = stream.remote.port
  }

  /**
   * Waits for bytes and returns them; null if the peer has ended its output, or the stream is closed, even by a `close` during
   * the wait. Rejects with ClosedError if the connection is lost.
   * @param size maximum number of bytes. Default: all that are available
   * @throws ArgumentError if `size` is not a positive integer
   */
  read(size?: number | null): Waiting<Buffer | null> {
    if (size !== undefined && size !== null && !(Number.isInteger(size) && size > 0)) {
      throw new ArgumentError('size', `size must be a number of bytes above 0, got ${size}`)
    }
    return waiting(() => this.#read(size ?? undefined), this.#world)
  }

  *#read(size: number | undefined): Op<Buffer | null> {
    if (this.#closed) return null
    try {
      return yield* this.#stream.read(size)
    } catch (error) {
      if (this.#closed && error instanceof ClosedError) return null
      throw error
    }
  }

  /**
   * Sends data at once; waiting for the result waits until there is room for more. A string is sent as UTF-8. Bytes are not
   * copied and must not be changed until they have left. Rejects with ClosedError if the stream is closed, or the connection
   * is lost.
   * @throws ArgumentError if `data` is neither a string nor bytes
   */
  write(data: string | Uint8Array): Waiting<void> {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) throw new ArgumentError('data', 'data must be a string or bytes')
    if (this.#closed) return begun(Promise.reject(new ClosedError('the stream is closed')))
    const stream = this.#stream
    try {
      stream.put(bytesOf(data))
    } catch (error) {
      return begun(Promise.reject(error))
    }
    return stream.unsent <= writeWindow ? done() : begun(this.#world.run(() => stream.flush(writeWindow / 2)))
  }

  /** Closes when all output has left, at the latest after 10 seconds; the result waits for that. Repeated calls do nothing. */
  close(): Waiting<void> {
    if (this.#closed) return done()
    this.#closed = true
    return begun(this.#world.run(() => closeWell(this.#stream)))
  }
}

function* closeWell(stream: Stream): Op<void> {
  try {
    yield* timeout(closeSeconds, stream.end())
  } catch (error) {
    if (!(error instanceof ClosedError || error instanceof TimeoutError)) throw error
  } finally {
    stream.close()
  }
}

/**
 * Opens a connection.
 * @param config `true` is short for `{ tls: true }`
 * @throws ArgumentError, at once for `config` and `ttl`; AddressError if no connection can be made; HandshakeError if TLS
 * fails; IdentityError if a certificate or a key cannot be used
 */
function connect(host: string, port: number, config?: boolean | TcpConfig | null): Waiting<TcpStream> {
  if (typeof config !== 'boolean' && typeof (config ?? {}) !== 'object') {
    throw new ArgumentError('config', `config must be true, false or a table { tls, ttl }, got ${typeof config}`)
  }
  const { tls, ttl = null, ...more }: TcpConfig = typeof config === 'boolean' ? { tls: config } : config ?? {}
  if (ttl !== null) throw new ArgumentError('ttl', 'ttl cannot be set: Node.js has no way to set the TTL of a TCP connection')
  return waiting(function* () {
    return new TcpStream(yield* core.connect(host, port, { ...more, tls: tls ?? false }))
  })
}

/** Lune's `net.tcp`: TCP connections, with or without TLS. */
export const tcp = { connect } as const
