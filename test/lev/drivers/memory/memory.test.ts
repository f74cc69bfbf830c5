import t from 'tap'
import * as lev from '../../../../lev/index.js'
import * as server from '../../../../lib/index.js'
import type { Op } from '../../../../lev/index.js'
import { inProcess } from '../../../support/in-process.js'
import { failure, virtual } from '../../../../testing/virtual.js'
import { connectedPair, readAll } from '../../../../testing/streams.js'

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
    import * as lev from ${JSON.stringify(new URL('../../../../lev/index.js', import.meta.url).href)}
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
  const [near, far] = yield* connectedPair()
  const start = lev.now()
  yield* near.write('x')
  yield* far.read()
  t.ok(lev.now() - start >= 2 && lev.now() - start <= 3)
  near.close()
  far.close()
}, { latency: [2, 3] }))

t.test('closing over unread input is a reset, as in TCP', (t) => virtual(function* () {
  const [near, far] = yield* connectedPair()
  lev.spawn(() => failure(near.write('x'.repeat(300_000))))
  yield* lev.sleep(1)
  far.put('lost')
  far.close()
  t.match(yield* failure(readAll(near)), { code: 'LEV_CLOSED', cause: { code: 'ECONNRESET' } })
}))

t.test('writing to a side that has closed is answered by a reset', (t) => virtual(function* () {
  const [near, far] = yield* connectedPair()
  far.close()
  yield* lev.sleep(1)
  t.equal(yield* near.read(), null, 'it looks like an end first')
  yield* near.write('are you there?')
  yield* lev.sleep(1)
  t.match(yield* failure(near.write('hello?')), { code: 'LEV_CLOSED', cause: { code: 'ECONNRESET' } })
}))

t.test('the two ends share no memory', (t) => virtual(function* () {
  const [near, far] = yield* connectedPair()
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
  driver.awaitExternal(1, false)
  driver.awaitExternal(-1, false)
  t.equal(driver.now(), 1)
})

/** The times of `turns` turns, each of which leaves something ready. */
function* timesOfTurns(turns: number): Op<number[]> {
  const times: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    yield* lev.sleep(0)
    times.push(lev.now())
  }
  return times
}

t.test('while something is always ready, the clock goes on by small steps', (t) => virtual(function* () {
  let fired = false
  const far = lev.spawn(function* () {
    yield* lev.sleep(5)
    fired = true
  })
  const times = yield* timesOfTurns(6400)
  t.equal(fired, false, 'no timer was reached by work alone')
  t.ok(times.every((time, turn) => time - (times[turn - 1] ?? 0) < 0.06))
  t.ok((times.at(-1) ?? 0) > 0, 'yet it moved')
  far.cancel()
}))

t.test('after a rest the steps are small again', (t) => virtual(function* () {
  for (let count = 0; count < 3; count++) {
    const times = yield* timesOfTurns(6400)
    t.ok((times.at(-1) ?? Infinity) - (times[0] ?? 0) < 1.3)
    yield* lev.sleep(1)
  }
}))

t.test('a timer that is far away is reached in bounded work, however busy a task is', (t) => virtual(function* () {
  let turns = 0
  const busy = lev.spawn(function* () {
    for (;;) {
      yield* lev.yieldNow()
      turns++
    }
  })
  yield* lev.sleep(20)
  t.ok(turns > 10_000 && turns < 11_500, `20 s: ${turns} turns`)
  yield* lev.sleep(3600)
  busy.cancel()
  t.ok(turns < 40_000, String(turns))
}))

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

