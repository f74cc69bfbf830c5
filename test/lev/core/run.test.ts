import { readFile } from 'node:fs/promises'
import { setTimeout as later } from 'node:timers/promises'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { after, failAfter, ran } from '../../support/virtual-run.js'

t.test('a run gives the value of its main task when all are done', async (t) => {
  const seen: string[] = []
  t.equal(await lev.run(function* () {
    lev.spawn(function* () {
      yield* lev.sleep(0.01)
      seen.push('child')
    })
    return 'value'
  }), 'value')
  t.same(seen, ['child'])
  await t.rejects(lev.run(() => failAfter(0.001, new Error('main'))), /main/)
  await t.rejects(lev.run(function* () {
    lev.spawn(() => failAfter(0.001, new Error('child')))
    yield* lev.sleep(60)
  }), /child/)
})

t.test('a run inside a task shares its world', (t) => virtual(function* () {
  yield* lev.sleep(5)
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 80 })
  const inner = yield* lev.wait(lev.run(function* () {
    const stream = yield* lev.connect({ ip: '127.0.0.1', port: 80 })
    stream.close()
    yield* lev.sleep(5)
    return lev.now()
  }))
  t.ok(inner >= 10 && inner < 10.01, 'the same clock, the same network')
  ;(yield* listener.accept())?.close()
  listener.close()
  t.match(yield* failure(lev.wait(lev.run(() => failAfter(1, new Error('inner'))))), /inner/)
}))

t.test('a run with a driver of its own inside a task is a world of its own', (t) => virtual(function* () {
  yield* lev.sleep(5)
  t.equal(yield* lev.waitForThreadPool(lev.run(function* () {
    yield* lev.sleep(1)
    return lev.now()
  }, { driver: lev.memory() })), 1)
  t.equal(lev.now(), 5)
}))

t.test('deadlock: all cleanup is done, and the error says what happened', async (t) => {
  const seen: string[] = []
  const { error, reported } = await ran(function* () {
    lev.spawn(function* () {
      try {
        yield* lev.channel<string>().receive()
      } finally {
        yield* lev.sleep(1)
        seen.push(`child at ${lev.now()}`)
      }
    })
    try {
      yield* lev.event().wait()
    } finally {
      seen.push('main')
    }
  })
  t.match(error, { code: 'LEV_DEADLOCK', message: /every task waits/ })
  t.same(seen, ['main', 'child at 1'])
  t.same(reported, [])

  const broken = await ran(function* () {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      yield* failAfter(1, new Error('while it unwound'))
    }
  })
  t.match([broken.error, broken.reported], [{ code: 'LEV_DEADLOCK' }, [/while it unwound/]])
})

t.test('an open listener without a client is a deadlock too', async (t) => {
  const { error } = await ran(function* () {
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    yield* listener.accept()
  })
  t.match(error, { code: 'LEV_DEADLOCK' })
  const half = await ran(function* () {
    const [near, far] = lev.pipe()
    yield* near.end()
    t.equal(yield* far.read(), null)
    yield* near.read()
  })
  t.match(half.error, { code: 'LEV_DEADLOCK' }, 'a stream that was ended on one side')
})

t.test('promises: values, rejections, thenables, what is none', (t) => virtual(function* () {
  t.equal(yield* lev.wait(Promise.resolve('at once')), 'at once')
  t.equal(yield* lev.wait(later(2, 'later')), 'later')
  t.match(yield* failure(lev.wait(Promise.reject(new Error('rejected')))), /rejected/)
  const thenable = { then: (resolve: (value: string) => void) => resolve('thenable') } as PromiseLike<string>
  t.equal(yield* lev.wait(thenable), 'thenable')
  const bad = {
    get then(): never {
      throw new Error('bad thenable')
    },
  } as PromiseLike<string>
  t.match(yield* failure(lev.wait(bad)), /bad thenable/)
  t.equal(yield* lev.wait('a plain value' as unknown as Promise<string>), 'a plain value')
}))

t.test('the virtual clock waits for what the system does, not for ever for a promise', (t) => virtual(function* () {
  for (let round = 0; round < 100; round++) {
    t.match(yield* lev.timeout(1, lev.wait(readFile(new URL(import.meta.url), 'utf8'))), /virtual clock/)
  }
  t.equal(yield* lev.timeout(0.001, lev.waitForThreadPool(later(20, 'work'))), 'work', 'work is waited for')
  t.match(yield* failure(lev.timeout(60, lev.wait(new Promise(() => {})))), { code: 'LEV_TIMEOUT' })
  t.equal(lev.now(), 60)
}))

