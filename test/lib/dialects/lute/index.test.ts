import net from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'undici'
import * as lev from '../../../../lev/index.js'
import type { Config } from '../../../../lib/index.js'
import * as lute from '../../../../lib/dialects/lute/index.js'
import { curl } from '../../../support/curl.js'
import { keptLog, type KeptLog } from '../../../support/kept-log.js'
import { openResources } from '../../../support/memory.js'
import { RawClient } from '../../../support/raw-client.js'
import { valueOf } from '../../../support/responses.js'
import { eventually, gate, request } from '../../../support/serving.js'
import { VirtualClient } from '../../../support/virtual.js'
import { Certificates } from '../../../tls/certificates.js'
import { handshake } from '../../websocket/wire.js'

interface Started {
  readonly server: lute.Server
  readonly url: string
  readonly log: KeptLog
}

/** Serves on a port of the system's choice until the test is over. */
async function start(t: Test, config: lute.Configuration, settings: Config = {}): Promise<Started> {
  const log = keptLog()
  const server = await lute.serve({ port: 0, ...config }, { logger: log, ...settings })
  t.teardown(() => server.close())
  return { server, url: `http://127.0.0.1:${server.port}`, log }
}

/** A WebSocket client, open; what it is told. */
async function client(t: Test, url: string): Promise<{ ws: WebSocket; said: unknown[]; closed: Promise<{ code: number; reason: string }> }> {
  const ws = new WebSocket(url.replace('http', 'ws'))
  ws.binaryType = 'arraybuffer'
  const said: unknown[] = []
  ws.addEventListener('message', ({ data }: { data: unknown }) => said.push(data instanceof ArrayBuffer ? Buffer.from(data) : data))
  const closed = new Promise<{ code: number; reason: string }>((resolve) => ws.addEventListener('close', resolve))
  t.teardown(() => ws.close())
  await new Promise((resolve, reject) => {
    ws.addEventListener('open', resolve)
    ws.addEventListener('error', reject)
  })
  return { ws, said, closed }
}

t.test('serve: a handler alone, on the default address', async (t) => {
  const probe = net.createServer().listen(3000, '127.0.0.1')
  const free = await Promise.race([once(probe, 'listening').then(() => true), once(probe, 'error').then(() => false)])
  probe.close()
  if (!free) {
    t.comment('port 3000 is in use')
    return
  }
  await once(probe, 'close')
  const server = await lute.serve(() => 'hello', { log_level: 'error' })
  t.equal(server.hostname, '127.0.0.1')
  t.equal(server.port, 3000)
  t.equal((await curl(['http://127.0.0.1:3000/'])).text, 'hello')
  t.equal(server.close(), true)
  await eventually(() => openResources('TCPServerWrap') === 0, 'the server has stopped')
})

t.test('Configuration: hostname, port', async (t) => {
  const { server } = await start(t, { hostname: 'localhost', handler: () => 'hello' })
  t.equal(server.hostname, 'localhost')
  t.ok(server.port > 0)
  t.equal((await curl([`http://localhost:${server.port}/`])).text, 'hello')
  await t.rejects(lute.serve({ port: server.port, hostname: 'localhost' }), { name: 'BindError', code: 'LEVERET_BIND', port: server.port })
})

t.test('Configuration: reuseport', async (t) => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 22 || (major === 22 && minor < 12) || (major === 23 && minor < 1)) {
    await t.rejects(lute.serve({ port: 0, reuseport: true }), { name: 'BindError', message: /reusePort needs Node\.js 22\.12/ })
    return
  }
  const one = await start(t, { reuseport: true, handler: () => 'one' })
  const two = await start(t, { reuseport: true, port: one.server.port, handler: () => 'two' })
  t.equal(two.server.port, one.server.port)
  t.match((await curl([one.url])).text, /one|two/)
})

