import type { Op } from '../../../lev/index.js'
import { optionsOf } from '../../config/arguments.js'
import { boolean, refuse } from '../../config/validators.js'
import type { Config } from '../../config/settings.js'
import { BindError } from '../../errors.js'
import type { RequestHeaders } from '../../http1/headers.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import { callbackHandler } from '../../websocket/callbacks.js'
import type { WebSocketOptions } from '../../websocket/options.js'
import type { WebSocketHandler } from '../../websocket/upgrade.js'
import { responseOf, runHandler, untyped, type ResponseShape } from '../shared/responding.js'
import { serverFor, splitSettings, started } from '../shared/serving.js'
import { called } from '../shared/called.js'
import { begun, type Waiting } from '../../waiting.js'
import { attempt, type Attempt } from './attempt.js'
import { WebSocket } from './websocket.js'

/** A request, as passed to `request` and `webhook.upgrade`. */
export interface ServerRequest {
  /** The method as sent. */
  readonly method: string
  /** The path and query as sent. */
  readonly path: string
  /** The headers by lower-case name. */
  readonly headers: RequestHeaders
  /** The body as UTF-8 text; empty if there is none. */
  readonly body: string
  /** The body as bytes. */
  readonly bytes: Buffer
}

/** A response with a status or headers. */
export interface ServerResponse {
  /** The status. Default: 200. */
  readonly statusCode?: number | null | undefined
  /** Headers by name, in any case. */
  readonly headers?: ResponseHeaders | null | undefined
  /** The content. Default: none. */
  readonly body?: string | Uint8Array | null | undefined
}

/** Handlers of WebSockets; each may be plain, a coroutine or async, and is waited for before the next. */
export interface ServerWebSocketHandlers {
  /** Whether a request for a WebSocket gets one; unless it returns true, it is an ordinary request. Default: all get one. */
  readonly upgrade?: ((request: ServerRequest) => boolean | Op<boolean> | PromiseLike<boolean>) | null | undefined
  /** Called once, before all others. */
  readonly open?: ((websocket: WebSocket) => unknown) | null | undefined
  /** Called for each message: text as a string, binary data as bytes. */
  readonly message?: ((websocket: WebSocket, message: string | Buffer) => unknown) | null | undefined
  /** Called once, after all messages, however the WebSocket ended: code 1005 if there was none, 1006 if the connection was lost. */
  readonly close?: ((websocket: WebSocket, code: number) => unknown) | null | undefined
}

/** The configuration of a server. */
export interface ServeOptions {
  /** 0 lets the system choose. */
  readonly port: number
  /** An IP address or a host name. Default: "0.0.0.0". */
  readonly address?: string | null | undefined
  /** Whether other processes may share the port and its connections, if Node.js and the system support it. Default: false. */
  readonly reuseAddress?: boolean | null | undefined
  /** Handles requests: a plain function, a coroutine or an async function. */
  readonly request: (request: ServerRequest) =>
    string | Uint8Array | ServerResponse | Op<string | Uint8Array | ServerResponse> | PromiseLike<string | Uint8Array | ServerResponse>
  /** Handlers of WebSockets; without them, requests for WebSockets are ordinary requests. */
  readonly webhook?: ServerWebSocketHandlers | null | undefined
}

/** A running server. */
export interface ServerHandle {
  /** The port; if port 0 was requested, the one that the system chose. */
  readonly port: number
  /**
   * Stops the server: it accepts no new connections, finishes requests in progress, for at most 30 seconds, and closes WebSockets
   * with 1001. The result waits until all of that is done. Repeated calls do nothing.
   */
  close(): Waiting<void>
  /** The same as `close`. */
  stop(): Waiting<void>
}

const nothing = Buffer.alloc(0)

const names = { ip: 'address', port: 'port', reuse_port: 'reuseAddress' } as const

const shape: ResponseShape = { status: 'statusCode', textHeaders: untyped }

/**
 * Starts a server and returns its handle once it listens. Never throws.
 * @param settings settings of the core that have no name here: limits, timeouts, logs; `websocket`: options of WebSockets
 */
export function serve(
  options: ServeOptions,
  settings?: (Omit<Config, 'ip' | 'port' | 'reuse_port'> & { readonly websocket?: WebSocketOptions | null | undefined }) | null,
): Waiting<Attempt<ServerHandle>> {
  return attempt(function* () {
    const { port, address, reuseAddress, request, webhook } = checked(options)
    const { core, webSocket } = splitSettings(settings)
    const conversation = webhook === null ? null : conversationOf(webhook)
    const begin = function* (reuse_port: boolean): Op<ServerHandle> {
      const server = serverFor({ ip: address, port, reuse_port }, core, names, (method, path, args, headers, body, ctx) => {
        const target = args === '' ? path : `${path}?${args}`
        const asked: ServerRequest = { method, path: target, headers, body: body?.toString() ?? '', bytes: body ?? nothing }
        const ordinary = () => runHandler(() => request(asked), (given) => responseOf(given, shape))
        if (conversation === null || !ctx.wantsWebSocket) return ordinary()
        const upgrade = webhook?.upgrade ?? (() => true)
        return runHandler(() => upgrade(asked), (yes) => (yes === true ? ctx.upgrade(conversation, webSocket) : ordinary()))
      })
      const bound = yield* started(server)
      const stop = (): Waiting<void> => begun(server.stop())
      return { port: bound.port, close: stop, stop }
    }
    try {
      return yield* begin(reuseAddress)
    } catch (error) {
      // The port cannot be shared here; if it is taken, this fails too.
      if (!reuseAddress || !(error instanceof BindError)) throw error
      return yield* begin(false)
    }
  })
}

function checked(options: ServeOptions) {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse('options', options, 'a table { port, address, reuseAddress, request, webhook }')
  }
  const { port, address = null, reuseAddress = null, request, webhook = null } = options
  if (typeof port !== 'number') refuse('port', port, 'an integer from 0 to 65535')
  if (typeof request !== 'function') refuse('request', request, 'a function')
  optionsOf(options, 'options', 'a table', ['port', 'address', 'reuseAddress', 'request', 'webhook'])
  const events = ['upgrade', 'open', 'message', 'close'] as const
  if (webhook !== null) optionsOf(webhook, 'webhook', 'a table { upgrade, open, message, close }', events, 'webhook.')
  for (const name of events) {
    const given = webhook?.[name] ?? null
    if (given !== null && typeof given !== 'function') refuse(`webhook.${name}`, given, 'a function')
  }
  return { port, address: address ?? '0.0.0.0', reuseAddress: boolean(reuseAddress ?? false, 'reuseAddress'), request, webhook }
}

/** A handler of WebSockets that calls these handlers. */
function conversationOf({ open, message, close }: ServerWebSocketHandlers): WebSocketHandler {
  return (ws) => {
    const own = new WebSocket(ws)
    return callbackHandler({
      open: () => called(() => open?.(own)),
      message: (_ws, one) => called(() => message?.(own, one)),
      close: (_ws, code) => called(() => close?.(own, code)),
    })(ws)
  }
}
