/// <reference types="node" preserve="true" />
import { run, scope, sleep, wait, type Address, type Op } from '../../lev/index.js'
import { addressText, monotonicTime } from '../../lev/internal.js'
import { ArgumentError } from '../errors.js'
import type { StopRequest } from '../server/stop-times.js'
import { manager } from './manager.js'
import { allSent, notify } from './notify.js'

export { notify }

/** What `serve` needs of a server. */
export interface Served {
  /** Serves until it is stopped. */
  serve(): Promise<void>
  /** Resolves when it accepts connections. */
  readonly listening: Promise<unknown>
  /** Resolves when it begins to stop, with the seconds that it may take. */
  readonly stopping: Promise<StopRequest>
  /** The addresses at which it listens. */
  readonly addresses: readonly Address[]
}

/** Seconds that a server may take to end besides those of its settings, as systemd is told: for cleaning up, and for the program. */
const marginSeconds = 15

/** The longest time that systemd is asked for, in seconds: `drain` may be Infinity. */
const longestSeconds = 1_000_000

/**
 * Calls `service.serve()`, and tells systemd when the server listens and when it begins to stop, and, if the unit has `WatchdogSec=`,
 * that it is alive, for as long as its event loop turns. Without a systemd that wants to be told it is `service.serve()` alone.
 * @returns the promise of `service.serve()`
 */
export async function serve(service: Served): Promise<void> {
  const served = service.serve()
  const told = manager()
  if (told === null) return served
  void tell(service)
  try {
    await run(() => scope(function* (tasks) {
      const { watchdog } = told
      if (watchdog !== null) tasks.spawn(() => keepAlive(watchdog / 2))
      yield* wait(served)
      tasks.cancel('drain')
    }))
  } finally {
    await allSent()
  }
}

/**
 * Tells systemd that the service reloads its configuration, calls `work`, and tells it that the service is ready again, also if `work`
 * fails: the service goes on as it was.
 * @returns what `work` returns; rejects with what it throws
 */
export async function reload<T>(work: () => T | PromiseLike<T>): Promise<T> {
  if (typeof work !== 'function') throw new ArgumentError('work', `work must be a function, got ${typeof work}`)
  void notify({ RELOADING: 1, MONOTONIC_USEC: Math.floor(monotonicTime() * 1_000_000) })
  try {
    return await work()
  } finally {
    await notify({ READY: 1 })
  }
}

async function tell(service: Served): Promise<void> {
  const { listening, stopping } = service
  try {
    await listening
  } catch {
    // `serve` rejects with the same error.
    return
  }
  void notify({ READY: 1, STATUS: `Listening on ${service.addresses.map(addressText).join(', ')}` })
  const { pre_drain, drain } = await stopping
  const seconds = Math.min(pre_drain + drain + marginSeconds, longestSeconds)
  void notify({ STOPPING: 1, STATUS: 'Stopping', EXTEND_TIMEOUT_USEC: Math.ceil(seconds * 1_000_000) })
}

function* keepAlive(seconds: number): Op<never> {
  for (;;) {
    yield* sleep(seconds)
    yield* wait(notify({ WATCHDOG: 1 }))
  }
}
