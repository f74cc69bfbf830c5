import { now } from '../../lev/index.js'
import { connectionClosed, connectionOpened, type ConnectionClosed } from './events.js'

/** One connection, for observers. */
export class ConnectionRecord implements ConnectionClosed {
  readonly connection: number
  readonly client_ip: string
  duration = 0
  readonly #began = now()

  private constructor(connection: number, ip: string) {
    this.connection = connection
    this.client_ip = ip
  }

  /** Publishes that a connection is open; null if connections have no subscriber. */
  static open({ connection, ip }: { readonly connection: number; readonly ip: string }): ConnectionRecord | null {
    if (!connectionOpened.hasSubscribers && !connectionClosed.hasSubscribers) return null
    const record = new ConnectionRecord(connection, ip)
    if (connectionOpened.hasSubscribers) connectionOpened.publish(record)
    return record
  }

  /** Publishes that the connection is closed. */
  close(): void {
    this.duration = now() - this.#began
    if (connectionClosed.hasSubscribers) connectionClosed.publish(this)
  }
}
