import { suspend, type Op } from '../../../lev/index.js'
import { optionsOf } from '../../config/arguments.js'
import { refuse } from '../../config/validators.js'
import type { Config } from '../../config/settings.js'
import { Context } from '../../request/context.js'
import { ConfigError, StateError } from '../../errors.js'
import type { RequestHeaders } from '../../http1/headers.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import { responseOf, runHandler, untyped, type ResponseShape } from '../shared/responding.js'
import type { WebSocketOptions } from '../../websocket/options.js'
import { WebSocket } from './websocket.js'
import { queryPairs, tableOf } from '../shared/query.js'
import { serverFor, splitSettings, started } from '../shared/serving.js'
import { called } from '../shared/called.js'
import { begun, waiting, type Waiting } from '../../waiting.js'

/** A request, as passed to a handler. */
export interface ServeRequest {
  /** The path as sent, with percent-encoding. */
  readonly path: string
  /** The decoded query. A repeated key has an array of its values, in order. */
  readonly query: Readonly<Record<string, string | string[]>>
  /** The method in upper case. */
  readonly method: string
  /** The headers by lower-case name. */
  readonly headers: RequestHeaders
  /** The body as UTF-8 text, decompressed; empty if there is none. */
  readonly body: string
  /** The body as bytes, decompressed. */
  readonly bytes: Buffer
  /** Address of the client. */
  readonly ip: string
  /** Port of the client. */
  readonly port: number
}

/** A response with a status or headers. */
export interface ServeResponse {
  /** The status, 200 to 599; interim statuses (100 to 199) are rejected. Default: 200. */
  readonly status?: number | null | undefined
  /** Headers by name, in any case. */
  readonly headers?: ResponseHeaders | null | undefined
  /** The content. Default: none. */
  readonly body?: string | Uint8Array | null | undefined
}

/** Handles a request: a plain function, a coroutine or an async function. */
export type ServeHttpHandler = (request: ServeRequest) =>
  string | Uint8Array | ServeResponse | Op<string | Uint8Array | ServeResponse> | PromiseLike<string | Uint8Array | ServeResponse>

/**
 * Handles a WebSocket: a plain function, a coroutine or an async function. After it ends, the WebSocket stays open until either
 * side closes it, or the server stops; if it fails, the WebSocket is closed with 1011.
 */
export type ServeWebSocketHandler = (socket: WebSocket) => unknown

/** The configuration of a server; at least one of the two functions is required. */
export interface ServeConfig {
  /** The address to listen on: an IP address or localhost, or a URL of one; needs `handleRequest`. Default: "http://localhost". */
  readonly address?: string | null | undefined
  /** Handles requests; without it, requests that ask for no WebSocket get 426. */
  readonly handleRequest?: ServeHttpHandler | null | undefined
  /** Handles the WebSockets of requests that ask for one. Without it, those are ordinary requests. */
  readonly handleWebSocket?: ServeWebSocketHandler | null | undefined
}

/** A running server. */
export interface ServeHandle {
  /** The address that the server listens on. */
  readonly ip: string
  /** The port; if port 0 was requested, the one that the system chose. */
  readonly port: number
  /**
   * Stops the server: it accepts no new connections, finishes requests in progress, for at most 30 seconds, and closes WebSockets
   * with 1001. The result waits until all of that is done.
   * @throws StateError if it was called before
   */
  stop(): Waiting<void>
}

const nothing = Buffer.alloc(0)

const names = { ip: 'address', port: 'port' } as const

const shape: ResponseShape = { status: 'status', textHeaders: untyped }

/**
 * Starts a server and returns its handle once it listens.
 * @param port 0 lets the system choose
 * @param settings settings of the core that have no name here: limits, timeouts, logs; `websocket`: options of WebSockets
 * @throws ConfigError naming the argument and its fault, at once; BindError if the port cannot be bound
 */
