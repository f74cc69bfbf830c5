import type { Handshake, TlsFacts } from '../../tls/index.js'
import { requestHeaders, type RequestHeaders } from '../http1/headers.js'
import type { RequestHead } from '../http1/request-head.js'
import type { ConnectionRecord } from '../observe/connection-record.js'

let connections = 0

/**
 * Who the client of a connection is. The context, the log and the headers that the server adds read it here and nowhere else.
 * It stays the same object while its connection is parked.
 */
export class Peer {
  /** Number of its connection, for observers; unique in this thread. */
  readonly connection = ++connections
  /** IP address of the client: that of the socket (empty for a Unix socket), or the one given to `process_request`. */
  readonly ip: string
  /** Its port; 0 for a Unix socket. */
  readonly port: number
  /** The result of the TLS handshake; null before it and without TLS. */
  handshake: Handshake | null = null
  /** The connection as its observers see it; null if it had none when it was opened. */
  record: ConnectionRecord | null = null
  #added: Readonly<Record<string, string>> | null = null
  #addedWithoutRealIp: Readonly<Record<string, string>> | null = null

  constructor(ip: string, port: number) {
    this.ip = ip
    this.port = port
  }

  /** The facts about the handshake, as handlers see them; null without TLS. */
  get tls(): TlsFacts | null {
    return this.handshake?.facts ?? null
  }

  /** The header fields of a request for its handler: with `x-client-ip`, and with `x-real-ip` if the client sent none. */
  headersOf({ fields, form, host }: RequestHead): RequestHeaders {
    const added = fields.has('x-real-ip')
      ? (this.#addedWithoutRealIp ??= { 'x-client-ip': this.ip })
      : (this.#added ??= { 'x-client-ip': this.ip, 'x-real-ip': this.ip })
    // The host in the target overrides the field (RFC 9112 section 3.2.2), for handlers too.
    return requestHeaders(fields, form === 'absolute' ? { ...added, host } : added)
  }
}