t.test('Configuration: tls', async (t) => {
  const certificates = new Certificates()
  t.teardown(() => certificates.remove())
  const ca = certificates.issue({ names: ['Authority'], ca: true })
  const host = certificates.issue({ names: ['localhost'], by: ca })
  const visitor = certificates.issue({ names: ['visitor'], by: ca, usage: 'clientAuth' })
  const stranger = certificates.issue({ names: ['stranger'], usage: 'clientAuth' })
  const tls = { certfilename: host.cert, keyfilename: host.key }
  const { server } = await start(t, { tls, handler: () => 'hello' })
  t.equal((await curl(['--cacert', ca.cert, `https://localhost:${server.port}/`])).text, 'hello')

  const guarded = await start(t, { tls: { ...tls, cafilename: ca.cert }, handler: () => 'come in' })
  const url = ['--cacert', ca.cert, `https://localhost:${guarded.server.port}/`]
  t.equal((await curl(url)).text, 'come in', 'a certificate is asked for, not demanded')
  t.equal((await curl(['--cert', stranger.cert, '--key', stranger.key, ...url])).text, 'come in', 'with one that no authority vouches for')
  t.match((await curl(['-v', '--stderr', '-', ...url])).text, /Request CERT/, 'it is asked for')
  t.notMatch((await curl(['-v', '--stderr', '-', '--cacert', ca.cert, `https://localhost:${server.port}/`])).text, /Request CERT/)
  t.equal((await curl(['--cert', visitor.cert, '--key', visitor.key, ...url])).text, 'come in')

  const locked = certificates.encrypted(host.key, 'open sesame')
  const secret = await start(t, { tls: { ...tls, keyfilename: locked, passphrase: 'open sesame' }, handler: () => 'hello' })
  t.equal((await curl(['--cacert', ca.cert, `https://localhost:${secret.server.port}/`])).text, 'hello')
  t.throws(() => lute.serve({ tls: { ...tls, keyfilename: locked, passphrase: 'wrong' } }), { name: 'IdentityError' })
})

t.test('Configuration: without a handler', async (t) => {
  const { url } = await start(t, {})
  t.match((await curl(['-i', url])).text, /^HTTP\/1\.1 404 Not Found\r\n/)
  const echo = await start(t, { websocket: { message: (ws, message) => void ws.send(message) } })
  t.match((await curl(['-i', echo.url])).text, /^HTTP\/1\.1 404 Not Found\r\n/)
  const { ws, said } = await client(t, echo.url)
  ws.send('hello')
  await eventually(() => said.length === 1, 'a response')
  t.strictSame(said, ['hello'])
})

t.test('Configuration: what is wrong is named', async (t) => {
  const cases: [config: unknown, key: string, message: RegExp][] = [
    [undefined, 'config', /^config must be a handler or a table/],
    [17, 'config', /got 17/],
    [[], 'config', /got an array/],
    [{ host: 'x' }, 'host', /^unknown setting host; did you mean port\?|^unknown setting host/],
    [{ hostnam: 'x' }, 'hostnam', /did you mean hostname\?/],
    [{ hostname: 5 }, 'hostname', /^hostname must be an IP address or a host name, got 5/],
    [{ port: '80' }, 'port', /did you mean the number 80\?/],
    [{ port: 65536 }, 'port', /65535/],
    [{ reuseport: 1 }, 'reuseport', /^reuseport must be true or false, got 1/],
    [{ tls: true }, 'tls', /^tls must be a table of certfilename/],
    [{ tls: {} }, 'tls.certfilename', /^tls\.certfilename is missing/],
    [{ tls: { certfilename: 'a' } }, 'tls.keyfilename', /^tls\.keyfilename is missing/],
    [{ tls: { certfilename: 1, keyfilename: 'b' } }, 'tls.certfilename', /^tls\.certfilename must be the path of a file, got a number/],
    [{ tls: { certfilename: 'a', keyfilename: '' } }, 'tls.keyfilename', /path of a file/],
    [{ tls: { certfilename: 'a', keyfilename: 'b', passphrase: 1 } }, 'tls.passphrase', /must be a string/],
    [{ tls: { certfilename: 'a', keyfilename: 'b', cafilename: 1 } }, 'tls.cafilename', /path of a file/],
    [{ tls: { certfile: 'a' } }, 'tls.certfile', /unknown/],
    [{ handler: 'x' }, 'handler', /^handler must be a function, got "x"/],
    [{ websocket: () => {} }, 'websocket', /^websocket must be a table of open, message, close, drain/],
    [{ websocket: { opne: () => {} } }, 'websocket.opne', /did you mean websocket\.open\?/],
    [{ websocket: { open: 1 } }, 'websocket.open', /^websocket\.open must be a function, got 1/],
  ]
  for (const [config, key, message] of cases) {
    t.throws(() => lute.serve(config as lute.Configuration), { name: 'ConfigError', code: 'LEVERET_CONFIG', key, message }, key)
  }
  t.throws(() => lute.serve({}, { port: 80 } as Config), { name: 'ConfigError', key: 'port', message: /it is what port says/ })
  t.throws(() => lute.serve({}, { ssl: null } as Config), { name: 'ConfigError', key: 'ssl', message: /it is what tls says/ })
  t.throws(() => lute.serve({}, 5 as Config), { name: 'ConfigError', key: 'settings' })
  t.throws(() => lute.serve({}, { send_timeout: 0 }), { name: 'ConfigError', key: 'send_timeout' })
  t.throws(() => lute.serve({ tls: { certfilename: '/nowhere', keyfilename: '/nowhere' } }), { name: 'IdentityError', file: '/nowhere' })
  const nothing = { hostname: null, port: 0, reuseport: null, tls: null, handler: null, websocket: { open: null, drain: null } }
  const server = await lute.serve(nothing, { log_level: 'error' })
  t.ok(server.close(), 'null is not given')
})

