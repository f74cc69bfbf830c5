import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Handler } from '../../../lib/index.js'
import { saysClose } from '../../support/responses.js'
import { eventually, request, serve } from '../../support/serving.js'

// What timeouts and disconnects are to do is tested in virtual time; here, that they happen on real sockets as well.

t.test('timeouts: idle, head, body, one byte after another', async (t) => {
  const settings = { keepalive_idle_timeout: 0.1, request_header_timeout: 0.1, request_body_timeout: 0.1 }
  const { connect, log } = await serve(t, settings, (_method, query) => query)
  const idle = await connect()
  t.equal((await idle.all()).length, 0)
  t.equal(await idle.over, 'end')
  const kept = await connect(request('GET /'))
  t.equal((await kept.all()).length, 1)

  const slow = async (start: string, more: string): Promise<void> => {
    const client = await connect(start)
    const drip = setInterval(() => client.send(more), 10)
    const responses = await client.all()
    clearInterval(drip)
    t.strictSame(responses.map(({ status }) => status), [408], start)
    t.ok(saysClose(responses[0]))
    t.equal(await client.over, 'end')
    client.close()
  }
  await Promise.all([
    slow('G', 'E'),
    slow('GET / HTTP/1.1\r\nHost: t\r\n', 'X'),
    slow('POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n', 'x'),
    slow('POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n'),
  ])
  t.strictSame(log.statuses(), [200, 408, 408, 408, 408])
  t.strictSame(log.of('error'), [])
})

t.test('send_timeout: a client that does not read is cut, and what was for it is let go', async (t) => {
  const { connect, ask, log } = await serve(
    t, { send_timeout: 0.2 }, (_method, query) => (query === '/' ? 'x' : Buffer.alloc(50_000_000)),
  )
  const client = await connect()
  client.socket.pause()
  client.send(request('GET /large'))
  await eventually(() => log.statuses().length > 0, 'its line')
  t.strictSame(log.statuses(), [499])
  t.strictSame(log.of('error'), [])
  client.socket.resume()
  await client.over
  t.ok(client.received.length < 50_000_000, 'the connection is lost')
  t.equal((await ask(request('GET /'))).status, 200)
})

for (const leave of ['end', 'close', 'reset'] as const) {
  t.test(`a client that goes away (${leave}): its handler is cancelled`, async (t) => {
    const events: string[] = []
    const handle: Handler = (_method, query, _args, _headers, _body, ctx) => {
      ctx.signal.addEventListener('abort', () => events.push(`${query} aborted`))
      if (query === '/async') return new Promise((resolve) => ctx.signal.addEventListener('abort', () => resolve('x')))
      return (function* () {
        try {
          yield* lev.sleep(3000)
          return 'x'
        } finally {
          events.push(`${query} ended`)
        }
      })()
    }
    const { connect, log } = await serve(t, {}, handle)
    const clients = [await connect(request('GET /generator')), await connect(request('POST /async', {}, 'x'))]
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.strictSame(events, [])
    for (const client of clients) client[leave]()
    await eventually(() => log.statuses().length === 2, 'their lines')
    t.strictSame(log.statuses(), [499, 499])
    t.strictSame([...events].sort(), ['/async aborted', '/generator aborted', '/generator ended'])
    t.strictSame(log.of('error'), [])
  })
}

t.test('a client that is still there is not taken for gone', async (t) => {
  const handle: Handler = function* (_method, query, _args, _headers, _body, ctx) {
    yield* lev.sleep(0.02)
    return `${query} ${ctx.signal.aborted}`
  }
  const { connect, log } = await serve(t, {}, handle)
  const client = await connect(request('POST /1', {}, 'x'.repeat(100_000)))
  await client.responses(1)
  client.send(request('POST /2', { 'Transfer-Encoding': 'chunked' }, '3\r\nabc\r\n0\r\n\r\n'))
  await new Promise((resolve) => setTimeout(resolve, 5))
  client.send(request('GET /3') + request('GET /4'))
  await client.responses(4)
  client.end()
  const responses = await client.all()
  t.strictSame(responses.map(({ body }) => body.toString()), ['/1 false', '/2 false', '/3 false', '/4 false'])
  t.strictSame(log.statuses(), [200, 200, 200, 200])
})

t.test('half_close: answer', async (t) => {
  const handle: Handler = function* () {
    yield* lev.sleep(0.05)
    return 'answered'
  }
  const { connect, log } = await serve(t, { half_close: 'answer' }, handle)
  const client = await connect(request('GET /'))
  client.end()
  const responses = await client.all()
  t.strictSame(responses.map(({ body }) => body.toString()), ['answered'])
  const lost = await connect(request('GET /'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  lost.reset()
  await eventually(() => log.statuses().length === 2, 'its line')
  t.strictSame(log.statuses(), [200, 499])
})
