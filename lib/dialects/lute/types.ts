import type { Op } from '../../../lev/index.js'
import type { RequestHeaders } from '../../http1/headers.js'
import type { ResponseHeaders } from '../../http1/response.js'

/** What a server is started with. What is null counts as not given. */
export interface Configuration {
  /** Address to listen on: an IP address or a host name. Default: "127.0.0.1". */
  readonly hostname?: string | null | undefined
  /** Port to listen on; with 0 the system chooses, and `server.port` tells. Default: 3000. */
  readonly port?: number | null | undefined
  /** Whether other processes may bind the same port and share its connections. Default: false. */
  readonly reuseport?: boolean | null | undefined
  /** Paths of PEM files. With `cafilename`, clients are asked for a certificate of those authorities, and served without one too. */
  readonly tls?: {
    readonly certfilename: string
    readonly keyfilename: string
    readonly passphrase?: string | null | undefined
    readonly cafilename?: string | null | undefined
  } | null | undefined
  /** Answers requests; without one, all of them are told 404, but for WebSockets where `websocket` is given. */
  readonly handler?: Handler | null | undefined
  /** What is called for the WebSockets that `server.upgrade` makes; without it, it makes none. */
  readonly websocket?: WebSocketHandlers | null | undefined
}

/** Answers a request: a plain function, a coroutine or an async function. After `server.upgrade` it returns nothing. */
export type Handler = (
  request: ReceivedRequest, server: Server,
) => ServerResponse | null | undefined | void | Op<ServerResponse | null | undefined | void>
| PromiseLike<ServerResponse | null | undefined | void>

/** A request. */
export interface ReceivedRequest {
  /** As sent. */
  readonly method: string
  /** As sent: percent-encoding and all. */
  readonly path: string
  /** Decoded as UTF-8; empty if there is none. */
  readonly body: string
  /** The same as it was sent. */
  readonly bytes: Buffer
  /** The pairs of the query, decoded; of those with the same name the first. */
  readonly query: Readonly<Record<string, string>>
  /** By name in lower case. */
  readonly headers: RequestHeaders
}

/** A server that runs. */
export interface Server {
  /** As configured. */
  readonly hostname: string
  /** With port 0, the one that the system chose. */
  readonly port: number
  /**
   * Stops the server: no new connections; requests in flight are finished, for 30 seconds at most, and WebSockets closed
   * with 1001. True the first time, false afterwards.
   */
  close(): boolean
  /**
   * Makes a WebSocket of a request, once its handler has returned. False, and nothing is done, if it does not ask for one,
   * if the server has no `websocket` handlers, if this was called before for it, or if it has been answered.
   * @throws ArgumentError for what is no table
   */
  upgrade(req: ReceivedRequest): boolean
}

/** An answer: its body alone, or a table. The status is 200 unless it says otherwise. Bytes are for what is not UTF-8. */
export type ServerResponse = string | Uint8Array | {
  readonly status?: number | null | undefined
  readonly body?: string | Uint8Array | null | undefined
  readonly headers?: ResponseHeaders | null | undefined
}

/** What is called for a WebSocket; each a plain function, a coroutine or an async function, and waited for. */
export interface WebSocketHandlers {
  /** Once, before anything else. */
  readonly open?: ((ws: ServerWebSocket) => unknown) | null | undefined
  /** For each message, one after the other: text is a string, binary data is bytes. */
  readonly message?: ((ws: ServerWebSocket, message: string | Buffer) => unknown) | null | undefined
  /** Once, after all messages, however it ended: 1005 means without a code, 1006 that the connection was lost. */
  readonly close?: ((ws: ServerWebSocket, code: number, message: string) => unknown) | null | undefined
  /** When there is room again, after `send` had none or left more than 512 KiB unsent. */
  readonly drain?: ((ws: ServerWebSocket) => unknown) | null | undefined
}

/** A WebSocket; the same object at each event. */
export interface ServerWebSocket {
  /**
   * Sends a string as text, bytes as binary data, without waiting. Bytes must not be changed afterwards.
   * @returns how many bytes the message has, 1 for an empty one; 0: it was not sent, since more than 1 MiB waits to be sent
   * (`drain` is called when there is room); -1: the WebSocket is closed
   * @throws ArgumentError
   */
  send(data: string | Uint8Array): number
  /**
   * Closes it. Harmless when it is closed already.
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999. Default: 1000
   * @param message at most 123 bytes of UTF-8. Default: none
   * @throws ArgumentError
   */
  close(code?: number | null, message?: string | null): void
}
