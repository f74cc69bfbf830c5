import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Handler } from '../../../lib/index.js'
import { request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

// Handlers that take the connection over: they read and write on ctx.client themselves, and return undefined.

const established = 'HTTP/1.1 200 Connection established\r\n\r\n'

/** A tunnel that leads back: what comes in goes out, in capitals. */
const tunnel: Handler = function* (method, query, _args, _headers, _body, ctx) {
  if (method !== 'CONNECT') return `no tunnel ${query}`
  yield* ctx.client.write(established)
  for (let bytes = yield* ctx.client.read(); bytes !== null; bytes = yield* ctx.client.read()) {
    yield* ctx.client.write(bytes.toString('latin1').toUpperCase())
  }
  return undefined
}

const connectRequest = 'CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\n'

t.test('a tunnel by CONNECT', async (t) => {
  const { connect, log } = await serve(t, { half_close: 'answer' }, tunnel)
  const client = await connect(`${connectRequest}early bytes `)
  await client.until(() => (client.text.endsWith('EARLY BYTES ') ? true : undefined), 'what was sent behind the head')
  for (let k = 0; k < 50; k++) client.send(`piece ${k} `)
  await client.until(() => (client.text.endsWith('PIECE 49 ') ? true : undefined), 'the echo')
  client.send('x'.repeat(1_000_000))
  client.end()
  t.equal(await client.over, 'end')
  t.ok(client.text.endsWith('X'.repeat(1_000_000)), 'all that was sent before the end')
  t.ok(client.text.startsWith(`${established}EARLY`), 'and nothing of the server\'s own')
  t.equal(log.of('error').length + log.of('warn').length, 0)
  t.match(log.of('access')[0], { method: 'CONNECT', query: 'far.test:443', size: client.received.length })
})

t.test('a 2xx to CONNECT from a handler that returns it: neither a length nor content, and no request behind it', async (t) => {
  const page = 'x'.repeat(9000)
  const headers = { 'Content-Length': page.length, 'Content-Type': 'text/html' }
  const responses: Record<string, Handler> = {
    text: () => [page, 200, headers],
    bytes: () => [Buffer.from(page), 299],
    nothing: () => null,
    empty: () => ['', 204],
    iterable: () => [new Set([page])],
    *coroutine() {
      yield* lev.sleep(0.001)
      return [function* (out) { yield* out.write(page) }, 200, headers]
    },
    async: async () => await Promise.resolve(page),
  }
  for (const [what, handle] of Object.entries(responses)) {
    for (const version of ['1.1', '1.0']) {
      const { connect, log } = await serve(t, {}, handle)
      const client = await connect(connectRequest.replace('HTTP/1.1', `HTTP/${version}`).replace('\r\n\r\n', '\r\nAccept-Encoding: gzip\r\n\r\n') + request('GET /'))
      t.equal(await client.over, 'end')
      t.ok(client.text.endsWith('\r\n\r\n') && client.text.indexOf('\r\n\r\n') === client.text.length - 4, `${what}: no content`)
      t.notMatch(client.text, /content-length|transfer-encoding|content-encoding/i, what)
      t.match(client.text, /^HTTP\/1\.1 2/)
      t.strictSame(log.of('access').map(({ size }) => size), [0], `${what}: one request`)
      t.strictSame(log.of('error'), [])
    }
  }
  const { ask } = await serve(t, {}, () => ['no', 403])
  t.match(await ask(connectRequest), { framing: 'length', status: 403 }, 'another status has content')
})

t.test('a tunnel has no deadline; when its client is lost, it ends', async (t) => {
  for (const half_close of ['answer', 'cancel'] as const) {
    await virtually({ half_close }, tunnel, function* ({ connect, log }: World) {
      const client = yield* connect(connectRequest)
      for (let k = 0; k < 5; k++) {
        client.send('still there ')
        const before = client.received.length
        while (client.received.length < before + 10) yield* client.more()
        yield* lev.sleep(500)
      }
      t.strictSame(log.statuses(), [])
      if (half_close === 'answer') client.stream.reset()
      else yield* client.stream.end()
      yield* lev.sleep(1)
      t.equal(log.statuses().length, 1, 'its line')
      t.notOk(client.text.includes('HTTP/1.1 5'), 'no response of the server\'s into the tunnel')
      client.stream.close()
    })
  }
})

t.test('a tunnel with backpressure: neither side holds more than the windows', async (t) => {
  await virtually({ half_close: 'answer' }, tunnel, function* ({ connect }: World) {
    const client = yield* connect(connectRequest)
    let sent = 0
    const sending = lev.spawn(function* () {
      for (; sent < 5_000_000; sent += 10_000) yield* client.stream.write('y'.repeat(10_000))
      yield* client.stream.end()
    })
    yield* lev.sleep(5)
    t.ok(sent < 1_500_000, `${sent} of 5,000,000 bytes were taken while no task read`)
    while (yield* client.more());
    yield* sending.join()
    t.equal(client.received.length, established.length + 5_000_000)
  })
})

t.test('a handler that switches protocols', async (t) => {
  const handle: Handler = function* (_method, _query, _args, headers, _body, ctx) {
    if (headers['upgrade'] !== 'shout') return 'plain'
    ctx.client.put('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n')
    const bytes = yield* ctx.client.read()
    yield* ctx.client.write(`${String(bytes).toUpperCase()}!`)
    yield* ctx.client.end()
    return undefined
  }
  const { connect } = await serve(t, {}, handle)
  const client = await connect(request('GET /', { Connection: 'Upgrade', Upgrade: 'shout' }))
  await client.until(() => (client.text.endsWith('\r\n\r\n') ? true : undefined), 'the switch')
  client.send('hello')
  t.equal(await client.over, 'end')
  t.ok(client.text.endsWith('\r\n\r\nHELLO!'))
})

t.test('a handler that closes the connection itself', async (t) => {
  const ways: Record<string, Handler> = {
    close: (_method, _query, _args, _headers, _body, ctx) => void ctx.client.close(),
    reset: (_method, _query, _args, _headers, _body, ctx) => void ctx.client.reset(),
    responses: (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.close()
      return 'too late'
    },
    coroutine: function* (_method, _query, _args, _headers, _body, ctx) {
      ctx.client.close()
      yield* lev.sleep(0.001)
      return 'too late'
    },
    fails: (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.close()
      throw new Error('too late')
    },
  }
  for (const [what, handle] of Object.entries(ways)) {
    let calls = 0
    const { connect, log } = await serve(t, {}, (...args) => {
      calls++
      return handle(...args)
    })
    const client = await connect(request('GET /') + request('GET /behind'))
    await client.over
    t.equal(client.received.length, 0, what)
    t.equal(calls, 1, `${what}: nothing that was sent behind it is served`)
    t.equal(log.of('error').length, what === 'fails' ? 1 : 0, `${what}: errors`)
    t.equal(log.of('warn').length, 0, `${what}: no client waits`)
  }
})
