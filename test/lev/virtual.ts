import { spawnSync } from 'node:child_process'
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
  const reported: unknown[] = []
  try {
    const value = await lev.run(main, { driver: lev.memory(options), report: (error) => reported.push(error) })
    return { value, error: undefined, reported }
  } catch (error) {
    return { value: undefined, error, reported }
  }
}

/** Runs `main` on a memory driver; throws what it throws, and what was reported. */
export async function virtual<T>(main: () => Op<T>, options: lev.MemoryOptions = {}): Promise<T> {
  const { value, error, reported } = await ran(main, options)
  if (reported.length > 0) throw new AggregateError(reported, 'errors were reported')
  if (error !== undefined) throw error
  return value as T
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

/** Notes a word and gives `value` after `seconds`. */
export function* after<T>(seconds: number, value: T): Op<T> {
  yield* lev.sleep(seconds)
  return value
}

/** Throws `error` after `seconds`. */
export function* failAfter(seconds: number, error: unknown): Op<never> {
  yield* lev.sleep(seconds)
  throw error
}

/** Runs a program of its own to its end, without what a test runner adds to programs, and gives what it printed. */
export function inProcess(args: readonly string[], env: Record<string, string> = {}): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8', timeout: 600_000, env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
  if (status !== 0 || stderr !== '') throw new Error(`${args.join(' ')} ended with ${String(status)}: ${stderr}`)
  return stdout
}
