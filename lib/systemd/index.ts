/// <reference types="node" preserve="true" />
import { run, scope, wait, type Address } from '../../lev/index.js'
import { ArgumentError } from '../errors.js'
import type { StopRequest } from '../server/stop-times.js'
import { manager } from './manager.js'
import { allSent, notify } from './notify.js'
import { keepAlive, tellReady, tellReloading, tellStopping } from './report.js'

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
      tasks.spawn(() => keepAlive(told.watchdog))
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
  tellReloading()
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
  tellReady(service.addresses)
  tellStopping(await stopping)
}
