import { webSocketInflatedBytes as perSecond } from '../config/fixed-limits.js'

/**
 * Bounds the cost of inflating beyond what the peers' own bytes have earned (`PerMessageDeflate`). All WebSockets of a server
 * share one, so that the bound does not grow with their number. Inflating takes up to 4 ns per byte (non-ASCII text, Node.js
 * 20): 6 % of a core.
 */
export class InflateBudget {
  #left = perSecond
  #at = 0

  /** Whether nothing is left. @param now seconds on a monotonic clock */
  isSpent(now: number): boolean {
    this.#left = Math.min(perSecond, this.#left + (now - this.#at) * perSecond)
    this.#at = now
    return this.#left <= 0
  }

  /** Takes `bytes`, even if fewer are left: the rest is a debt that is paid off over time. */
  spend(bytes: number): void {
    this.#left -= bytes
  }
}
