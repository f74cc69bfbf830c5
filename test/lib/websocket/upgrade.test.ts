import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDeflateRaw, inflateRawSync } from 'node:zlib'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import { PerMessageDeflate } from '../../../lib/websocket/deflate.js'
import { InflateBudget } from '../../../lib/websocket/inflate-budget.js'
import { WebSocket } from '../../../lib/websocket/websocket.js'
import { developmentIdentities } from '../../../tls/index.js'
import { keptLog } from '../../support/kept-log.js'
import { seed } from '../../support/seed.js'
import { serve } from '../../support/serving.js'
import { virtually } from '../../support/virtual.js'
import { echo, story, upgrading } from './chat.js'
import { closeFrame, frame, handshake, key, opcodes, Peer } from './wire.js'

const { text, binary } = opcodes

t.test('what is no good handshake is answered, and the handler never runs', async (t) => {
  let ran = false
  await story(function* () {
    ran = true
  }, function* (world) {
    const table: [headers: Record<string, string | null>, line: string, status: number, ends: boolean][] = [
      [{ Upgrade: null, Connection: null }, 'GET / HTTP/1.1', 426, false],
      [{ Upgrade: 'h2c' }, 'GET / HTTP/1.1', 426, true],
      [{}, 'POST / HTTP/1.1', 426, true],
      [{ Connection: 'keep-alive' }, 'GET / HTTP/1.0', 426, false],
      [{ 'Sec-WebSocket-Version': '8' }, 'GET / HTTP/1.1', 426, true],
      [{ 'Sec-WebSocket-Key': 'short' }, 'GET / HTTP/1.1', 400, true],
      [{ Origin: 'https://evil.test' }, 'GET / HTTP/1.1', 403, true],
      [{ 'Content-Length': '2' }, 'GET / HTTP/1.1', 400, true],
    ]
    for (const [headers, line, status, ends] of table) {
      const client = yield* world.connect(handshake(headers, line) + ('Content-Length' in headers ? 'ab' : ''))
      const [response] = yield* client.responses(1)
      t.equal(response?.status, status, `${line} ${JSON.stringify(headers)}`)
      const connection = response?.fields.find(([name]) => name === 'connection')?.[1] ?? ''
      t.equal(/close/.test(connection), ends)
      if (status === 426) t.match(connection, /Upgrade/)
      if (ends) t.equal((yield* client.all()).ending, 'end')
    }
    t.strictSame(world.log.statuses(), table.map(([, , status]) => status))
  }, { origins: ['https://good.test'] })
  t.notOk(ran)
})

t.test('a server that has both pages and WebSockets', async (t) => {
  await virtually({}, (_method, query, _args, _headers, _body, ctx) => {
    if (ctx.wantsWebSocket) return ctx.upgrade(echo, { protocols: ['chat'] })
    return `page ${query}`
  }, function* (world) {
    const client = yield* world.connect('GET /a HTTP/1.1\r\nHost: test\r\n\r\n')
    t.equal((yield* client.responses(1))[0]?.body.toString(), 'page /a')
    client.send(handshake({ 'Sec-WebSocket-Protocol': 'other, chat' }))
    while (!client.text.includes(' 101 ')) yield* client.more()
    t.match(client.text, '\r\nSec-WebSocket-Protocol: chat\r\n', 'the second request of its connection')
    client.send(closeFrame(1000))
    while (yield* client.more());
  })
})

