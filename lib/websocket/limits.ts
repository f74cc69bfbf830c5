import type { Rate } from '../limits/budgets.js'
import type { Agreement, Effort } from './deflate.js'

/** Limits of one WebSocket, as described in WebSocketOptions. Durations are in seconds, sizes in bytes. */
export interface WebSocketLimits {
  readonly max_message_size: number
  readonly message_rate: Rate | null
  readonly ping_interval: number
  readonly pong_timeout: number
  readonly close_timeout: number
  readonly queue_limit: number
  readonly on_full: 'wait' | 'close'
}

/** The results of the handshake. */
export interface Agreed {
  /** Whether this side is the client, which masks its frames. */
  readonly client: boolean
  /** The subprotocol; empty if there is none. */
  readonly protocol: string
  readonly compression: (Agreement & Effort) | null
  /** Number of the server's connection, for observers; none on this side's own connections. */
  readonly connection?: number
}

/** How a WebSocket ends after the peer has closed it or violated the protocol. */
export interface Ending {
  readonly code: number
  readonly reason: string
  /** The content of the close frame to send back. */
  readonly reply: Buffer
}
