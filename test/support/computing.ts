import type { Driver } from '../../lev/index.js'

/** A driver whose clock also moves by what is computed on it. */
export interface ComputingDriver {
  readonly driver: Driver
  /** Computes for `seconds`, of which no real time passes. */
  compute(seconds: number): void
}

export function computing(base: Driver): ComputingDriver {
  let computed = 0
  return {
    compute: (seconds) => void (computed += seconds),
    driver: {
      ...base,
      now: () => base.now() + computed,
      heardUntil: () => base.heardUntil() + computed,
      wakeAt: (time, keeps) => base.wakeAt(time - computed, keeps),
    },
  }
}
