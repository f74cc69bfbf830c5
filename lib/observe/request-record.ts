import { now } from '../../lev/index.js'
import type { RequestHead } from '../http1/request-head.js'
import { accessEnabled, logAccess } from '../log/access-log.js'
import type { Logger } from '../log/logger.js'
import { requestEnded, requestStarted, type Outcome, type RequestEnded } from './events.js'

/** The connection of a request, as its record sees it. */
interface RecordedConnection {
  readonly settings: { readonly log_headers: readonly string[] }
}

/** A request, as its record sees it. */
interface RecordedRequest {
  readonly peer: { readonly connection: number; readonly ip: string }
  readonly connection: RecordedConnection
  readonly logger: Logger
  readonly count: number
  readonly head: RequestHead
  /** Bytes of content that were read. */
  readonly received: number
  /** The pattern of its route. */
  readonly route: string | null
}

/** One request and its response, for the access log and observers. Made only if one of them is there to read it. */
export class RequestRecord implements RequestEnded {
  readonly connection: number
  readonly client_ip: string
  readonly count: number
  readonly host: string
  readonly method: string
  readonly path: string
  readonly headers: RequestHead['fields']
  outcome: Outcome = 'complete'
  route: string | null = null
  reason: string | null = null
  status: number | undefined = undefined
  bytesIn = 0
  bytesOut = 0
  duration = 0
  /** When the head was complete; -1 if it was rejected, or a record was not wanted then. */
  readonly #began: number

  private constructor({ peer, count, head }: RecordedRequest, began: number) {
    this.connection = peer.connection
    this.client_ip = peer.ip
    this.count = count
    this.host = head.host
    this.method = head.method
    this.path = head.query
    this.headers = head.fields
    this.#began = began
  }

  /** The record of a request whose head is complete; null if none is wanted. */
  static begin(request: RecordedRequest): RequestRecord | null {
    return isWanted(request) ? publishStart(new RequestRecord(request, now())) : null
  }

  /** The record of a request that ends without one; null if none is wanted. */
  static late(request: RecordedRequest): RequestRecord | null {
    return isWanted(request) ? publishStart(new RequestRecord(request, -1)) : null
  }

  /** Completes the record, logs it and publishes it. */
  end(
    { connection, logger, received, route }: RecordedRequest, outcome: Outcome, reason: string | null, status: number | undefined, bytesOut: number,
  ): void {
    const { settings } = connection
    this.outcome = outcome
    this.route = route
    this.reason = reason
    this.status = status
    this.bytesIn = received
    this.bytesOut = bytesOut
    if (this.#began >= 0) this.duration = now() - this.#began
    if (accessEnabled(logger)) logAccess(logger, this, settings.log_headers)
    if (requestEnded.hasSubscribers) requestEnded.publish(this)
  }
}

function isWanted({ logger }: RecordedRequest): boolean {
  return accessEnabled(logger) || requestEnded.hasSubscribers || requestStarted.hasSubscribers
}

function publishStart(record: RequestRecord): RequestRecord {
  if (requestStarted.hasSubscribers) requestStarted.publish(record)
  return record
}
