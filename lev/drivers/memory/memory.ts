import type { Address, Completion, ConnectOptions, DrivenLoop, Driver, ListenerTransport, ListenOptions, Transport } from '../driver.js'
import { MemoryTransport, waitForTlsWork, type VirtualNetwork } from './memory-transport.js'
import { addressText } from '../address-text.js'
import { SystemWork } from '../node/system-work.js'
import { Timer, Timers } from '../../core/timers.js'
import { VirtualListeners } from './virtual-listeners.js'

/** The behaviour of the virtual world; all options are optional. */
export interface MemoryOptions {
  /** Seed of the random choices: the same seed gives the same run. Default: the environment variable LEV_SEED, else 1. */
  readonly seed?: number | null | undefined
  /** The value of `lev.wallClock()` at the start, in seconds since 1970. Default: 2026-01-01T00:00:00Z. */
  readonly epoch?: number | null | undefined
  /** Minimum and maximum latency of the virtual network, in seconds. Default: 0.1 to 1 ms. */
  readonly latency?: readonly [number, number] | null | undefined
  /** Maximum bytes per delivery; each delivery has a random number of them, from 1. Default: 64 KiB, not random. */
  readonly segment?: number | null | undefined
}

/** Turns of the real event loop for which virtual time waits for a promise. */
const patience = 4

/** Maximum number of such turns in a row, for all promises together. */
const patienceInAll = 100

/** Steps after which the real event loop runs, so that a test's own timeout can end an endless run. */
const stepsAtOnce = 1000

/** Consecutive turns that may take no time; then the clock advances by a step, so that an always ready task cannot stop it. */
const turnsAtOnce = 64

/**
 * The first of these steps, in seconds, and the factor by which each is longer than the one before. So finite work takes
 * little time (6,400 turns: 1.2 s), and yet a distant timer is reached soon (20 s: after 11,000 turns).
 */
const firstStep = 0.001
const stepGrowth = 1.04

/**
 * A driver with a virtual network and a virtual clock. Ready tasks run; when none is ready, the clock jumps to the next
 * event. Waiting takes no real time, and the same seed gives the same run. Work takes almost no virtual time: while some
 * task is always ready, the clock advances in small steps.
 *
 * Only promises from outside are real: while a task waits for one, the clock stands still until the promise has had a
 * chance to settle (a few turns of the event loop, and no system request in progress); for `lev.waitForThreadPool`, and while
 * node:tls works, it stands still until that is done.
 */
export function memory(options: MemoryOptions = {}): Driver {
  const random = randomFrom(options.seed ?? Number(process.env.LEV_SEED ?? 1))
  const [shortest, longest] = options.latency ?? [0.0001, 0.001]
  const epoch = options.epoch ?? 1_767_225_600
  const segment = options.segment ?? Infinity
  const flights = new Timers()
  const system = new SystemWork()
  const listeners = new VirtualListeners()
  let now = 0
  /** Up to this time everything sent has arrived. */
  let heard = 0
  let wake = Infinity
  let soon = false
  let turns = 0
  let step = firstStep
  /** Number of promises being waited for: all, and those guaranteed to settle. */
  let external = 0
  let guaranteed = 0
  let idle = 0
  let still = 0
  let pumping = false
  let scheduled: NodeJS.Immediate | null = null
  /** Null before the start and after the end. */
  let loop: DrivenLoop | null = null

  function schedule(): void {
    if (!pumping && loop !== null) scheduled ??= setImmediate(pump)
  }

  /** Runs the virtual world until it has to wait for the real one. */
  function pump(): void {
    scheduled = null
    pumping = true
    const again = runWorld()
    pumping = false
    if (again) schedule()
  }

  function runWorld(): boolean {
    for (let count = 0; count < stepsAtOnce; count++) {
      soon = false
      loop?.tick()
      if (soon && turns++ < turnsAtOnce) continue
      turns = 0
      if (guaranteed > 0 || (external > 0 && ((idle++ < patience && still++ < patienceInAll) || system.underWay))) return true
      idle = 0
      still = 0
      step = soon ? step * stepGrowth : firstStep
      const next = Math.min(wake, flights.next, soon ? now + step : Infinity)
      if (next === Infinity) {
        if (external === 0) loop?.deadlocked()
        return false
      }
      now = Math.max(now, next)
      flights.fire(now)
      heard = now
    }
    return true
  }

  function after(seconds: number, run: () => void): Timer {
    const timer = new Timer(run)
    flights.set(timer, now + seconds)
    schedule()
    return timer
  }

  const flightTime = (): number => shortest + random() * (longest - shortest)

  const network: VirtualNetwork = {
    deliverLater: (deliver) => void after(flightTime(), deliver),
    segment: () => (segment === Infinity ? segment : 1 + Math.floor(random() * segment)),
    beginEvent: () => loop?.beginEvent(),
    tick: () => loop?.tick(),
    scheduleTick: schedule,
    letTlsRun: () => waitForTlsWork({ awaitExternal }),
  }

  function awaitExternal(change: 1 | -1, isGuaranteed: boolean): void {
    external += change
    if (isGuaranteed) guaranteed += change
    idle = 0
    schedule()
  }

  return {
    now: () => now,
    heardUntil: () => heard,
    wallClock: () => epoch + now,
    start(driven) {
      loop = driven
      system.start()
    },
    wakeAt(time) {
      wake = time
      schedule()
    },
    wakeSoon() {
      soon = true
      schedule()
    },
    stop() {
      if (scheduled !== null) clearImmediate(scheduled)
      loop = null
      system.stop()
      listeners.clear()
    },
    awaitExternal,
    listen: (where, accept, done) => void after(0, () => listen(listeners, where, accept, done)),
    connect(where, done) {
      const timer = after(flightTime(), () => connect(listeners, network, where, random, done))
      return () => flights.remove(timer)
    },
  }
}

function listen(
  listeners: VirtualListeners,
  where: ListenOptions,
  accept: (transport: Transport) => void,
  done: Completion<ListenerTransport>,
): void {
  if (where.fd !== undefined) return done(systemError('EBADF', 'listen EBADF: a virtual network has no file descriptors'), null)
  const bound = listeners.bind(where, accept)
  if (bound === null) return done(systemError('EADDRINUSE', `listen EADDRINUSE: address already in use ${addressText(where)}`), null)
  done(null, { address: bound.address, close: () => listeners.delete(bound) })
}

function connect(
  listeners: VirtualListeners,
  network: VirtualNetwork,
  where: ConnectOptions,
  random: () => number,
  done: Completion<Transport>,
): void {
  const to = listeners.find(where)
  if (to === undefined) {
    const code = where.path === undefined ? 'ECONNREFUSED' : 'ENOENT'
    return done(systemError(code, `connect ${code} ${addressText(where)}`), null)
  }
  const [near, far] = MemoryTransport.pair(network, ...endsOf(where, random))
  to.accept(far)
  done(null, near)
}

/** The addresses of a new connection to `where`, that of the connecting end first. */
function endsOf(where: ConnectOptions, random: () => number): [Address, Address] {
  if (where.path !== undefined) return [{ ip: '', port: 0, path: '' }, { ip: '', port: 0, path: where.path }]
  return [{ ip: '127.0.0.1', port: 32768 + Math.floor(random() * 16384) }, { ip: where.ip, port: where.port }]
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

/** A generator of numbers from 0 up to 1, the same for the same seed: 32-bit xorshift. */
function randomFrom(seed: number): () => number {
  let state = (Math.imul(seed | 0, 2654435761) ^ 0x9e3779b9) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
}
