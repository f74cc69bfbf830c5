import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'

/** Arranges something for `count` members and gives the work on them, whose time is taken. */
export type Arrange = (count: number) => Op<() => Op<unknown>>

/** Rounds in which a ratio may come down: a machine that is busy with something else makes it too high, never too low for all. */
const rounds = 20

/** Groups that the members are divided into, for comparison. */
const groups = 8

/**
 * How many times as long the work on `total` members takes if all are in one place as if they are in eight places, each at its
 * best: about 1 where the cost of a member is the same however many there are, 8 where it grows with their number. Both make
 * the same garbage, and need the same memory.
 * @param driver makes what each place runs on; the real one when absent
 */
export async function growth(total: number, arrange: Arrange, driver?: () => lev.Driver): Promise<number> {
  let [apart, together] = [Infinity, Infinity]
  for (let round = 0; round < rounds && (round < 2 || together > 1.5 * apart); round++) {
    apart = Math.min(apart, await time(groups, total / groups, arrange, driver))
    together = Math.min(together, await time(1, total, arrange, driver))
  }
  return together / apart
}

/** What is a growth no more. */
export const constant = 3

/** Milliseconds that the work of several places takes, once everything is arranged in each. */
async function time(places: number, count: number, arrange: Arrange, driver?: () => lev.Driver): Promise<number> {
  let begin = (): void => {}
  const begun = new Promise<void>((resolve) => (begin = resolve))
  let arranged = 0
  let start = 0
  await Promise.all(Array.from({ length: places }, () => lev.run(() => lev.scope(function* (scope) {
    const work = yield* arrange(count)
    if (++arranged === places) {
      start = performance.now()
      begin()
    }
    yield* lev.waitForThreadPool(begun)
    yield* work()
    scope.cancel()
  }), { driver: driver?.() }).catch((error: unknown) => {
    if (!(error instanceof lev.CancelledError)) throw error
  })))
  return performance.now() - start
}
