import { now, wallClock, type Op, type Scope, type Stream } from '../../lev/index.js'
import { mayServe, type Handshake, type Identities, type TlsFacts } from '../../tls/index.js'
import { idleGraceSeconds, keepAliveGraceSeconds, parkAfterSeconds } from '../config/fixed-limits.js'
import type { Settings } from '../config/settings.js'
import { HeadReader, type HeadLimits } from '../http1/head.js'
import { dateLine } from '../http1/response.js'
import type { RequestHead } from '../http1/request-head.js'
import { requestHeaders, type RequestHeaders } from '../http1/headers.js'
import type { Peer } from '../request/context.js'
import type { Logger } from '../log/logger.js'
import type { Drainable, Service } from './service.js'

/** What is kept of a connection that is parked. */
export interface ParkedState {
  readonly settings: Settings
  readonly handshake: Handshake | null
  readonly count: number
  /** As in Connection. */
  readonly idleUntil: number
}

/** One client's connection, and what it keeps from request to request. */
export class Connection implements Peer, Drainable {
  readonly service: Service
  readonly settings: Settings
  readonly client: Stream
  readonly client_ip: string
  readonly redis: unknown
  readonly headLimits: HeadLimits
  readonly reader: HeadReader
  index = -1
  older: Drainable | null = null
  newer: Drainable | null = null
  /** Null: no TLS. */
  handshake: Handshake | null
  /** Which request is being waited for, or served, from 1. */
  count: number
  /** The task that serves it lives here, and what functions spawn that are no handlers; null: a caller of `process_request` serves it. */
  tasks: Scope | null = null
  /** Until when it waits for a request; 0: one has come. */
  idleUntil: number
  /** Whether it waits for the first byte of a request, or for its handshake. */
  idle = false
  onDrain: (() => void) | null = null
  /** The host that was found to fit this connection, and in which identities: the next request is for it, too. */
  #fittingHost = ''
  #fittingIdentities: Identities | null = null
  #dateLine = ''
  /** When the second of `#dateLine` is over. */
  #dateUntil = -Infinity
  readonly #peerHeader: Readonly<Record<string, string>>
  readonly #peerHeaders: Readonly<Record<string, string>>

  /** @param before what was kept of it while it was parked */
  constructor(service: Service, client: Stream, client_ip: string, redis: unknown, before: ParkedState | null = null) {
    const settings = before?.settings ?? service.settings
    this.handshake = before?.handshake ?? null
    this.count = before?.count ?? 1
    this.idleUntil = before?.idleUntil ?? 0
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
    client.minSendRate = settings.min_transfer_rate
    this.#peerHeader = { 'x-client-ip': client_ip }
    this.#peerHeaders = { 'x-client-ip': client_ip, 'x-real-ip': client_ip }
  }

  get tls(): TlsFacts | null {
    return this.handshake?.facts ?? null
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

  /** Whether a request may come over this connection: one for `https:` never in the clear, and the host must fit the handshake. */
  mayServe({ form, target, host }: RequestHead): boolean {
    const { handshake, service: { identities } } = this
    if (handshake === null && form === 'absolute' && /^https:/i.test(target)) return false
    if (identities === null || (host === this.#fittingHost && identities === this.#fittingIdentities)) return true
    const name = host.replace(/:\d*$/, '')
    if (handshake === null) {
      // Opened before the server had identities, unless the handshake is the affair of a caller of `process_request`.
      if (this.tasks !== null && identities.choose(name).clientCertificate !== 'none') return false
    } else if (!mayServe(identities, handshake, name)) return false
    this.#fittingHost = host
    this.#fittingIdentities = identities
    return true
  }

  /**
   * Begins the wait for request `count` of the connection: until when it may last, shorter once the server stops. The first is
   * due at once: a client connects since it has one.
   */
  beginIdle(count: number): void {
    const time = now()
    // It was woken by what is no request, or could not be parked.
    const again = this.idleUntil > time
    const { request_header_timeout, keepalive_idle_timeout } = this.settings
    const patience = count === 1 ? request_header_timeout : keepalive_idle_timeout + keepAliveGraceSeconds
    const until = time + (this.service.draining ? idleGraceSeconds : patience)
    this.idleUntil = again ? Math.min(this.idleUntil, until) : until
    this.idle = true
    // A stream that a caller of `process_request` serves is none of the server's connections.
    if (this.index >= 0) this.service.idle.add(this)
    this.client.readDeadline = again || !this.mayPark ? this.idleUntil : Math.min(this.idleUntil, time + parkAfterSeconds)
  }

  /** The next request has begun to come. */
  endIdle(): void {
    this.idle = false
    this.service.idle.delete(this)
  }

  /** Whether nothing of it is in use but what can be made again. */
  get mayPark(): boolean {
    return this.count > 1 && this.tasks !== null && this.tasks.size === 1
  }

  get atWork(): boolean {
    const { client } = this
    return client.unsent > 0 || client.inputStart < client.inputEnd
  }

  /** The server stops: an idle connection is closed soon. One that is at work sees it by itself when it answers. */
  drain(): void {
    this.onDrain?.()
    if (!this.idle) return
    const { client } = this
    this.idleUntil = Math.min(this.idleUntil, now() + idleGraceSeconds)
    client.readDeadline = Math.min(client.readDeadline, now() + idleGraceSeconds)
  }

  detach(work: Op<unknown>, failed: (error: unknown) => void): void {
    this.service.detach(work, failed)
  }

  /** The connection is over. Harmless when repeated. */
  close(): void {
    this.client.close()
    this.service.leave(this)
  }
}
