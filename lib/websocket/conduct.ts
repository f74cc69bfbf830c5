import type { Agreement, Effort } from './deflate.js'

/** How one WebSocket behaves. Durations are seconds, sizes bytes; what they mean stands in WebSocketOptions. */
export interface Conduct {
  readonly max_message_size: number
  readonly ping_interval: number
  readonly pong_timeout: number
  readonly close_timeout: number
  readonly queue_limit: number
  readonly on_full: 'wait' | 'close'
}

/** What the handshake agreed on. */
export interface Agreed {
  /** Whether this side is the client, which masks what it sends. */
  readonly client: boolean
  /** The subprotocol; empty: none. */
  readonly protocol: string
  readonly compression: (Agreement & Effort) | null
}
