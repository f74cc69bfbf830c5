/** What every error of `lev` is; `code` tells programs apart what `message` tells people. */
export abstract class LevError extends Error {
  /** Tells this kind of error from others; it stays the same when `message` changes. */
  abstract readonly code: string
  /** The name of the class. */
  override get name(): string {
    return this.constructor.name
  }
}

/** Why a task was cancelled; any other text is a caller's own reason. */
export type CancelReason = 'client gone' | 'timeout' | 'drain' | 'error' | (string & {})

/** The task was cancelled: given to whoever joins it, and to a cancelled task that goes on suspending. */
export class CancelledError extends LevError {
  readonly code = 'LEV_CANCELLED'
  /** Why the task was cancelled. */
  readonly reason: CancelReason
  constructor(reason: CancelReason) {
    super(`the task was cancelled: ${reason}`)
    this.reason = reason
  }
}

/** A deadline passed. */
export class TimeoutError extends LevError {
  readonly code = 'LEV_TIMEOUT'
}

/** The stream, listener, channel or world is closed: by this side, by the peer, or by a fault (`cause`). */
export class ClosedError extends LevError {
  readonly code = 'LEV_CLOSED'
}

/** A listener could not be bound, or a connection not be made; `cause` is the system's own error. */
export class AddressError extends LevError {
  readonly code = 'LEV_ADDRESS'
}

/** The TLS handshake failed; `cause` is the library's own error. */
export class HandshakeError extends LevError {
  readonly code = 'LEV_HANDSHAKE'
}

/** On the memory driver: every task waits and nothing is left that could wake one. */
export class DeadlockError extends LevError {
  readonly code = 'LEV_DEADLOCK'
}

/** A function of lev was called where or how it cannot work; the message says what to do instead. */
export class UsageError extends LevError {
  readonly code = 'LEV_USAGE'
}
