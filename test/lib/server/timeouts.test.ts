import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { Handler } from '../../../lib/index.js'
import { valueOf } from '../../support/responses.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

/** Seconds by which a deadline may be off: 50 ms late, and the time on the virtual network, either way. */
const tolerance = 0.06

const echo: Handler = (_method, _query, _args, _headers, body) => String(body?.length ?? -1)

function atTime(t: Test, actual: number, expected: number, what: string): void {
  t.ok(Math.abs(actual - expected) <= tolerance, `${what}: at ${actual} s, expected ${expected} s`)
}

/** Sends `bytes` one by one, one every `every` seconds, until all are sent or the connection has ended. */
function* drip(client: VirtualClient, bytes: string, every: number): Op<void> {
  for (const byte of bytes) {
    if (!client.stream.isOpen || client.ending !== null) return
    client.send(byte)
    yield* lev.sleep(every)
  }
}

const worlds = [{}, { seed: 7, segment: 1 }, { seed: 8, segment: 5 }, { seed: 9, segment: 100 }]

t.test('keepalive_idle_timeout: an idle connection is closed without a word', async (t) => {
  for (const options of worlds) {
    await virtually({ keepalive_idle_timeout: 15, request_header_timeout: 10 }, echo, function* ({ connect, log }: World) {
      const silent = yield* connect()
      const began = lev.now()
      const { responses, at, ending } = yield* silent.all()
      t.equal(responses.length, 0)
      t.equal(ending, 'end')
      atTime(t, at, began + 10, 'a connection that never says a thing is under request_header_timeout')

      const client = yield* connect(request('GET /'))
      yield* client.responses(1)
      const responded = lev.now()
      yield* lev.sleep(15.5)
      client.send(request('GET /'))
      yield* client.responses(2)
      const again = lev.now()
      atTime(t, again, responded + 15.5, 'a request on its way when the time is over that the client was told')
      const last = yield* client.all()
      t.equal(last.responses.length, 2, 'nothing is sent when it is over')
      atTime(t, last.at, again + 16, 'the time counts from the last response')
      t.strictSame(log.statuses(), [200, 200])
    }, options)
  }
})

t.test('a response that keeps its connection alive tells for how long', async (t) => {
  const handle: Handler = (_method, query) => {
    if (query === '/stream') return [async function* () { yield 'streamed' }()]
    if (query === '/fail') throw new Error('as it should')
    return query === '/close' ? ['', 200, { Connection: 'close' }] : 'plain'
  }
  await virtually({ keepalive_idle_timeout: 7.5, requests_per_connection: 5 }, handle, function* ({ connect }: World) {
    const alive = ['keep-alive', 'timeout=7']
    const closing = ['close', undefined]
    for (const [line, expected] of [
      ['GET /', alive], ['HEAD /', alive], ['GET /stream', alive], ['GET /fail', alive], ['GET /close', closing],
      ['GET / HTTP/1.0', closing], ['BAD\tREQUEST /', closing],
    ] as const) {
      const client = yield* connect(request(line))
      const [response] = yield* client.responses(1, [line.split(' ')[0]])
      t.strictSame([valueOf(response, 'connection'), valueOf(response, 'keep-alive')], expected, line)
      client.stream.close()
    }
    const old = yield* connect(request('GET / HTTP/1.0', { Connection: 'keep-alive' }))
    const [response] = yield* old.responses(1)
    t.strictSame([valueOf(response, 'connection'), valueOf(response, 'keep-alive')], alive)
    const told = lev.now()
    atTime(t, (yield* old.all()).at, told + 8.5, 'a second later than told, and the fraction')

    const many = yield* connect(request('GET /').repeat(5))
    const { responses } = yield* many.all()
    t.strictSame(responses.map((one) => valueOf(one, 'keep-alive')), [...Array<string>(4).fill('timeout=7'), undefined])
  })
})

t.test('request_header_timeout: 408 for a head that drips, however steadily', async (t) => {
  for (const options of worlds) {
    await virtually({ request_header_timeout: 10 }, echo, function* ({ connect, log }: World) {
      const client = yield* connect()
      yield* lev.sleep(3)
      const began = lev.now()
      const head = `GET / HTTP/1.1\r\nHost: test\r\nX-Long: ${'x'.repeat(200)}\r\n\r\n`
      const dripping = lev.spawn(() => drip(client, head, 0.1))
      const { responses, at, ending } = yield* client.all()
      dripping.cancel()
      t.equal(ending, 'end')
      t.strictSame(responses.map(({ status }) => status), [408])
      t.match(responses[0].body.toString(), 'request header timeout')
      atTime(t, at, began + 10, 'from its first byte, not from its last')
      t.strictSame(log.statuses(), [408])
      t.equal(log.of('error').length, 0)
    }, options)
  }
})

t.test('request_header_timeout: the second head of a connection, begun behind the first', async (t) => {
  await virtually({ request_header_timeout: 10 }, echo, function* ({ connect }: World) {
    const client = yield* connect(request('GET /') + 'GET /')
    yield* client.responses(1)
    const began = lev.now()
    const { responses, at } = yield* client.all()
    t.strictSame(responses.map(({ status }) => status), [200, 408])
    atTime(t, at, began + 10, 'half a head that came with the request before')
  })
})