t.test('ReceivedRequest', async (t) => {
  const { url, server } = await start(t, {
    handler(request, ...rest) {
      t.strictSame(rest, [server], 'the server is the one that serve gave')
      t.equal(request.query.constructor, undefined)
      return JSON.stringify(request)
    },
  })
  const ask = async (...args: string[]): Promise<Record<string, unknown>> => JSON.parse((await curl(args)).text) as Record<string, unknown>
  const got = await ask('-H', 'X-Thing: One', '-H', 'X-Thing: Two', `${url}/a%20b/c?x=1&y=a+b%21&x=2&flag&%C3%B6=%E2%82%AC`)
  t.match(got, { method: 'GET', path: '/a%20b/c', body: '' })
  t.strictSame(got.query, { 'ö': '€', flag: '', x: '1', y: 'a b!' })
  t.match(got.headers, { 'x-thing': 'One, Two', host: url.slice(7), accept: '*/*' })
  t.match(await ask('-d', 'grüße', url), { method: 'POST', path: '/', body: 'grüße', query: {} })
  t.match(await ask('-X', 'PUT', '-H', 'Transfer-Encoding: chunked', '-d', 'pieces', url), { method: 'PUT', body: 'pieces' })
  const { url: binary } = await start(t, { handler: ({ bytes }) => bytes.toString('hex') })
  t.equal((await curl(['--data-binary', '\xff', binary])).text, 'c3bf')
  t.equal((await curl([binary])).text, '', 'empty if there is none')
})

t.test('Handler: plain, coroutine, async', async (t) => {
  const handlers: lute.Handler[] = [
    ({ path }) => path,
    function* ({ path }) {
      yield* lev.sleep(0.001)
      return path
    },
    async ({ path }) => {
      await new Promise((resolve) => setImmediate(resolve))
      return path
    },
  ]
  for (const handler of handlers) {
    const { url } = await start(t, { handler })
    t.equal((await curl([`${url}/hello`])).text, '/hello')
  }
})

