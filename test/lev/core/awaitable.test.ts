// Operations that async code awaits.
import { AsyncLocalStorage } from 'node:async_hooks'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Awaitable, Op } from '../../../lev/index.js'

/** Runs `main` in a virtual world. */
function virtually<T>(main: () => Op<T>): Promise<T> {
  return lev.run(main, { driver: lev.memory({ seed: 1 }) })
}

const full = (): lev.Channel<number> => {
  const one = lev.channel<number>(1)
  one.trySend(7)
  return one
}

/** Each kind of operation, and what it gives. */
const operations: readonly [what: string, make: () => Awaitable<unknown>, gives: unknown][] = [
  ['sleep', () => lev.sleep(1), undefined],
  ['sleep for no time', () => lev.sleep(0), undefined],
  ['yieldNow', () => lev.yieldNow(), undefined],
  ['timeout', () => lev.timeout(9, lev.wait(Promise.resolve(1))), 1],
  ['shield', () => lev.shield(lev.wait(Promise.resolve(2))), 2],
  ['within', () => lev.within((run) => run(), lev.wait(Promise.resolve(3))), 3],
  ['wait', () => lev.wait(Promise.resolve(4)), 4],
  ['waitForThreadPool', () => lev.waitForThreadPool(Promise.resolve(5)), 5],
  ['suspend', () => lev.suspend((resume) => resume(6)), 6],
  ['scope', () => lev.scope(function* (scope) {
    return yield* scope.spawn(function* () {
      yield* lev.sleep(1)
      return 'spawned'
    }).join()
  }), 'spawned'],
  ['channel.send', () => lev.channel(1).send(1), undefined],
  ['channel.receive', () => full().receive(), 7],
  ['event.wait', () => {
    const event = lev.event()
    event.set()
    return event.wait()
  }, undefined],
  ['semaphore.with', () => lev.semaphore(1).with(lev.wait(Promise.resolve(8))), 8],
]

for (const [what, make, gives] of operations) {
  t.test(`awaited: ${what}`, async (t) => {
    t.strictSame(await make(), gives, 'outside of every world')
    await virtually(function* () {
      t.strictSame(yield* make(), gives, 'yielded')
      t.strictSame(yield* lev.wait((async () => await make())()), gives, 'in an async function that a coroutine calls')
      t.strictSame(yield* lev.wait((async () => {
        await null
        return make()
      })()), gives, 'returned, after a promise')
    })
  })
}

t.test('awaited: streams, listeners and tasks', async (t) => {
  await virtually(function* () {
    const [left, right] = lev.pipe()
    const task = lev.spawn(function* () {
      yield* lev.sleep(1)
      return 'done'
    })
    yield* lev.wait((async () => {
      t.equal(await task.join(), 'done')
      t.equal(await task.done(), undefined)
      await left.write('hello')
      t.equal(String(await right.read()), 'hello')
      await left.flush()
      const bytes = Buffer.alloc(1)
      await left.write('x')
      t.equal(await right.readInto(bytes, 0), 1)
      await left.end()
      t.equal(await right.read(), null)
      const listener = await lev.listen({ ip: '127.0.0.1', port: 0 })
      const [near, far] = await Promise.all([lev.connect(listener.address as { ip: string; port: number }), listener.accept()])
      await near.write('over the net')
      t.equal(String(await far?.read()), 'over the net')
      for (const one of [near, far, listener]) one?.close()
      await left.linger(1, 1)
    })())
  })
})

t.test('an operation runs once, however often it is awaited', async (t) => {
  let runs = 0
  const op = lev.suspend<number>((resume) => resume(++runs))
  t.equal(runs, 0, 'it does not begin by itself')
  t.strictSame(await Promise.all([op, op, op.then((value) => value + 1)]), [1, 1, 2])
  t.equal(await op, 1)
  t.equal(await lev.wait(Promise.reject(new RangeError('no'))).catch((error: Error) => error.message), 'no')
  let ended = false
  await t.rejects(lev.timeout(0.001, lev.sleep(9)).finally(() => (ended = true)), lev.TimeoutError)
  t.ok(ended)
})

