import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { UpgradeError, websocket, type Message, type WebSocket, type WebSocketClientOptions, type WebSocketOptions } from '../../../lib/index.js'
import { developmentIdentities } from '../../../tls/index.js'
import { InflateBudget } from '../../../lib/websocket/inflate-budget.js'
import { PerMessageDeflate } from '../../../lib/websocket/deflate.js'
import { failure } from '../../../testing/virtual.js'
import { seed } from '../../support/seed.js'
import { eventually, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'
import { echo, story, upgrading } from '../websocket/chat.js'
import { frame, frames, opcodes, show } from '../websocket/wire.js'
import { accepted, rawServer, type RawServer } from './raw-server.js'

function* urlOf(world: World, path = ''): Op<string> {
  const { port } = yield* lev.wait(world.server.listening)
  return `ws://127.0.0.1:${port}${path}`
}

function virtual<T>(main: () => Op<T>): Promise<T> {
  return lev.run(main, { driver: lev.memory({ seed }) })
}

/** What becomes of a handshake that a server responds to with `response`, and whether the connection was released. */
function* handshakeWith(response: (head: string) => string, options?: WebSocketClientOptions): Op<{ error: unknown; open: number }> {
  return yield* rawServer(function* (stream, head) {
    yield* stream.write(Buffer.from(response(head), 'latin1'))
  }, function* ({ port, open }) {
    const error = yield* failure(websocket(`ws://127.0.0.1:${port}/`, options))
    yield* lev.sleep(1)
    return { error, open: open() }
  })
}

t.test('a conversation: path, query, headers, subprotocol, messages, closing', async (t) => {
  const seen: unknown[] = []
  await virtually({}, (_method, query, args, headers, _body, ctx) => {
    seen.push(query, args, headers.host, headers['x-a'], headers.cookie, headers.origin)
    return ctx.upgrade(function* (ws) {
      yield* echo(ws)
      seen.push(ws.protocol, ws.closeCode, ws.closeReason)
    }, { protocols: ['v1'], origins: ['https://one.test'] })
  }, function* (world) {
    const url = yield* urlOf(world, '/a%20b?c=d')
    const headers = { 'X-A': ['1', true], Cookie: 'a=b', Origin: 'https://one.test', 'X-None': null }
    const ws = yield* websocket(url, { protocols: ['v2', 'v1'], headers })
    t.equal(ws.protocol, 'v1')
    t.equal(ws.remote.port, Number(new URL(url).port))
    const large = Buffer.alloc(200_000, 'large ')
    for (const message of ['hi', 'ü', '', large, Buffer.alloc(0)]) {
      yield* ws.send(message)
      t.same(yield* ws.next(), message)
    }
    ws.close(4000, 'enough')
    t.same([ws.closeCode, yield* ws.next()], [4000, null])
    yield* lev.sleep(1)
    t.same(seen, ['/a%20b', 'c=d', new URL(url).host, '1, true', 'a=b', 'https://one.test', 'v1', 4000, 'enough'])
  })
})

t.test('what the server does while no task reads is noticed: pings, a close', async (t) => {
  await rawServerStory(function* (stream, head) {
    yield* stream.write(Buffer.concat([Buffer.from(accepted(head)), frame(opcodes.text, 'early', { mask: null }), frame(opcodes.ping, 'p', { mask: null })]))
    yield* lev.sleep(5)
    yield* stream.write(frame(opcodes.close, Buffer.from([0x03, 0xf4]), { mask: null }))
  }, function* (server) {
    const ws = yield* websocket(`http://127.0.0.1:${server.port}`)
    yield* lev.sleep(2)
    t.same(sent(server), ['pong p'], 'masked, as a client has to')
    yield* lev.sleep(10)
    t.equal(yield* ws.next(), 'early')
    t.equal(yield* ws.next(), null)
    t.equal(ws.closeCode, 1012)
    t.equal(server.open(), 0)
  })
})

function rawServerStory<T>(serveOne: Parameters<typeof rawServer>[0], tell: (server: RawServer) => Op<T>): Promise<T> {
  return virtual(() => rawServer(serveOne, tell))
}

/** The frames of a server's only client, in short. @throws for one that is not masked */
function sent({ received }: RawServer): string[] {
  const bytes = Buffer.from(received[0].slice(received[0].indexOf('\r\n\r\n') + 4), 'latin1')
  const found = frames(bytes).frames
  if (!found.every(({ masked }) => masked)) throw new Error('a frame that is not masked')
  return found.map(show)
}

t.test('compression, both ways, whatever was agreed on', async (t) => {
  const text = JSON.stringify(Array.from({ length: 500 }, (_, at) => ({ at, name: `name ${at % 7}` })))
  const cases: [string, WebSocketClientOptions['compression'], WebSocketOptions['compression'], boolean][] = [
    ['defaults', undefined, undefined, false],
    ['null', null, null, false],
    ['default options', true, {}, true],
    ['not offered by default', undefined, true, false],
    ['not taken by default', true, undefined, false],
    ['contexts', { server_no_context_takeover: false, client_no_context_takeover: false }, { server_no_context_takeover: false, client_no_context_takeover: false }, true],
    ['only the client would', { server_no_context_takeover: false, client_no_context_takeover: false }, true, true],
    ['small windows', { server_max_window_bits: 9, client_max_window_bits: 10, server_no_context_takeover: false }, { server_no_context_takeover: false }, true],
    ['not offered', false, true, false],
    ['not taken', true, false, false],
  ]
  for (const [name, compression, served, packed] of cases) {
    await story(echo, function* (world) {
      const ws = yield* websocket(yield* urlOf(world), compression === undefined ? {} : { compression })
      for (const message of [text, 'short', Buffer.from(text), text]) {
        const size = yield* ws.send(message)
        t.equal(size < message.length, packed && message.length > 1024, name)
        t.same(yield* ws.next(), message, name)
      }
    }, served === undefined ? {} : { compression: served })
  }
})

t.test('over TLS: verified by default', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const ca = readFileSync(made.ca)
  const { port } = await serve(t, { ssl: made.ssl }, upgrading(echo))
  const url = `wss://localhost:${port}/`
  const untrusted = lev.run(() => websocket(url))
  await t.rejects(untrusted, { code: 'LEVERET_REQUEST', cause: { code: 'LEV_HANDSHAKE' } } as never)
  await t.rejects(lev.run(() => websocket(url, { tls: { ca, serverName: 'other.test' } })), { code: 'LEVERET_REQUEST' })
  await t.rejects(lev.run(() => websocket(url, { tls: { ca: 'no certificate', cert: 'none' } })), { code: 'LEVERET_IDENTITY' })
  for (const tls of [{ ca }, { verify: false }]) {
    await lev.run(function* () {
      const ws = yield* websocket(new URL(url), { tls })
      yield* ws.send('secret')
      t.equal(yield* ws.next(), 'secret')
    })
  }
  await story(echo, function* (world) {
    const ws = yield* websocket((yield* urlOf(world)).replace('ws:', 'wss:').replace('127.0.0.1', 'localhost'), { tls: { ca } })
    yield* ws.send('on the memory driver')
    t.equal(yield* ws.next(), 'on the memory driver')
  }, {}, { ssl: made.ssl })
})

