import { availableParallelism } from 'node:os'
import t from 'tap'
import { ArgumentError, new as create, StateError } from '../../../lib/index.js'
import { number, roll, run, stop, type WorkersOptions } from '../../../lib/workers/index.js'
import { rulesOf } from '../../../lib/workers/options.js'

const none = { ready: null, readyWithin: 30, memory: null, age: null, requests: null }

t.test('the defaults, and null as not given', async (t) => {
  t.strictSame(rulesOf({}), { ...none, count: availableParallelism() })
  t.strictSame(rulesOf({ count: null, ready: null, readyWithin: null, recycle: null }), { ...none, count: availableParallelism() })
  t.strictSame(rulesOf({ count: 3, recycle: { age: 60, memory: null } }), { ...none, count: 3, age: 60 })
})

const wrong: [unknown, string, string][] = [
  [null, 'options', 'options must be an object with count, ready, readyWithin or recycle, got null'],
  [{ count: 0 }, 'options.count', 'options.count must be an integer from 1 to 1024, got 0'],
  [{ count: '4' }, 'options.count', 'options.count must be "cores" or an integer from 1 to 1024, got "4"'],
  [{ workers: 4 }, 'options.workers', 'unknown setting options.workers'],
  [{ redy: () => {} }, 'options.redy', 'unknown setting options.redy; did you mean options.ready?'],
  [{ ready: true }, 'options.ready', 'options.ready must be a function of the server, got true'],
  [{ readyWithin: 0 }, 'options.readyWithin', 'options.readyWithin must be a number from 0.001 to 3600 (seconds), got 0'],
  [{ recycle: true }, 'options.recycle', 'options.recycle must be an object with memory, age or requests, got true'],
  [{ recycle: { age: 1 } }, 'options.recycle.age', 'options.recycle.age must be a number from 60 to 31536000 (seconds), got 1'],
  [{ recycle: { memory: 512 } }, 'options.recycle.memory', `options.recycle.memory must be an integer from 1048576 to ${Number.MAX_SAFE_INTEGER} (bytes), got 512`],
]

t.test('wrong options', async (t) => {
  for (const [options, argument, message] of wrong) {
    t.throws(() => run(() => create({}, () => ''), options as WorkersOptions), { name: 'ArgumentError', argument, message })
  }
})

t.test('a wrong factory', async (t) => {
  t.throws(() => run('server' as unknown as Parameters<typeof run>[0]), { name: 'ArgumentError', message: 'factory must be a function that returns a server, got string' })
  await t.rejects(run(() => ({}) as ReturnType<typeof create>), ArgumentError)
  await t.rejects(run(() => {
    throw new Error('the factory failed')
  }), { message: 'the factory failed' })
})

t.test('nothing runs here', async (t) => {
  t.equal(number, null)
  t.throws(() => roll(), StateError)
  t.throws(() => stop(), StateError)
  t.throws(() => stop({ drain: -1 }), { name: 'RangeError', message: 'drain must be a number of seconds, 0 or more; got -1' })
})
