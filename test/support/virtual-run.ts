import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'

export interface Ran<T> {
  readonly value: T | undefined
  /** What the run rejected with. */
  readonly error: unknown
  readonly reported: unknown[]
}

/** Runs `main` on a memory driver to its end and tells all that came out of it. */
export async function ran<T>(main: () => Op<T>, options: lev.MemoryOptions = {}): Promise<Ran<T>> {
  return await ranOn(lev.memory(options), main)
}

/** Runs `main` on a memory driver; throws what it throws, and what was reported. */
export async function virtual<T>(main: () => Op<T>, options: lev.MemoryOptions = {}): Promise<T> {
  return await runOn(lev.memory(options), main)
}

/** Runs `main` on `driver`, undefined for the one that programs get; throws what it throws, and what was reported. */
export async function runOn<T>(driver: lev.Driver | undefined, main: () => Op<T>): Promise<T> {
  const { value, error, reported } = await ranOn(driver, main)
  if (reported.length > 0) throw new AggregateError(reported, 'errors were reported')
  if (error !== undefined) throw error
  return value as T
}

async function ranOn<T>(driver: lev.Driver | undefined, main: () => Op<T>): Promise<Ran<T>> {
  const reported: unknown[] = []
  try {
    const value = await lev.run(main, { driver, report: (error) => reported.push(error) })
    return { value, error: undefined, reported }
  } catch (error) {
    return { value: undefined, error, reported }
  }
}

/** What `op` throws. */
export function* failure(op: Op<unknown>): Op<unknown> {
  try {
    yield* op
  } catch (error) {
    return error
  }
  throw new Error('it was to fail')
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