t.test('a program need not close: the WebSocket ends with what else is in its scope', async (t) => {
  const heard: Message[] = []
  let code: number | null = null
  const { port } = await serve(t, {}, upgrading(function* (ws) {
    for (let one = yield* ws.next(); one !== null; one = yield* ws.next()) heard.push(one)
    code = ws.closeCode
  }))
  const large = 'x'.repeat(500_000)
  await lev.run(function* () {
    const ws = yield* websocket(`ws://localhost:${port}`)
    ws.trySend('first')
    ws.trySend(large)
  })
  t.same([heard, code], [['first', large], 1001], 'and all that was said has arrived')
})

t.test('which scope that is', (t) => story(echo, function* (world) {
  const url = yield* urlOf(world)
  // The helper that opens it ends before, and so does the time limit.
  const ws = yield* lev.timeout(5, websocket(url))
  yield* lev.sleep(60)
  t.ok(ws.isOpen)
  const inner = yield* lev.scope(function* () {
    const opened = yield* websocket(url)
    lev.spawn(() => lev.sleep(1))
    return opened
  })
  t.equal(inner.closeCode, 1001)
  let last: WebSocket | null = null
  const error = yield* failure(lev.scope(function* () {
    const opened = last = yield* websocket(url)
    lev.spawn(function* () {
      yield* lev.sleep(1)
      throw new Error('another task')
    })
    yield* opened.next()
  }))
  t.match(error, { message: 'another task' })
  t.equal((last as WebSocket | null)?.closeCode, 1001)
  t.ok(ws.isOpen)
}))

t.test('a server that does not respond to a close is left after close_timeout', (t) => rawServerStory(function* (stream, head) {
  yield* stream.write(accepted(head))
}, function* (server) {
  const before = lev.now()
  yield* lev.scope(function* () {
    yield* websocket(`ws://127.0.0.1:${server.port}`, { close_timeout: 3 })
  })
  t.ok(Math.abs(lev.now() - before - 3) < 0.1)
  yield* lev.sleep(1)
  t.same(sent(server), ['close 1001'])
  t.equal(server.open(), 0)
}))

