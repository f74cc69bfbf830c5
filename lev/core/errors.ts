/** Base class of all errors of `lev`. Programs compare `code`; `message` is for people. */
export abstract class LevError extends Error {
  /** Identifies the kind of error; it stays the same when `message` changes. */
  abstract readonly code: string
  /** The name of the class. */
  override get name(): string {
    return this.constructor.name
  }
}

/** Why a task was cancelled; any other text is a reason given by the caller. */
export type CancelReason = 'client gone' | 'timeout' | 'drain' | 'error' | (string & {})

/** The task was cancelled: thrown in the task that joins it, and in a cancelled task that keeps suspending. */
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

/** The stream, listener, channel or world is closed: locally, by the peer, or because of a fault (`cause`). */
export class ClosedError extends LevError {
  readonly code = 'LEV_CLOSED'
}

/** A listener could not be bound, or a connection could not be made; `cause` is the system's error. */
export class AddressError extends LevError {
  readonly code = 'LEV_ADDRESS'
}

/** The TLS handshake failed; `cause` is the TLS library's error. */
export class HandshakeError extends LevError {
  readonly code = 'LEV_HANDSHAKE'
}

/** On the memory driver: every task is waiting and nothing can wake any of them. */
export class DeadlockError extends LevError {
  readonly code = 'LEV_DEADLOCK'
}

/** A function of lev was called in the wrong place or in the wrong way; the message says what to do instead. */
export class UsageError extends LevError {
  readonly code = 'LEV_USAGE'
}
