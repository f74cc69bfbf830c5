import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { hc } from 'hono/client'
import type { WSContext, WSEvents } from 'hono/ws'
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import type { WebSocket } from '../../../../lib/index.js'
import { fromFetch, upgradeResponse, type FetchApplication, type FetchEnv } from '../../../../lib/web/fetch/index.js'
import { getConnInfo, upgradeWebSocket } from '../../../../lib/web/hono/index.js'
import { eventually, gate, request, serve } from '../../../support/serving.js'
import { virtually, type World } from '../../../support/virtual.js'
import { closeFrame, frame, handshake, opcodes, Peer } from '../../websocket/wire.js'

const { text, binary } = opcodes

/** Serves `app` in a virtual world. */
function inWorld(app: { fetch: FetchApplication }, tell: (world: World) => lev.Op<void>): Promise<void> {
  return virtually({}, fromFetch(app.fetch), tell)
}

t.test('a conversation', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  const told: unknown[] = []
  app.get('/chat/:room', upgradeWebSocket((c) => ({
    onOpen(event, ws) {
      told.push([event.type, ws.readyState, ws.url?.href, ws.protocol])
      ws.send(`welcome to ${c.req.param('room')}`)
    },
    async onMessage(event, ws) {
      await Promise.resolve()
      told.push(typeof event.data === 'string' ? event.data : [...new Uint8Array(event.data)])
      ws.send(event.data)
      ws.send(Uint8Array.of(7))
    },
    onClose: ({ code, reason, wasClean }, ws) => told.push([code, reason, wasClean, ws.readyState]),
  }), { protocols: ['chat'] }))
  app.get('/chat/:room', (c) => c.text('no WebSocket'))
  await inWorld(app, function* (world) {
    const peer = new Peer(yield* world.connect(handshake({ 'Sec-WebSocket-Protocol': 'other, chat' }, 'GET /chat/blue HTTP/1.1')))
    t.match(yield* peer.head(), /^HTTP\/1.1 101 .*\r\nSec-WebSocket-Protocol: chat\r\n/s)
    peer.send(frame(text, 'hello'), frame(binary, Buffer.from([1, 2])), closeFrame(4000, 'done'))
    t.strictSame(yield* peer.all(), ['text welcome to blue', 'text hello', 'binary 07', 'binary 0102', 'binary 07', 'close 4000'])
    const plain = yield* world.connect(request('GET /chat/blue'))
    t.equal((yield* plain.responses(1))[0]?.body.toString(), 'no WebSocket')
    plain.stream.close()
  })
  t.strictSame(told, [['open', 1, 'http://test/chat/blue', 'chat'], 'hello', [1, 2], [4000, 'done', true, 3]])
})

t.test('headers of the application and its middleware are those of the 101, and its refusals are sent', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  let opened = 0
  app.use(cors({ origin: 'https://a.test' }), async (c, next) => {
    await next()
    if (c.req.query('late') !== undefined) c.res = c.text('refused late', 403)
    c.header('X-After', '1')
    c.header('Set-Cookie', 'a=1', { append: true })
    c.header('Set-Cookie', 'b=2', { append: true })
  })
  app.get('/ws', async (c, next) => {
    if (c.req.query('token') === undefined) return c.text('who are you?', 401)
    return await next()
  }, upgradeWebSocket((c) => {
    if (c.req.query('token') === 'bad') throw new HTTPException(403, { message: 'not you' })
    return { onOpen: () => opened++ }
  }, { origins: ['https://a.test'] }))
  app.get('/own', (c) => {
    return upgradeWebSocket(c, {}).then((response) => {
      response.headers.set('Sec-WebSocket-Protocol', 'mine')
      return response
    })
  })
  app.get('/native', (c) => upgradeResponse(c.env.ctx, function* (ws) {
    yield* ws.send('native')
  }))
  await inWorld(app, function* (world) {
    const answers: [target: string, status: number, body: RegExp][] = [
      ['/ws', 401, /who are you/], ['/ws?token=bad', 403, /not you/], ['/ws?token=1&late', 403, /refused late/], ['/own', 500, /^/],
    ]
    for (const [target, status, body] of answers) {
      const client = yield* world.connect(handshake({}, `GET ${target} HTTP/1.1`))
      const [response] = yield* client.responses(1)
      t.equal(response?.status, status, target)
      t.match(response?.body.toString(), body)
    }
    t.match(world.log.of('error'), [{ err: { message: /sec-websocket-protocol.*set by the handshake/i } }])
    for (const [name, value, status] of [['Origin', 'https://evil.test', 403], ['Sec-WebSocket-Key', 'x', 400]] as const) {
      const client = yield* world.connect(handshake({ [name]: value }, 'GET /ws?token=1 HTTP/1.1'))
      t.equal((yield* client.responses(1))[0]?.status, status, name)
    }
    t.equal(opened, 0)
    const peer = new Peer(yield* world.connect(handshake({ Origin: 'https://a.test' }, 'GET /ws?token=1 HTTP/1.1')))
    const head = yield* peer.head()
    t.match(head, /^HTTP\/1.1 101 /)
    t.match(head, /\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n/i)
    t.match(head, /\r\nx-after: 1\r\n/i)
    t.match(head, /\r\naccess-control-allow-origin: https:\/\/a.test\r\n/i)
    t.equal(head.match(/\r\nupgrade:/gi)?.length, 1)
    t.notMatch(head, /content-/i)
    const native = new Peer(yield* world.connect(handshake({}, 'GET /native HTTP/1.1')))
    yield* native.head()
    t.strictSame(yield* native.take(2), ['text native', 'close 1000'])
  })
})