t.test('a head within its time is answered, even if only just', async (t) => {
  await virtually({ request_header_timeout: 10 }, echo, function* ({ connect }: World) {
    const text = request('GET /')
    const client = yield* connect()
    lev.spawn(() => drip(client, text, 9.5 / text.length))
    const [response] = yield* client.responses(1)
    t.equal(response.status, 200)
  })
})

t.test('blank lines are no request: the connection is as idle as before, and no 408 comes', async (t) => {
  await virtually({ request_header_timeout: 10, keepalive_idle_timeout: 15 }, echo, function* ({ connect }: World) {
    const client = yield* connect(request('POST /', {}, 'x') + '\r\n')
    yield* client.responses(1)
    const { responses } = yield* client.all()
    t.strictSame(responses.map(({ status }) => status), [200], 'an unasked 408 would be taken for the next response')
  })
})

t.test('request_body_timeout: 408 for content that stops', async (t) => {
  for (const options of worlds) {
    for (const framing of ['Content-Length: 10\r\n\r\n1234', 'Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n']) {
      await virtually({ request_body_timeout: 30, min_transfer_rate: 500 }, echo, function* ({ connect, log }: World) {
        const client = yield* connect(`POST / HTTP/1.1\r\nHost: test\r\n${framing}`)
        const began = lev.now()
        const { responses, at, ending } = yield* client.all()
        t.equal(ending, 'end')
        t.strictSame(responses.map(({ status }) => status), [408])
        t.match(responses[0].body.toString(), 'request body timeout')
        atTime(t, at, began + 30 + 4 / 500, 'its time and its bytes at min_transfer_rate')
        t.strictSame(log.statuses(), [408])
        t.equal(log.of('error').length, 0)
      }, options)
    }
  }
})

t.test('min_transfer_rate: one byte a second is cut', async (t) => {
  await virtually({ request_body_timeout: 30, min_transfer_rate: 500 }, echo, function* ({ connect }: World) {
    const client = yield* connect('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n')
    const began = lev.now()
    const dripping = lev.spawn(() => drip(client, 'x'.repeat(1000), 1))
    const { responses, at } = yield* client.all()
    dripping.cancel()
    t.strictSame(responses.map(({ status }) => status), [408])
    atTime(t, at, began + 30 + 31 / 500, 'thirty bytes buy it thirty times 2 ms')
  })
})

t.test('min_transfer_rate: an upload at a fair rate may take as long as it takes', async (t) => {
  await virtually({ request_body_timeout: 30, min_transfer_rate: 500 }, echo, function* ({ connect }: World) {
    for (const chunked of [false, true]) {
      const framing = chunked ? 'Transfer-Encoding: chunked' : 'Content-Length: 120000'
      const client = yield* connect(`POST / HTTP/1.1\r\nHost: test\r\n${framing}\r\n\r\n`)
      const began = lev.now()
      for (let sent = 0; sent < 120_000; sent += 600) {
        client.send((chunked ? '258\r\n' : '') + 'x'.repeat(600) + (chunked ? '\r\n' : ''))
        yield* lev.sleep(1)
      }
      if (chunked) client.send('0\r\n\r\n')
      const [response] = yield* client.responses(1)
      t.equal(response.body.toString(), '120000')
      t.ok(lev.now() - began > 190, 'far longer than request_body_timeout')
    }
  })
})

t.test('min_transfer_rate 0: request_body_timeout is all that a body gets', async (t) => {
  await virtually({ request_body_timeout: 30, min_transfer_rate: 0 }, echo, function* ({ connect }: World) {
    const client = yield* connect('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n')
    const began = lev.now()
    const dripping = lev.spawn(() => drip(client, 'x'.repeat(1000), 0.1))
    const { responses, at } = yield* client.all()
    dripping.cancel()
    t.strictSame(responses.map(({ status }) => status), [408])
    atTime(t, at, began + 30, 'no more and no less')
  })
})

t.test('the handler has all the time it wants: no timeout of reading reaches into it', async (t) => {
  const handle: Handler = function* () {
    yield* lev.sleep(1000)
    return 'late'
  }
  await virtually({}, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('POST /', {}, 'body'))
    const began = lev.now()
    const [response] = yield* client.responses(1)
    t.equal(response.body.toString(), 'late')
    atTime(t, lev.now(), began + 1000, 'after its sleep')
    t.strictSame(log.statuses(), [200])
    const time = log.of('access')[0].time
    t.ok(typeof time === 'number' && time >= 1000 && time < 1000.1, `the log says how long: ${String(time)}`)
  })
})

t.test('content that no handler reads holds its connection for 2 s, whatever request_body_timeout is', async (t) => {
  for (const options of worlds) {
    for (const framing of ['Content-Length: 10\r\n\r\n1234', 'Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n']) {
      await virtually({ buffer_body: () => false }, () => 'unread', function* ({ connect }: World) {
        const client = yield* connect(`POST / HTTP/1.1\r\nHost: test\r\n${framing}`)
        const began = lev.now()
        const { responses, at, ending } = yield* client.all()
        t.equal(ending, 'end')
        t.strictSame(responses.map(({ status }) => status), [200])
        atTime(t, at, began + 2, 'its rest is waited for')
      }, options)
    }
  }
})
