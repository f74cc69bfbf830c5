import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { Handler } from '../../../lib/index.js'
import { seed } from '../../support/seed.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

const KiB = 1024

/** The late 50 ms of the design, and the flights. */
const tolerance = 0.06

/** What the virtual network and the client's stream hold for a client that does not read. */
const inFlight = 3 * 64 * KiB

/** Responds with as many bytes as the path says. */
const sized: Handler = (_method, query) => Buffer.alloc(Number(query.slice(1)), 'x')

/**
 * Reads `rate` bytes a second, a quarter of them at a time, until `enough` says so or the connection has ended.
 * Below some 2200 a second, the virtual network moves nothing for 30 s now and then: its windows open by 64 KiB.
 */
function* readSlowly(client: VirtualClient, rate: number, enough: () => boolean = () => false): Op<void> {
  while (!enough() && (yield* client.more(rate / 4))) yield* lev.sleep(0.25)
}

t.test('send_timeout: a reader that stops is cut when nothing has moved for that long', async (t) => {
  for (const options of [{}, { seed: 3, segment: 1000 }, { seed: 4, segment: 65_536 }]) {
    await virtually({ send_timeout: 30 }, sized, function* ({ connect, log }: World) {
      const client = yield* connect(request(`GET /${1024 * KiB}`))
      yield* client.more(100)
      const stopped = lev.now()
      // Time enough for what is on its way; the rest has no place to go.
      yield* lev.sleep(10)
      t.strictSame(log.statuses(), [], 'not cut yet')
      while (log.statuses().length === 0 && lev.now() < stopped + 100) yield* lev.sleep(0.01)
      t.ok(Math.abs(lev.now() - stopped - 30) < 1, `cut ${lev.now() - stopped} s after it stopped`)
      t.strictSame(log.statuses(), [499])
      const { ending } = yield* drained(client)
      t.equal(ending, 'reset', 'a response that was cut off never looks like a whole one')
      t.equal(log.of('error').length, 0, 'a slow client is no fault of the server')
    }, options)
  }
})

t.test('min_transfer_rate: a response read too slowly is cut, though bytes move', async (t) => {
  await virtually({ send_timeout: 30, min_transfer_rate: 5000 }, sized, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /1000000'))
    const began = lev.now()
    const reading = lev.spawn(() => readSlowly(client, 3000))
    while (log.statuses().length === 0 && lev.now() < began + 300) yield* lev.sleep(0.01)
    reading.cancel()
    const expected = 30 + 1_000_000 / 5000
    t.ok(Math.abs(lev.now() - began - expected) < 1, `cut after ${lev.now() - began} s, expected ${expected}`)
    t.strictSame(log.statuses(), [499])
  })
})

t.test('min_transfer_rate: the end of a response, for which no handler waits, is under it, too', async (t) => {
  const readRate = 2400
  const responses: Record<string, Handler> = {
    buffered: sized,
    streamed: (_method, query) => [function* (out) {
      for (let put = 0; put < Number(query.slice(1)); put += 1024) yield* out.write(Buffer.alloc(1024))
    }],
    'put on the connection': (_method, query, _args, _headers, _body, ctx) => {
      ctx.client.put(`HTTP/1.1 200 OK\r\nContent-Length: ${query.slice(1)}\r\n\r\n${'x'.repeat(Number(query.slice(1)))}`)
      return undefined
    },
  }
  // What the network does not hold is little enough that the server goes on to the next request.
  const size = 165_000 + 120_000
  for (const [how, handle] of Object.entries(responses)) {
    for (const [rate, cut] of [[500_000, true], [500, false]] as const) {
      const settings = { send_timeout: 30, min_transfer_rate: rate, keepalive_idle_timeout: 1000 }
      await virtually(settings, handle, function* ({ connect, log }: World) {
        const client = yield* connect(request(`GET /${size}`))
        const began = lev.now()
        yield* readSlowly(client, readRate)
        t.equal(client.received.length < size, cut, `${how}, at ${rate} bytes a second: ${client.ending}`)
        t.equal(lev.now() - began < size / readRate, cut)
        t.strictSame(log.of('error'), [])
      }, { segment: 4096 })
    }
  }
})

