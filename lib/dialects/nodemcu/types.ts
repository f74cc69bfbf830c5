import type { Waiting } from '../../waiting.js'

/** Called for each request: a plain function, a coroutine or an async function. Only `res.finish` ends the response. */
export type Handler = (req: Request, res: Response) => unknown

/** A request. */
export interface Request {
  /** The connection of the request. */
  readonly conn: Socket
  /** The method as sent. */
  readonly method: string
  /** As sent: the path, followed by `?` and the query if there is one. */
  readonly url: string
  /**
   * Called for each header line, once it is assigned; `name` is in lower case. The calls come before the body if it is assigned
   * before `ondata` or in the same step.
   */
  onheader: ((self: Request, name: string, value: string) => unknown) | null
  /**
   * Called for each piece of the body, as it arrives, and once with null at its end, even if there is no body. Nothing is read
   * before it is assigned, nor while more than 64 KiB of the response are unsent.
   */
  ondata: ((self: Request, chunk: Buffer | null) => unknown) | null
}

/** The response to a request. Its functions may be called at any time, and from anywhere. */
export interface Response {
  /**
   * Sends a piece of the response: a string as UTF-8, or bytes, which must not be changed afterwards. Does nothing if the client
   * has gone.
   * @param data null sends nothing
   * @param response_code 200 to 599; the first one given counts, if it comes before any data. Default: 200
   * @returns an operation or a promise that waits until at most 64 KiB are unsent, and never fails
   * @throws ArgumentError; StateError after `finish`
   */
  send(data?: string | Uint8Array | null, response_code?: number | null): Waiting<void>
  /**
   * Adds a header, or another value to one that was added before. Null once data was sent, because the headers have left.
   * @throws ArgumentError if the name or value cannot be sent
   */
  send_header: ((header_name: string, header_data: string | number) => void) | null
  /**
   * Ends the response, with `data` if given, and then the connection. Repeated calls do nothing.
   * @returns an operation or a promise that waits until all of it is on its way, or the client has gone, and never fails
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
  /** Closes the connection at once, with or without a response. */
  close(): void
  /** Pauses reading of the body until `unhold`: the client has to wait once the bytes on their way have arrived. */
  hold(): void
  /** Resumes reading of the body. Does nothing without `hold`. */
  unhold(): void
  /**
   * Looks up a host name, and calls `callback` with its address, or null if there is none.
   * @throws ArgumentError
   */
  dns(domain: string, callback: (self: Socket, ip: string | null) => unknown): void
  /** @throws StateError: Node.js cannot read or set the time to live of a connection's packets */
  ttl(ttl?: number | null): never
}

/** A listening server. */
export interface Server {
  /**
   * Stops the server: it accepts no new connections, and finishes requests in progress, for at most 30 seconds. Repeated calls do
   * nothing.
   * @returns an operation or a promise that waits until it has stopped
   */
  close(): Waiting<void>
  /** Port and address; nulls once the server is closed or was replaced by another one. */
  getaddr(): [port: number, ip: string] | [port: null, ip: null]
  /**
   * Listens again after `close`, with the same handler and settings.
   * @param port 0 lets the system choose. Default: 0
   * @param ip the address to listen on. Default: the address in the settings, or all addresses
   * @returns an operation or a promise that waits until it listens, and fails with BindError if the port cannot be bound
   * @throws StateError while it listens; ArgumentError for a callback; ConfigError
   */
  listen(port?: number | null, ip?: string | null): Waiting<void>
  /** @throws StateError: only UDP servers have events */
  on(event: string, callback: ((...args: unknown[]) => unknown) | null): never
}