t.test('what a function throws goes to onError and the log, and closes with 1011', async (t) => {
  for (const where of ['onOpen', 'onMessage', 'onClose'] as const) {
    const app = new Hono<{ Bindings: FetchEnv }>()
    const told: string[] = []
    const fail = (): never => {
      throw new Error(where)
    }
    app.get('/chat', upgradeWebSocket(() => ({
      onError: (event) => told.push(`error ${(event as unknown as { error: Error }).error.message}`),
      onClose: ({ code }) => told.push(`close ${code}`),
      [where]: where === 'onMessage' ? async () => fail() : fail,
    })))
    await inWorld(app, function* (world) {
      const peer = yield* Peer.open(world)
      peer.send(frame(text, 'x'))
      if (where === 'onClose') peer.send(closeFrame(1000))
      t.strictSame(yield* peer.all(), [where === 'onClose' ? 'close 1000' : 'close 1011'])
      t.match(world.log.of('error'), [{ err: { message: where } }])
    })
    t.strictSame(told, where === 'onClose' ? ['error onClose'] : [`error ${where}`, 'close 1011'])
  }
})

t.test('an error of onError does not hide the one that it was told of', async (t) => {
  for (const [second, logged] of [['second', ['first', 'second']], ['first', ['first']]] as const) {
    const first = new Error('first')
    const app = new Hono<{ Bindings: FetchEnv }>()
    app.get('/chat', upgradeWebSocket(() => ({
      onOpen: () => { throw first },
      onError: () => { throw second === 'first' ? first : new Error(second) },
    })))
    await inWorld(app, function* (world) {
      const peer = yield* Peer.open(world)
      t.strictSame(yield* peer.all(), ['close 1011'])
      const { err } = world.log.of('error')[0] as { err: Error & { errors?: Error[] } }
      t.strictSame((err.errors ?? [err]).map(({ message }) => message), logged)
    })
  }
})

t.test('a function that waits while the server stops has not failed', async (t) => {
  const told: string[] = []
  const app = new Hono<{ Bindings: FetchEnv }>()
  app.get('/chat', upgradeWebSocket(() => ({
    onOpen: () => void told.push('open'),
    onMessage: () => new Promise(() => told.push('message')),
    onError: () => told.push('error'),
    onClose: ({ code }) => told.push(`close ${code}`),
  })))
  await inWorld(app, function* (world) {
    const peer = yield* Peer.open(world)
    peer.send(frame(text, 'x'))
    yield* lev.sleep(1)
    yield* lev.wait(world.server.stop({ drain: 0 }))
    t.strictSame(world.log.of('error'), [])
  })
  t.strictSame(told, ['open', 'message', 'close 1001'])
})

t.test('events that are no object are an error before the handshake', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  app.onError((error, c) => c.text(error.message, 500))
  app.get('/chat', upgradeWebSocket((async () => undefined) as unknown as () => WSEvents<WebSocket>))
  await inWorld(app, function* (world) {
    const client = yield* world.connect(handshake({}, 'GET /chat HTTP/1.1'))
    const [response] = yield* client.responses(1)
    t.match(response?.body.toString(), /upgradeWebSocket: the events must be an object of functions, got undefined/)
    client.stream.close()
  })
})