t.test('ServerResponse', async (t) => {
  const responses: Record<string, unknown> = {
    '/text': 'grüße',
    '/bytes': Buffer.from([0, 255]),
    '/table': { status: 201, body: 'made', headers: { 'X-A': 'b', 'Content-Type': 'text/x' } },
    '/status': { status: 204 },
    '/body': { body: 'only' },
    '/nulls': { status: null, body: null, headers: null },
    '/empty': {},
    '/nothing': undefined,
    '/null': null,
    '/array': ['x'],
    '/number': 5,
    '/bad-status': { status: 99 },
    '/bad-body': { body: 5 },
    '/bad-header': { headers: { 'X-A': 'a\r\nb' } },
  }
  const { server, log } = await start(t, { handler: ({ path }) => responses[path] as string })
  const ask = async (path: string): Promise<[number, string, string | undefined, string | undefined]> => {
    const client = await RawClient.connect(server.port, request(`GET ${path}`))
    const [response] = await client.responses(1)
    client.close()
    return [response.status, response.body.toString('latin1'), valueOf(response, 'content-type'), valueOf(response, 'x-a')]
  }
  t.strictSame(await ask('/text'), [200, Buffer.from('grüße').toString('latin1'), 'text/html; charset=utf-8', undefined])
  t.strictSame(await ask('/bytes'), [200, '\x00\xff', undefined, undefined])
  t.strictSame(await ask('/table'), [201, 'made', 'text/x', 'b'])
  t.strictSame(await ask('/status'), [204, '', undefined, undefined])
  t.strictSame(await ask('/body'), [200, 'only', undefined, undefined])
  t.match(await ask('/nulls'), [200, ''])
  t.match(await ask('/empty'), [200, ''])
  t.notOk(log.entries.some(({ level }) => level === 'error'))
  for (const path of ['/nothing', '/null', '/array', '/number', '/bad-status', '/bad-body', '/bad-header']) {
    t.match(await ask(path), [500, 'Internal Server Error\n'], path)
  }
  t.equal(log.of('error').length, 7)
})

t.test('a handler that throws is a 500, and is logged', async (t) => {
  const { url, log } = await start(t, {
    handler({ path }) {
      if (path === '/now') throw new Error('my secret')
      return Promise.reject(new Error('my secret'))
    },
  })
  for (const path of ['/now', '/later']) t.match((await curl(['-i', url + path])).text, /^HTTP\/1\.1 500 [^]*\r\n\r\nInternal Server Error\n$/)
  t.match(log.of('error').map(({ err }) => err), [{ message: 'my secret' }, { message: 'my secret' }])
})

t.test('Server: close', async (t) => {
  const { opened, open } = gate()
  const entered = gate()
  const { server, url } = await start(t, {
    async handler() {
      entered.open()
      await opened
      return 'finished'
    },
  })
  const asking = curl([url])
  await entered.opened
  const { close } = server
  t.equal(close(), true, 'the first time; it needs no `this`')
  t.equal(server.close(), false)
  t.equal(server.close(), false)
  open()
  t.equal((await asking).text, 'finished', 'what is in flight is finished')
  await eventually(() => openResources('TCPServerWrap') + openResources('TCPSocketWrap') === 0, 'nothing is open')
  t.equal(server.close(), false)
  t.not((await curl([url])).code, 0)
})

t.test('Server: upgrade', async (t) => {
  const results: unknown[] = []
  const requests: lute.ReceivedRequest[] = []
  const { server, url, log } = await start(t, {
    handler(request, server) {
      requests.push(request)
      if (request.path === '/asks') return 'not now'
      const upgraded = server.upgrade(request)
      results.push(upgraded, server.upgrade(request))
      if (request.path === '/fails') throw new Error('failed')
      if (request.path === '/both') return 'ignored'
      return upgraded ? undefined : 'no WebSocket'
    },
    websocket: { open: (ws) => void ws.send('welcome') },
  })
  t.equal((await curl([url])).text, 'no WebSocket')
  t.strictSame(results.splice(0), [false, false])
  for (const path of ['/', '/both']) {
    const { said, ws } = await client(t, url + path)
    await eventually(() => said.length === 1, 'a welcome')
    t.strictSame(said, ['welcome'])
    t.strictSame(results.splice(0), [true, false], 'once for each request')
    ws.close()
  }
  t.match((await (await raw(t, server, '/asks')).responses(1))[0], { status: 200, body: Buffer.from('not now') })
  t.match((await (await raw(t, server, '/fails')).responses(1))[0], { status: 500 })
  t.match(log.of('error'), [{ err: { message: 'failed' } }])
  for (const one of requests) t.equal(server.upgrade(one), false, 'too late')
  t.equal(server.upgrade({} as lute.ReceivedRequest), false, 'no request of this server')
  for (const wrong of [undefined, null, 'x']) {
    t.throws(() => server.upgrade(wrong as unknown as lute.ReceivedRequest), { name: 'ArgumentError', argument: 'req' })
  }
  const faulty = await RawClient.connect(server.port, handshake({ 'Sec-WebSocket-Key': 'x' }, 'GET / HTTP/1.1'))
  t.match((await faulty.responses(1))[0], { status: 400 }, 'a faulty handshake')
  faulty.close()
})

