import type { SecureContext } from 'node:tls'
import type { X509Certificate } from 'node:crypto'

/**
 * The address of one end of a connection, or of a listener. `path` tells a Unix socket from TCP. `ip` and `port` are there in
 * both, so that code that knows only TCP can read them without a check.
 */
export type Address =
  | {
    /** IP address in text form; empty if the connection was lost before the system could tell it. */
    readonly ip: string
    /** The port; 0 for an end of a `pipe`. */
    readonly port: number
    readonly path?: undefined
  }
  | {
    readonly ip: ''
    readonly port: 0
    /** The socket's path in the file system; empty if it has none, as the connecting end, or if the system does not tell it. */
    readonly path: string
  }

/** Security settings from `tls/` for the server side of one handshake. */
export interface ServerSecurity {
  readonly side: 'server'
  readonly context: SecureContext
  /** Application protocols offered, best first. */
  readonly alpn: readonly string[]
  /** Whether the client is asked for a certificate, and whether it is rejected without a valid one. */
  readonly clientCertificate: 'none' | 'request' | 'require'
}

/** Security settings from `tls/` for the client side of one handshake. */
export interface ClientSecurity {
  /** Distinguishes it from `ServerSecurity`. */
  readonly side: 'client'
  /** Certificates, keys and authorities, in the form of node:tls. */
  readonly context: SecureContext
  /** Application protocols offered, best first. */
  readonly alpn: readonly string[]
  /** The name sent by SNI and checked against the server's certificate. */
  readonly serverName: string
  /** False accepts any certificate: for tests only. */
  readonly verify: boolean
}

/** Security settings from `tls/` for one side of a handshake. */
export type Security = ServerSecurity | ClientSecurity

/** The results of a finished handshake. */
export interface SecureFacts {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string
  /** The cipher's standard name. */
  readonly cipher: string
  /** The negotiated application protocol, or null. */
  readonly alpn: string | null
  /** The name that the client asked for, in lower case, or null. */
  readonly serverName: string | null
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean
  /** The peer's certificate, or null if it sent none. */
  readonly peerCertificate: X509Certificate | null
  /** Whether that certificate is trusted; if not, `reason` says why. */
  readonly authorized: boolean
  /** Why the certificate is not trusted, such as a code of the TLS library; null if it is. */
  readonly reason: string | null
}

/** Events from a transport to its stream. The driver makes these calls, never from inside a call of the transport. */
export interface TransportEvents {
  /** Bytes have arrived; they belong to the receiver from now on. */
  onChunk(bytes: Buffer): void
  /** The first `size` bytes of `buffer` have arrived; the buffer belongs to the driver again when the call returns. */
  onBorrowedChunk(buffer: Buffer, size: number): void
  /** The peer will send no more. Comes after the last `onChunk`, at most once. */
  onEnd(): void
  /** Bytes passed to `write` have left: `pending` has fallen. */
  onProgress(): void
  /** The handshake started by `secure` is done; comes before any `onChunk`. */
  onSecure(facts: SecureFacts): void
  /** The transport is closed; `error` is the fault, if there was one. Comes once, as the last event, also after `destroy`. */
  onClose(error: Error | null): void
}

/** A bidirectional byte connection, provided by a driver. */
export interface Transport {
  /** Address of this end. */
  readonly local: Address
  /** Address of the peer. */
  readonly remote: Address
  /** Bytes passed to `write` that have not left yet. */
  readonly pending: number
  /** The best size of one `write`, in bytes. */
  readonly writeSize: number
  /** Sets the receiver of events, or replaces it. Nothing is read or reported before this and `resume` were called. */
  start(events: TransportEvents): void
  /** Stops reading: no `onChunk` and no `onEnd` until `resume`. */
  pause(): void
  /** Starts or resumes reading. */
  resume(): void
  /** Takes all of `parts`; a string is latin1, one byte per character. Callers limit their output by watching `pending`. */
  write(parts: readonly (Buffer | string)[]): void
  /** Sends pending output and then the end of the stream (FIN). */
  end(): void
  /** Closes at once; pending output may be lost. With `reset`, the peer gets an RST if the transport can send one. */
  destroy(reset?: boolean): void
  /** Sets whether the open transport keeps the process alive, as it does at first. Absent if it never does. */
  keep?(alive: boolean): void
  /**
   * Returns an encrypted transport that takes the place of this one, which must not be used afterwards.
   * `received` are bytes that were already read from it and belong to the handshake.
   */
  secure(options: Security, received: Buffer): Transport
}