t.test('it runs in the world of the code that awaits it', async (t) => {
  const long = async (): Promise<number> => {
    await new Promise((resolve) => setImmediate(resolve))
    await lev.sleep(5000)
    return lev.run(function* () {
      yield* lev.sleep(500)
      return lev.now()
    })
  }
  t.strictSame(await Promise.all([virtually(() => lev.wait(long())), virtually(function* () {
    yield* lev.sleep(100)
    return yield* lev.wait(long())
  })]), [5500, 5600], 'two worlds at once, by their own clocks')
})

t.test('so does what a task calls that code of no world has woken', async (t) => {
  const orders = lev.channel<number>(1)
  const world = virtually(function* () {
    const before = lev.now()
    yield* orders.receive()
    yield* lev.wait((async () => {
      await null
      await lev.sleep(5000)
    })())
    return lev.now() - before >= 5000
  })
  const told = virtually(function* () {
    orders.trySend(1)
    yield* lev.sleep(1)
  })
  await told
  t.ok(await world)
})

t.test('in a world that is over it is rejected', async (t) => {
  let late: Promise<unknown> = Promise.resolve()
  let waiting: Promise<unknown> = Promise.resolve()
  const over = new Promise<void>((resolve) => {
    void virtually(function* () {
      late = t.rejects((async () => {
        await over
        await lev.sleep(1)
      })(), lev.ClosedError)
      waiting = t.rejects((async () => {
        await null
        await lev.sleep(Infinity)
      })(), lev.CancelledError)
      yield* lev.sleep(1)
    }).then(() => resolve())
  })
  await Promise.all([over, late, waiting])
})

t.test('it waits for the tasks that it spawns, and fails with them', async (t) => {
  const events: string[] = []
  function* spawning(fails: boolean): Op<string> {
    lev.spawn(function* () {
      yield* lev.sleep(0.001)
      events.push('spawned')
      if (fails) throw new RangeError('spawned')
    })
    return 'value'
  }
  t.equal(await lev.timeout(9, spawning(false)), 'value')
  t.strictSame(events, ['spawned'])
  await t.rejects(lev.timeout(9, spawning(true)), { message: 'spawned' })
})

t.test('a background task outlives it; its error is reported', async (t) => {
  const events: string[] = []
  const reports: unknown[] = []
  await lev.run(function* () {
    yield* lev.wait((async () => {
      await lev.shield((function* () {
        lev.background(function* () {
          try {
            yield* lev.sleep(5)
            events.push('background')
            throw new RangeError('late')
          } finally {
            events.push('over')
          }
        })
      })())
      events.push('awaited')
      await lev.sleep(9)
    })())
  }, { driver: lev.memory({ seed: 1 }), report: (error) => reports.push(error) })
  t.strictSame(events, ['awaited', 'background', 'over'])
  t.match(reports, [{ message: 'late' }])

  events.length = 0
  await virtually(function* () {
    yield* lev.wait((async () => {
      await lev.shield((function* () {
        lev.background(function* () {
          try {
            yield* lev.sleep(Infinity)
          } finally {
            events.push('over')
          }
        })
      })())
    })())
  })
  t.strictSame(events, ['over'], 'it ends with its world')
})

t.test('it runs in the async context of the code that awaits it', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  function* store(): Op<string | undefined> {
    yield* lev.sleep(0.001)
    return storage.getStore()
  }
  const [left, right] = await Promise.all(['left', 'right'].map((name) => storage.run(name, async () => {
    await lev.sleep(0.001)
    const seen = await lev.timeout(9, store())
    return [seen, storage.getStore()]
  })))
  t.strictSame([left, right], [['left', 'left'], ['right', 'right']])
})

t.test('what is not an operation is not awaited by accident', async (t) => {
  await virtually(function* () {
    yield* lev.scope(function* (scope) {
      const task = scope.spawn(() => lev.sleep(1))
      const [stream] = lev.pipe()
      for (const value of [scope, task, stream, lev.channel(), lev.event(), lev.semaphore(1)]) t.notOk('then' in value)
    })
    const own = (function* () {})()
    t.notOk('then' in own, 'generators of other code are as they were')
  })
})

t.test('it is no promise where a promise is asked for', async (t) => {
  await virtually(function* () {
    try {
      yield* lev.wait(lev.sleep(1))
      t.fail('it must throw')
    } catch (error) {
      t.match(error, { name: 'UsageError', message: /write yield\*/ })
    }
  })
  await t.rejects(lev.run(function* (): Op<unknown> {
    return lev.sleep(1)
  }), { name: 'UsageError', message: /yield\*/ })
})