export function serve(
  port: number,
  handlerOrConfig: ServeHttpHandler | ServeConfig,
  settings?: (Omit<Config, 'ip' | 'port'> & { readonly websocket?: WebSocketOptions | null | undefined }) | null,
): Waiting<ServeHandle> {
  if (typeof port !== 'number') refuse('port', port, 'an integer from 0 to 65535')
  const { ip, handleRequest, handleWebSocket } = readConfig(handlerOrConfig)
  const { core, webSocket } = splitSettings(settings)
  const server = serverFor({ ip, port }, core, names, (method, path, args, headers, body, ctx) => {
    if (handleWebSocket !== null && (handleRequest === null || ctx.wantsWebSocket)) {
      return ctx.upgrade(function* (ws) {
        const socket = new WebSocket(ws)
        yield* called(() => handleWebSocket(socket))
        if (ws.isOpen) yield* aborted(ctx.signal)
      }, webSocket)
    }
    const request: ServeRequest = {
      path,
      query: queryOf(args),
      method: method.toUpperCase(),
      headers,
      body: body?.toString() ?? '',
      bytes: body ?? nothing,
      ip: ctx.client_ip,
      port: Context.peer(ctx).port,
    }
    return runHandler<unknown>(() => handleRequest?.(request), (given) => responseOf(given, shape))
  }, { decode_body: true })
  return waiting(function* () {
    const bound = yield* started(server)
    let stopped = false
    return {
      ip: bound.ip,
      port: bound.port,
      stop() {
        if (stopped) throw new StateError('the server was stopped already')
        stopped = true
        return begun(server.stop())
      },
    }
  })
}

function readConfig(given: ServeHttpHandler | ServeConfig): {
  ip: string; handleRequest: ServeHttpHandler | null; handleWebSocket: ServeWebSocketHandler | null
} {
  const config = typeof given === 'function' ? { handleRequest: given } : given
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    return refuse('handlerOrConfig', given, 'a function, or a table { address, handleRequest, handleWebSocket }')
  }
  optionsOf(config, 'handlerOrConfig', 'a table', ['address', 'handleRequest', 'handleWebSocket'])
  const { address = null, handleRequest = null, handleWebSocket = null }: ServeConfig = config
  if (handleRequest !== null && typeof handleRequest !== 'function') refuse('handleRequest', handleRequest, 'a function')
  if (handleWebSocket !== null && typeof handleWebSocket !== 'function') refuse('handleWebSocket', handleWebSocket, 'a function')
  if (handleRequest === null && handleWebSocket === null) {
    throw new ConfigError('handleRequest', 'handleRequest or handleWebSocket must be given')
  }
  if (address !== null && handleRequest === null) throw new ConfigError('handleRequest', 'handleRequest must be given when address is')
  return { ip: address === null ? loopback : addressOf(address), handleRequest, handleWebSocket }
}

const loopback = '127.0.0.1'

/** The given IP address, alone or in a URL that contains nothing else. */
function addressOf(address: string): string {
  const expected = 'an IP address or localhost, or a URL of one such as "http://0.0.0.0"'
  const url = typeof address === 'string' ? urlOf(address) : ''
  if (!URL.canParse(url)) return refuse('address', address, expected)
  const { protocol, hostname, href } = new URL(url)
  if (protocol !== 'http:' || href !== `http://${hostname}/`) return refuse('address', address, expected, 'with nothing behind it')
  if (hostname === 'localhost') return loopback
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  return /^[\d.]+$/.test(hostname) ? hostname : refuse('address', address, expected)
}

function urlOf(address: string): string {
  if (address.includes('://')) return address
  // IPv6 addresses have brackets only in URLs.
  return /^[^[]*:.*:/.test(address) ? `http://[${address}]` : `http://${address}`
}

/** Waits until `signal` aborts. */
function* aborted(signal: AbortSignal): Op<void> {
  if (signal.aborted) return
  yield* suspend<void>((resume) => {
    const onAbort = (): void => resume()
    signal.addEventListener('abort', onAbort)
    return () => signal.removeEventListener('abort', onAbort)
  })
}

function queryOf(args: string): Record<string, string | string[]> {
  const values = new Map<string, string | string[]>()
  for (const [name, value] of args === '' ? [] : queryPairs(args)) {
    const before = values.get(name)
    if (Array.isArray(before)) before.push(value)
    else values.set(name, before === undefined ? value : [before, value])
  }
  return tableOf(values)
}