t.test('a slow reader at a fair rate gets all of its response', async (t) => {
  await virtually({ send_timeout: 30, min_transfer_rate: 500 }, sized, function* ({ connect, log }: World) {
    for (const size of [60_000, 200_000, 300_000, 1_000_000]) {
      const client = yield* connect(request(`GET /${size}`))
      yield* readSlowly(client, 4000)
      const { responses } = yield* client.all()
      t.equal(responses[0].body.length, size, `${size} bytes at 4000 a second`)
    }
    t.strictSame(new Set(log.statuses()), new Set([200]))
  })
})

t.test('no limit on the rate: bytes that move are enough', async (t) => {
  await virtually({ send_timeout: 30, min_transfer_rate: 0 }, sized, function* ({ connect }: World) {
    const client = yield* connect(request('GET /1000000'))
    yield* readSlowly(client, 3000)
    const { responses } = yield* client.all()
    t.equal(responses[0].body.length, 1_000_000)
  })
})

t.test('pipelined requests of a slow reader wait for it: no more is answered than it can take', async (t) => {
  const response = 10_000
  const count = 1000
  let calls = 0
  const handle: Handler = () => {
    calls++
    return Buffer.alloc(response, 'x')
  }
  await virtually({ requests_per_connection: 10_000 }, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /').repeat(count))
    let most = 0
    const enough = (): boolean => {
      most = Math.max(most, calls * response - client.received.length)
      return client.received.length > 300_000
    }
    yield* readSlowly(client, 4000, enough)
    const bound = inFlight + 128 * KiB + 2 * response + 64 * KiB
    t.ok(most <= bound, `at most ${most} bytes were answered and not read; bound ${bound}; seed ${seed}`)
    while (client.received.length < count * response) if (!(yield* client.more())) break
    const responses = yield* client.responses(count)
    t.equal(responses.length, count, 'all are answered once it reads')
    t.equal(calls, count)
    t.equal(log.of('error').length, 0)
  })
})

t.test('a reader that stops while its next request is read', async (t) => {
  const rests: Record<string, string> = {
    'the content': 'POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n123',
    'the head': 'GET /1 HTTP/1.1\r\n',
    'nothing at all': '',
  }
  for (const [what, rest] of Object.entries(rests)) {
    const settings = {
      send_timeout: 5, request_header_timeout: 10, request_body_timeout: 10, keepalive_idle_timeout: 10,
    }
    await virtually(settings, sized, function* ({ connect, log }: World) {
      // Together they are more than the network holds, and little enough that the server goes on to the next request.
      const client = yield* connect(request('GET /80000').repeat(3) + rest)
      yield* lev.sleep(60)
      t.strictSame(log.of('error'), [], `${what}: no fault of the server, no line about one`)
      t.strictSame(log.statuses().slice(0, 3), [200, 200, 200])
      t.strictSame(log.statuses().slice(3), what === 'the content' ? [499] : [], what)
      const { ending } = yield* drained(client)
      t.equal(ending, 'reset', `${what}: cut`)
    })
  }
})

t.test('two clients: one that does not read costs the other nothing', async (t) => {
  await virtually({}, sized, function* ({ connect }: World) {
    const stuck = yield* connect(request('GET /100000').repeat(50))
    const client = yield* connect()
    for (let k = 1; k <= 20; k++) {
      const before = lev.now()
      client.send(request('GET /10'))
      yield* client.responses(k)
      t.ok(lev.now() - before < tolerance, 'answered at once')
    }
    t.equal(stuck.received.length, 0)
  })
})

/** Reads to the end, whatever comes. */
function* drained(client: VirtualClient): Op<{ ending: 'end' | 'reset' | null }> {
  while (yield* client.more());
  return { ending: client.ending }
}
