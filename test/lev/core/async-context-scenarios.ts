// Run by async-context.test.ts: prints what the scenarios saw as JSON. The first one decides where a storage is first used.
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as later } from 'node:timers/promises'
import type { Op } from '../../../lev/index.js'

const originals = [AsyncLocalStorage.prototype.run, AsyncLocalStorage.prototype.enterWith]
const isWrapped = (): boolean =>
  AsyncLocalStorage.prototype.run !== originals[0] || AsyncLocalStorage.prototype.enterWith !== originals[1]

const lev = await import('../../../lev/index.js')
const context = await import('../../../lev/core/async-context.js')

const names = process.argv.slice(2)
const als = new AsyncLocalStorage<string>()
const store = (): string | null => als.getStore() ?? null
if (names[0]?.startsWith('outside') === true) als.run('elsewhere', () => {})

function* follows(): Op<unknown> {
  const seen: Record<string, string | null> = {}
  const waiting = lev.event()
  const first = lev.spawn(function* () {
    als.enterWith('one')
    seen.start = store()
    yield* lev.sleep(0.001)
    seen.slept = store()
    const [near, far] = lev.pipe()
    yield* near.write('x')
    yield* far.read()
    seen.read = store()
    yield* lev.wait(later(1))
    seen.waited = store()
    yield* lev.spawn(function* () {
      seen.spawned = store()
      yield* lev.sleep(0.001)
    }).join()
    seen.joined = store()
    yield* lev.timeout(Infinity, lev.scope(function* () {
      yield* lev.sleep(0.001)
      seen.scoped = store()
    }))
    waiting.set()
    try {
      yield* lev.sleep(Infinity)
    } finally {
      seen.cleanup = store()
    }
  })
  const second = lev.spawn(function* () {
    seen.other = store()
    als.enterWith('two')
    yield* lev.sleep(0.002)
    seen.otherLater = store()
  })
  yield* second.join()
  yield* waiting.wait()
  als.run('of the caller that cancels', () => first.cancel())
  yield* lev.sleep(0.001)
  seen.after = store()
  return { ...seen, wrapped: isWrapped() }
}

function* leaks(): Op<unknown> {
  const seen: Record<string, string | null> = {}
  const entered = lev.event()
  const gone = lev.event()
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  const accepting = lev.spawn(function* () {
    const stream = yield* listener.accept()
    if (stream === null) throw new Error('closed')
    yield* stream.read()
    // The first store of all may be entered here, in a step that a byte from a socket brought about.
    als.enterWith('of the task')
    entered.set()
    stream.onGone.attach(() => {
      seen.gone = store()
      gone.set()
      throw new Error('to be reported')
    })
    yield* lev.sleep(Infinity)
  })
  const client = yield* lev.connect(listener.address)
  yield* client.write('x')
  yield* entered.wait()
  yield* lev.sleep(0.001)
  seen.timer = store()
  yield* client.end()
  yield* gone.wait()
  accepting.cancel()
  listener.close()
  client.close()
  return seen
}

function* spawns(): Op<unknown> {
  const twice = function* () {
    const before = store()
    yield* lev.sleep(0.001)
    return [before, store()]
  }
  const before = store()
  const spawned = als.run('a', () => lev.spawn(twice))
  const nested = als.run('a', () => als.run('b', () => lev.spawn(twice)))
  return { spawned: yield* spawned.join(), parent: [before, store()], nested: yield* nested.join() }
}

function* several(): Op<unknown> {
  const storages = [new AsyncLocalStorage<number>(), new AsyncLocalStorage<number>(), new AsyncLocalStorage<number>()]
  const all = (): (number | null)[] => storages.map((storage) => storage.getStore() ?? null)
  const seen: Record<string, unknown> = {}
  const task = lev.spawn(function* () {
    storages[0]?.enterWith(1)
    storages[1]?.enterWith(2)
    storages[2]?.enterWith(3)
    seen.here = all()
    yield* lev.timeout(1, (function* () {
      storages[2]?.enterWith(4)
      yield* lev.sleep(0.001)
      seen.inner = all()
    })())
    seen.later = all()
  })
  const sibling = lev.spawn(function* () {
    seen.sibling = all()
  })
  yield* task.join()
  yield* sibling.join()
  seen.outside = all()
  return seen
}

async function scenario(name: string): Promise<unknown> {
  switch (name.slice(name.indexOf(':') + 1)) {
    case 'none': {
      await lev.run(function* () {
        yield* lev.sleep(0.001)
        yield* lev.wait(later(1))
        yield* lev.timeout(1, lev.yieldNow())
      })
      return { inUse: context.contextsInUse, wrapped: isWrapped() }
    }
    case 'follows':
      return lev.run(follows)
    case 'leaks': {
      let reported: string | null = 'not reported'
      const seen = await lev.run(leaks, { report: () => (reported = store()) })
      return { ...(seen as object), reported, nextRun: await lev.run(function* () {
        yield* lev.sleep(0.001)
        return store()
      }) }
    }
    case 'spawn':
      return lev.run(spawns)
    case 'several':
      return lev.run(several)
    case 'around':
      return als.run('outer', () => lev.run(function* () {
        const main = store()
        yield* lev.sleep(0.001)
        return { main, later: store(), child: yield* lev.spawn(function* () {
          yield* lev.sleep(0.001)
          return store()
        }).join() }
      }))
    case 'copies': {
      const copy = await import(`${new URL('../../../lev/core/async-context.js', import.meta.url).href}?copy`) as typeof context
      const value = await lev.run(function* () {
        als.enterWith('x')
        yield* lev.sleep(0.001)
        als.enterWith('x')
        return store()
      })
      als.run('y', () => {})
      return { first: context.contextsInUse, second: copy.contextsInUse, wrapped: isWrapped(), store: value }
    }
    default:
      throw new Error(`unknown scenario ${name}`)
  }
}

const seen: Record<string, unknown> = {}
for (const name of names) seen[name] = await scenario(name)
console.log(JSON.stringify(seen))
