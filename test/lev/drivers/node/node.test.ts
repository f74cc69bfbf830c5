import t from 'tap'
import * as lev from '../../../../lev/index.js'
import type { DrivenLoop } from '../../../../lev/drivers/driver.js'
import { nodeDriver } from '../../../../lev/drivers/node/node.js'
import { connectedPair } from '../../../../testing/streams.js'

/** A loop that only notes what its driver does with it. */
function noting(): { loop: DrivenLoop; turns: number[]; turned: () => Promise<void> } {
  const turns: number[] = []
  let tell = (): void => {}
  return {
    turns,
    turned: () => new Promise((resolve) => (tell = resolve)),
    loop: {
      beginEvent() {},
      tick() {
        turns.push(performance.now() / 1000)
        tell()
      },
      fault(error) {
        throw error
      },
      deadlocked() {},
    },
  }
}

t.test('it wakes its loop at the time asked for last, or earlier', async (t) => {
  const driver = nodeDriver()
  const { loop, turns, turned } = noting()
  driver.start(loop)
  const start = driver.now()
  driver.wakeAt(start + 3600)
  driver.wakeAt(start + 0.03)
  driver.wakeAt(start + 0.02)
  await turned()
  t.ok((turns[0] ?? 0) >= start + 0.018)
  t.equal(turns.length, 1)
  driver.wakeAt(start - 5)
  await turned()
  t.equal(turns.length, 2, 'a time that has passed')
  driver.wakeAt(driver.now() + 0.01)
  driver.wakeAt(Infinity)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal(turns.length, 2, 'Infinity takes the time back')
  driver.stop()
})

t.test('a turn soon comes once, however often it is asked for', async (t) => {
  const driver = nodeDriver()
  const { loop, turns, turned } = noting()
  driver.start(loop)
  for (let count = 0; count < 5; count++) driver.wakeSoon()
  t.equal(turns.length, 0, 'not inside of the call')
  await turned()
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(turns.length, 1)
  driver.stop()
})

t.test('times of years', async (t) => {
  const driver = nodeDriver()
  const { loop, turns } = noting()
  driver.start(loop)
  driver.wakeAt(driver.now() + 10 * 365 * 86_400)
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(turns.length, 0, 'are no times that have passed')
  driver.stop()
})

t.test('after the end it wakes no task and opens nothing', async (t) => {
  const driver = nodeDriver()
  const { loop, turns } = noting()
  driver.start(loop)
  driver.wakeAt(driver.now() + 0.001)
  driver.wakeSoon()
  driver.stop()
  driver.wakeAt(driver.now() + 0.001)
  driver.wakeSoon()
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal(turns.length, 0)
  t.throws(() => nodeDriver().connect({ ip: '127.0.0.1', port: 1 }, () => {}), { code: 'LEV_USAGE' })
})

t.test('what arrived in time comes before a timer that is due, also if the process computed meanwhile', async (t) => {
  await lev.run(function* () {
    const [near, far] = yield* connectedPair()
    for (let seconds = 0.05, arrived = false; !arrived && t.passing(); seconds *= 2) {
      const read = lev.spawn(function* () {
        try {
          return yield* lev.timeout(seconds, far.read())
        } catch (error) {
          return String(error)
        }
      })
      const deadline = lev.now() + seconds
      yield* lev.yieldNow()
      yield* near.write('in time')
      yield* near.flush()
      const sentAt = lev.now()
      while (lev.now() < deadline + 0.05);
      const got = String(yield* read.join())
      arrived = got === 'in time'
      // The machine was busy, and it was sent too late: once more, with more time.
      if (!arrived && sentAt >= deadline) yield* far.read()
      else t.equal(got, 'in time')
    }
    near.close()
    far.close()
  })
})
