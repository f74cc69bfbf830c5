import { sleep, wait, type Address, type Op } from '../../lev/index.js'
import { addressText, monotonicTime } from '../../lev/internal.js'
import type { StopRequest } from '../server/stop-times.js'
import { notify } from './notify.js'

/** Seconds that a service may take to end besides those of its settings, as systemd is told: for cleaning up, and for the program. */
const marginSeconds = 15

/** The longest time that systemd is asked for, in seconds: `drain` may be Infinity. */
const longestSeconds = 1_000_000

export function tellReady(addresses: readonly Address[]): void {
  void notify({ READY: 1, STATUS: `Listening on ${addresses.map(addressText).join(', ')}` })
}

export function tellReloading(): void {
  void notify({ RELOADING: 1, MONOTONIC_USEC: Math.floor(monotonicTime() * 1_000_000) })
}

export function tellStopping({ pre_drain, drain }: StopRequest): void {
  const seconds = Math.min(pre_drain + drain + marginSeconds, longestSeconds)
  void notify({ STOPPING: 1, STATUS: 'Stopping', EXTEND_TIMEOUT_USEC: Math.ceil(seconds * 1_000_000) })
}

/** Tells that the process is alive while its event loop turns, often enough for a watchdog of so many seconds. */
export function* keepAlive(watchdog: number | null): Op<void> {
  while (watchdog !== null) {
    yield* sleep(watchdog / 2)
    yield* wait(notify({ WATCHDOG: 1 }))
  }
}
