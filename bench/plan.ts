/** How long everything takes. Seconds. */
export interface Plan {
  readonly rounds: number
  /** Load before the first round, so that the code under test is compiled. */
  readonly warmUp: number
  /** Load of a round before measuring begins: connections (and handshakes) are made in it. */
  readonly settle: number
  /** Load that is measured. */
  readonly window: number
  /** Rounds at each step of a curve. */
  readonly curveRounds: number
  /** Rounds at each rate where latencies are measured, */
  readonly latencyRounds: number
  /** and how long requests are sent in one. */
  readonly latencyWindow: number
}

export const full: Plan = { rounds: 5, warmUp: 1.5, settle: 0.3, window: 1.2, curveRounds: 3, latencyRounds: 3, latencyWindow: 2 }
export const quick: Plan = { rounds: 2, warmUp: 0.4, settle: 0.15, window: 0.4, curveRounds: 1, latencyRounds: 1, latencyWindow: 0.6 }
