import { now, type Op, type Scope, type Stream } from '../../lev/index.js'
import { mayServe, type Identities } from '../../tls/index.js'
import { idleGraceSeconds, keepAliveGraceSeconds, lingerBytes, lingerSeconds, parkAfterSeconds } from '../config/fixed-limits.js'
import type { Settings } from '../config/settings.js'
import type { HeadLimits } from '../http1/field-lines.js'
import type { HeadReader } from '../http1/head.js'
import { MemoizingHeadReader } from '../http1/memoizing-head-reader.js'
import type { RequestHead } from '../http1/request-head.js'
import type { ContextConnection } from '../request/context.js'
import type { Logger } from '../log/logger.js'
import { Http1Writer } from '../response/http1-writer.js'
import type { ResponseWriter } from '../response/response-writer.js'
import type { Peer } from './peer.js'
import type { OpenConnection } from './connection-set.js'
import type { Service } from './service.js'

/** The state kept of a parked connection, beside its peer. */
interface ParkedState {
  readonly settings: Settings
  readonly count: number
  /** As in Connection. */
  readonly idleUntil: number
}

/** One client's connection, and its state between requests. */
export class Connection implements ContextConnection, OpenConnection {
  readonly service: Service
  readonly settings: Settings
  readonly client: Stream
  readonly peer: Peer
  readonly redis: unknown
  readonly headLimits: HeadLimits
  readonly reader: HeadReader
  readonly writer: ResponseWriter
  index = -1
  older: OpenConnection | null = null
  newer: OpenConnection | null = null
  /** Number of the request that is awaited or served, from 1. */
  count: number
  /** Scope of the serving task, and of tasks spawned outside handlers; null: a caller of `process_request` serves it. */
  tasks: Scope | null = null
  /** Deadline of the wait for a request; 0: one has arrived. */
  idleUntil: number
  /** Whether the connection waits for the first byte of a request or of its handshake. */
  idle = false
  #onDrain: (() => void) | null = null
  /** Cache: the host last found valid for this connection, and with which identities. The next request usually has it too. */
  #fittingHost = ''
  #fittingIdentities: Identities | null = null

  /** @param before the state of the connection while it was parked */
  constructor(service: Service, client: Stream, peer: Peer, redis: unknown, before: ParkedState | null = null) {
    const settings = before?.settings ?? service.settings
    this.count = before?.count ?? 1
    this.idleUntil = before?.idleUntil ?? 0
    this.service = service
    this.settings = settings
    this.client = client
    this.peer = peer
    this.redis = redis
    this.headLimits = {
      lineLimit: settings.request_line_limit,
      countLimit: settings.header_count_limit,
      sizeLimit: settings.header_size_limit,
    }
    this.reader = new MemoizingHeadReader(this.headLimits)
    this.writer = new Http1Writer(client)
    client.stallTimeout = settings.send_timeout
    client.minSendRate = settings.min_transfer_rate
  }

  get logger(): Logger {
    return this.service.log.logger
  }

  /** Whether this connection may serve a request: never one for `https:` without TLS, and the host must fit the handshake. */
  mayServe({ form, target, host }: RequestHead): boolean {
    const { peer: { handshake, place }, service: { identities } } = this
    if (handshake === null && form === 'absolute' && /^https:/i.test(target)) return false
    if (identities === null || (host === this.#fittingHost && identities === this.#fittingIdentities)) return true
    const name = host.replace(/:\d*$/, '')
    if (handshake === null && !place.isPlain) {
      // The connection was opened before the server had identities, unless a caller of `process_request` did the handshake.
      if (this.tasks !== null && identities.choose(name).clientCertificate !== 'none') return false
    } else if (handshake !== null && !mayServe(identities, handshake, name)) return false
    this.#fittingHost = host
    this.#fittingIdentities = identities
    return true
  }

  /**
   * Begins the wait for request `count` and sets its deadline, an earlier one once the server stops. The first request has
   * `request_header_timeout`, not the idle time: a client connects because it has a request.
   */
  beginIdle(count: number): void {
    const time = now()
    // The wait resumes: the connection was woken by something other than a request, or could not be parked.
    const again = this.idleUntil > time
    const { request_header_timeout, keepalive_idle_timeout } = this.settings
    const patience = count === 1 ? request_header_timeout : keepalive_idle_timeout + keepAliveGraceSeconds
    const until = time + (this.service.draining ? idleGraceSeconds : patience)
    this.idleUntil = again ? Math.min(this.idleUntil, until) : until
    this.idle = true
    this.service.connections.beginIdle(this)
    this.client.readDeadline = again || !this.mayPark ? this.idleUntil : Math.min(this.idleUntil, time + parkAfterSeconds)
  }

  /** Waits for the first bytes of a new connection. It is idle until then: a server that stops, or is full, does not wait for it. */
  *waitForInput(deadline: number): Op<void> {
    const { client, service } = this
    client.readDeadline = service.draining ? now() + idleGraceSeconds : deadline
    this.idle = true
    service.connections.beginIdle(this)
    try {
      if (client.inputStart === client.inputEnd) yield* client.fill()
    } finally {
      this.endIdle()
    }
    client.readDeadline = deadline
  }

  /** Called when the next request begins to arrive. */
  endIdle(): void {
    this.idle = false
    this.idleUntil = 0
    this.service.connections.endIdle(this)
  }

  /** Whether the connection can be parked: everything in use can be recreated. */
  get mayPark(): boolean {
    return this.count > 1 && this.tasks !== null && this.tasks.size === 1
  }

  get atWork(): boolean {
    const { client } = this
    return client.unsent > 0 || client.inputStart < client.inputEnd
  }

  /** Has `act` called when the server begins to stop, at once if it has begun. Applies to the request in progress. */
  whenDraining(act: () => void): void {
    if (this.service.draining) return act()
    const before = this.#onDrain
    this.#onDrain = before === null ? act : () => {
      before()
      act()
    }
  }

  /** Called when a request is over, or none came. */
  endRequest(): void {
    this.idle = false
    this.#onDrain = null
  }

  /** Called when the server stops: an idle connection is closed soon. A busy one checks `draining` when it responds. */
  drain(): void {
    this.#onDrain?.()
    if (!this.idle) return
    const { client } = this
    this.idleUntil = Math.min(this.idleUntil, now() + idleGraceSeconds)
    client.readDeadline = Math.min(client.readDeadline, now() + idleGraceSeconds)
  }

  detach(work: Op<unknown>, failed: (error: unknown) => void): void {
    this.service.detach(work, failed)
  }

  /** Closes the connection once the client has received all output, for which it still reads input for a moment. */
  *linger(): Op<void> {
    try {
      yield* this.client.linger(lingerSeconds, lingerBytes)
    } finally {
      this.close()
    }
  }

  /** Closes the connection. Harmless when repeated. */
  close(): void {
    this.client.close()
    this.service.connections.delete(this)
  }
}