t.test('headers of the 101', async (t) => {
  const table: [headers: server.ResponseHeaders, sent: RegExp | null][] = [
    [{ 'Set-Cookie': ['a=1', 'b=2'], Date: 'today' }, /\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: today\r\n/],
    [{ UPGRADE: 'h2c' }, null],
    [{ 'sec-websocket-protocol': 'chat' }, null],
    [{ 'Content-Length': '3' }, null],
    [{ 'X-A': 'a\r\nb' }, null],
    [new Map([['a', 'b']]) as never, null],
  ]
  for (const [headers, sent] of table) {
    await virtually({}, (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(echo, null, headers), function* (world) {
      const client = yield* world.connect(handshake())
      while (!client.text.includes('\r\n\r\n')) yield* client.more()
      t.match(client.text, sent ?? /^HTTP\/1.1 500 /, JSON.stringify(headers))
      t.equal(world.log.of('error').length, sent === null ? 1 : 0)
      client.stream.close()
    })
  }
})

t.test('handlers of every kind', async (t) => {
  const kinds: Record<string, server.Handler> = {
    coroutine: function* (_m, _q, _a, _h, _b, ctx) {
      yield* lev.sleep(0.1)
      return ctx.upgrade(echo)
    },
    async: async (_m, _q, _a, _h, _b, ctx) => {
      await Promise.resolve()
      return ctx.upgrade(echo)
    },
    plain: (_m, _q, _a, _h, _b, ctx) => ctx.upgrade(echo),
    'async inside': (_m, _q, _a, _h, _b, ctx) => ctx.upgrade(async (ws) => {
      await Promise.resolve()
      ws.trySend('x')
    }),
    'plain inside': (_m, _q, _a, _h, _b, ctx) => ctx.upgrade((ws) => {
      ws.trySend('x')
    }),
  }
  for (const [kind, handler] of Object.entries(kinds)) {
    await virtually({}, handler, function* (world) {
      const peer = yield* Peer.open(world, {}, frame(text, 'x'))
      t.equal((yield* peer.take(1))[0], 'text x', kind)
      peer.send(closeFrame(1000))
      t.strictSame((yield* peer.all()).at(-1), 'close 1000')
      t.strictSame(world.log.statuses(), [101])
    })
  }
})

t.test('options that cannot be', async (t) => {
  const bad: [options: Record<string, unknown>, key: string][] = [
    [{ protocol: ['a'] }, 'protocol'], [{ protocols: 'a' }, 'protocols'], [{ protocols: ['a b'] }, 'protocols[0]'],
    [{ origins: 'https://a.test' }, 'origins'], [{ origins: true }, 'origins'], [{ origins: ['*'] }, 'origins[0]'], [{ origins: ['a.test'] }, 'origins[0]'], [{ origins: ['https://a.test/'] }, 'origins[0]'],
    [{ max_message_size: -1 }, 'max_message_size'], [{ ping_interval: '30' }, 'ping_interval'], [{ pong_timeout: 0 }, 'pong_timeout'],
    [{ close_timeout: 0 }, 'close_timeout'], [{ queue_limit: 0 }, 'queue_limit'], [{ on_full: 'drop' }, 'on_full'],
    [{ compression: 1 }, 'compression'], [{ compression: { level: 10 } }, 'compression.level'], [{ compression: { window: 1 } }, 'compression.window'],
    [{ compression: { server_max_window_bits: 7 } }, 'compression.server_max_window_bits'],
    [{ message_rate: 10 }, 'message_rate'], [{ message_rate: {} }, 'message_rate.rate'], [{ message_rate: { rate: 0 } }, 'message_rate.rate'],
    [{ message_rate: { rate: 1, per: 0 } }, 'message_rate.per'], [{ message_rate: { rate: 1, burst: 0.5 } }, 'message_rate.burst'],
    [{ message_rate: { rate: 1, window: 1 } }, 'message_rate.window'],
  ]
  await virtually({ log_level: 'error' }, (_m, _q, _a, _h, _b, ctx) => {
    for (const [options, key] of bad) t.throws(() => ctx.upgrade(echo, options), { name: 'ConfigError', key }, JSON.stringify(options))
    t.throws(() => Reflect.apply(ctx.upgrade, ctx, ['echo']), { name: 'ConfigError', key: 'handle' })
    return 'done'
  }, function* (world) {
    yield* (yield* world.connect('GET / HTTP/1.1\r\nHost: test\r\n\r\n')).responses(1)
  })
})

t.test('only pages of the same origin may connect, unless options say otherwise', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const ca = readFileSync(made.ca)
  const handler: server.Handler = (_m, query, _a, _h, _b, ctx) => ctx.upgrade(echo, query === '/open' ? { origins: '*' } : { origins: null })
  for (const scheme of ['http', 'https']) {
    const { port } = await serve(t, scheme === 'https' ? { ssl: made.ssl } : {}, handler)
    const own = `//localhost:${port}`
    const statusFor = (origin: string | undefined, path: string, host = `localhost:${port}`) => lev.run(function* () {
      try {
        const ws = yield* server.websocket(`${scheme.replace('http', 'ws')}:${own}${path}`, { tls: { ca }, headers: { Host: host, Origin: origin } })
        yield* ws.send('x')
        t.equal(yield* ws.next(), 'x')
        ws.close()
        return 101
      } catch (error) {
        return error instanceof server.UpgradeError ? error.status : error
      }
    })
    t.equal(await statusFor(undefined, '/'), 101, 'no browser')
    t.equal(await statusFor(`${scheme}:${own}`, '/'), 101)
    t.equal(await statusFor('https://evil.test', '/'), 403)
    t.equal(await statusFor('https://localhost', '/'), 403)
    t.equal(await statusFor('null', '/'), 403)
    t.equal(await statusFor('https://evil.test', '/open'), 101)
    // Of a page that came in the clear, to what it could not: any machine on its way may have written it.
    if (scheme === 'https') t.equal(await statusFor(`http:${own}`, '/'), 403)
    // Through a proxy that takes TLS off and passes Host on.
    else t.equal(await statusFor('https://localhost', '/', 'localhost'), 101)
  }
})

