import type { Op } from '../../../lev/index.js'
import type { RequestHeaders } from '../../http1/headers.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'

/** The configuration of a server. Null counts as not given. */
export interface Configuration {
  /** Address to listen on: an IP address or a host name. Default: "127.0.0.1". */
  readonly hostname?: string | null | undefined
  /** Port to listen on; 0 lets the system choose, see `server.port`. Default: 3000. */
  readonly port?: number | null | undefined
  /** Whether other processes may bind the same port and share its connections. Default: false. */
  readonly reuseport?: boolean | null | undefined
  /** Paths of PEM files. With `cafilename`, clients are asked for a certificate of those authorities, but none is required. */
  readonly tls?: {
    readonly certfilename: string
    readonly keyfilename: string
    readonly passphrase?: string | null | undefined
    readonly cafilename?: string | null | undefined
  } | null | undefined
  /** Handles requests; without it all get 404, except WebSockets if `websocket` is given. */
  readonly handler?: Handler | null | undefined
  /** Handlers of the WebSockets that `server.upgrade` opens; without them it opens none. */
  readonly websocket?: WebSocketHandlers | null | undefined
}

/** Handles a request: a plain function, a coroutine or an async function. After `server.upgrade` it returns nothing. */
export type Handler = (
  request: ReceivedRequest, server: Server,
) => ServerResponse | null | undefined | void | Op<ServerResponse | null | undefined | void>
| PromiseLike<ServerResponse | null | undefined | void>

/** A request. */
export interface ReceivedRequest {
  /** The method as sent. */
  readonly method: string
  /** The path as sent, with percent-encoding. */
  readonly path: string
  /** The body, decoded as UTF-8; empty if there is none. */
  readonly body: string
  /** The body as bytes. */
  readonly bytes: Buffer
  /** The decoded query; the first value of a repeated name. */
  readonly query: Readonly<Record<string, string>>
  /** The headers by lower-case name. */
  readonly headers: RequestHeaders
}

/** A running server. */
export interface Server {
  /** The configured host name. */
  readonly hostname: string
  /** The port; if port 0 was requested, the one that the system chose. */
  readonly port: number
  /**
   * Stops the server: it accepts no new connections, finishes requests in progress, for at most 30 seconds, and closes
   * WebSockets with 1001. Returns true the first time, false afterwards.
   */
  close(): boolean
  /**
   * Turns a request into a WebSocket, once its handler has returned. Returns false and does nothing if the request does not
   * ask for one, if the server has no `websocket` handlers, or if this was called for it before, or its handler has returned.
   * @throws ArgumentError if `req` is not a table
   */
  upgrade(req: ReceivedRequest): boolean
}

/** A response: only its body, or a table. The default status is 200. Bytes are for content that is not UTF-8. */
export type ServerResponse = string | Uint8Array | {
  readonly status?: number | null | undefined
  readonly body?: string | Uint8Array | null | undefined
  readonly headers?: ResponseHeaders | null | undefined
}

/** Handlers of a WebSocket; each may be a plain function, a coroutine or an async function, and is waited for. */
export interface WebSocketHandlers {
  /** Called once, before all others. */
  readonly open?: ((ws: ServerWebSocket) => unknown) | null | undefined
  /** Called for each message, one at a time: text as a string, binary data as bytes. */
  readonly message?: ((ws: ServerWebSocket, message: string | Buffer) => unknown) | null | undefined
  /** Called once, after all messages, however it ended: code 1005 if there was none, 1006 if the connection was lost. */
  readonly close?: ((ws: ServerWebSocket, code: number, message: string) => unknown) | null | undefined
  /** Called when there is room again, after `send` had none or left more than 512 KiB unsent. */
  readonly drain?: ((ws: ServerWebSocket) => unknown) | null | undefined
}

/** A WebSocket; all its handlers get the same object. */
export interface ServerWebSocket {
  /**
   * Sends a string as text, bytes as binary data, without waiting. Bytes must not be changed afterwards.
   * @returns the size of the message in bytes, 1 for an empty one; 0 if it was not sent because more than 1 MiB is unsent
   * (`drain` is called when there is room); -1 if the WebSocket is closed
   * @throws ArgumentError
   */
  send(data: string | Uint8Array): number
  /**
   * Closes the WebSocket. Does nothing if it is already closed.
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999. Default: 1000
   * @param message at most 123 bytes of UTF-8. Default: none
   * @throws ArgumentError
   */
  close(code?: number | null, message?: string | null): void
}
