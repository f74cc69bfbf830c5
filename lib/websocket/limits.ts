import type { Agreement, Effort } from './deflate.js'

/** How one WebSocket behaves. Durations are seconds, sizes bytes; what they mean stands in WebSocketOptions. */
export interface WebSocketLimits {
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

/** How a WebSocket ends that the other side has closed, or broken the rules of. */
export interface Ending {
  readonly code: number
  readonly reason: string
  /** What the close frame that is sent back carries. */
  readonly answer: Buffer
}
