/** How long everything takes. Seconds. */
export interface Plan {
  readonly rounds: number
  /** Load before the first round, so that the code under test is compiled. */
  readonly warmUp: number
  /** Load of a round before measuring begins: connections (and handshakes) are made in it. */
  readonly settle: number
  /** Load that is measured. */
  readonly window: number
}

export const full: Plan = { rounds: 5, warmUp: 2, settle: 0.4, window: 1.6 }
export const quick: Plan = { rounds: 2, warmUp: 0.5, settle: 0.15, window: 0.4 }
