import { now } from '../../lev/index.js'
import type { RequestHead } from '../http1/request-head.js'
import { webSocketClosed, webSocketMessage, webSocketOpened, type WebSocketClosed } from './events.js'

/** One WebSocket, for observers. */
export class WebSocketRecord implements WebSocketClosed {
  readonly connection: number
  readonly client_ip: string
  readonly host: string
  readonly path: string
  readonly protocol: string
  readonly compressed: boolean
  code = 0
  reason = ''
  duration = 0
  readonly #began = now()

  private constructor({ connection, ip }: RecordedPeer, { host, query }: RequestHead, protocol: string, compressed: boolean) {
    this.connection = connection
    this.client_ip = ip
    this.host = host
    this.path = query
    this.protocol = protocol
    this.compressed = compressed
  }

  /** Publishes that a WebSocket is open; null if their beginning and end have no subscriber. */
  static open(peer: RecordedPeer, head: RequestHead, protocol: string, compressed: boolean): WebSocketRecord | null {
    if (!webSocketOpened.hasSubscribers && !webSocketClosed.hasSubscribers) return null
    const record = new WebSocketRecord(peer, head, protocol, compressed)
    if (webSocketOpened.hasSubscribers) webSocketOpened.publish(record)
    return record
  }

  /** Publishes that the WebSocket is closed. */
  close(code: number, reason: string): void {
    this.code = code
    this.reason = reason
    this.duration = now() - this.#began
    if (webSocketClosed.hasSubscribers) webSocketClosed.publish(this)
  }
}

interface RecordedPeer {
  readonly connection: number
  readonly ip: string
}

/** Publishes a message of a WebSocket. To be called only if `webSocketMessage.hasSubscribers`; a client's has no `connection`. */
export function publishMessage(connection: number | null, direction: 'received' | 'sent', data: string | Uint8Array): void {
  if (connection === null) return
  const type = typeof data === 'string' ? 'text' : 'binary'
  webSocketMessage.publish({ connection, direction, type, bytes: Buffer.byteLength(data) })
}
