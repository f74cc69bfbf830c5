import { performance } from 'node:perf_hooks'
import { UsageError } from '../../core/errors.js'
import type { DrivenLoop, Driver } from '../driver.js'
import { NodeNetwork } from './node-network.js'

/** Whether this is the program's main thread, and not a worker. */
export { isMainThread } from 'node:worker_threads'

/** The longest delay that setTimeout accepts, in milliseconds. */
const longestTimer = 2 ** 31 - 1

/** Seconds since 1970-01-01T00:00:00Z on the system's clock: for things that are real on every driver, such as certificates. */
export function systemTime(): number {
  return Date.now() / 1000
}

/** Seconds on the system's monotonic clock, CLOCK_MONOTONIC, which other processes read too. */
export function monotonicTime(): number {
  return Number(process.hrtime.bigint()) / 1e9
}

const now = (): number => performance.now() / 1000

/** The default driver: node:net and the system's clocks. */
export function nodeDriver(): Driver {
  /** Null before the start and after the end. */
  let loop: DrivenLoop | null = null
  let network: NodeNetwork | null = null
  let timer: NodeJS.Timeout | null = null
  let timerAt = Infinity
  let heard = now()
  /** When the timer last fired; its tick waits in `afterEvents` for the events before it. */
  let firedAt = 0
  let afterEvents: NodeJS.Immediate | null = null
  let timerKeeps = true
  let soon: NodeJS.Immediate | null = null

  /** Node runs timers, then polls sockets, then runs immediates: so the immediate runs after all events before the timer. */
  function onTimer(): void {
    timer = null
    firedAt = now()
    afterEvents ??= setImmediate(onEventsTold)
  }

  function onEventsTold(): void {
    afterEvents = null
    if (timer === null) timerAt = Infinity
    heard = firedAt
    loop?.tick()
  }

  function onSoon(): void {
    soon = null
    loop?.tick()
  }

  function wakeSoon(): void {
    if (loop !== null) soon ??= setImmediate(onSoon)
  }

  function running(): NodeNetwork {
    if (network === null) throw new UsageError('the driver does not run')
    return network
  }

  return {
    environment: process.env,
    now,
    heardUntil: () => heard,
    wallClock: systemTime,
    start(driven) {
      loop = driven
      network = new NodeNetwork(driven, wakeSoon)
    },
    wakeAt(time, keeps = true) {
      // The timer is only moved to an earlier time: firing too early costs no more than an idle turn.
      if (time < timerAt || time === Infinity) {
        if (timer !== null) clearTimeout(timer)
        timer = null
        timerAt = time
        if (time === Infinity || loop === null) return
        timer = setTimeout(onTimer, Math.min(longestTimer, Math.max(1, Math.ceil((time - now()) * 1000))))
        timerKeeps = true
      }
      if (keeps === timerKeeps) return
      timerKeeps = keeps
      if (keeps) timer?.ref()
      else timer?.unref()
    },
    wakeSoon,
    stop() {
      loop = null
      if (timer !== null) clearTimeout(timer)
      if (afterEvents !== null) clearImmediate(afterEvents)
      if (soon !== null) clearImmediate(soon)
      network?.stop()
    },
    awaitExternal() {},
    listen: (options, accept, done) => running().listen(options, accept, done),
    connect: (options, done) => running().connect(options, done),
  }
}
