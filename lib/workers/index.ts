/// <reference types="node" preserve="true" />
import { isMainThread } from '../../lev/internal.js'
import { ArgumentError, StateError } from '../errors.js'
import type { ConfigChanges } from '../config/settings.js'
import { Server } from '../server/server.js'
import { atOnce, stopRequest, type StopOptions } from '../server/stop-times.js'
import { asData } from './group-configuration.js'
import { Parent } from './parent.js'
import { rulesOf, type WorkersOptions } from './options.js'
import { Worker } from './worker.js'
import { numberVariable } from './worker-process.js'

export { WorkerError } from '../errors.js'
export type { RecycleOptions, WorkersOptions } from './options.js'

/** The number of this worker, from 1: its successors have the same. Null in the parent, and in a program without workers. */
export const number: number | null = takeNumber()

let running: Parent | Worker | null = null

/**
 * Serves with several processes: this program becomes their parent, which binds and never accepts, and is started again for each
 * worker, where `run` serves. SIGHUP replaces the workers one by one, SIGTERM and SIGINT stop them.
 *
 * ```ts
 * await workers.run(() => server.new(config, handler), { count: 'cores' })
 * ```
 * @param factory called once in every process; in the parent its server tells the settings, and does not serve
 * @returns a promise that resolves when all workers have ended after a signal or `stop`, and in a worker when that has stopped. It
 * rejects with BindError, with WorkerError if the program does not start, and with what `factory` throws
 * @throws ArgumentError naming the option, the given value and the expected one
 */
export function run(factory: () => Server | PromiseLike<Server>, options: WorkersOptions = {}): Promise<void> {
  if (typeof factory !== 'function') throw new ArgumentError('factory', `factory must be a function that returns a server, got ${typeof factory}`)
  const rules = rulesOf(options)
  if (process.platform === 'win32') return Promise.reject(new StateError('workers need a system on which processes inherit sockets; Windows does not'))
  if (running !== null) return Promise.reject(new StateError('the workers of this program run already'))
  return begin(factory, (server) => number === null ? new Parent(server, rules) : new Worker(server, rules, number))
}

/**
 * Replaces all workers, one after the other, as SIGHUP does. The log tells when that is done, or why it was given up.
 * @throws StateError if `run` does not run
 */
export function roll(): void {
  current().roll()
}

/**
 * Stops all workers, as SIGTERM does: `run` resolves when they have ended.
 * @throws StateError if `run` does not run; RangeError for an option that is not a number of seconds, 0 or more
 */
export function stop(options: StopOptions = {}): void {
  stopRequest(options, atOnce)
  current().stop(options)
}

/**
 * Changes the settings of all workers and of those to come, all or nothing: every worker checks them and loads the identities of TLS, and
 * only if all could do so, they take effect. Calls take effect in order. Can be called in the parent and in a worker.
 * @returns a promise that resolves when the settings are in effect in every worker. It rejects with ConfigError, also for a value that is
 * no data, such as a function; with IdentityError; with WorkerError if a worker could not do it; with StateError if `run` does not run
 */
export async function configure(changes: ConfigChanges): Promise<void> {
  const group = current()
  await group.configure(asData(changes))
}

async function begin(factory: () => Server | PromiseLike<Server>, make: (server: Server) => Parent | Worker): Promise<void> {
  const server: unknown = await factory()
  if (!(server instanceof Server)) throw new ArgumentError('factory', 'factory must return a server, made by server.new')
  if (running !== null) throw new StateError('the workers of this program run already')
  running = make(server)
  try {
    await running.run()
  } finally {
    running = null
  }
}

function current(): Parent | Worker {
  if (running === null) throw new StateError('the workers of this program do not run')
  return running
}

/** Takes the number from the environment: processes that this one starts are no workers. */
function takeNumber(): number | null {
  const text = process.env[numberVariable]
  if (text === undefined || !process.connected || !isMainThread) return null
  Reflect.deleteProperty(process.env, numberVariable)
  return Number(text)
}