t.test('a server that sends bombs', async (t) => {
  const agreement = { server_no_context_takeover: true, client_no_context_takeover: true, server_max_window_bits: 15, client_max_window_bits: 15 }
  const size = 1024 * 1024
  const packed = new PerMessageDeflate(agreement, { level: 9, min_size: 0 }, false, new InflateBudget(), { now: 0 }).compress(Buffer.alloc(size))
  const bomb = frame(opcodes.binary, packed, { mask: null, rsv: 4 })
  await rawServerStory(function* (stream, head) {
    yield* stream.write(accepted(head, 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n'))
    yield* stream.write(Buffer.concat(Array.from({ length: 100 }, () => bomb)))
  }, function* (server) {
    const ws = yield* websocket(`ws://127.0.0.1:${server.port}`, { compression: true })
    let inflated = 0
    for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) inflated += message.length
    t.ok(inflated >= size && inflated < 20 * size + 100 * 100 * bomb.length, `${inflated / size} MiB of ${100 * bomb.length} bytes`)
    t.match([ws.closeCode, ws.closeReason], [1008, /compressed too well/])
    yield* lev.sleep(0.1)
    t.match(sent(server).at(-1), /^close 1008/)
  })
})

t.test('cancelling says goodbye and waits for nothing', (t) => rawServerStory(function* (stream, head) {
  yield* stream.write(accepted(head))
}, function* (server) {
  const before = lev.now()
  yield* failure(lev.scope(function* (scope) {
    const ws = yield* websocket(`ws://127.0.0.1:${server.port}`)
    scope.cancel()
    yield* ws.next()
  }))
  t.ok(lev.now() - before < 0.1)
  yield* lev.sleep(1)
  t.same(sent(server), ['close 1001'])
  t.equal(server.open(), 0)
}))

t.test('one that is opened while its scope is being cancelled does not stay', (t) => rawServerStory(function* (stream, head) {
  yield* stream.write(accepted(head))
}, function* (server) {
  yield* lev.scope(function* (scope) {
    scope.cancel()
    const ws = yield* lev.shield(websocket(`ws://127.0.0.1:${server.port}`))
    t.notOk(ws.isOpen)
  })
  yield* lev.sleep(1)
  t.equal(server.open(), 0)
}))

t.test('a server that vanishes is found out', (t) => rawServerStory(function* (stream, head) {
  yield* stream.write(accepted(head))
}, function* ({ port }) {
  const ws = yield* websocket(`ws://127.0.0.1:${port}`, { ping_interval: 5, pong_timeout: 2 })
  t.equal(yield* ws.next(), null)
  t.equal(ws.closeCode, 1006)
  t.ok(Math.abs(lev.now() - 7) < 0.1)
}))

t.test('a server that does not read is given up', (t) => virtual(function* () {
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  const opening = lev.spawn(() => websocket(`ws://127.0.0.1:${listener.address.port}`, { ping_interval: 0 }))
  const server = yield* listener.accept()
  const head = yield* server?.read() ?? lev.sleep(0)
  yield* server?.write(accepted(String(head))) ?? lev.sleep(0)
  const ws = yield* opening.join()
  ws.trySend('x'.repeat(1_000_000))
  t.match(yield* failure(ws.send('x'.repeat(1_000_000))), { code: 'LEV_CLOSED' })
  t.ok(Math.abs(lev.now() - 30) < 1)
  listener.close()
}))

t.test('a server that breaks the rules is told so', (t) => rawServerStory(function* (stream, head) {
  yield* stream.write(Buffer.concat([Buffer.from(accepted(head)), frame(opcodes.text, 'masked')]))
}, function* (server) {
  const ws = yield* websocket(`ws://127.0.0.1:${server.port}`)
  t.equal(yield* ws.next(), null)
  t.equal(ws.closeCode, 1002)
  yield* lev.sleep(3)
  t.match(sent(server), ['close 1002'])
}))

t.test('interim responses are skipped, within bounds', (t) => virtual(function* () {
  const interim = (count: number) => (head: string): string =>
    `HTTP/1.1 100 Continue\r\n\r\n${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(count)}${accepted(head)}`
  yield* rawServer(function* (stream, head) {
    for (const byte of interim(3)(head)) yield* stream.write(byte)
    yield* stream.write(frame(opcodes.text, 'hi', { mask: null }))
  }, function* ({ port }) {
    const ws = yield* websocket(`ws://127.0.0.1:${port}`)
    t.equal(yield* ws.next(), 'hi')
  })
  t.match(yield* handshakeWith(interim(16)), { open: 0, error: { code: 'LEVERET_REQUEST', message: /more than 16 interim responses/ } })
}))

t.test('responses that make no WebSocket', (t) => virtual(function* () {
  const cases: [string, (head: string) => string, object, WebSocketClientOptions?][] = [
    ['refused', () => 'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno', { status: 401, headers: { 'www-authenticate': 'Basic' }, message: /responded with 401/ }],
    ['moved', () => 'HTTP/1.1 302 \r\nLocation: ws://other.test/\r\n\r\n', { status: 302, headers: { location: 'ws://other.test/' } }],
    ['not upgraded', () => 'HTTP/1.1 200 OK\r\n\r\n', { status: 200 }],
    ['HTTP/1.0', (head) => accepted(head).replace('HTTP/1.1', 'HTTP/1.0'), { status: 101, message: /HTTP\/1\.0/ }],
    ['another key', () => accepted(''), { status: 101, message: /Sec-WebSocket-Accept/ }],
    ['no Upgrade', (head) => accepted(head).replace('Upgrade: websocket', 'A: b'), { status: 101 }],
    ['no Connection', (head) => accepted(head).replace('Connection: Upgrade', 'A: b'), { status: 101 }],
    ['a protocol not asked for', (head) => accepted(head, 'Sec-WebSocket-Protocol: b\r\n'), { status: 101, message: /subprotocol/ }, { protocols: ['a'] }],
    ['two protocols', (head) => accepted(head, 'Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n'), { status: 101 }, { protocols: ['a', 'b'] }],
    ['an extension not asked for', (head) => accepted(head, 'Sec-WebSocket-Extensions: permessage-deflate\r\n'), { status: 101 }, { compression: false }],
  ]
  for (const [name, response, expected, options] of cases) {
    const { error, open } = yield* handshakeWith(response, options)
    t.type(error, UpgradeError, name)
    t.match(error, { code: 'LEVERET_UPGRADE', ...expected }, name)
    t.equal(open, 0, `${name}: the connection is released`)
  }
}))

t.test('responses that cannot be read', (t) => virtual(function* () {
  const cases: [string, RegExp][] = [
    ['SSH-2.0-OpenSSH_9.2\r\n', /malformed status line/],
    ['HTTP/1.1 101 x\nUpgrade: websocket\r\n', /bare LF/],
    ['HTTP/2.0 101 x\r\n\r\n', /unsupported HTTP version/],
    [`HTTP/1.1 101 ${'x'.repeat(9000)}`, /header line limit violation: 8193/],
    [`HTTP/1.1 101 x\r\n${'a: b\r\n'.repeat(101)}`, /header count limit violation: 101/],
    [`HTTP/1.1 101 x\r\n${`a: ${'x'.repeat(8000)}\r\n`.repeat(9)}`, /header size limit violation: 65537/],
  ]
  for (const [response, message] of cases) {
    t.match(yield* handshakeWith(() => response), { open: 0, error: { code: 'LEVERET_REQUEST', message } }, response.slice(0, 40))
  }
  for (const [sent, message] of [['', /closed the connection without a response/], ['HTTP/1.1 101 Sw', /within the head of its response/]] as const) {
    const error = yield* rawServer(function* (stream) {
      yield* stream.write(sent)
      stream.close()
    }, ({ port }) => failure(websocket(`ws://127.0.0.1:${port}`)))
    t.match(error, { code: 'LEVERET_REQUEST', message })
  }
}))

t.test('no listener; no response; a client that gives up', (t) => rawServerStory(function* (stream) {
  yield* stream.write('HTTP/1.1 1')
}, function* ({ port, open }) {
  const url = `ws://127.0.0.1:${port}`
  t.match(yield* failure(websocket('ws://127.0.0.1:1')), { code: 'LEVERET_REQUEST', cause: { code: 'LEV_ADDRESS' } })
  for (const scheme of ['ws', 'wss']) {
    const before = lev.now()
    t.type(yield* failure(websocket(`${scheme}://127.0.0.1:${port}`, { handshake_timeout: 2 })), lev.TimeoutError)
    t.ok(Math.abs(lev.now() - before - 2) < 0.1)
  }
  yield* lev.sleep(1)
  t.equal(open(), 0)
  // Cancelled after ever more steps: while it connects, before the response, during it.
  for (const after of [0, 0.0005, 0.001, 0.002, 0.01, 1]) {
    const task = lev.spawn(() => websocket(url))
    yield* lev.sleep(after)
    task.cancel()
    t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
    yield* lev.sleep(1)
    t.equal(open(), 0, `${after} s`)
  }
}))

t.test('bad arguments name themselves, and nothing is sent', (t) => rawServerStory(function* () {}, function* ({ port, received }) {
  const good = `ws://127.0.0.1:${port}`
  const cases: [string, string | URL, unknown, RegExp?][] = [
    ['url', '', undefined],
    ['url', 'no url', undefined],
    ['url', 'ftp://x', undefined, /ws: or wss:/],
    ['url', `${good}/#a`, undefined, /fragment/],
    ['url', `${good}/#`, undefined, /fragment/],
    ['url', `ws://me:secret@127.0.0.1:${port}`, undefined, /^(?!.*secret).*Authorization/],
    ['url', 'ws://127.0.0.1:0', undefined],
    ['url', 'ws://127.0.0.1:70000', undefined],
    ['options', good, 'v1'],
    ['options', good, null],
    ['protocol', good, { protocol: 'v1' }, /did you mean protocols/],
    ['handshakeTimeout', good, { handshakeTimeout: 1 }, /did you mean handshake_timeout/],
    ['origins', good, { origins: 'same' }],
    ['protocols', good, { protocols: 'v1' }],
    ['protocols[1]', good, { protocols: ['a', 'b c'] }],
    ['protocols', good, { protocols: ['a', 'a'] }, /twice/],
    ['protocols', good, { protocols: () => 'a' }],
    ['headers', good, { headers: new Headers({ a: 'b' }) }],
    ['headers', good, { headers: { Upgrade: 'h2c' } }],
    ['headers', good, { headers: { 'Sec-WebSocket-Key': 'x' } }],
    ['headers', good, { headers: { 'Content-Length': 5 } }],
    ['headers', good, { headers: { a: '1', A: '2' } }, /twice/],
    ['headers', good, { headers: { 'a b': '1' } }],
    ['headers', good, { headers: { a: 'b\r\nc: d' } }],
    ['headers', good, { headers: { a: {} } }],
    ['headers.Host', good, { headers: { Host: ['a', 'b'] } }],
    ['tls', good, { tls: true }],
    ['tls.rejectUnauthorized', good, { tls: { rejectUnauthorized: false } }],
    ['tls.verify', good, { tls: { verify: 0 } }],
    ['tls.serverName', good, { tls: { serverName: '' } }],
    ['handshake_timeout', good, { handshake_timeout: 0 }],
    ['handshake_timeout', good, { handshake_timeout: Infinity }],
    ['max_message_size', good, { max_message_size: -1 }],
    ['compression', good, { compression: 'yes' }],
    ['compression.level', good, { compression: { level: 10 } }],
    ['on_full', good, { on_full: 'drop' }],
  ]
  for (const [argument, url, options, message = /./] of cases) {
    t.match(yield* failure(websocket(url, options as WebSocketClientOptions)), { code: 'LEVERET_ARGUMENT', argument, message }, argument)
  }
  yield* lev.sleep(1)
  t.same(received, [])
}))

t.test('on the wire', (t) => rawServerStory(function* (stream, head) {
  yield* stream.write(accepted(head))
}, function* ({ port, received }) {
  yield* websocket(`ws://127.0.0.1:${port}/ü?a b`, { compression: true, protocols: ['a', 'b'], headers: { host: 'other.test', 'X-A': 1 }, close_timeout: 0.01 })
  const head = received[0].replace(/(?<=Key: ).*(?=\r\n)/, '?')
  t.equal(head, 'GET /%C3%BC?a%20b HTTP/1.1\r\nhost: other.test\r\nX-A: 1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: ?\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n' +
    'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits\r\n\r\n')
  yield* websocket(`ws://127.0.0.1:${port}`, { close_timeout: 0.01 })
  t.match(received[1], `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade`)
  t.notMatch(received[1], 'Extensions')
}))

t.test('a server that stops says 1001, and both sides are released', async (t) => {
  const { port, server } = await serve(t, {}, upgrading(echo))
  let code: number | null = null
  const client = lev.run(function* () {
    const ws = yield* websocket(`ws://127.0.0.1:${port}`)
    yield* ws.next()
    code = ws.closeCode
  })
  await eventually(() => server.listening !== null, 'it listens')
  await new Promise((resolve) => setTimeout(resolve, 50))
  await server.stop()
  await client
  t.equal(code, 1001)
})
