import { availableParallelism } from 'node:os'
import { asArguments } from '../config/arguments.js'
import { checkGiven, type Checks } from '../config/check-fields.js'
import { fieldsOf, integer, number, refuse } from '../config/validators.js'
import type { Op } from '../../lev/index.js'
import type { Server } from '../server/server.js'

/** When a worker is replaced by a new one, which is ready first. */
export interface RecycleOptions {
  /** Bytes of memory (RSS) that a worker may take: from 1 MiB. Checked every 5 seconds. */
  readonly memory?: number | null | undefined
  /** Seconds that a worker may run, from 60; up to a tenth less, so that not all are replaced at once. */
  readonly age?: number | null | undefined
  /** Requests that a worker may serve, from 1. */
  readonly requests?: number | null | undefined
}

/** Options of `run`. */
export interface WorkersOptions {
  /** How many workers: an integer from 1 to 1024, or "cores": as many as this process may use. Default: "cores". */
  readonly count?: number | 'cores' | null | undefined
  /**
   * Called in each worker once it listens; the worker is ready when the operation or promise ends. An error ends the worker.
   * Default: it is ready when it listens.
   */
  readonly ready?: ((server: Server) => Op<unknown> | PromiseLike<unknown> | undefined | void) | null | undefined
  /** Seconds in which a worker must be ready, from 0.001 to 3600. Default: 30. */
  readonly readyWithin?: number | null | undefined
  /** When workers are replaced. Default: never. */
  readonly recycle?: RecycleOptions | null | undefined
}

/** The options, checked, with the defaults. */
export interface WorkersRules {
  readonly count: number
  readonly ready: NonNullable<WorkersOptions['ready']> | null
  readonly readyWithin: number
  readonly memory: number | null
  readonly age: number | null
  readonly requests: number | null
}

const expected = 'an object with count, ready, readyWithin or recycle'

const recycleChecks: Checks<RecycleOptions> = {
  memory: integer(1024 * 1024, Number.MAX_SAFE_INTEGER, 'bytes'),
  age: number(60, 365 * 86_400, 'seconds'),
  requests: integer(1, Number.MAX_SAFE_INTEGER),
}

const isCount = integer(1, 1024)

const checks: Checks<WorkersOptions> = {
  count: (value, key) => {
    if (value === 'cores') return value
    return typeof value === 'number' ? isCount(value, key) : refuse(key, value, '"cores" or an integer from 1 to 1024')
  },
  ready: (value, key) => {
    if (typeof value === 'function') return value as NonNullable<WorkersOptions['ready']>
    return refuse(key, value, 'a function of the server')
  },
  readyWithin: number(0.001, 3600, 'seconds'),
  recycle: (value, key) => checkGiven(recycleChecks, fieldsOf(value, key, 'an object with memory, age or requests'), key),
}

/** @throws ArgumentError naming the option, the given value and the expected one */
export function rulesOf(options: WorkersOptions): WorkersRules {
  return asArguments(() => {
    const { count = 'cores', ready, readyWithin = 30, recycle } = checkGiven(checks, fieldsOf(options, 'options', expected), 'options')
    const { memory, age, requests } = recycle ?? {}
    return {
      count: count === null || count === 'cores' ? availableParallelism() : count,
      ready: ready ?? null,
      readyWithin: readyWithin ?? 30,
      memory: memory ?? null,
      age: age ?? null,
      requests: requests ?? null,
    }
  })
}
