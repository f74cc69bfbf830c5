import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { failure, inProcess, virtual } from '../virtual.js'
import { network, readAll } from '../worlds.js'

/** What happens in a small world, with its times. */
function* story(): Op<string[]> {
  const log: string[] = []
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  lev.spawn(function* () {
    for (let stream = yield* listener.accept(); stream !== null; stream = yield* listener.accept()) {
      const accepted = stream
      lev.spawn(function* () {
        for (let part = yield* accepted.read(); part !== null; part = yield* accepted.read()) {
          log.push(`${lev.now().toFixed(7)} ${accepted.remote.port} ${part.length}`)
        }
        accepted.close()
      })
    }
  })
  yield* lev.scope(function* (scope) {
    for (let client = 0; client < 5; client++) {
      scope.spawn(function* () {
        const stream = yield* lev.connect(listener.address)
        yield* stream.write('x'.repeat(2000))
        yield* stream.end()
        yield* stream.read()
        stream.close()
      })
    }
  })
  listener.close()
  return log
}

t.test('the same seed gives the same run, another one another', async (t) => {
  const run = (seed: number): Promise<string[]> => virtual(story, { seed, segment: 700 })
  const first = await run(7)
  t.ok(first.length > 10)
  t.same(await run(7), first)
  t.not((await run(8)).join('\n'), first.join('\n'))
  t.same((await virtual(story, { seed: 0, segment: 700 })).length > 10, true, 'any seed will do')
})

t.test('the seed comes from the environment where a program gives none', async (t) => {
  const program = `
    import * as lev from ${JSON.stringify(new URL('../../../lev/index.js', import.meta.url).href)}
    const port = await lev.run(function* () {
      const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
      const stream = yield* lev.connect(listener.address)
      listener.close()
      return stream.local.port
    }, { driver: lev.memory() })
    console.log(port)`
  const port = (seed: string): string => inProcess(['--input-type=module', '-e', program], { LEV_SEED: seed })
  t.equal(port('5'), port('5'))
  t.not(port('5'), port('6'))
})

t.test('a flight takes the time it is given', (t) => virtual(function* () {
  const [near, far] = yield* network()
  const start = lev.now()
  yield* near.write('x')
  yield* far.read()
  t.ok(lev.now() - start >= 2 && lev.now() - start <= 3)
  near.close()
  far.close()
}, { latency: [2, 3] }))

t.test('closing over unread input is a reset, as in TCP', (t) => virtual(function* () {
  const [near, far] = yield* network()
  lev.spawn(() => failure(near.write('x'.repeat(300_000))))
  yield* lev.sleep(1)
  far.put('lost')
  far.close()
  t.match(yield* failure(readAll(near)), { code: 'LEV_CLOSED', cause: { code: 'ECONNRESET' } })
}))

t.test('writing to a side that has closed is answered by a reset', (t) => virtual(function* () {
  const [near, far] = yield* network()
  far.close()
  yield* lev.sleep(1)
  t.equal(yield* near.read(), null, 'it looks like an end first')
  yield* near.write('are you there?')
  yield* lev.sleep(1)
  t.match(yield* failure(near.write('hello?')), { code: 'LEV_CLOSED', cause: { code: 'ECONNRESET' } })
}))

t.test('the two ends share no memory', (t) => virtual(function* () {
  const [near, far] = yield* network()
  const sent = Buffer.alloc(5000, 'a')
  yield* near.write(sent)
  const got = yield* far.read()
  got?.fill('b')
  t.equal(sent.toString(), 'a'.repeat(5000))
  near.close()
  far.close()
}))

t.test('a driver can be asked for nothing before and after its run', async (t) => {
  const driver = lev.memory()
  await lev.run(() => lev.sleep(1), { driver })
  driver.wakeSoon()
  driver.wakeAt(5)
  driver.awaitOutside(1, false)
  driver.awaitOutside(-1, false)
  t.equal(driver.now(), 1)
})
