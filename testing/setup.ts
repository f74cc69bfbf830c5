import * as lev from '../lev/index.js'
import type { Driver, Op, Security, Stream } from '../lev/index.js'
import { runOn } from './virtual.js'

/** What the tests need to know of a driver. */
export interface StreamSetup {
  /** Creates a driver for one run; undefined stands for the default driver. */
  readonly driver: () => Driver | undefined
  /** Opens a connection and returns both ends, the connecting one first: `connectedPair`, or a function of your own. */
  readonly pair: () => Op<[Stream, Stream]>
  /** Whether the driver's clock is virtual. Times are then tested more strictly. By default it is not. */
  readonly virtual?: boolean | null | undefined
  /** Whether `pair` connects by TLS; `overTls` sets it. By default it does not. */
  readonly secure?: boolean | null | undefined
}

/** One test of a driver. */
export interface DriverTest {
  /** What is true of a driver that passes. */
  readonly name: string
  /** Runs the test on a new driver; the promise rejects if it fails. */
  readonly run: () => Promise<void>
}

/** The bodies of tests, by name; each runs on a driver of its own. */
export type DriverTestBodies = Readonly<Record<string, (setup: StreamSetup) => Op<void>>>

export function driverTests(setup: StreamSetup, tests: DriverTestBodies): DriverTest[] {
  return Object.entries(tests).map(([name, test]) => ({ name, run: () => runIn(setup, () => test(setup)) }))
}

/**
 * Runs `main` on a new driver.
 *
 * @returns a promise that also rejects if a task failed that nothing joined, or a timer was left behind
 */
export async function runIn<T>({ driver: create }: StreamSetup, main: () => Op<T>): Promise<T> {
  const driver = create()
  if (driver === undefined) return await runOn(undefined, main)
  let wake = Infinity
  const wakeAt = driver.wakeAt.bind(driver)
  driver.wakeAt = (time, keeps) => {
    wake = time
    wakeAt(time, keeps)
  }
  const value = await runOn(driver, main)
  if (wake !== Infinity) throw new Error(`a timer for ${wake} s was left behind`)
  return value
}

/** The same setup with a TLS handshake on every connection, for drivers whose transports implement `secure`. */
export function overTls(setup: StreamSetup, client: Security, server: Security): StreamSetup {
  function* pair(): Op<[Stream, Stream]> {
    const [near, far] = yield* setup.pair()
    const shaking = lev.spawn(() => far.secure(server))
    yield* near.secure(client)
    yield* shaking.join()
    return [near, far]
  }
  return { ...setup, pair, secure: true }
}
