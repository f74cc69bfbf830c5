import { now } from '../lev/index.js'
import { accessEnabled, clientGone, logAccess } from './access-log.js'
import type { Connection } from './connection.js'
import { NO_HEAD, type RequestHead } from './http1/request-head.js'
import type { Persistence } from './http1/response.js'

/** What becomes of a connection after a request: `[connection_state, err]`, as in Lilush. */
export type Disposition = readonly [connection_state: 'keep-alive' | 'close' | null, err: string | null]

/** One request and its answer, from the first byte to the log line. */
export class Exchange implements Persistence {
  readonly connection: Connection
  /** Valid once `phase` is past `head`. */
  head: RequestHead = NO_HEAD
  /** How far it has come: waiting for a first byte, for the rest of the head, for the body; or being answered. */
  phase: 'idle' | 'head' | 'body' | 'answer' | 'done' = 'idle'
  /** Whether the connection lives on after the answer. */
  keepAlive = false
  #began = 0

  constructor(connection: Connection) {
    this.connection = connection
  }

  get minorVersion(): 0 | 1 {
    return this.head.minorVersion
  }

  /** The head is there. */
  begin(head: RequestHead): RequestHead {
    this.head = head
    this.phase = 'body'
    if (accessEnabled(this.connection.logger)) this.#began = now()
    return head
  }

  /** It was answered: writes the log line. Returns `disposition`, for callers to return in turn. */
  finish(status: number, size: number, disposition: Disposition): Disposition {
    const { connection, head } = this
    const { logger } = connection
    this.phase = 'done'
    if (!accessEnabled(logger)) return disposition
    logAccess(
      logger,
      {
        vhost: head.host,
        client_ip: connection.client_ip,
        method: head.method,
        query: head.query,
        status,
        size,
        time: this.#began === 0 ? 0 : now() - this.#began,
        headers: head.fields,
      },
      connection.settings.log_headers,
    )
    return disposition
  }

  /** It ends without an answer, since nobody is there to read one. Only what had begun is logged. Harmless when it is done. */
  abandon(disposition: Disposition): Disposition {
    if (this.phase === 'body' || this.phase === 'answer') this.finish(clientGone, 0, disposition)
    return disposition
  }
}
