import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { called } from '../../lib/dialects/shared/called.js'
import { waiting, type Waiting } from '../../lib/waiting.js'

/** What a dialect's function looks like. */
function double(value: number, begun: number[] = []): Waiting<number> {
  return waiting(function* () {
    begun.push(value)
    yield* lev.sleep(0.001)
    if (value < 0) throw new RangeError('negative')
    return value * 2
  })
}

t.test('outside of coroutines: a promise that has begun', async (t) => {
  const begun: number[] = []
  const promise = double(1, begun)
  t.ok(promise instanceof Promise)
  t.equal(await promise, 2)
  t.strictSame(begun, [1])
  await t.rejects(double(-1), RangeError)
  t.equal(await double(-1).catch(() => 'caught'), 'caught')
})

t.test('in a coroutine: an operation that begins when it is waited for', async (t) => {
  const begun: number[] = []
  await lev.run(function* () {
    const op = double(2, begun)
    t.notOk(op instanceof Promise)
    yield* lev.sleep(0.001)
    t.strictSame(begun, [], 'not begun')
    t.equal(yield* op, 4)
    try {
      yield* double(-1)
      t.fail('it must throw')
    } catch (error) {
      t.ok(error instanceof RangeError)
    }
  }, { driver: lev.memory({ seed: 1 }) })
  t.strictSame(begun, [2])
})

t.test('an operation is cancelled with its coroutine', async (t) => {
  let ended = false
  await lev.run(function* () {
    const task = lev.spawn(() => waiting(function* () {
      try {
        yield* lev.sleep(1000)
      } finally {
        ended = true
      }
    }))
    yield* lev.sleep(1)
    task.cancel()
  }, { driver: lev.memory({ seed: 1 }) })
  t.ok(ended)
})

t.test('an async function that a coroutine calls may await an operation; it runs in the same world', async (t) => {
  await lev.run(function* () {
    const before = lev.now()
    async function helper(): Promise<number> {
      return (await waiting(function* () {
        yield* lev.sleep(5000)
        return 3
      })) + 1
    }
    t.equal(yield* lev.wait(helper()), 4)
    t.equal(lev.now() - before, 5000, 'by the virtual clock')
    t.equal(yield* lev.wait(double(-1).catch(() => 7)), 7)
    t.equal(yield* lev.wait(double(1).finally(() => {})), 2)
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('a promise made elsewhere can be yielded from', async (t) => {
  const promise = double(5)
  await lev.run(function* () {
    t.equal(yield* promise, 10)
  })
})

t.test('with a world given, a promise runs there', async (t) => {
  await lev.run(function* () {
    const world = lev.portal()
    const before = lev.now()
    const promise = lev.runOutsideTask(() => waiting(() => lev.sleep(60), world))
    t.ok(promise instanceof Promise)
    yield* lev.wait(promise)
    t.equal(lev.now() - before, 60)
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('users\' functions of all three kinds are called', async (t) => {
  const kinds: Record<string, (value: number) => number | Op<number> | Promise<number>> = {
    plain: (value) => value + 1,
    *coroutine(value) {
      t.ok(lev.inCoroutine())
      return (yield* double(value)) + 1
    },
    async async(value) {
      t.notOk(lev.inCoroutine())
      const promise = double(value)
      t.ok(promise instanceof Promise)
      return (await promise) + 1
    },
  }
  const expected: Record<string, number> = { plain: 2, coroutine: 3, async: 3 }
  await lev.run(function* () {
    for (const [kind, call] of Object.entries(kinds)) {
      t.equal(yield* called(() => call(1)), expected[kind], kind)
      t.ok(lev.inCoroutine(), 'the caller is still inside')
    }
    try {
      yield* called(() => {
        throw new RangeError('thrown')
      })
      t.fail('it must throw')
    } catch (error) {
      t.match(error, { message: 'thrown' })
    }
    t.ok(lev.inCoroutine())
  })
})
