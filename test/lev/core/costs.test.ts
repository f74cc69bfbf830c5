import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Task } from '../../../lev/index.js'
import { constant, growth, type Arrange } from '../../support/growth.js'
import { inProcess } from '../../support/in-process.js'
import { failure } from '../../../testing/virtual.js'

/** Tasks that wait, each in an operation of its own. */
function* waiting(count: number, wait: (index: number) => Op<unknown>): Op<Task<unknown>[]> {
  const tasks = Array.from({ length: count }, (_, index) => lev.background(() => wait(index)))
  yield* lev.yieldNow()
  return tasks
}

function* cancelAll(tasks: readonly Task<unknown>[]): Op<void> {
  for (const task of tasks) task.cancel()
  for (const task of tasks) yield* task.done()
}

function* joinAll(tasks: readonly Task<unknown>[]): Op<void> {
  for (const task of tasks) yield* task.join()
}

const forEver = (): Op<void> => lev.suspend<void>(() => {})

/** What many do in one place. */
const costs: [string, number, Arrange][] = [
  ['joiners of one task that are cancelled', 8000, function* (count) {
    const joined = lev.background(forEver)
    const joiners = yield* waiting(count, () => joined.join())
    return () => cancelAll(joiners)
  }],
  ['joiners of one task that are cancelled, the last first', 8000, function* (count) {
    const joined = lev.background(forEver)
    const joiners = yield* waiting(count, () => joined.join())
    return () => cancelAll(joiners.reverse())
  }],
  ['joiners of one task that ends', 8000, function* (count) {
    const joined = lev.background(forEver)
    const joiners = yield* waiting(count, () => joined.done())
    return () => {
      joined.cancel()
      return joinAll(joiners)
    }
  }],
  ['values in a channel without bound', 80_000, function* (count) {
    const channel = lev.channel<number>(Infinity)
    return function* () {
      for (let index = 0; index < count; index++) yield* channel.send(index)
      for (let index = 0; index < count; index++) yield* channel.receive()
    }
  }],
  ['senders that are received from', 8000, function* (count) {
    const channel = lev.channel<number>()
    yield* waiting(count, (index) => channel.send(index))
    return function* () {
      for (let index = 0; index < count; index++) yield* channel.receive()
    }
  }],
  ['senders that are cancelled', 8000, function* (count) {
    const channel = lev.channel<number>()
    const senders = yield* waiting(count, (index) => channel.send(index))
    return () => cancelAll(senders)
  }],
  ['receivers that are cancelled, the last first', 8000, function* (count) {
    const channel = lev.channel<number>()
    const receivers = yield* waiting(count, () => channel.receive())
    return () => cancelAll(receivers.reverse())
  }],
  ['tasks that wait for a permit and are cancelled', 8000, function* (count) {
    const semaphore = lev.semaphore(1)
    lev.background(() => semaphore.with(forEver()))
    const tasks = yield* waiting(count, () => semaphore.with(lev.yieldNow()))
    return () => cancelAll(tasks)
  }],
  ['tasks that get a permit', 8000, function* (count) {
    const semaphore = lev.semaphore(1)
    const tasks = yield* waiting(count, () => semaphore.with(lev.scope(function* () {})))
    return () => joinAll(tasks)
  }],
  ['tasks that wait for an event and are cancelled', 8000, function* (count) {
    const event = lev.event()
    const tasks = yield* waiting(count, () => event.wait())
    return () => cancelAll(tasks)
  }],
  ['sleepers that are cancelled', 8000, function* (count) {
    const sleepers = yield* waiting(count, (index) => lev.sleep(100 + ((index * 7919) % 1000)))
    return () => cancelAll(sleepers)
  }],
  ['timeouts that are cancelled', 8000, function* (count) {
    const tasks = yield* waiting(count, (index) => lev.timeout(100 + ((index * 7919) % 1000), forEver()))
    return () => cancelAll(tasks)
  }],
  ['children that end, the last first', 8000, function* (count) {
    return () => lev.scope(function* (scope) {
      const children = Array.from({ length: count }, () => scope.background(forEver))
      yield* cancelAll(children.reverse())
    })
  }],
  ['children in the background of a scope that ends', 8000, function* (count) {
    return () => lev.scope(function* (scope) {
      for (let index = 0; index < count; index++) scope.background(forEver)
      yield* lev.yieldNow()
    })
  }],
  ['children that fail', 4000, function* (count) {
    return () => failure(lev.scope(function* (scope) {
      for (let index = 0; index < count; index++) scope.spawn(function* () {
        try {
          yield* lev.yieldNow()
        } finally {
          throwFor(index)
        }
      })
    }))
  }],
  ['pieces that are put into a stream', 40_000, function* (count) {
    const [near, far] = lev.pipe()
    const reading = lev.background(() => swallow(far))
    return function* () {
      for (let index = 0; index < count; index++) near.put(Buffer.alloc(300))
      yield* near.end()
      yield* reading.join()
    }
  }],
  ['writers of one stream', 2000, function* (count) {
    const [near, far] = lev.pipe()
    // The same bytes for all: the garbage of as many buffers would cost more than the writes.
    const bytes = Buffer.alloc(16 * 1024)
    const writers = yield* waiting(count, () => near.write(bytes))
    return function* () {
      const reading = lev.background(() => swallow(far))
      yield* joinAll(writers)
      yield* near.end()
      yield* reading.join()
    }
  }],
  ['runs in one world', 4000, function* (count) {
    return () => lev.wait(Promise.all(Array.from({ length: count }, () => lev.run(() => lev.yieldNow()))))
  }],
]

