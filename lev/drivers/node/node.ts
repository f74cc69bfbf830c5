import { performance } from 'node:perf_hooks'
import { UsageError } from '../../core/errors.js'
import type { DrivenLoop, Driver } from '../driver.js'
import { NodeNetwork } from './node-network.js'

/** The longest time that setTimeout takes, in milliseconds. */
const longestTimer = 2 ** 31 - 1

/** Seconds since 1970-01-01T00:00:00Z by the system's clock: for what is real on every driver, such as certificates. */
export function systemTime(): number {
  return Date.now() / 1000
}

const now = (): number => performance.now() / 1000

/** The driver that people use: node:net and the system's clocks. */
export function nodeDriver(): Driver {
  /** Null before the start and after the end. */
  let loop: DrivenLoop | null = null
  let network: NodeNetwork | null = null
  let timer: NodeJS.Timeout | null = null
  let timerAt = Infinity
  let heard = now()
  /** When the timer fired whose turn waits for the events before it; the immediate is that turn. */
  let firedAt = 0
  let afterEvents: NodeJS.Immediate | null = null
  let timerKeeps = true
  let soon: NodeJS.Immediate | null = null

  /** Node runs timers, then takes in what has arrived on sockets, then runs immediates. */
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
      // A timer that is too early only costs an idle turn; so it is moved only to an earlier time.
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