/** Where to listen: on a TCP address, on a Unix socket, or on a listening socket that this process has inherited. */
export type ListenOptions = {
  /** Maximum length of the queue of connections not accepted yet. */
  readonly backlog?: number | null | undefined
} & (
  | {
    /** IP address or host name. */
    readonly ip: string
    /** 0 lets the system choose. */
    readonly port: number
    /** Whether several processes may bind the same port (SO_REUSEPORT), where the system supports it. */
    readonly reusePort?: boolean | null | undefined
    readonly path?: undefined
    readonly fd?: undefined
  }
  | {
    /** The socket's path in the file system; nothing may be there. */
    readonly path: string
    /** Permissions of its file, such as 0o660, where the system has them. By default the umask of the process decides. */
    readonly mode?: number | null | undefined
    /** Owner of its file, as a number. By default the user of the process. */
    readonly uid?: number | null | undefined
    /** Group of its file, as a number. By default the group of the process, or that of the folder if the folder hands it on. */
    readonly gid?: number | null | undefined
    readonly fd?: undefined
  }
  | {
    /** Number of the file descriptor, which belongs to the listener from now on. */
    readonly fd: number
    readonly path?: undefined
  }
)

/** A bound listener. */
export interface ListenerTransport {
  /** The bound address; if port 0 was requested, with the port that was chosen. */
  readonly address: Address
  /** Stops accepting and frees the address, at once; connections accepted earlier stay open. */
  close(): void
}

/** What to connect to: a TCP address or a Unix socket. */
export type ConnectOptions =
  | {
    /** IP address or host name. */
    readonly ip: string
    /** 1 to 65535. */
    readonly port: number
    readonly path?: undefined
  }
  | {
    /** The socket's path in the file system. */
    readonly path: string
  }

/** Called exactly once, with the result or the error, unless the operation was abandoned before. */
export type Completion<T> = (error: Error | null, value: T | null) => void

/** The loop, as a driver sees it. */
export interface DrivenLoop {
  /** To be called before an event is delivered; `tick` must follow. */
  beginEvent(): void
  /** Runs everything that is ready; to be called after each event and at each wake-up. */
  tick(): void
  /** Reports an error that belongs to no transport and no caller. */
  fault(error: Error): void
  /** To be called when nothing can ever happen again, by drivers that can detect that. */
  deadlocked(): void
}

/**
 * I/O and time: everything that lev needs from outside. One driver serves one loop.
 */
export interface Driver {
  /** The environment variables of this world; absent if there are none. */
  readonly environment?: Readonly<Record<string, string | undefined>> | null | undefined
  /** Seconds on a clock that only goes forward. */
  now(): number
  /**
   * The time up to which every event has been delivered, on the clock of `now`. Deadlines up to this time have passed. A busy
   * process delivers events late, and a deadline must not pass before the events that preceded it.
   */
  heardUntil(): number
  /** Seconds since 1970-01-01T00:00:00Z. */
  wallClock(): number
  /** Connects the driver to its loop. */
  start(loop: DrivenLoop): void
  /**
   * Requests a tick when `heardUntil` has reached `time`, or earlier; replaces the previous request. Infinity requests none.
   * @param keeps whether the request keeps the process alive; by default it does
   */
  wakeAt(time: number, keeps?: boolean): void
  /** Requests a tick soon, after events that are already waiting. */
  wakeSoon(): void
  /** Releases everything at the end of the loop, including open connections and listeners. */
  stop(): void
  /**
   * Reports that a task has begun (+1) or ceased (-1) to wait for something outside the driver, such as a promise.
   * `guaranteed`: it will come regardless of the driver.
   */
  awaitExternal(change: 1 | -1, guaranteed: boolean): void
  /** Binds an address; `accept` is called for each connection. */
  listen(options: ListenOptions, accept: (transport: Transport) => void, done: Completion<ListenerTransport>): void
  /** Opens a connection. Returns a function that abandons the attempt. */
  connect(options: ConnectOptions, done: Completion<Transport>): () => void
}