t.test('it ends when its client is lost, does not respond, or sends too much, and when the server stops', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  const codes: (readonly [number, boolean])[] = []
  let sent = 0
  app.get('/chat', upgradeWebSocket(() => ({
    onMessage: ({ data }, ws) => {
      if (data === 'flood') for (; ws.readyState === 1 && sent < 10_000; sent++) ws.send('x'.repeat(1000))
      ws.send('nobody is there')
    },
    onClose: ({ code, wasClean }) => codes.push([code, wasClean]),
  }), { max_message_size: 10, ping_interval: 5, pong_timeout: 5, close_timeout: 1 }))
  await inWorld(app, function* (world) {
    const lost = yield* Peer.open(world)
    lost.client.stream.reset()
    yield* lev.sleep(0.1)
    t.strictSame(codes.splice(0), [[1006, false]])
    const silent = yield* Peer.open(world)
    yield* lev.sleep(4)
    t.strictSame(silent.shown, [])
    yield* silent.take(1)
    t.strictSame(silent.shown, ['ping'])
    yield* lev.sleep(6)
    t.strictSame(codes.splice(0), [[1006, false]])
    const large = yield* Peer.open(world)
    large.send(frame(text, 'eleven char'))
    t.match((yield* large.all())[0], /^close 1009/)
    t.match(codes.splice(0), [[1009, true]])
    const slow = yield* Peer.open(world)
    slow.send(frame(text, 'flood'))
    yield* lev.sleep(3)
    t.strictSame(codes.splice(0), [[1008, true]], 'a client that does not read is closed, and nothing is lost in silence')
    t.ok(sent < 5000, `${sent} messages were sent`)
    slow.client.stream.close()
    const last = yield* Peer.open(world)
    void world.server.stop({ drain: 5 })
    t.match((yield* last.take(1))[0], /^close 1001/)
    last.client.stream.close()
    yield* lev.sleep(0.1)
    t.match(codes.splice(0), [[1001, true]])
  })
})

t.test('with bindings of its own; and without those of fromFetch', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv & { DB: string } }>()
  app.get('/chat', upgradeWebSocket((c) => ({ onOpen: (_event, ws) => ws.send(c.env.DB) })))
  await virtually({}, fromFetch((given, env) => app.fetch(given, { ...env, DB: 'database' })), function* (world: World) {
    const peer = yield* Peer.open(world)
    t.strictSame(yield* peer.take(1), ['text database'])
    peer.client.stream.close()
  })
  app.onError((error, c) => c.text(error.message))
  t.match(await (await app.request('/chat', { headers: { Upgrade: 'websocket' } })).text(), /c\.env\.ctx must be that of fromFetch/)
  t.throws(() => upgradeWebSocket(() => ({}), { origins: 'none' as '*' }), { code: 'LEVERET_CONFIG', message: /origins/ })
})

t.test('the client that Node.js has, over a real port', { skip: typeof globalThis.WebSocket === 'undefined' }, async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  const closed = gate()
  app.get('/chat', upgradeWebSocket(() => ({ onMessage: ({ data }, ws) => ws.send(data), onClose: () => closed.open() })))
  const { port } = await serve(t, {}, fromFetch(app.fetch))
  const client = new globalThis.WebSocket(`ws://127.0.0.1:${port}/chat`)
  const received: unknown[] = []
  client.addEventListener('open', () => client.send('hello'))
  client.addEventListener('message', ({ data }) => received.push(data))
  await eventually(() => received.length > 0, 'the echo')
  t.strictSame(received, ['hello'])
  client.close()
  await closed.opened
})

t.test('types fit those of Hono', async (t) => {
  const events: WSEvents = { onMessage: (event, ws) => ws.send(String(event.data)) }
  const raw = (ws: WSContext<WebSocket>): number => ws.raw?.unsent ?? 0
  const app = new Hono<{ Bindings: FetchEnv }>().get('/ws/:room', upgradeWebSocket(() => ({ ...events, onOpen: (_event, ws) => void raw(ws) }))).get('/plain', (c) => c.text('x'))
  t.equal(app.routes.length, 2)
  const client = hc<typeof app>('http://127.0.0.1')
  t.equal(typeof client.ws[':room'].$ws, 'function')
})

t.test('getConnInfo', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  app.get('/', (c) => c.json(getConnInfo(c)))
  const { connect } = await serve(t, {}, fromFetch(app.fetch))
  const client = await connect(request('GET /'))
  const [response] = await client.responses(1, ['GET'])
  t.strictSame(JSON.parse(response.body.toString()), {
    remote: { address: '127.0.0.1', addressType: 'IPv4', port: client.socket.localPort, transport: 'tcp' },
  })
})