t.test('a cancelled wait ends; the promise goes on', (t) => virtual(function* () {
  let fail = (_error: Error): void => {}
  const promise = new Promise<never>((_resolve, reject) => (fail = reject))
  const task = lev.spawn(() => lev.wait(promise))
  yield* lev.yieldNow()
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
  fail(new Error('no task is told'))
  yield* lev.waitForThreadPool(later(2))
}))

t.test('a listener for errors that throws itself does no harm', async (t) => {
  const said: unknown[][] = []
  const error = console.error
  console.error = (...words) => said.push(words)
  t.teardown(() => (console.error = error))
  const broken = (): lev.Op<void> => lev.suspend(() => () => {
    throw new Error('disarming')
  })
  await lev.run(function* () {
    for (let round = 0; round < 2; round++) {
      const task = lev.spawn(broken)
      yield* lev.yieldNow()
      task.cancel()
      yield* failure(task.join())
    }
  }, { report: () => {
    throw new Error('reporting')
  } })
  t.match(said, [[/could not report/, /disarming/, /reporting/], [/could not report/, /disarming/, /reporting/]])
  await lev.run(function* () {
    const task = lev.spawn(broken)
    yield* lev.yieldNow()
    task.cancel()
    yield* failure(task.join())
  })
  t.match(said[2], [/no task received/, /disarming/])
})

t.test('thousands of tasks', (t) => virtual(function* () {
  const tasks = Array.from({ length: 5000 }, (_, index) => lev.spawn(() => after(index % 7, index)))
  let sum = 0
  for (const task of tasks) sum += yield* task.join()
  t.equal(sum, 5000 * 4999 / 2)
}))

t.test('runs inside a world end with it: their cleanup runs, their promises settle, and no other begins', async (t) => {
  const drivers: Readonly<Record<string, () => lev.Driver | null>> = { node: () => null, memory: () => lev.memory() }
  const starts: Readonly<Record<string, () => <T>(main: () => lev.Op<T>) => Promise<T>>> = {
    'a run': () => (main) => lev.run(main),
    'a portal': () => lev.portal().run,
  }
  const ends: Readonly<Record<string, () => lev.Op<void>>> = {
    *'with a value'() {},
    *'with an error'() {
      throw new Error('of the main task')
    },
    *'after a wait'() {
      yield* lev.sleep(0.02)
    },
  }
  for (const [driver, make] of Object.entries(drivers)) {
    for (const [start, starting] of Object.entries(starts)) {
      for (const [end, ending] of Object.entries(ends)) {
        const name = `${start} on ${driver}, ${end}`
        const log: string[] = []
        let nested: Promise<unknown> = Promise.resolve()
        let broken: Promise<unknown> = Promise.resolve()
        let ignored = (_error: unknown): void => {}
        const unheard = new Promise((resolve) => (ignored = resolve))
        let portal: lev.Portal | null = null
        const whole = lev.run(function* () {
          portal = lev.portal()
          const begin = starting()
          nested = begin(() => lev.scope(function* () {
            lev.spawn(function* () {
              try {
                yield* lev.sleep(Infinity)
              } finally {
                yield* lev.sleep(0.02)
                log.push('a task of it')
              }
            })
            try {
              yield* lev.event().wait()
            } finally {
              log.push('it')
            }
          }))
          broken = begin(function* () {
            try {
              yield* lev.sleep(Infinity)
            } finally {
              yield* failAfter(0.01, new Error('of the cleanup'))
            }
          })
          // No task waits for it.
          void begin(() => lev.sleep(Infinity))
          broken.catch(ignored)
          nested.catch(() => log.push('settled'))
          yield* lev.yieldNow()
          yield* ending()
        }, { driver: make() })
        await (end === 'with an error' ? t.rejects(whole, /of the main task/, name) : whole)
        t.same(log.slice(0, 2), ['it', 'a task of it'], name)
        await t.rejects(nested, { code: 'LEV_CANCELLED', reason: 'the run around it is over' }, name)
        t.match(await unheard, /of the cleanup/, name)
        const late = (portal as lev.Portal | null)?.run(function* () {
          log.push('never')
        })
        await t.rejects(late ?? Promise.resolve(), { code: 'LEV_CLOSED', message: /is over/ }, name)
        t.notOk(log.includes('never'))
      }
    }
  }
})

t.test('the world outside of all tasks does not end', async (t) => {
  const portal = lev.portal()
  await lev.run(function* () {})
  t.equal(await portal.run(() => after(0.001, 'alive')), 'alive')
})
