import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { ranOn, type Ran } from '../../testing/virtual.js'

/** Runs `main` on a memory driver to its end and tells all that came out of it. */
export async function ran<T>(main: () => Op<T>, options: lev.MemoryOptions = {}): Promise<Ran<T>> {
  return await ranOn(lev.memory(options), main)
}

/** Gives `value` after `seconds`. */
export function* after<T>(seconds: number, value: T): Op<T> {
  yield* lev.sleep(seconds)
  return value
}

/** Throws `error` after `seconds`. */
export function* failAfter(seconds: number, error: unknown): Op<never> {
  yield* lev.sleep(seconds)
  throw error
}
