import t from 'tap'
import * as lev from '../../../lev/index.js'
import { request } from '../../../lib/index.js'
import { failure } from '../../../testing/virtual.js'
import { seed } from '../../support/seed.js'
import { virtually, type World } from '../../support/virtual.js'

function* urlOf({ server }: World, path = '/'): lev.Op<string> {
  const { port } = yield* lev.wait(server.listening)
  return `http://127.0.0.1:${port}${path}`
}

t.test('a server and its client on one virtual network: hours pass in no time', async (t) => {
  await virtually({}, function* (_method, query) {
    yield* lev.sleep(Number(query.slice(1)))
    return 'slept'
  }, function* (world) {
    const began = lev.now()
    for (const seconds of [60, 600, 3600]) {
      t.equal((yield* request({ url: yield* urlOf(world, `/${seconds}`), timeout: 4000 })).body.toString(), 'slept')
    }
    t.equal(Math.round(lev.now() - began), 4260)
    t.match(yield* failure(request({ url: yield* urlOf(world, '/60') })), { code: 'LEV_TIMEOUT' })
    t.equal(Math.round(lev.now() - began), 4290)
  })
})

t.test('the same seed gives the same story, another one another', async (t) => {
  const story = async (seed: number): Promise<string> => {
    const events: string[] = []
    await virtually({}, function* (_method, query) {
      yield* lev.sleep(Math.sin(Number(query.slice(1))) ** 2)
      return query
    }, function* (world) {
      const url = yield* urlOf(world)
      yield* lev.scope(function* (scope) {
        for (let index = 0; index < 20; index++) {
          scope.spawn(function* () {
            yield* request(`${url}${index}`)
            events.push(`${index} ${lev.now()}`)
          })
        }
      })
    }, { seed })
    return events.join('\n')
  }
  t.equal(await story(1), await story(1))
  t.not(await story(1), await story(2))
})

t.test(`a client that waits about as long as the server keeps its connections loses no request (LEV_SEED=${seed})`, async (t) => {
  let served = 0
  for (let run = 0; run < 20; run++) {
    await virtually({ keepalive_idle_timeout: 5 }, () => {
      served++
      return 'ok'
    }, function* (world) {
      const url = yield* urlOf(world)
      for (const pause of [3.9, 4, 4.001, 4.5, 4.99, 5, 5.01, 5.999, 6, 6.01, 7]) {
        t.equal((yield* request({ url, method: 'POST', body: 'x' })).status, 200)
        yield* lev.sleep(pause)
      }
    }, { seed: seed + run, latency: [0.001, 0.2] })
  }
  t.equal(served, 220, 'and none is sent twice')
})

t.test('a server that stops: the request in flight is served, the idle connection closed', async (t) => {
  await virtually({}, function* () {
    yield* lev.sleep(5)
    return 'done'
  }, function* (world) {
    const url = yield* urlOf(world)
    yield* request(url)
    const last = lev.spawn(() => request(url))
    yield* lev.sleep(1)
    const began = lev.now()
    yield* lev.wait(world.server.stop())
    t.equal((yield* last.join()).headers.connection, 'close')
    t.ok(lev.now() - began < 10)
    t.match(yield* failure(request(url)), { code: 'LEVERET_REQUEST', message: /ECONNREFUSED/ })
  })
})
