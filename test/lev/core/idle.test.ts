import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Scope, Stream } from '../../../lev/index.js'
import { inProcess } from '../../support/in-process.js'
import { failure } from '../../../testing/virtual.js'
import { connectedPair } from '../../../testing/streams.js'

/**
 * Runs `arm` as a callback of Node's, while the loop is idle and its next timer far away, and then waits for `then`, which only
 * what was armed can end.
 */
function fromCallback(arm: (scope: Scope) => void, then: () => Op<unknown>): Promise<unknown> {
  return lev.run(() => lev.scope(function* (scope) {
    const far = scope.background(() => lev.sleep(600))
    setTimeout(() => arm(scope), 5)
    const given = yield* then()
    far.cancel()
    return given
  }))
}

t.test('a task in the background that sleeps', async () => {
  const slept = lev.event()
  await fromCallback((scope) => void scope.background(function* () {
    yield* lev.sleep(0.02)
    slept.set()
  }), () => slept.wait())
})

t.test('a task in the background that waits with a timeout', async (t) => {
  const over = lev.event()
  await fromCallback((scope) => void scope.background(function* () {
    try {
      yield* lev.timeout(0.02, lev.suspend(() => {}))
    } catch (error) {
      t.match(error, { code: 'LEV_TIMEOUT' })
    }
    over.set()
  }), () => over.wait())
})

t.test('two timers, the second the earlier one', async (t) => {
  const woken = lev.channel<string>(2)
  const sleeper = (seconds: number, name: string) => function* (): Op<void> {
    yield* lev.sleep(seconds)
    woken.trySend(name)
  }
  const first = await fromCallback((scope) => {
    scope.background(sleeper(500, 'late'))
    scope.background(sleeper(0.02, 'early'))
  }, () => woken.receive())
  t.equal(first, 'early')
})

t.test('a task that is spawned, one that is cancelled and cleans up, a value that is sent', async (t) => {
  const results = lev.channel<string>(Infinity)
  let cleaning: lev.Task<void> | null = null
  const given = await fromCallback((scope) => {
    scope.spawn(function* () {
      yield* lev.sleep(0.01)
      cleaning?.cancel()
    })
  }, function* () {
    cleaning = lev.background(function* () {
      try {
        yield* lev.suspend(() => {})
      } finally {
        yield* lev.sleep(0.01)
        results.trySend('cleaned up')
      }
    })
    return yield* results.receive()
  })
  t.equal(given, 'cleaned up')
})

/** Gives what `use` throws on one end of a connection, on which `set` is called in a callback once all is still. */
function onStream(set: (near: Stream) => void, use: (near: Stream) => Op<unknown>): Promise<unknown> {
  return fromCallback(() => {}, function* () {
    const [near, far] = yield* connectedPair()
    setTimeout(() => set(near), 50)
    try {
      return yield* failure(use(near))
    } finally {
      near.close()
      far.close()
    }
  })
}

t.test('the read deadline of a stream', async (t) => {
  t.match(await onStream((near) => (near.readDeadline = near.now + 0.02), (near) => near.read()), { code: 'LEV_TIMEOUT' })
})

/** Writes more than anything between the two ends holds. */
function* fillUp(near: Stream): Op<void> {
  for (;;) yield* near.write(Buffer.alloc(1024 * 1024))
}

t.test('the write deadline of a stream', async (t) => {
  t.match(await onStream((near) => (near.writeDeadline = near.now + 0.02), fillUp), { code: 'LEV_TIMEOUT' })
})

t.test('the stall timeout of a stream', async (t) => {
  t.match(await onStream((near) => (near.stallTimeout = 0.05), fillUp), { code: 'LEV_TIMEOUT' })
})

// What keeps a process is known by whether it ends by itself: one that does not says so, much later than it should have ended.
const judge = `
  import * as lev from ${JSON.stringify(new URL('../../../lev/index.js', import.meta.url).href)}
  const late = (what) => setTimeout(() => { console.log(what); process.exit() }, 10_000).unref()
`

t.test('a process ends when a callback has taken away the last timer', async (t) => {
  t.equal(inProcess(['--input-type=module', '-e', `${judge}
    lev.run(function* () {
      const [near] = lev.pipe()
      const sleeping = lev.background(() => lev.sleep(600))
      setTimeout(() => {
        near.readDeadline = near.now + 600
        near.close()
        sleeping.cancel()
        late('it lives still')
      }, 5)
      yield* lev.suspend(() => {})
    })
  `]), '')
})

t.test('a process lives for a timer that a callback sets behind one which keeps nothing', async (t) => {
  t.equal(inProcess(['--input-type=module', '-e', `${judge}
    import { Loop } from ${JSON.stringify(new URL('../../../lev/core/loop.js', import.meta.url).href)}
    import { Timer } from ${JSON.stringify(new URL('../../../lev/core/timers.js', import.meta.url).href)}
    import { nodeDriver } from ${JSON.stringify(new URL('../../../lev/drivers/node/node.js', import.meta.url).href)}
    const loop = new Loop(nodeDriver(), console.error)
    const at = (seconds) => loop.driver.now() + seconds
    loop.timers.set(new Timer(() => {}, false), at(0.05))
    setTimeout(() => loop.timers.set(new Timer(() => console.log('fired')), at(0.2)), 5)
  `]), 'fired\n')
})