t.test('origin and protocol functions; one that throws is the handler\'s failure', async (t) => {
  await story(echo, function* (world) {
    const client = yield* world.connect(handshake())
    t.equal((yield* client.responses(1))[0]?.status, 500)
    t.match(world.log.of('error'), [{ err: { message: 'no' } }])
  }, {
    origins: () => {
      throw new Error('no')
    },
  })
})

t.test('compression is agreed on and used', async (t) => {
  const long = 'compress me, '.repeat(200)
  await story(echo, function* (world) {
    const offer = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }
    const peer = yield* Peer.open(world, offer)
    t.match(peer.client.text, '\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n')
    const agreement = { server_no_context_takeover: true, client_no_context_takeover: true, server_max_window_bits: 15, client_max_window_bits: 15 }
    const packed = new PerMessageDeflate(agreement, { level: 6, min_size: 0 }, true, new InflateBudget(), { now: 0 }).compress(Buffer.from(long))
    peer.send(frame(text, packed, { rsv: 4 }), frame(text, 'short'), frame(text, 'not packed '.repeat(100)))
    yield* peer.take(3)
    const [first, second, third] = peer.frames
    t.same([first?.rsv, second?.rsv, third?.rsv], [4, 0, 4], 'short ones are not worth it')
    t.ok((first?.content.length ?? 0) < long.length / 10)
    t.equal(inflateRawSync(first?.content ?? '', { finishFlush: 2 }).toString(), long)
    peer.send(frame(binary, packed, { rsv: 4 }), frame(binary, Buffer.concat([packed.subarray(0, 5), Buffer.from('damage')]), { rsv: 4 }))
    t.match((yield* peer.all()).at(-1), /^close 1007/)
  }, { compression: true })
  for (const compression of [undefined, null, false]) await story(echo, function* (world) {
    const peer = yield* Peer.open(world, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    t.notMatch(peer.client.text, 'Extensions')
    peer.send(frame(text, 'x', { rsv: 4 }))
    t.match(yield* peer.all(), [/^close 1002/])
  }, { compression })
})

t.test('a bomb of compressed data', async (t) => {
  const deflate = createDeflateRaw()
  const bomb = await new Promise<Buffer>((resolve) => {
    const parts: Buffer[] = []
    deflate.on('data', (part: Buffer) => parts.push(part))
    deflate.write(Buffer.alloc(100 << 20))
    deflate.flush(() => resolve(Buffer.concat(parts).subarray(0, -4)))
  })
  await story(echo, function* (world) {
    const peer = yield* Peer.open(world, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    peer.send(frame(binary, bomb, { rsv: 4 }))
    t.strictSame(yield* peer.all(), ['close 1009 the message is too big'])
  }, { compression: {} })
})

t.test('compressed data is bounded by what was sent: on one connection, on many, and no other connection notices', async (t) => {
  const MiB = 1024 * 1024
  const plain = { server_no_context_takeover: true, client_no_context_takeover: true, server_max_window_bits: 15, client_max_window_bits: 15 }
  const compressor = new PerMessageDeflate(plain, { level: 9, min_size: 0 }, true, new InflateBudget(), { now: 0 })
  const bomb = frame(binary, compressor.compress(Buffer.alloc(MiB)), { rsv: 4 })
  const data = JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id, name: 'somebody', room: 'general', text: 'hello', read: false })))
  const honest = frame(text, compressor.compress(Buffer.from(data)), { rsv: 4 })
  t.ok(data.length / honest.length > 15)
  const offer = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }
  let inflated = 0
  function* count(ws: server.WebSocket): lev.Op<void> {
    for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) {
      if (message.length === MiB) inflated += message.length
      else yield* ws.send(String(message.length))
    }
  }
  for (const perConnection of [100, 1]) {
    inflated = 0
    await story(count, function* (world) {
      const friend = yield* Peer.open(world, offer)
      let sent = 0
      for (let round = 0; sent < 100 * bomb.length; round++) {
        const peer = yield* Peer.open(world, offer, Buffer.concat(Array.from({ length: perConnection }, () => bomb)))
        sent += perConnection * bomb.length
        friend.send(honest)
        t.equal((yield* friend.take(round + 1)).at(-1), `text ${data.length}`)
        if (perConnection > 1) t.strictSame(yield* peer.all(), ['close 1008 the data is compressed too well'])
        else peer.client.stream.reset()
      }
      t.ok(inflated >= MiB, 'one that is that large is taken')
      t.ok(inflated < 20 * MiB + 100 * sent, `${inflated / MiB} MiB of ${sent} bytes`)
      yield* lev.sleep(1)
      const later = yield* Peer.open(world, offer, bomb)
      yield* lev.sleep(0.1)
      later.send(closeFrame(1000))
      t.strictSame(yield* later.all(), ['close 1000'], 'it is over when that is')
    }, { compression: true })
  }
})

