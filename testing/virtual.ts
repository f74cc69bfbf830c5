import * as lev from '../lev/index.js'
import type { Driver, MemoryOptions, Op } from '../lev/index.js'

/**
 * Runs `main` on the memory driver, in virtual time, until every task has ended.
 *
 * @returns a promise that rejects with what `main` threw, with DeadlockError if all tasks wait for ever, and with
 * AggregateError if an error reached no task
 */
export function virtual<T>(main: () => Op<T>, options: MemoryOptions = {}): Promise<T> {
  return runOn(lev.memory(options), main)
}

/** Runs `main` on `driver`, undefined for the default one; rejects with what it throws, and with what was reported. */
export async function runOn<T>(driver: Driver | undefined, main: () => Op<T>): Promise<T> {
  const { value, error, reported } = await ranOn(driver, main)
  if (reported.length > 0) throw new AggregateError(reported, 'errors were reported')
  if (error !== undefined) throw error
  return value as T
}

/** All that came out of a run. */
export interface Ran<T> {
  readonly value: T | undefined
  /** What the run rejected with. */
  readonly error: unknown
  /** The errors that reached no task. */
  readonly reported: unknown[]
}

/** Runs `main` on `driver`, undefined for the default one, to its end. */
export async function ranOn<T>(driver: Driver | undefined, main: () => Op<T>): Promise<Ran<T>> {
  const reported: unknown[] = []
  try {
    const value = await lev.run(main, { driver, report: (error) => reported.push(error) })
    return { value, error: undefined, reported }
  } catch (error) {
    return { value: undefined, error, reported }
  }
}

/** Runs `op` and returns the error that it throws. @throws Error if it throws none */
export function* failure(op: Op<unknown>): Op<unknown> {
  try {
    yield* op
  } catch (error) {
    return error
  }
  throw new Error('the operation did not fail')
}