for (const [name, count, handler] of [
  ['many requests', 6400, () => 'ok'],
  ['many requests that take a turn each', 6400, function* () {
    yield* lev.sleep(0)
    return 'ok'
  }],
  ['many requests to an async handler', 6400, () => Promise.resolve('ok')],
  ['a handler that works for long', 1, function* () {
    for (let turn = 0; turn < 6400; turn++) yield* lev.yieldNow()
    return 'ok'
  }],
] as [string, number, server.Handler][]) {
  t.test(`${name} of one client earn no other a timeout`, async (t) => {
    const service = server.new({ log_level: 'error', requests_per_connection: 10_000 }, handler)
    await virtual(function* () {
      const done = service.serve()
      const address = yield* lev.wait(service.listening)
      const slow = yield* lev.connect(address)
      yield* slow.write('GET / HTTP/1.1\r\n')
      const busy = yield* lev.connect(address)
      const sending = lev.spawn(() => busy.write(get.repeat(count - 1) + get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')))
      const responses = yield* readAll(busy)
      t.equal(responses.toString('latin1').split('HTTP/1.1 200 ').length, count + 1)
      yield* sending.join()
      yield* slow.write('Host: a.test\r\n\r\n')
      t.match(String(yield* slow.read()), /^HTTP\/1\.1 200 /)
      slow.close()
      busy.close()
      yield* lev.wait(service.stop({ drain: 0 }))
      yield* lev.wait(done)
    })
  })
}

t.test('a listener that is closed twice leaves its successor alone', async (t) => {
  t.equal(await virtual(function* () {
    const first = yield* lev.listen({ ip: '127.0.0.1', port: 80 })
    first.close()
    yield* lev.sleep(1)
    const second = yield* lev.listen({ ip: '127.0.0.1', port: 80 })
    first.close()
    yield* lev.sleep(1)
    const client = yield* lev.connect(second.address)
    const accepted = yield* second.accept()
    client.close()
    accepted?.close()
    second.close()
    return accepted !== null
  }), true)
})

t.test('a driver whose listener is closed twice leaves its successor alone', (t) => {
  const driver = lev.memory()
  driver.start({ beginEvent: () => {}, tick: () => {}, fault: () => {}, deadlocked: () => {} })
  const where = { ip: '127.0.0.1', port: 80 }
  driver.listen(where, () => {}, (_, first) => {
    first?.close()
    driver.listen(where, () => {}, () => {
      first?.close()
      driver.listen(where, () => {}, (error) => {
        t.match(error?.message, /EADDRINUSE/)
        driver.stop()
        t.end()
      })
    })
  })
})

t.test('addresses of one port are held apart as a system does', async (t) => {
  const outcome = (first: string, second: string): Promise<string> => virtual(function* () {
    const one = yield* lev.listen({ ip: first, port: 80 })
    try {
      const two = yield* lev.listen({ ip: second, port: 80 })
      const client = yield* lev.connect({ ip: second, port: 80 })
      const accepted = yield* two.accept()
      accepted?.close()
      client.close()
      two.close()
      return 'both'
    } catch (error) {
      return error instanceof Error ? error.message : ''
    } finally {
      one.close()
    }
  })
  for (const [first, second, both] of [
    ['10.0.0.1', '10.0.0.2', true],
    ['127.0.0.1', '::1', true],
    ['0.0.0.0', '::1', true],
    ['10.0.0.1', '10.0.0.1', false],
    ['0.0.0.0', '10.0.0.1', false],
    ['10.0.0.1', '0.0.0.0', false],
    ['::', '10.0.0.1', false],
    ['0.0.0.0', '::', false],
  ] as const) t.match(await outcome(first, second), both ? /^both$/ : /EADDRINUSE|in use/, `${first} and ${second}`)

  t.match(await virtual(function* () {
    const one = yield* lev.listen({ ip: '10.0.0.1', port: 80 })
    const error = yield* failure(lev.connect({ ip: '10.0.0.2', port: 80 }))
    one.close()
    return error
  }), { message: /refused/i })
})

t.test('a server is started again on its port', async (t) => {
  t.same(await virtual(function* () {
    const got: string[] = []
    for (const name of ['first', 'second', 'third']) {
      const service = server.new({ log_level: 'error', ip: '127.0.0.1', port: 8080 }, () => name)
      const done = service.serve()
      const stream = yield* lev.connect(yield* lev.wait(service.listening))
      yield* stream.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
      got.push(String(yield* stream.read()).slice(-name.length))
      stream.close()
      yield* lev.wait(service.stop())
      yield* lev.wait(done)
    }
    return got
  }), ['first', 'second', 'third'])
})