t.test('process_request on a pipe', async (t) => {
  await lev.run(function* () {
    const log = keptLog()
    const served = server.new({ logger: log }, upgrading(echo))
    const [ours, theirs] = lev.pipe()
    yield* lev.scope(function* (around) {
      const done = around.spawn(() => served.process_request(theirs, '1.2.3.4', 1))
      ours.put(handshake())
      let head = ''
      while (!head.endsWith('\r\n\r\n')) head += ((yield* ours.read()) ?? '').toString('latin1')
      const ws = new WebSocket(ours, { client: true, protocol: '', compression: null }, {
        max_message_size: 1000, message_rate: null, ping_interval: 0, pong_timeout: 1, close_timeout: 1, queue_limit: 1000, on_full: 'wait',
      })
      t.equal(yield* ws.send('from one WebSocket to another'), 35)
      t.equal(yield* ws.next(), 'from one WebSocket to another')
      yield* ws.send(Buffer.alloc(300, 1))
      t.same(yield* ws.next(), Buffer.alloc(300, 1))
      ws.ping()
      ws.close(4321, 'enough')
      yield* ws.pump()
      t.equal(ws.closeCode, 4321)
      t.same(yield* done.join(), ['close', null])
      t.strictSame(log.statuses(), [101])
      ours.close()
      theirs.close()
    })
  }, { driver: lev.memory({ seed }) })
})

t.test('callbacks', async (t) => {
  const events: unknown[] = []
  const handle = server.webSocketCallbacks({
    open: (ws) => {
      events.push(['open', ws.trySend('welcome')])
    },
    *message(ws, message) {
      yield* lev.sleep(0.01)
      events.push(['message', message])
      if (message === 'flood') events.push(['sent', ws.trySend(Buffer.alloc(50_000)), ws.trySend(Buffer.alloc(60_000))])
      if (message === 'fail') throw new Error('in a callback')
    },
    drain: async () => {
      await Promise.resolve()
      events.push('drain')
    },
    close: (_ws, code, reason) => {
      events.push(['close', code, reason])
    },
  })
  const handler: server.Handler = (_m, _q, _a, _h, _b, ctx) => ctx.upgrade(handle, { queue_limit: 100_000 })
  await virtually({}, handler, function* (world) {
    const peer = yield* Peer.open(world, {}, Buffer.concat([frame(text, 'one'), frame(binary, Buffer.from([1])), frame(text, 'flood')]))
    yield* peer.take(2)
    yield* lev.sleep(1)
    peer.send(closeFrame(4000, 'bye'))
    yield* peer.all()
  })
  t.same(events, [
    ['open', 9], ['message', 'one'], ['message', Buffer.from([1])], ['message', 'flood'], ['sent', 50_004, 0], 'drain', ['close', 4000, 'bye'],
  ])
  events.length = 0
  await virtually({}, handler, function* (world) {
    const peer = yield* Peer.open(world, {}, frame(text, 'fail'))
    t.equal((yield* peer.take(2)).at(-1), 'close 1011')
    t.match(world.log.of('error'), [{ err: { message: 'in a callback' } }])
  })
  t.same(events.at(-1), ['close', 1011, ''])
  events.length = 0
  await virtually({}, handler, function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.wait(world.server.stop({ drain: 0 }))
    yield* peer.all()
  })
  t.match(events.at(-1), ['close', 1001])
})

t.test('callbacks that cannot be name themselves', async (t) => {
  for (const [argument, callbacks] of [['callbacks', undefined], ['callbacks', 5], ['open', { open: 5 }], ['onopen', { onopen() {} }]] as [string, never][]) {
    t.throws(() => server.webSocketCallbacks(callbacks), { code: 'LEVERET_ARGUMENT', argument })
  }
  t.type(server.webSocketCallbacks({ drain: undefined } as never), 'function')
})

t.test('a response that was begun cannot be upgraded', async (t) => {
  await virtually({}, (_m, _q, _a, _h, _b, ctx) => {
    ctx.client.put('HTTP/1.1 200 OK\r\n')
    return ctx.upgrade(echo)
  }, function* (world) {
    const client = yield* world.connect(handshake({ 'Sec-WebSocket-Key': key }))
    yield* client.more()
    t.notMatch(client.text, '101')
    t.match(world.log.of('error'), [{ err: { code: 'LEVERET_RESPONSE' } }])
  })
})