function raw(t: Test, server: lute.Server, path: string): Promise<RawClient> {
  const connecting = RawClient.connect(server.port, handshake({}, `GET ${path} HTTP/1.1`))
  t.teardown(async () => (await connecting).close())
  return connecting
}

t.test('Server: upgrade without websocket handlers', async (t) => {
  const { server } = await start(t, { handler: (request, server) => String(server.upgrade(request)) })
  const [response] = await (await raw(t, server, '/')).responses(1)
  t.match(response, { status: 200, body: Buffer.from('false') })
})

t.test('ServerWebSocket and WebSocketHandlers', async (t) => {
  const events: unknown[] = []
  const sockets = new Set<lute.ServerWebSocket>()
  const { url, server } = await start(t, {
    async handler(request, server) {
      await new Promise((resolve) => setImmediate(resolve))
      return server.upgrade(request) ? undefined : { status: 426 }
    },
    websocket: {
      open(ws) {
        sockets.add(ws)
        events.push('open')
      },
      *message(ws, message) {
        yield* lev.sleep(0.001)
        sockets.add(ws)
        events.push(message)
        if (message === 'bye') {
          ws.close(4000, 'adiós')
          return
        }
        const counts = [ws.send(message), ws.send(''), ws.send('ö'), ws.send(new Uint8Array(3))]
        t.strictSame(counts, [message.length, 1, 2, 3])
      },
      async close(ws, code, message) {
        sockets.add(ws)
        await new Promise((resolve) => setImmediate(resolve))
        t.equal(ws.send('late'), -1, 'it is closed')
        ws.close()
        events.push([code, message])
      },
    },
  })
  const one = await client(t, url)
  one.ws.send('text')
  one.ws.send(Buffer.from([1, 2, 255]))
  await eventually(() => one.said.length === 8, 'responses')
  t.strictSame(one.said.slice(0, 4), ['text', '', 'ö', Buffer.alloc(3)])
  t.strictSame(one.said[4], Buffer.from([1, 2, 255]))
  t.strictSame(events.splice(0), ['open', 'text', Buffer.from([1, 2, 255])])
  one.ws.send('bye')
  t.match(await one.closed, { code: 4000, reason: 'adiós' })
  await eventually(() => events.length === 2, 'close')
  t.strictSame(events.splice(0), ['bye', [4000, 'adiós']])
  t.equal(sockets.size, 1, 'the same object at each event')

  const two = await client(t, url)
  two.ws.close(3001, 'done')
  await eventually(() => events.length === 2, 'close')
  t.strictSame(events.splice(0), ['open', [3001, 'done']])

  const three = await raw(t, server, '/')
  await eventually(() => events.length === 1, 'open')
  three.reset()
  await eventually(() => events.length === 2, 'close')
  t.match(events.splice(0), ['open', [1006, String]])

  const four = await client(t, url)
  server.close()
  t.match(await four.closed, { code: 1001 }, 'the server stops')
})

t.test('ServerWebSocket: what is wrong is named', async (t) => {
  const faults: unknown[] = []
  const attempt = (call: () => unknown): void => {
    try {
      faults.push(call())
    } catch (error) {
      faults.push(error)
    }
  }
  const { url } = await start(t, {
    websocket: {
      open(ws) {
        for (const data of [undefined, null, 5, {}]) attempt(() => ws.send(data as string))
        attempt(() => ws.close(5))
        attempt(() => ws.close('1000' as unknown as number))
        attempt(() => ws.close(1000, 'x'.repeat(124)))
        attempt(() => ws.close(1000, 5 as unknown as string))
        ws.close(null, null)
      },
    },
  })
  const { closed } = await client(t, url)
  t.match(await closed, { code: 1000, reason: '' })
  t.match(faults, [
    ...Array.from({ length: 4 }, () => ({ name: 'ArgumentError', code: 'LEVERET_ARGUMENT', argument: 'data' })),
    { name: 'ArgumentError', argument: 'code' },
    { name: 'ArgumentError', argument: 'code' },
    { name: 'ArgumentError', argument: 'message', message: /message must be at most 123 bytes/ },
    { name: 'ArgumentError', argument: 'message' },
  ])
})

