/** Consecutive failures after which a server is taken to be away. */
const failuresUntilAway = 5

/** Seconds from a failure to the next attempt, while it is away. */
export const pauseSeconds = 1

/** Seconds from an attempt that got no reply to the next one: the client still keeps its command. */
const silentSeconds = 10

/** Decides whether a server is asked. While it is away, one attempt at a time finds out whether it is back. */
export class Breaker {
  /** Whether the server is taken to be away. */
  isAway = false
  #failures = 0
  /** The time from which the next attempt may be made while it is away. */
  #next = 0

  /** Whether the server may be asked; if so, an attempt begins. */
  begin(now: number): boolean {
    if (!this.isAway) return true
    if (now < this.#next) return false
    this.#next = now + silentSeconds
    return true
  }

  /** An attempt has succeeded in time. Returns whether the server was away. */
  succeed(): boolean {
    const wasAway = this.isAway
    this.isAway = false
    this.#failures = 0
    return wasAway
  }

  /**
   * An attempt has failed. Returns whether the server is away since then.
   * @param isSilent whether it has got no reply at all
   */
  fail(now: number, isSilent: boolean): boolean {
    if (this.isAway) {
      if (!isSilent) this.#next = now + pauseSeconds
      return false
    }
    if (++this.#failures < failuresUntilAway) return false
    this.isAway = true
    this.#next = now + pauseSeconds
    return true
  }

  /** The reply to an attempt, or its error, has come after its time. */
  hear(began: number, now: number): void {
    this.#next = Math.min(this.#next, Math.max(now, began + pauseSeconds))
  }
}
