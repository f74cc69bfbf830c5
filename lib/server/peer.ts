import type { Handshake, TlsFacts } from '../../tls/index.js'
import type { Settings } from '../config/settings.js'
import { requestHeaders, type RequestHeaders } from '../http1/headers.js'
import type { RequestHead } from '../http1/request-head.js'
import { anyPlace } from './place.js'
import type { ConnectionRecord } from '../observe/connection-record.js'
import { clientNetwork } from '../peer/client-network.js'
import { originOf, type ForwardedFields, type Origin } from '../peer/forwarded.js'
import { Networks } from '../peer/networks.js'
import type { ProxyHeader } from '../peer/proxy-header.js'

let connections = 0

/** The other end of a connection, as handlers see it. */
export interface SocketPeer {
  /** Its IP address; empty for a Unix socket. */
  readonly ip: string
  /** Its port; 0 for a Unix socket. */
  readonly port: number
  /** What it has said of the connection that it passes on; null if it has sent no header of the PROXY protocol. */
  readonly proxyHeader: ProxyHeader | null
}

/** Whom a server believes about the clients of requests. */
export interface Trust {
  readonly trusted_proxies: readonly string[]
  readonly forwarded: ForwardedFields
}

/** The settings that tell clients apart. */
type CountedBy = Pick<Settings, 'client_ipv6_prefix' | 'proxy_protocol' | 'trusted_proxies'>

/**
 * Who the client is: of a connection, or by `sender` of a request. The context, the log and the headers that the server adds
 * read it here and nowhere else. That of a connection stays the same object while the connection is parked.
 */
export class Peer {
  /** Number of its connection, for observers; unique in this thread. */
  readonly connection: number
  /** The result of the TLS handshake; null before it and without TLS. */
  handshake: Handshake | null = null
  /** The connection as its observers see it; null if it had none when it was opened. */
  record: ConnectionRecord | null = null
  /** Where the connection has arrived. */
  place = anyPlace
  /** The client that its connection counts for in `connections_per_client`; null: none. */
  countedAs: string | null = null
  #socket: SocketPeer
  /** What trusted proxies have told of the request; null: this is a connection, or its other end is not trusted. */
  readonly #origin: Origin | null
  #added: Readonly<Record<string, string>> | null = null
  #addedWithoutRealIp: Readonly<Record<string, string>> | null = null

  /**
   * @param ip IP address of the socket's other end (empty for a Unix socket), or the one given to `process_request`
   * @param port its port; 0 for a Unix socket
   */
  constructor(ip: string, port: number, connection = ++connections, origin: Origin | null = null) {
    this.#socket = { ip, port, proxyHeader: null }
    this.connection = connection
    this.#origin = origin
  }

  /** The other end of the connection, which may be a proxy. */
  get socket(): SocketPeer {
    return this.#socket
  }

  /** IP address of the client; empty for a Unix socket. */
  get ip(): string {
    return this.#origin?.ip ?? this.#socket.proxyHeader?.source?.ip ?? this.#socket.ip
  }

  /** Port of the client; 0 for a Unix socket, and if it is not known. */
  get port(): number {
    return this.#origin?.port ?? this.#socket.proxyHeader?.source?.port ?? this.#socket.port
  }

  /** Whether the client used TLS, as far as it is known. */
  get scheme(): 'http' | 'https' {
    const here = this.handshake !== null || this.#socket.proxyHeader?.tls != null
    return this.#origin?.scheme ?? (here ? 'https' : 'http')
  }

  /** The facts about the handshake, as handlers see them; null without TLS. */
  get tls(): TlsFacts | null {
    return this.handshake?.facts ?? null
  }

  /** The host and port that the client sent its request to. */
  hostOf({ host }: RequestHead): string {
    return this.#origin?.host ?? host
  }

  /**
   * The client that the connection counts for in limits by client; null: none. A proxy has the connections of many clients: of one
   * that sends a PROXY header it is the client that the header names, and one whose fields of requests name the clients is not counted.
   */
  countedClient({ client_ipv6_prefix, proxy_protocol, trusted_proxies }: CountedBy): string | null {
    const { ip, socket } = this
    const named = socket.proxyHeader?.source ?? null
    if (named === null && Networks.of(proxy_protocol).includes(socket.ip)) return null
    return ip === '' || Networks.of(trusted_proxies).includes(ip) ? null : clientNetwork(ip, client_ipv6_prefix)
  }

  /** Records the header of the PROXY protocol that the connection has begun with. */
  takeHeader(proxyHeader: ProxyHeader): void {
    this.#socket = { ...this.#socket, proxyHeader }
  }

  /** Who has sent a request: this, unless it is a proxy that is trusted. */
  sender({ fields }: RequestHead, { trusted_proxies, forwarded }: Trust): Peer {
    const origin = originOf(fields, forwarded, this.ip, Networks.of(trusted_proxies))
    if (origin === null) return this
    const sender = new Peer(this.#socket.ip, this.#socket.port, this.connection, origin)
    sender.#socket = this.#socket
    sender.handshake = this.handshake
    sender.place = this.place
    return sender
  }

  /** The header fields of a request for its handler: with `x-client-ip`, and with `x-real-ip` unless a trusted proxy has sent one. */
  headersOf({ fields, form, host }: RequestHead): RequestHeaders {
    const added = this.#origin !== null && fields.has('x-real-ip')
      ? (this.#addedWithoutRealIp ??= { 'x-client-ip': this.ip })
      : (this.#added ??= { 'x-client-ip': this.ip, 'x-real-ip': this.ip })
    // The host in the target overrides the field (RFC 9112 section 3.2.2), for handlers too.
    return requestHeaders(fields, form === 'absolute' ? { ...added, host } : added)
  }
}
