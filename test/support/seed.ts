/** The seed of this run: LEV_SEED, else 1. A test that uses it names it in what it prints when it fails. */
export const seed = Number(process.env.LEV_SEED ?? 1)

/** Choices that are the same for the same seed. */
export interface Random {
  /** A number from 0 up to 1. */
  (): number
  /** A whole number from 0 up to `bound`. */
  below(bound: number): number
  /** One of `choices`. */
  pick<T>(choices: readonly T[]): T
}

/** Mulberry32. */
export function randomFrom(from: number): Random {
  let state = from >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  return Object.assign(next, { below, pick: <T>(choices: readonly T[]): T => choices[below(choices.length)] })
}
