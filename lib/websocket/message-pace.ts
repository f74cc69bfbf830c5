import type { Rate } from '../limits/budgets.js'

/** The pace at which the messages of one WebSocket are read: the generic cell rate algorithm, for one key. */
export class MessagePace {
  /** Seconds that one takes of the budget. */
  readonly #interval: number
  readonly #burst: number
  /** When the budget was full for the last time, and the messages since: their sum of intervals would be off by its roundings. */
  #start = 0
  #count = 0

  constructor({ rate, per, burst }: Rate) {
    this.#interval = per / rate
    this.#burst = burst
  }

  /** When a message may be received that has come at `now`. The caller waits until then before it reads on. */
  next(now: number): number {
    if (now >= this.#start + this.#count * this.#interval) {
      this.#start = now
      this.#count = 0
    }
    return this.#start + (++this.#count - this.#burst) * this.#interval
  }
}