t.test('WebSocketHandlers: drain', async (t) => {
  let drained = 0
  let refused = 0
  const { server } = await start(t, {
    websocket: {
      open: fill,
      drain(ws) {
        drained++
        if (drained < 3) fill(ws)
        else ws.send('room')
      },
    },
  })
  function fill(ws: lute.ServerWebSocket): void {
    for (let k = 0; k < 1000; k++) if (ws.send(Buffer.alloc(65_536)) === 0) refused++
  }
  const slow = await RawClient.connect(server.port)
  slow.socket.pause()
  slow.send(handshake({}, 'GET / HTTP/1.1'))
  await eventually(() => refused > 0, 'no room')
  t.equal(drained, 0)
  slow.socket.resume()
  await eventually(() => drained === 3, 'drain')
  await slow.until(() => (slow.received.includes('room') ? true : undefined))
  slow.close()
})

t.test('WebSocketHandlers: one that throws closes with 1011', async (t) => {
  const codes: number[] = []
  const { url, log } = await start(t, {
    websocket: {
      message() {
        throw new Error('broken')
      },
      close: (_ws, code) => void codes.push(code),
    },
  })
  const { ws, closed } = await client(t, url)
  ws.send('x')
  t.match(await closed, { code: 1011 })
  await eventually(() => codes.length === 1, 'close')
  t.strictSame(codes, [1011])
  t.match(log.of('error'), [{ err: { message: 'broken' } }])
})

t.test('inside of lev, on the memory driver', async (t) => {
  await lev.run(function* () {
    let begun = false
    const starting = lute.serve({
      port: 0,
      *handler(request, server) {
        begun = true
        t.ok(server.port > 0)
        yield* lev.sleep(60)
        return server.upgrade(request) ? undefined : `after ${lev.now()} s`
      },
      websocket: { message: (ws, message) => void ws.send(message) },
    }, { logger: keptLog() })
    t.notOk(starting instanceof Promise, 'an operation')
    const server = yield* starting
    t.notOk(begun)
    const client = new VirtualClient(yield* lev.connect({ ip: server.hostname, port: server.port }))
    client.send(request('GET /'))
    const [response] = yield* client.responses(1)
    t.match(response.body.toString(), /^after 60\.\d+ s$/)
    t.ok(server.close())
    t.equal(yield* client.more(), false, 'the idle connection is closed')
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('nothing is left: sockets, timers, tasks', async (t) => {
  for (let round = 0; round < 3; round++) {
    const server = await lute.serve({
      port: 0,
      *handler(request, server) {
        if (request.path === '/wait') yield* lev.sleep(3600)
        if (request.path === '/fail') throw new Error('failed')
        return server.upgrade(request) ? undefined : 'x'
      },
      websocket: { message: (ws, message) => void ws.send(message) },
    }, { logger: keptLog() })
    const clients = await Promise.all(['/', '/wait', '/fail', '/'].map((path, k) =>
      RawClient.connect(server.port, k === 3 ? handshake({}, `GET ${path} HTTP/1.1`) : request(`GET ${path}`))))
    for (const k of [0, 2]) await clients[k]?.responses(1)
    await clients[3]?.until(() => (clients[3]?.text.includes('101') ? true : undefined))
    clients[1]?.close()
    clients[3]?.close()
    server.close()
    await eventually(() => clients.every((client, k) => k % 2 === 1 || client.ended), 'the server has let go')
    for (const client of clients) client.close()
    await eventually(() => left().length === 0, `nothing is open: ${left().join(' ')}`)
  }
  t.strictSame(left(), [])
})

function left(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCP|Server/.test(name))
}
