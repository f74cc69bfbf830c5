import type { Waiting } from '../shared/waiting.js'

/** Called for each request: a plain function, a coroutine or an async function. The answer ends with `res.finish`, not with it. */
export type Handler = (req: Request, res: Response) => unknown

/** A request. */
export interface Request {
  /** Its connection. */
  readonly conn: Socket
  /** As sent. */
  readonly method: string
  /** As sent: the path, and the query behind `?` if there is one. */
  readonly url: string
  /**
   * Called for each header line, once it is assigned: `name` is in lower case. It comes before the body, if it is assigned before
   * `ondata` or in the same step.
   */
  onheader: ((self: Request, name: string, value: string) => unknown) | null
  /**
   * Called for each piece of the body, as large as it arrives, and once with null at its end, also if there is none. Nothing
   * is read before it is assigned, nor while more than 64 KiB of the answer wait to be sent.
   */
  ondata: ((self: Request, chunk: Buffer | null) => unknown) | null
}

/** The answer to a request. Its functions may be called at any time, and from anywhere. */
export interface Response {
  /**
   * Sends a piece of the answer: a string as UTF-8, or bytes, which must not be changed afterwards. Does nothing when the
   * client has gone.
   * @param data null sends nothing
   * @param response_code 200 to 599; the first that is given counts, if it comes before any data. Default: 200
   * @returns what may be waited for: that at most 64 KiB wait to be sent. It never fails
   * @throws ArgumentError; StateError after `finish`
   */
  send(data?: string | Uint8Array | null, response_code?: number | null): Waiting<void>
  /**
   * Adds a header; one that was added before gets a second value. Null once data was sent: the headers have left.
   * @throws ArgumentError for a name or value that cannot be sent
   */
  send_header: ((header_name: string, header_data: string | number) => void) | null
  /**
   * Ends the answer, with `data` if there is some, and then the connection. Harmless when repeated.
   * @returns what may be waited for: that all of it is on its way, or the client has gone. It never fails
   * @throws ArgumentError
   */
  finish(data?: string | Uint8Array | null, response_code?: number | null): Waiting<void>
}

/** The connection of a request. */
export interface Socket {
  /** Port and address of the client. */
  getpeer(): [port: number, ip: string]
  /** Port and address of this side. */
  getaddr(): [port: number, ip: string]
  /** Closes the connection at once, answered or not. */
  close(): void
  /** Has no more of the body read until `unhold`: the client has to wait once what is under way has arrived. */
  hold(): void
  /** Has the body read again. Harmless without `hold`. */
  unhold(): void
  /**
   * Looks up a host name, and calls back with its address, or null if there is none.
   * @throws ArgumentError
   */
  dns(domain: string, callback: (self: Socket, ip: string | null) => unknown): void
  /** @throws StateError: Node.js has no way to tell or set the time to live of a connection's packets */
  ttl(ttl?: number | null): never
}

/** A server that listens. */
export interface Server {
  /**
   * Stops: no new connections; requests that have begun may be finished, for 30 seconds at most. Harmless when repeated.
   * @returns what may be waited for: that it has stopped
   */
  close(): Waiting<void>
  /** Port and address; nulls once it is closed, or another server has taken its place. */
  getaddr(): [port: number, ip: string] | [port: null, ip: null]
  /**
   * Listens again after `close`, with the same handler and settings.
   * @param port 0 lets the system choose. Default: 0
   * @param ip Default: what the settings say, or all addresses
   * @returns what may be waited for: that it listens. Rejects with BindError
   * @throws StateError while it listens; ArgumentError for a callback; ConfigError
   */
  listen(port?: number | null, ip?: string | null): Waiting<void>
  /** @throws StateError: only servers for UDP have events */
  on(event: string, callback: ((...args: unknown[]) => unknown) | null): never
}