function throwFor(index: number): never {
  throw new Error(`child ${index}`)
}

function* swallow(stream: lev.Stream): Op<void> {
  while ((yield* stream.read()) !== null);
}

for (const [name, total, arrange] of costs) {
  t.test(name, async (t) => {
    const grown = await growth(total, arrange)
    t.ok(grown < constant, `eight times as many in one place: ${grown.toFixed(1)} times as long for each`)
  })
}

t.test('listeners of a virtual network', async (t) => {
  const grown = await growth(1200, function* (count) {
    return function* () {
      const listeners = []
      for (let index = 0; index < count; index++) listeners.push(yield* lev.listen({ ip: '127.0.0.1', port: 0 }))
      for (const { address } of listeners) (yield* lev.connect(address)).close()
      for (const listener of listeners) listener.close()
    }
  }, () => lev.memory())
  t.ok(grown < constant, `eight times as many in one network: ${grown.toFixed(1)} times as long for each`)
})

t.test('a timeout is a task more and little else, and so is a shield', (t) => {
  const program = `
    import * as lev from ${JSON.stringify(new URL('../../../lev/index.js', import.meta.url).href)}
    const waiting = () => lev.suspend(() => {})
    const kinds = [waiting, () => lev.timeout(1000, waiting()), () => lev.shield(waiting(), 1000)]
    const count = 5000
    const bytes = []
    await lev.run(function* () {
      const spawnAll = function* (kind) {
        const tasks = Array.from({ length: count }, () => lev.spawn(kind))
        yield* lev.yieldNow()
        return tasks
      }
      for (const kind of kinds) {
        const kept = [yield* spawnAll(kind)]
        gc()
        const before = process.memoryUsage().heapUsed
        kept.push(yield* spawnAll(kind))
        gc()
        bytes.push((process.memoryUsage().heapUsed - before) / count)
      }
      console.log(JSON.stringify(bytes))
      process.exit()
    })`
  const [waiting, timeout, shield] = JSON.parse(
    inProcess(['--expose-gc', '--input-type=module', '--eval', program], { NODE_ENV: 'production' }),
  ) as [number, number, number]
  t.ok(timeout < 3.4 * waiting, `${timeout} bytes, ${waiting} without`)
  t.ok(shield < 4 * waiting, `${shield} bytes, ${waiting} without`)
  t.end()
})
