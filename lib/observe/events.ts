import { channel } from 'node:diagnostics_channel'

/** A connection that the server has accepted, before its TLS handshake. Those over a limit of connections are only rejected. */
export interface ConnectionOpened {
  /** Number of the connection, unique in this thread. */
  readonly connection: number
  /** IP address of the peer. */
  readonly client_ip: string
}

/** The end of a connection, for whatever reason; the same object as that of its beginning. */
export interface ConnectionClosed extends ConnectionOpened {
  /** Seconds that the connection was open. */
  readonly duration: number
}

/** A TLS handshake that failed; the connection is closed. */
export interface HandshakeFailed extends ConnectionOpened {
  /** What was wrong, in words for people. */
  readonly reason: string
}

/** A request whose head was read, or rejected. */
export interface RequestStarted {
  /** Number of the connection, unique in this thread. */
  readonly connection: number
  /** IP address of the peer. */
  readonly client_ip: string
  /** Number of the request on its connection, from 1. */
  readonly count: number
  /** The host that the request was for, as sent; empty if its head was rejected. */
  readonly host: string
  /** As sent; empty if its head was rejected. */
  readonly method: string
  /** The path, without `?` and the text after it; empty if its head was rejected. */
  readonly path: string
  /** The header fields by lower-case name; none if the head was rejected. */
  readonly headers: { get(name: string): string | undefined }
}

/**
 * How a request ended: its response was sent, or buffered for sending if it is small (`complete`); it broke a rule, and was
 * told so (`rejected`); the handler or the content of its response failed (`failed`); the client left, or stopped reading the
 * response (`client gone`); the server stopped waiting for it (`cancelled`).
 */
export type Outcome = 'complete' | 'rejected' | 'failed' | 'client gone' | 'cancelled'

/** A request that is over; the same object as that of its start. */
export interface RequestEnded extends RequestStarted {
  /** How it ended. */
  readonly outcome: Outcome
  /** The pattern of the route that the request had, such as `/todos/:id`; null if it had none, or the handler does not tell. */
  readonly route: string | null
  /** Why no other request follows on the connection, as the `err` of `process_request`; null if there is no fault. */
  readonly reason: string | null
  /** 499 if the client did not get a whole response; undefined if a handler has written one itself and its status is unknown. */
  readonly status: number | undefined
  /** Bytes of content that were read, as sent, without framing. */
  readonly bytesIn: number
  /** Bytes of content sent. */
  readonly bytesOut: number
  /** Seconds from the end of the request's head until the response was sent, or buffered for sending; 0 if the head was rejected. */
  readonly duration: number
}

/** A request, or a connection over a limit of connections, that the server rejects. */
export interface Rejected {
  /** Null if it is the connection that is rejected. */
  readonly connection: number | null
  /** IP address of the peer. */
  readonly client_ip: string
  /** The status of the response; null if the connection is closed without one. */
  readonly status: number | null
  /** A phrase that programs may match. */
  readonly reason: string
}

/** A WebSocket whose handshake is done. */
export interface WebSocketOpened {
  /** Number of the connection, unique in this thread. */
  readonly connection: number
  /** IP address of the peer. */
  readonly client_ip: string
  /** The host that the handshake was for, as sent. */
  readonly host: string
  /** The path, without `?` and the text after it. */
  readonly path: string
  /** The negotiated subprotocol; empty if there is none. */
  readonly protocol: string
  /** Whether messages may be compressed. */
  readonly compressed: boolean
}

/** A WebSocket that is closed and whose handler has ended; the same object as that of its beginning. */
export interface WebSocketClosed extends WebSocketOpened {
  /** As `closeCode` of the WebSocket: 1006 if the connection was lost. */
  readonly code: number
  /** The reason that came with `code`. */
  readonly reason: string
  /** Seconds from the handshake to the end. */
  readonly duration: number
}

/** A message on a WebSocket. */
export interface WebSocketMessage {
  /** Number of the connection, unique in this thread. */
  readonly connection: number
  /** As the server sees it. */
  readonly direction: 'received' | 'sent'
  /** Text is UTF-8. */
  readonly type: 'text' | 'binary'
  /** Bytes of the message, before compression and without its frame. */
  readonly bytes: number
}

/** The events of a server's life, by the name of their channel. */
export interface Events {
  /** A connection was accepted. */
  'leveret:connection:open': ConnectionOpened
  /** A connection has ended. */
  'leveret:connection:close': ConnectionClosed
  /** A TLS handshake has failed. */
  'leveret:handshake:fail': HandshakeFailed
  /** The head of a request was read, or rejected. */
  'leveret:request:start': RequestStarted
  /** A request is over. */
  'leveret:request:end': RequestEnded
  /** A request or a connection was rejected. */
  'leveret:reject': Rejected
  /** The handshake of a WebSocket is done. */
  'leveret:websocket:open': WebSocketOpened
  /** A message was received or sent. */
  'leveret:websocket:message': WebSocketMessage
  /** A WebSocket is closed. */
  'leveret:websocket:close': WebSocketClosed
}

/** A diagnostics channel. To be asked for subscribers before an event is made, so that it costs nothing without any. */
interface EventChannel<E> {
  readonly hasSubscribers: boolean
  /** Never throws: an error of a subscriber becomes an `uncaughtException` of the process. */
  publish(event: E): void
}

function channelOf<Name extends keyof Events>(name: Name): EventChannel<Events[Name]> {
  return channel(name)
}

export const connectionOpened = channelOf('leveret:connection:open')
export const connectionClosed = channelOf('leveret:connection:close')
export const handshakeFailed = channelOf('leveret:handshake:fail')
export const requestStarted = channelOf('leveret:request:start')
export const requestEnded = channelOf('leveret:request:end')
export const rejected = channelOf('leveret:reject')
export const webSocketOpened = channelOf('leveret:websocket:open')
export const webSocketMessage = channelOf('leveret:websocket:message')
export const webSocketClosed = channelOf('leveret:websocket:close')
