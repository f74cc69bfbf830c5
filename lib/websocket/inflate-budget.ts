import { webSocketInflatedBytes as perSecond } from '../config/fixed-limits.js'

/**
 * Bounds what inflating costs beyond what the peers' own bytes have earned (`PerMessageDeflate`): all WebSockets of a server share one,
 * so that it holds however many there are. Inflating takes up to 4 ns a byte (text that is not ASCII, Node.js 20): 6 % of a core.
 */
export class InflateBudget {
  #left = perSecond
  #at = 0

  /** Whether nothing is left. @param now seconds, of a clock that does not go back */
  isSpent(now: number): boolean {
    this.#left = Math.min(perSecond, this.#left + (now - this.#at) * perSecond)
    this.#at = now
    return this.#left <= 0
  }

  /** Takes `bytes`, also when fewer are left: the rest is a debt that time pays off. */
  spend(bytes: number): void {
    this.#left -= bytes
  }
}
