import { now, wallClock, type Stream } from '../lev/index.js'
import type { TlsFacts } from '../tls/index.js'
import type { Settings } from './config.js'
import { HeadReader, type HeadLimits } from './http1/head.js'
import { dateLine } from './http1/response.js'
import type { RequestHead } from './http1/request-head.js'
import { requestHeaders, type RequestHeaders } from './http1/headers.js'
import type { Peer } from './context.js'
import type { Logger } from './log.js'
import type { Drainable, Service } from './service.js'

/** Seconds that an idle connection is left open when the server stops: a request may be on its way. */
const idleGrace = 0.25

/** One client's connection, and what it keeps from request to request. */
export class Connection implements Peer, Drainable {
  readonly service: Service
  readonly settings: Settings
  readonly client: Stream
  readonly client_ip: string
  readonly redis: unknown
  readonly headLimits: HeadLimits
  readonly reader: HeadReader
  place = -1
  tls: TlsFacts | null = null
  /** Whether it waits for the first byte of a request, or for its handshake. */
  idle = false
  onDrain: (() => void) | null = null
  #dateLine = ''
  /** When the second of `#dateLine` is over. */
  #dateUntil = -Infinity
  readonly #peerHeader: Readonly<Record<string, string>>
  readonly #peerHeaders: Readonly<Record<string, string>>

  constructor(service: Service, client: Stream, client_ip: string, redis: unknown) {
    const settings = service.settings
    this.service = service
    this.settings = settings
    this.client = client
    this.client_ip = client_ip
    this.redis = redis
    this.headLimits = {
      lineLimit: settings.request_line_limit,
      countLimit: settings.header_count_limit,
      sizeLimit: settings.header_size_limit,
    }
    this.reader = new HeadReader(this.headLimits)
    client.stallTimeout = settings.send_timeout
    this.#peerHeader = { 'x-client-ip': client_ip }
    this.#peerHeaders = { 'x-client-ip': client_ip, 'x-real-ip': client_ip }
  }

  get draining(): boolean {
    return this.service.draining
  }

  get logger(): Logger {
    return this.service.log.logger
  }

  /** The request's header fields with those that the server adds: who the peer is. */
  headersOf(head: RequestHead): RequestHeaders {
    const peer = head.fields.has('x-real-ip') ? this.#peerHeader : this.#peerHeaders
    // The host in the target overrides the field (RFC 9112 section 3.2.2), for handlers too.
    return requestHeaders(head.fields, head.form === 'absolute' ? { ...peer, host: head.host } : peer)
  }

  /** The Date line of an answer. The clock is asked once a second: to ask for each answer is 2 % of a pipelined request. */
  get dateLine(): string {
    const time = now()
    if (time >= this.#dateUntil) {
      const seconds = wallClock()
      this.#dateUntil = time + 1 - (seconds % 1)
      this.#dateLine = dateLine(seconds)
    }
    return this.#dateLine
  }

  /** Whether a request for `host` may come over this connection's TLS: a host that wants client certificates must have asked. */
  mayServe(host: string): boolean {
    const { tls, service: { identities } } = this
    if (tls === null || identities === null || !identities.wantClientCertificates) return true
    return identities.mayServe(tls.identity, host.replace(/:\d*$/, ''))
  }

  /** Begins the wait for a request: until when it may last, shorter once the server stops. */
  beginIdle(): void {
    this.idle = true
    this.client.readDeadline = now() + (this.service.draining ? idleGrace : this.settings.keepalive_idle_timeout)
  }

  /** The server stops: an idle connection is closed soon. One that is at work sees it by itself when it answers. */
  drain(): void {
    this.onDrain?.()
    if (this.idle) this.client.readDeadline = Math.min(this.client.readDeadline, now() + idleGrace)
  }

  /** The connection is over. Harmless when repeated. */
  close(): void {
    this.client.close()
    this.service.leave(this)
  }
}
