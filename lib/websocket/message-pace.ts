import type { Rate } from '../limits/budgets.js'

/** The pace at which the messages of one WebSocket are read: the generic cell rate algorithm, for one key. */
export class MessagePace {
  /** Seconds that one takes of the budget. */
  readonly #interval: number
  /** How far the budget may be used ahead, in seconds. */
  readonly #slack: number
  /** When the budget is full again. */
  #full = 0

  constructor({ rate, per, burst }: Rate) {
    this.#interval = per / rate
    this.#slack = this.#interval * (burst - 1)
  }

  /** When a message may be received that has come at `now`. The caller waits until then before it reads on. */
  next(now: number): number {
    const begins = Math.max(this.#full, now)
    this.#full = begins + this.#interval
    return begins - this.#slack
  }
}
