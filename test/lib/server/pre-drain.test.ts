import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import { saysClose } from '../../support/responses.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

const entry = JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))

/** Sleeps as many seconds as the path says. */
function* sleeper(_method: string, path: string): lev.Op<string> {
  yield* lev.sleep(Number(path.slice(1)))
  return 'slept'
}

t.test('for pre_drain seconds it serves as before, and is not ready', async (t) => {
  for (const options of [undefined, { pre_drain: 8 }]) {
    await virtually({ pre_drain: options === undefined ? 8 : 100, drain: 5, keepalive_idle_timeout: 60 }, sleeper, function* ({ server, connect, log }: World) {
      const early = yield* connect(request('GET /0'))
      yield* early.responses(1)
      t.equal(server.ready, true)
      const began = lev.now()
      const stopped = server.stop(options)
      t.equal(server.ready, false)
      yield* lev.sleep(7.9)
      early.send(request('GET /0'))
      t.notOk(saysClose((yield* early.responses(2))[1]), 'a connection from before is kept')
      const late = yield* connect(request('GET /0') + request('GET /100'))
      t.notOk(saysClose((yield* late.responses(1))[0]), 'and new ones are accepted')
      t.equal((yield* early.all()).responses.length, 2)
      t.ok(Math.abs(lev.now() - began - 8) < 0.5, `idle connections are closed after ${lev.now() - began} s`)
      yield* lev.wait(stopped)
      t.ok(Math.abs(lev.now() - began - 13) < 0.1, `then the rest has its time: over after ${lev.now() - began} s`)
      t.same(log.of('info').map(({ message }) => message).slice(1), ['Not ready any more, and stopping in 8 s'])
    })
  }
})

t.test('of several calls, the earliest times count, and both of them', async (t) => {
  for (const [first, second, drains, ends] of [
    [{ pre_drain: 10, drain: 10 }, { pre_drain: 0, drain: 30 }, 1, 20],
    [{ pre_drain: 10, drain: 10 }, { pre_drain: 0, drain: 2 }, 1, 3],
    [{ pre_drain: 2, drain: 10 }, { pre_drain: 20, drain: 0 }, 2, 12],
    [{ pre_drain: 5, drain: 50 }, { pre_drain: 10, drain: 0 }, 5, 11],
    [{ pre_drain: Infinity, drain: 0 }, { pre_drain: 3, drain: 1 }, 4, 5],
  ] as const) {
    await virtually({}, sleeper, function* ({ server, connect }: World) {
      const busy = yield* connect(request('GET /1000'))
      const idle = yield* connect(request('GET /0'))
      yield* idle.responses(1)
      const began = lev.now()
      const passed = (): number => Math.round(lev.now() - began - 0.2)
      const stopped = [server.stop(first)]
      yield* lev.sleep(1)
      stopped.push(server.stop(second))
      yield* idle.all()
      t.equal(passed(), drains)
      yield* lev.wait(Promise.all(stopped))
      t.equal(Math.round(lev.now() - began), ends)
      busy.stream.close()
    })
  }
})

t.test('ready only while it listens', async (t) => {
  await lev.run(function* () {
    const service = server.new({ pre_drain: 1, log_level: 'error' }, () => 'hello')
    t.equal(service.ready, false)
    for (let runs = 0; runs < 2; runs++) {
      const done = service.serve()
      t.equal(service.ready, false, 'before it is bound')
      yield* lev.wait(service.listening)
      t.equal(service.ready, true)
      yield* lev.wait(service.stop())
      yield* lev.wait(done)
      t.equal(service.ready, false)
    }
    const stopped = service.serve()
    const stopping = service.stop()
    yield* lev.wait(service.listening)
    t.equal(service.ready, false, 'it was told to stop before')
    yield* lev.wait(stopping)
    yield* lev.wait(stopped)
  }, { driver: lev.memory() })
})

t.test('a wrong option of stop is one error', async (t) => {
  const service = server.new({ log_level: 'error' }, () => 'hello')
  for (const name of ['pre_drain', 'drain']) {
    for (const value of [-1, NaN, '5']) {
      await t.rejects(service.stop({ [name]: value }), { name: 'RangeError', message: `${name} must be a number of seconds, 0 or more; got ${value}` })
    }
  }
})

t.test('a signal begins it, and a second one ends the program', async (t) => {
  const program = `
    import * as server from ${entry}
    const settings = { port: 0, log_level: 'error', handle_signals: true, pre_drain: 3600 }
    const service = server.new(settings, () => service.ready ? 'ready' : 'not ready')
    service.serve()
    console.log((await service.listening).port)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  const [port] = await once(createInterface({ input: child.stdout }), 'line') as [string]
  const ask = (): Promise<string> => fetch(`http://127.0.0.1:${port}/`).then((response) => response.text())
  t.equal(await ask(), 'ready')
  child.kill('SIGTERM')
  while (await ask() === 'ready');
  t.equal(await ask(), 'not ready', 'it goes on serving')
  const insisting = setInterval(() => child.kill('SIGTERM'), 200)
  t.teardown(() => clearInterval(insisting))
  t.strictSame(await closed, [null, 'SIGTERM'])
  clearInterval(insisting)
})
