import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { after, failAfter } from '../../support/virtual-run.js'

t.test('sleepers wake in the order of their times, ties in the order of asking', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), async (times) => {
    const woken: [number, number][] = []
    await virtual(function* () {
      for (const [index, time] of times.entries()) {
        lev.spawn(function* () {
          yield* lev.sleep(time)
          t.ok(lev.now() === time, 'exactly then')
          woken.push([time, index])
        })
      }
    })
    t.same(woken, times.map((time, index) => [time, index]).sort(([a = 0], [b = 0]) => a - b))
  }), { numRuns: 50 })
})

t.test('on the system\'s clock no task wakes early', (t) => lev.run(function* () {
  const tasks = [30, 5, 12, 5.5, 2, 20].map((ms) => lev.spawn(function* () {
    const start = lev.now()
    yield* lev.sleep(ms / 1000)
    t.ok(lev.now() - start >= ms / 1000, `${ms} ms`)
  }))
  for (const task of tasks) yield* task.join()
  const before = lev.now()
  for (const until = performance.now() + 15; performance.now() < until;);
  t.ok(lev.now() - before >= 0.015, 'now() counts what is computed')
  yield* lev.sleep(0.01)
  t.ok(lev.now() - before >= 0.025, 'and sleep begins where it is called')
}))

t.test('wrong durations', (t) => virtual(function* () {
  for (const wrong of [NaN, undefined, '1', null] as number[]) {
    t.match(yield* failure(lev.sleep(wrong)), { name: 'RangeError', message: /seconds must be a number/ })
    t.match(yield* failure(lev.timeout(wrong, lev.sleep(1))), { name: 'RangeError' })
    t.match(yield* failure(lev.shield(lev.sleep(1), wrong === undefined ? NaN : wrong)), { name: 'RangeError' })
  }
  yield* lev.sleep(-5)
  t.equal(lev.now(), 0)
  t.match(yield* failure(lev.timeout(-1, lev.sleep(1))), { code: 'LEV_TIMEOUT' })
  t.equal(yield* lev.timeout(Infinity, after(1, 'fine')), 'fine')
}))

t.test('a timeout gives the value, the error, or cancels and throws', (t) => virtual(function* () {
  t.equal(yield* lev.timeout(2, after(1, 'value')), 'value')
  t.match(yield* failure(lev.timeout(2, failAfter(1, new Error('own')))), /own/)
  t.equal(lev.now(), 2)
  const seen: string[] = []
  const error = yield* failure(lev.timeout(2, (function* () {
    try {
      yield* lev.sleep(60)
    } catch {
      seen.push('caught')
    } finally {
      yield* lev.sleep(1)
      seen.push('cleaned up')
    }
  })()))
  t.match(error, { code: 'LEV_TIMEOUT', message: 'not done within 2 s' })
  t.same(seen, ['cleaned up'])
  t.equal(lev.now(), 5, 'it waits for the cleanup')
}))

t.test('nested timeouts: the shorter wins, each throws its own', (t) => virtual(function* () {
  const outer = yield* failure(lev.timeout(1, lev.timeout(2, lev.sleep(60))))
  t.match(outer, { code: 'LEV_TIMEOUT', message: 'not done within 1 s' })
  const inner = yield* failure(lev.timeout(2, lev.timeout(1, lev.sleep(60))))
  t.match(inner, { code: 'LEV_TIMEOUT', message: 'not done within 1 s' })
  t.match(yield* lev.timeout(2, failure(lev.timeout(1, lev.sleep(60)))), { code: 'LEV_TIMEOUT' })
  t.equal(lev.now(), 3)
  const same = yield* failure(lev.timeout(1, lev.timeout(1, lev.sleep(60))))
  t.match(same, { code: 'LEV_TIMEOUT' })
}))

t.test('an operation that is done at the very time of its deadline', (t) => virtual(function* () {
  t.match(yield* failure(lev.timeout(1, lev.sleep(1))), { code: 'LEV_TIMEOUT' }, 'the deadline was set first')
  const queue = lev.channel<string>(1)
  lev.spawn(function* () {
    yield* lev.sleep(1)
    queue.trySend('sent at that time')
  })
  yield* lev.yieldNow()
  const got = yield* failureOr(lev.timeout(1, queue.receive()))
  t.equal(got === 'sent at that time' ? queue.size : got instanceof lev.TimeoutError ? queue.size - 1 : -1, 0, 'nothing is lost')
}))

function* failureOr<T>(op: lev.Op<T>): lev.Op<unknown> {
  try {
    return yield* op
  } catch (error) {
    return error
  }
}

t.test('another\'s cancellation is not taken for the timeout', (t) => virtual(function* () {
  const other = lev.spawn(() => lev.sleep(60))
  lev.spawn(function* () {
    yield* lev.sleep(1)
    other.cancel('its own affair')
  })
  t.match(yield* failure(lev.timeout(5, other.join())), { code: 'LEV_CANCELLED', reason: 'its own affair' })
}))

t.test('an operation that need not wait costs no turn, and one that is never begun costs nothing', (t) => virtual(function* () {
  let others = 0
  lev.spawn(function* () {
    others++
    yield* lev.yieldNow()
  })
  t.equal(yield* lev.timeout(1, (function* () {
    return 'at once'
  })()), 'at once')
  t.equal(others, 0)
  lev.timeout(1, lev.sleep(60))
  lev.shield(lev.sleep(60))
  yield* lev.sleep(0)
  t.equal(others, 1, 'sleep(0) lets the others run')
}))

t.test('cancelled inside of a timeout: its timer is gone', (t) => virtual(function* () {
  const task = lev.spawn(() => lev.timeout(3600, lev.sleep(7200)))
  yield* lev.sleep(1)
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
  // The run would go on until the timer has passed: its end is looked at below.
}).then(() => t.pass('it ended')))

t.test('the clocks of the memory driver', (t) => virtual(function* () {
  t.equal(lev.now(), 0)
  t.equal(lev.wallClock(), 1_767_225_600)
  yield* lev.sleep(86_400 * 365)
  t.equal(lev.now(), 86_400 * 365)
  t.equal(lev.wallClock(), 1_767_225_600 + 86_400 * 365)
}))
