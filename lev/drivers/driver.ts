import type { SecureContext } from 'node:tls'
import type { X509Certificate } from 'node:crypto'

/** One end of a connection, or where a listener is bound. */
export interface Address {
  /** IP address in text form. */
  readonly ip: string
  /** The port, 1 to 65535. */
  readonly port: number
}

/** What `tls/` prepared for the server's side of one handshake. */
export interface ServerSecurity {
  readonly side: 'server'
  readonly context: SecureContext
  /** Application protocols offered, best first. */
  readonly alpn: readonly string[]
  /** Whether the client is asked for a certificate, and refused without a valid one. */
  readonly clientCertificate: 'none' | 'request' | 'require'
}

/** What `tls/` prepared for the client's side of one handshake. */
export interface ClientSecurity {
  /** Tells it from what a server prepares. */
  readonly side: 'client'
  /** Certificates, keys and authorities, as node:tls takes them. */
  readonly context: SecureContext
  /** Application protocols offered, best first. */
  readonly alpn: readonly string[]
  /** The name asked for by SNI and checked against the server's certificate. */
  readonly serverName: string
  /** False accepts any certificate: for tests only. */
  readonly verify: boolean
}

/** What `tls/` prepared for one side of a handshake. */
export type Security = ServerSecurity | ClientSecurity

/** What a finished handshake agreed on. */
export interface SecureFacts {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string
  /** The cipher's standard name. */
  readonly cipher: string
  /** The application protocol chosen, or null. */
  readonly alpn: string | null
  /** The name the client asked for, lower case, or null. */
  readonly serverName: string | null
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean
  /** The other side's certificate, or null when it sent none. */
  readonly peerCertificate: X509Certificate | null
  /** Whether that certificate is trusted; when not, `reason` says why. */
  readonly authorized: boolean
  /** Why it is not trusted, as a code of the TLS library; null if it is, or if there is none. */
  readonly reason: string | null
}

/** What a transport tells the stream on top of it. Calls come from the driver only, never from inside a call of the transport. */
export interface TransportEvents {
  /** Bytes arrived. They belong to the receiver from now on. */
  onChunk(bytes: Buffer): void
  /** Likewise the first `size` bytes of `buffer`, which belong to the driver again when the call returns. */
  onBorrowedChunk(buffer: Buffer, size: number): void
  /** The other side will send no more. Comes after the last `onChunk`, once at the most. */
  onEnd(): void
  /** Bytes given to `write` have left: `pending` has fallen. */
  onProgress(): void
  /** The handshake asked for by `secure` is done; comes before any `onChunk`. */
  onSecure(facts: SecureFacts): void
  /** The transport is gone, `error` says why if it was a fault. The last event, once, also after `destroy`. */
  onClose(error: Error | null): void
}

/** A bidirectional flow of bytes that a driver supplies. */
export interface Transport {
  /** Address of this end. */
  readonly local: Address
  /** Address of the peer. */
  readonly remote: Address
  /** Bytes taken by `write` that have not left for the other side yet. */
  readonly pending: number
  /** Bytes that are best given to one `write`. */
  readonly writeSize: number
  /** Where events go; nothing is read or reported before this, and `resume`, were called. Called again, they go elsewhere. */
  start(events: TransportEvents): void
  /** Stops reading: no `onChunk` and no `onEnd` until `resume`. */
  pause(): void
  /** Starts reading, or goes on with it. */
  resume(): void
  /** Takes all of `parts`; a string is latin1, one byte a character. Callers watch `pending` to know when to hold back. */
  write(parts: readonly (Buffer | string)[]): void
  /** Sends what is pending and then the end of the stream (FIN). */
  end(): void
  /** Closes at once; what is pending is lost. With `reset`, the other side is told so by RST where the transport can. */
  destroy(reset?: boolean): void
  /** Whether the process is to live as long as this is open, as it is at first. Absent: nothing of this keeps it. */
  keep?(alive: boolean): void
  /**
   * Turns this transport into an encrypted one, which takes its place; this one must not be used afterwards.
   * `received` are bytes that were read from it already and belong to the handshake.
   */
  secure(options: Security, received: Buffer): Transport
}

/** Where to listen. */
export interface ListenOptions {
  /** IP address or host name. */
  readonly ip: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Longest queue of connections not accepted yet. */
  readonly backlog?: number | null | undefined
  /** Let several processes bind the same port (SO_REUSEPORT), where the system can. */
  readonly reusePort?: boolean | null | undefined
}

/** A bound listener. */
export interface ListenerTransport {
  /** Where it is bound; with port 0, the port that was chosen. */
  readonly address: Address
  /** Stops accepting and frees the port, at once; the connections accepted earlier are untouched. */
  close(): void
}

/** Where to connect to: by TCP, or to a Unix socket. */
export type ConnectOptions =
  | {
    /** IP address or host name. */
    readonly ip: string
    /** 1 to 65535. */
    readonly port: number
  }
  | {
    /** The socket's path in the file system. */
    readonly path: string
  }

/** Called with the result or the error, exactly once, unless it was abandoned before. */
export type Completion<T> = (error: Error | null, value: T | null) => void

/** What a driver does with its loop. */
export interface DrivenLoop {
  /** An event is about to be told, and `tick` will be called after it. */
  beginEvent(): void
  /** Runs whatever is ready: called after each event and at each wake-up. */
  tick(): void
  /** Something failed that no transport and no caller can be told of. */
  fault(error: Error): void
  /** Nothing will ever happen again: for a driver that can tell. */
  deadlocked(): void
}

/**
 * Bytes and time: all that lev needs from the outside. One driver serves one loop.
 */
export interface Driver {
  /** The environment variables that hold here; absent: there are none. */
  readonly environment?: Readonly<Record<string, string | undefined>> | null | undefined
  /** Seconds on a clock that only goes forward. */
  now(): number
  /**
   * The time up to which every event has been told, on the clock of `now`. Deadlines up to it are over: what is to come before
   * them has come. A process that computes falls behind with events, and a deadline must not pass before them.
   */
  heardUntil(): number
  /** Seconds since 1970-01-01T00:00:00Z. */
  wallClock(): number
  /** Connects the driver to its loop. */
  start(loop: DrivenLoop): void
  /**
   * Asks for a tick once `heardUntil` has come to `time`, or earlier; replaces the time asked for before. Infinity asks for none.
   * @param keeps whether the process is to live until then; absent: it is
   */
  wakeAt(time: number, keeps?: boolean): void
  /** Asks for a tick soon, after events that wait already were let in. */
  wakeSoon(): void
  /** The loop has ended: releases everything, connections and listeners that are still open included. */
  stop(): void
  /**
   * Tells the driver that a task waits for something outside of it (a promise), or no longer does: +1 or -1.
   * `guaranteed`: it will come whatever happens here.
   */
  awaitExternal(change: 1 | -1, guaranteed: boolean): void
  /** Binds an address; `accept` is called for each connection. */
  listen(options: ListenOptions, accept: (transport: Transport) => void, done: Completion<ListenerTransport>): void
  /** Returns a function that abandons the attempt. */
  connect(options: ConnectOptions, done: Completion<Transport>): () => void
}
