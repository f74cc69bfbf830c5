import net from 'node:net'
import t, { type Test } from 'tap'
import * as lev from '../../../../lev/index.js'
import type { Config } from '../../../../lib/index.js'
import * as httpserver from '../../../../lib/dialects/nodemcu/index.js'
import { curl } from '../../../support/curl.js'
import { keptLog, type KeptLog } from '../../../support/kept-log.js'
import { bytesInUse } from '../../../support/memory.js'
import { RawClient } from '../../../support/raw-client.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'
import { randomFrom, seed } from '../../../support/seed.js'
import { eventually, gate, request } from '../../../support/serving.js'
import { VirtualClient } from '../../../support/virtual.js'
import { listen } from '../../../support/listen.js'

interface Started {
  readonly srv: httpserver.Server
  readonly port: number
  readonly url: string
  readonly log: KeptLog
  connect(first?: string): Promise<RawClient>
  ask(first: string, method?: string): Promise<WireResponse>
}

/** Serves on a port of the system's choice until the test is over. */
async function start(t: Test, handler: httpserver.Handler, settings: Config = {}): Promise<Started> {
  const log = keptLog()
  const srv = await httpserver.createServer(0, handler, { logger: log, ...settings })
  const port = srv.getaddr()[0] ?? 0
  const clients: RawClient[] = []
  t.teardown(async () => {
    for (const client of clients) client.close()
    await srv.close()
  })
  const connect = async (first = ''): Promise<RawClient> => {
    const client = await RawClient.connect(port, first)
    clients.push(client)
    return client
  }
  const ask = async (first: string, method = 'GET'): Promise<WireResponse> => {
    const client = await connect(first)
    const [response] = await client.responses(1, [method])
    client.close()
    return response
  }
  return { srv, port, url: `http://127.0.0.1:${port}`, log, connect, ask }
}

/** The example of the seed's repository. */
function example(printed: unknown[][]): httpserver.Handler {
  return (req, res) => {
    printed.push(['+R', req.method, req.url])
    req.onheader = (_self, name, value) => void printed.push(['+H', name, value])
    req.ondata = (_self, chunk) => {
      printed.push(['+B', chunk?.toString()])
      if (chunk !== null) return
      res.send(null, 200)
      res.send_header?.('Connection', 'close')
      res.send('Hello, world!\n')
      res.finish()
    }
  }
}

t.test('the example', async (t) => {
  const printed: unknown[][] = []
  const { port, url } = await start(t, example(printed))
  const { text } = await curl(['-i', '-d', 'some data', `${url}/path?a=b`])
  t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(text, /\r\nTransfer-Encoding: chunked\r\n/)
  t.match(text, /\r\nConnection: close\r\n/)
  t.match(text, /\r\n\r\nHello, world!\n$/)
  t.strictSame(printed[0], ['+R', 'POST', '/path?a=b'])
  const headers = printed.filter(([mark]) => mark === '+H')
  t.match(Object.fromEntries(headers.map(([, name, value]) => [name, value])), {
    host: `127.0.0.1:${port}`, 'content-length': '9', 'content-type': 'application/x-www-form-urlencoded',
  })
  t.ok(headers.every(([, name]) => name === String(name).toLowerCase()))
  t.strictSame(printed.slice(1 + headers.length), [['+B', 'some data'], ['+B', undefined]], 'in this order')
  printed.length = 0
  t.equal((await curl([url])).text, 'Hello, world!\n', 'a request without a body')
  t.strictSame(printed.at(-1), ['+B', undefined])
})

t.test('createServer', async (t) => {
  const { srv, port } = await start(t, (_req, res) => void res.finish('x'))
  t.strictSame(srv.getaddr(), [port, '0.0.0.0'], 'on all addresses')
  const other = net.createServer()
  t.teardown(() => other.close())
  const taken = await listen(other, '0.0.0.0')
  await t.rejects(httpserver.createServer(taken, () => {}), { name: 'BindError', code: 'LEVERET_BIND', port: taken, message: /address already in use/ })
  const all = await httpserver.createServer(0, () => {}, { ip: null, log_level: 'error' })
  t.equal(all.getaddr()[1], '0.0.0.0', 'null is not given')
  await all.close()
  const six = await httpserver.createServer(0, () => {}, { ip: '127.0.0.1', log_level: 'error' })
  t.equal(six.getaddr()[1], '127.0.0.1')
  await six.close()
  const wrong: [args: unknown[], error: { name: string; argument?: string; key?: string; message?: RegExp }][] = [
    [[80], { name: 'ArgumentError', argument: 'handler', message: /createServer: handler must be a function, got undefined/ }],
    [[undefined, () => {}], { name: 'ArgumentError', argument: 'port' }],
    [['80', () => {}], { name: 'ConfigError', key: 'port', message: /did you mean the number 80\?/ }],
    [[70000, () => {}], { name: 'ConfigError', key: 'port' }],
    [[80, () => {}, { port: 81 }], { name: 'ConfigError', key: 'port', message: /it is what port says/ }],
    [[80, () => {}, { buffer_body: true }], { name: 'ConfigError', key: 'buffer_body' }],
    [[80, () => {}, { requests_per_connection: 2 }], { name: 'ConfigError', key: 'requests_per_connection', message: /it is what finish says/ }],
    [[80, () => {}, { prot: 81 }], { name: 'ConfigError', key: 'prot' }],
    [[80, () => {}, 5], { name: 'ConfigError', key: 'settings' }],
  ]
  for (const [args, error] of wrong) t.throws(() => Reflect.apply(httpserver.createServer, null, args) as unknown, error)
})

t.test('Server: close', async (t) => {
  const entered = gate()
  const { opened, open } = gate()
  const { srv, url } = await start(t, async (_req, res) => {
    entered.open()
    await opened
    await res.finish('finished')
  })
  const asking = curl([url])
  await entered.opened
  const closing = srv.close()
  t.strictSame(srv.getaddr(), [null, null])
  open()
  t.equal((await asking).text, 'finished')
  await closing
  await srv.close()
  t.not((await curl([url])).code, 0)
})

t.test('req: conn, method, url', async (t) => {
  let own: [number, string] | null = null
  const { connect, port, log } = await start(t, (req, res) => {
    own = req.conn.getaddr()
    if (req.url === '/close') return req.conn.close()
    return res.finish(JSON.stringify([req.method, req.url, ...req.conn.getpeer()]))
  })
  const client = await connect(request('DELETE /a%20b?c=%20d'))
  const [response] = await client.responses(1)
  t.strictSame(JSON.parse(response.body.toString()), ['DELETE', '/a%20b?c=%20d', client.socket.localPort, '127.0.0.1'])
  t.strictSame(own, [port, '127.0.0.1'])
  client.send(request('GET /close'))
  await client.over
  t.notOk(log.entries.some(({ level }) => level === 'error'))
})

t.test('req.onheader', async (t) => {
  const told: [name: string, value: string][] = []
  const { ask } = await start(t, (req, res) => {
    req.onheader = function (self, name, value) {
      t.equal(self, req)
      t.equal(this, req)
      told.push([name, value])
      // As the example has it: the body's reader is chosen by what the headers say.
      if (name === 'content-type') req.ondata = (_self, chunk) => void (chunk === null && res.finish(value))
    }
  })
  const headers = { 'X-One': 'Ä', 'X-Two': 'a', 'x-two': 'b', 'Content-Type': 'text/x' }
  t.equal((await ask(request('POST /', headers, 'body'), 'POST')).body.toString(), 'text/x')
  t.strictSame(told, [
    ['host', 'test'], ['x-one', 'Ä'], ['x-two', 'a'], ['x-two', 'b'], ['content-type', 'text/x'], ['content-length', '4'],
  ], 'each line, as it was sent, and nothing else')
  told.length = 0
  await ask('GET http://elsewhere.test/ HTTP/1.1\r\nHost: test\r\nX-Client-IP: 1.2.3.4\r\ncontent-type: a\r\n\r\n')
  t.strictSame(told, [['host', 'test'], ['x-client-ip', '1.2.3.4'], ['content-type', 'a']])
})

t.test('req.ondata: pieces as they come, then null', async (t) => {
  const pieces: (string | null)[] = []
  const { connect } = await start(t, (req, res) => {
    req.ondata = (self, chunk) => {
      t.equal(self, req)
      t.ok(chunk === null || Buffer.isBuffer(chunk))
      pieces.push(chunk === null ? null : chunk.toString())
      res.send(chunk)
      if (chunk === null) res.finish('.')
    }
  })
  const client = await connect(request('POST /', { 'Transfer-Encoding': 'chunked' }))
  for (const [count, piece] of ['one', 'two', 'three'].entries()) {
    client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`)
    await client.until(() => (client.text.includes(piece) ? true : undefined), 'the echo')
    t.equal(pieces.length, count + 1)
  }
  client.send('0\r\n\r\n')
  const [response] = await client.responses(1, ['POST'])
  t.strictSame([response.framing, response.body.toString()], ['chunked', 'onetwothree.'])
  t.strictSame(pieces, ['one', 'two', 'three', null])
  t.equal(await client.over, 'end')
})

t.test('req.ondata assigned late: nothing is lost', async (t) => {
  const { ask } = await start(t, (req, res) => {
    setTimeout(() => {
      req.ondata = (_self, chunk) => (chunk === null ? res.finish() : res.send(chunk))
    }, 10)
  })
  t.equal((await ask(request('POST /', {}, 'body'), 'POST')).body.toString(), 'body')
})

t.test('res.send: the first response code counts', async (t) => {
  const replies: Record<string, httpserver.Handler> = {
    '/default': (_req, res) => void (res.send('a'), res.finish()),
    '/alone': (_req, res) => void (res.send(null, 404), res.send('a', 500), res.finish('b', 503)),
    '/with': (_req, res) => void (res.send('a', 201), res.finish(null, 404)),
    '/late': (_req, res) => void (res.send('a'), res.send('b', 404), res.finish()),
    '/finish': (_req, res) => void res.finish('a', 402),
    '/nil': (_req, res) => void (res.send(), res.send(undefined, null), res.finish(null, 403)),
    '/nothing': (_req, res) => void res.finish(),
    '/empty': (_req, res) => void (res.send('', 206), res.finish('')),
    '/no-content': (_req, res) => void (res.send('a', 204), res.finish('b')),
    '/bytes': (_req, res) => void (res.send(new Uint8Array([0, 255])), res.finish('ö')),
  }
  const { ask } = await start(t, (req, res) => replies[req.url](req, res))
  const expected: Record<string, [status: number, framing: string, body: string]> = {
    '/default': [200, 'chunked', 'a'],
    '/alone': [404, 'chunked', 'ab'],
    '/with': [201, 'chunked', 'a'],
    '/late': [200, 'chunked', 'ab'],
    '/finish': [402, 'length', 'a'],
    '/nil': [403, 'length', ''],
    '/nothing': [200, 'length', ''],
    '/empty': [206, 'length', ''],
    '/no-content': [204, 'none', ''],
    '/bytes': [200, 'chunked', '\x00\xff\xc3\xb6'],
  }
  for (const path of Object.keys(expected)) {
    const { status, framing, body } = await ask(request(`GET ${path}`))
    t.strictSame([status, framing, body.toString('latin1')], expected[path], path)
  }
  const head = await ask(request('HEAD /with'), 'HEAD')
  t.strictSame([head.status, head.body.length], [201, 0])
  const old = await ask(request('GET /with HTTP/1.0') + '')
  t.strictSame([old.status, old.framing, old.body.toString()], [201, 'close', 'a'])
})

t.test('res.send_header', async (t) => {
  const seen: unknown[] = []
  const { ask } = await start(t, (req, res) => {
    if (req.url === '/length') {
      res.send_header?.('Content-Length', 2)
      res.send('a')
      return res.finish('b')
    }
    res.send(null, 201)
    res.send_header?.('X-One', '1')
    res.send_header?.('Set-Cookie', 'a=1')
    res.send_header?.('set-cookie', 'b=2')
    res.send_header?.('Content-Type', 'text/x')
    seen.push(typeof res.send_header)
    res.send('data')
    seen.push(res.send_header)
    return res.finish()
  })
  const response = await ask(request('GET /'))
  t.strictSame(seen, ['function', null], 'gone once data was sent')
  t.equal(response.status, 201)
  t.equal(valueOf(response, 'x-one'), '1')
  t.equal(valueOf(response, 'content-type'), 'text/x')
  t.strictSame(response.fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value), ['a=1', 'b=2'])
  const { framing, body } = await ask(request('GET /length'))
  t.strictSame([framing, body.toString()], ['length', 'ab'])
})

t.test('text is no page unless it is said to be one', async (t) => {
  const { ask } = await start(t, (req, res) => {
    if (req.url === '/bytes') res.send(Buffer.from('x'))
    else if (req.url === '/text') res.send('x')
    res.finish('y')
  })
  for (const [path, type] of [['/text', 'text/plain; charset=utf-8'], ['/', 'text/plain; charset=utf-8'], ['/bytes', undefined]] as const) {
    t.equal(valueOf(await ask(request(`GET ${path}`)), 'content-type'), type, path)
  }
})

t.test('what is wrong is named', async (t) => {
  const faults: unknown[] = []
  const { ask, log } = await start(t, (_req, res) => {
    const attempt = (call: () => unknown): void => {
      try {
        faults.push(call())
      } catch (error) {
        faults.push(error)
      }
    }
    attempt(() => res.send(5 as unknown as string))
    attempt(() => res.send('x', 99))
    attempt(() => res.send(null, '200' as unknown as number))
    attempt(() => res.send_header?.('user name', 'x'))
    attempt(() => res.send_header?.('username', 'a\r\nb'))
    attempt(() => res.send_header?.(5 as unknown as string, 'x'))
    attempt(() => res.send_header?.('X-A', null as unknown as string))
    attempt(() => res.send_header?.('Content-Length', 'many'))
    res.send_header?.('Content-Length', '4')
    // It is the server's own: dropped, as with other responses.
    res.send_header?.('Transfer-Encoding', 'chunked')
    attempt(() => res.send_header?.('content-length', '4'))
    attempt(() => res.finish({} as string))
    res.send('fine')
    res.finish()
    attempt(() => res.send('more'))
  })
  const response = await ask(request('GET /'))
  t.match(response, { status: 200, body: Buffer.from('fine') })
  const named = (argument: string): object => ({ name: 'ArgumentError', code: 'LEVERET_ARGUMENT', argument })
  t.match(faults, [
    named('data'), named('response_code'), named('response_code'), named('header_name'), named('header_data'), named('header_name'),
    named('header_data'), named('header_data'), named('header_name'), named('data'), { name: 'StateError', code: 'LEVERET_STATE' },
  ])
  t.notOk(log.entries.some(({ level }) => level === 'error'))
})

t.test('res.finish', async (t) => {
  const { ask, connect } = await start(t, (req, res) => {
    if (req.url === '/never') return
    if (req.url === '/later') setTimeout(() => res.finish('later'), 10)
    else {
      res.finish('Hello, world!')
      res.finish('Salut, monde!')
    }
  })
  t.equal((await ask(request('GET /'))).body.toString(), 'Hello, world!', 'the second is passed over')
  t.equal((await ask(request('GET /later'))).body.toString(), 'later')
  for (const first of [request('GET /'), request('POST /', {}, 'a body that is not read'), request('GET /later'), request('GET / HTTP/1.0', { Connection: 'keep-alive' })]) {
    const client = await connect(first + request('GET /'))
    const [response] = await client.responses(1, [first.split(' ')[0]])
    t.equal(await client.over, 'end', 'the connection is closed')
    t.equal(valueOf(response, 'connection'), 'close')
    t.equal(client.text.split('HTTP/1.1 200').length, 2, 'one request a connection')
  }
})

t.test('a second server on a port takes the place of the first', async (t) => {
  const entered = gate()
  const { opened, open } = gate()
  const { srv, port, url } = await start(t, async (_req, res) => {
    entered.open()
    await opened
    await res.finish('first')
  })
  const asking = curl([url])
  await entered.opened
  const second = await httpserver.createServer(port, (_req, res) => res.finish('second'), { logger: keptLog() })
  t.strictSame([srv.getaddr(), second.getaddr()], [[null, null], [port, '0.0.0.0']])
  t.equal((await curl([url])).text, 'second')
  open()
  t.equal((await asking).text, 'first', 'what has begun is finished')
  await srv.close()
  t.equal((await curl([url])).text, 'second', 'the first has nothing to close any more')
  // As a script has it that waits for nothing.
  const servers = await Promise.all(['third', 'fourth', 'fifth'].map((name) => {
    return httpserver.createServer(port, (_req, res) => res.finish(name), { logger: keptLog(), ip: '127.0.0.1' })
  }))
  t.strictSame(servers.map((each) => each.getaddr()[0]), [null, null, port])
  t.equal((await curl([url])).text, 'fifth')
  await servers[2].close()
  t.not((await curl([url])).code, 0)
  const again = await httpserver.createServer(port, (_req, res) => res.finish('again'), { logger: keptLog() })
  t.equal((await curl([url])).text, 'again')
  await again.close()
})

t.test('worlds do not take ports from each other', async (t) => {
  const story = (seed: number) => lev.run(function* () {
    const srv = yield* httpserver.createServer(80, (_req, res) => res.finish(String(seed)), { ip: '127.0.0.1', logger: keptLog() })
    yield* lev.sleep(1)
    t.strictSame(srv.getaddr(), [80, '127.0.0.1'])
    const other = yield* httpserver.createServer(80, (_req, res) => res.finish('other'), { ip: '127.0.0.1', logger: keptLog() })
    t.strictSame([srv.getaddr(), other.getaddr()], [[null, null], [80, '127.0.0.1']])
    const client = new VirtualClient(yield* lev.connect({ ip: '127.0.0.1', port: 80 }))
    client.send(request('GET /'))
    t.equal((yield* client.responses(1))[0].body.toString(), 'other')
    yield* other.close()
  }, { driver: lev.memory({ seed }) })
  await Promise.all([story(1), story(2)])
})

t.test('Server: listen, on', async (t) => {
  const { srv, port, url } = await start(t, (_req, res) => res.finish('here'))
  t.throws(() => srv.listen(port), { code: 'LEVERET_STATE', message: /listening already/ })
  await srv.close()
  const unheard = Reflect.get(srv, 'listen') as (...args: unknown[]) => unknown
  for (const args of [[port, () => {}], [port, '127.0.0.1', () => {}], [() => {}]]) {
    t.throws(() => unheard(...args), { code: 'LEVERET_ARGUMENT', argument: 'callback' })
  }
  t.throws(() => srv.listen(70000), { code: 'LEVERET_CONFIG', key: 'port' })
  t.throws(() => srv.listen(port, 'no address!'), { code: 'LEVERET_CONFIG', key: 'ip' })
  t.strictSame(srv.getaddr(), [null, null])
  await srv.listen(port)
  t.strictSame(srv.getaddr(), [port, '0.0.0.0'])
  t.equal((await curl([url])).text, 'here')
  await srv.close()
  await srv.listen(null, '127.0.0.1')
  t.equal(srv.getaddr()[1], '127.0.0.1')
  t.equal((await curl([`http://127.0.0.1:${srv.getaddr()[0]}`])).text, 'here')
  await srv.close()
  const listening = srv.listen(port)
  t.throws(() => srv.listen(port), { code: 'LEVERET_STATE' })
  await srv.close()
  await t.rejects(listening, { code: 'LEVERET_STATE', message: /closed before it listened/ })
  t.not((await curl([url])).code, 0)
  t.throws(() => srv.on('connection', () => {}), { code: 'LEVERET_STATE', message: /UDP/ })
})

t.test('req.conn: hold, unhold', async (t) => {
  let taken = ''
  let held: httpserver.Socket | null = null
  const { connect } = await start(t, (req, res) => {
    req.conn.unhold()
    req.ondata = (_self, chunk) => {
      if (chunk === null) return res.finish(taken)
      taken += chunk.toString()
      if (taken === 'one') {
        held = req.conn
        req.conn.hold()
      }
      return null
    }
  })
  const client = await connect(request('POST /', { 'Transfer-Encoding': 'chunked' }))
  client.send('3\r\none\r\n')
  await eventually(() => held !== null, 'the first piece')
  await client.sendAll('3\r\ntwo\r\n0\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(taken, 'one', 'it is held')
  const socket = held as unknown as httpserver.Socket
  socket.unhold()
  socket.unhold()
  t.equal((await client.responses(1, ['POST']))[0].body.toString(), 'onetwo')
})

t.test('req.conn: dns, ttl', async (t) => {
  const { ask, log } = await start(t, (req, res) => {
    const { conn } = req
    t.throws(() => conn.ttl(), { code: 'LEVERET_STATE', message: /Node\.js has no way/ })
    t.throws(() => conn.ttl(64), { code: 'LEVERET_STATE' })
    t.throws(() => conn.dns('', () => {}), { code: 'LEVERET_ARGUMENT', argument: 'domain' })
    t.throws(() => conn.dns('a.test', null as never), { code: 'LEVERET_ARGUMENT', argument: 'callback' })
    conn.dns(decodeURIComponent(req.url.slice(1)), function* (self, ip) {
      t.equal(self, conn)
      yield* lev.sleep(0)
      if (ip === '127.0.0.2') throw new Error('my secret')
      yield* res.finish(String(ip))
    })
  })
  t.equal((await ask(request('GET /127.0.0.1'))).body.toString(), '127.0.0.1')
  t.equal((await ask(request('GET /localhost'))).body.toString(), '127.0.0.1')
  t.equal((await ask(request('GET /no%20name'))).body.toString(), 'null')
  t.strictSame(log.of('error'), [])
  t.equal((await ask(request('GET /127.0.0.2'))).status, 500)
  t.equal(log.of('error').length, 1)
})

t.test('handlers and callbacks: plain, coroutine, async', async (t) => {
  const after: string[] = []
  const handlers: Record<string, httpserver.Handler> = {
    * '/coroutine'(req, res) {
      yield* lev.sleep(0.001)
      req.ondata = function* (_self, chunk) {
        yield* lev.sleep(0.001)
        t.ok(lev.inCoroutine())
        yield* res.send(chunk)
        if (chunk === null) yield* res.finish('.')
      }
      yield* lev.sleep(0.05)
      after.push('coroutine')
    },
    async '/async'(req, res) {
      const parts: Buffer[] = []
      await new Promise<void>((resolve) => {
        req.ondata = async (_self, chunk) => {
          await new Promise((resolve) => setImmediate(resolve))
          if (chunk === null) resolve()
          else parts.push(chunk)
        }
      })
      await res.send(Buffer.concat(parts))
      await res.finish('.')
      after.push('async')
    },
    * '/waits'(_req, res) {
      yield* res.send('body')
      yield* res.finish('.')
      after.push('waits')
    },
  }
  const { ask, log } = await start(t, (req, res) => handlers[req.url](req, res))
  for (const path of Object.keys(handlers)) {
    t.equal((await ask(request(`POST ${path}`, {}, 'body'), 'POST')).body.toString(), 'body.', path)
  }
  await eventually(() => after.length === 3, 'what handlers do after finish')
  t.strictSame(after.sort(), ['async', 'coroutine', 'waits'])
  t.notOk(log.entries.some(({ level }) => level === 'error'))
})

t.test('what fails', async (t) => {
  const fail = (): never => {
    throw new Error('my secret')
  }
  const handlers: Record<string, httpserver.Handler> = {
    '/plain': fail,
    '/async': async () => fail(),
    * '/coroutine'() {
      yield* lev.sleep(0.001)
      fail()
    },
    '/onheader': (req) => void (req.onheader = fail),
    '/ondata': (req) => void (req.ondata = fail),
    '/sent': (req, res) => {
      res.send('begun')
      req.ondata = async () => {
        await new Promise((resolve) => setTimeout(resolve, 10))
        fail()
      }
    },
    '/finished': async (_req, res) => {
      await res.finish('fine')
      fail()
    },
  }
  const { ask, connect, log } = await start(t, (req, res) => handlers[req.url](req, res))
  for (const path of ['/plain', '/async', '/coroutine', '/onheader', '/ondata']) {
    t.match(await ask(request(`POST ${path}`, {}, 'x'), 'POST'), { status: 500, body: Buffer.from('Internal Server Error\n') }, path)
  }
  const broken = await connect(request('GET /sent'))
  await broken.over
  t.match(broken.text, /begun\r\n$/, 'what has begun is cut off: no end of the chunks')
  t.match(await ask(request('GET /finished')), { status: 200, body: Buffer.from('fine') })
  await eventually(() => log.of('error').length === 7, 'the log')
  t.ok(log.of('error').every(({ err }) => err instanceof Error && err.message === 'my secret'))
})

t.test('limits of the body hold', async (t) => {
  const { ask } = await start(t, (req, res) => {
    req.ondata = (_self, chunk) => void (chunk === null && res.finish('all'))
  }, { max_body_size: 10 })
  t.match(await ask(request('POST /', {}, 'x'.repeat(11)), 'POST'), { status: 413 })
  t.match(await ask(`${request('POST /', { 'Transfer-Encoding': 'chunked' })}b\r\n${'x'.repeat(11)}\r\n0\r\n\r\n`, 'POST'), { status: 413 })
  t.match(await ask(request('POST /', {}, 'x'.repeat(10)), 'POST'), { status: 200 })
  const expecting = await ask(request('POST /', { Expect: '100-continue', 'Content-Length': '0' }), 'POST')
  t.equal(expecting.status, 200)
})

t.test('a client that leaves: later sends do nothing', async (t) => {
  const left = gate()
  const results: unknown[] = []
  let over = false
  const { connect, log } = await start(t, function* (_req, res) {
    try {
      const timer = setInterval(() => void res.send('tick'), 1)
      void left.opened.then(async () => {
        clearInterval(timer)
        results.push(await res.send('x'.repeat(1_000_000)), res.send_header, await res.finish())
      })
      yield* lev.sleep(3600)
    } finally {
      over = true
    }
  })
  const client = await connect(request('GET /'))
  await client.until(() => (client.text.includes('tick') ? true : undefined))
  client.close()
  await eventually(() => over, 'the handler is cancelled')
  left.open()
  await eventually(() => results.length === 3, 'what waits goes on')
  t.strictSame(results, [undefined, null, undefined])
  t.notOk(log.entries.some(({ level }) => level === 'error'))
})

t.test('a slow client makes those wait who wish to', async (t) => {
  let sent = 0
  let ended = false
  const piece = Buffer.alloc(16 * 1024)
  const { connect } = await start(t, async (_req, res) => {
    while (sent < 2000) {
      await res.send(piece)
      sent++
    }
    await res.finish()
    ended = true
  }, { compression: { enabled: false } })
  const client = await connect()
  client.socket.pause()
  client.send(request('GET /'))
  await eventually(() => sent > 5, 'it has begun')
  let before = -1
  while (before !== sent) {
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.ok(sent < 1500, `it waits: ${sent} pieces were taken`)
  client.socket.resume()
  const [response] = await client.responses(1)
  t.equal(response.body.length, 2000 * piece.length)
  await eventually(() => ended, 'the end')
})

t.test('an echo to a slow client reads no more than it sends', async (t) => {
  let read = 0
  const size = 64 * 1024 * 1024
  const { connect } = await start(t, (req, res) => {
    req.ondata = (_self, chunk) => {
      read += chunk?.length ?? 0
      if (chunk === null) res.finish()
      else res.send(chunk)
    }
  }, { max_body_size: size, compression: { enabled: false } })
  const before = await bytesInUse()
  const client = await connect(request('POST /', { 'Content-Length': String(size), 'Content-Type': 'x/y' }))
  client.socket.pause()
  const rest = Buffer.alloc(size)
  client.socket.write(rest)
  let last = -1
  while (last !== read || read === 0) {
    last = read
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.ok(read < size / 2, `${read} bytes were read`)
  t.ok(await bytesInUse() - before < size + 4 * 1024 * 1024, 'besides what this test itself holds')
  client.socket.resume()
  await client.until(() => (client.received.length > size ? true : undefined), 'the echo')
})

t.test('inside of lev, on the memory driver', async (t) => {
  await lev.run(function* () {
    const ended: number[] = []
    const began = lev.now()
    const srv = yield* httpserver.createServer(0, function* (req, res) {
      try {
        if (req.url === '/never') return yield* lev.sleep(1e6)
        yield* lev.sleep(60)
        yield* res.send('after a minute')
        yield* res.finish()
        yield* lev.sleep(1e6)
      } finally {
        ended.push(Math.round(lev.now() - began))
      }
    }, { ip: '127.0.0.1', logger: keptLog() })
    const [port, ip] = srv.getaddr()
    const address = { ip: ip ?? '', port: port ?? 0 }
    const client = new VirtualClient(yield* lev.connect(address))
    client.send(request('GET /'))
    t.equal((yield* client.responses(1))[0].body.toString(), 'after a minute')
    yield* lev.sleep(30)
    t.strictSame(ended, [70], 'a handler has ten seconds after its response')
    const other = new VirtualClient(yield* lev.connect(address))
    other.send(request('GET /never'))
    yield* lev.sleep(10)
    yield* srv.close()
    t.strictSame(ended, [70, 130], 'and thirty when the server stops')
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('nothing is left: sockets, timers, tasks', async (t) => {
  const open = (): string[] => process.getActiveResourcesInfo().filter((name) => /TCP|Server/.test(name))
  let running = 0
  for (let round = 0; round < 3; round++) {
    const srv = await httpserver.createServer(0, function* (req, res) {
      running++
      try {
        if (req.url === '/fail') throw new Error('failed')
        if (req.url !== '/stream') req.ondata = (_self, chunk) => void (chunk === null && req.url === '/' && res.finish('x'))
        for (;;) {
          if (req.url === '/stream') yield* res.send('tick')
          yield* lev.sleep(req.url === '/' ? 0.001 : 0.01)
          if (req.url === '/') return
        }
      } finally {
        running--
      }
    }, { logger: keptLog() })
    const paths = ['/', '/fail', '/never', '/stream']
    const clients = await Promise.all(paths.map((path) => RawClient.connect(srv.getaddr()[0] ?? 0, request(`POST ${path}`, {}, 'body'))))
    for (const k of [0, 1]) await clients[k]?.responses(1, ['POST'])
    await clients[3]?.until(() => (clients[3]?.text.includes('tick') ? true : undefined))
    for (const client of clients) client.close()
    await srv.close()
    t.equal(running, 0)
    await eventually(() => open().length === 0, 'nothing is open')
  }
})

t.test('whatever handlers and clients do, everything ends', async (t) => {
  for (let round = 0; round < 40; round++) {
    const random = randomFrom(seed * 1000 + round)
    const log = keptLog()
    let running = 0
    let waiting = 0
    await lev.run(function* () {
      const srv = yield* httpserver.createServer(0, handler, { ip: '127.0.0.1', logger: log, keepalive_idle_timeout: 5 })
      const [port, ip] = srv.getaddr()
      yield* lev.scope(function* (clients) {
        for (let k = 0; k < 20; k++) clients.spawn(() => client({ port: port ?? 0, ip: ip ?? '' }))
      })
      yield* srv.close()
      t.equal(running, 0, `handlers, round ${round}, LEV_SEED ${seed}`)
      yield* lev.sleep(1)
      t.equal(waiting, 0, `what was waited for, round ${round}, LEV_SEED ${seed}`)
    }, { driver: lev.memory({ seed: round }) })
    const errors = log.of('error').flatMap(({ err }) => (err instanceof AggregateError ? err.errors as unknown[] : [err])).map(String)
    t.strictSame(errors.filter((text) => !/by choice|bytes announced|given before/.test(text)), [], `round ${round}, LEV_SEED ${seed}`)

    function* handler(req: httpserver.Request, res: httpserver.Response): lev.Op<void> {
      running++
      try {
        if (random() < 0.3) req.onheader = () => void (random() < 0.02 && fail())
        if (random() < 0.7) req.ondata = function* (_self, chunk) {
          yield* act(res)
          if (chunk === null && random() < 0.8) yield* end(res)
        }
        for (let k = random.below(4); k > 0; k--) yield* act(res)
        if (random() < 0.5) yield* end(res)
        yield* act(res)
      } finally {
        running--
      }
    }

    function fail(): void {
      throw new Error('by choice')
    }

    function* act(res: httpserver.Response): lev.Op<void> {
      const choice = random.below(8)
      if (choice === 0) yield* lev.sleep(random() * 20)
      else if (choice === 1 && random() < 0.3) fail()
      else if (choice === 2) res.send_header?.(random.pick(['X-A', 'Content-Length', 'Connection']), random.pick(['3', '100000', '7']))
      else if (choice > 3) {
        try {
          const sending = res.send(random.pick([null, 'x', 'y'.repeat(100_000), Buffer.alloc(50)]), random.pick([null, 200, 204, 404]))
          if (random() < 0.5) yield* counted(sending)
        } catch (error) {
          t.match(error, { name: 'StateError' })
        }
      }
    }

    function* end(res: httpserver.Response): lev.Op<void> {
      const ending = res.finish(random.pick([null, 'end']), random.pick([null, 500]))
      if (random() < 0.5) yield* counted(ending)
    }

    function* counted(op: lev.Op<void>): lev.Op<void> {
      waiting++
      try {
        yield* op
      } finally {
        waiting--
      }
    }

    function* client(address: lev.Address): lev.Op<void> {
      const client = new VirtualClient(yield* lev.connect(address))
      const patience = random() * 60
      try {
        for (let k = random.below(3); k >= 0; k--) {
          const method = random.pick(['GET', 'POST', 'HEAD'])
          const body = method === 'POST' ? 'z'.repeat(random.pick([1, 1000, 200_000])) : ''
          client.send(request(`${method} /`, random() < 0.1 ? { Expect: '100-continue' } : {}, body))
          if (random() < 0.3) yield* lev.sleep(random() * 5)
        }
        yield* lev.timeout(patience, client.all())
      } catch {
        // Late, or cut off by the other side: it is about what becomes of the server.
      }
      if (random() < 0.5) client.stream.reset()
      else client.stream.close()
    }
  }
})

t.test('callbacks that send without end and wait for nothing cost little more than what they send', async (t) => {
  const count = 100_000
  const { url } = await start(t, async (_req, res) => {
    for (let k = 0; k < count; k++) void res.send('hello\n')
    const sends = [res.send('last'), res.send('one')]
    await Promise.all(sends)
    const again = res.send('!')
    t.ok(again instanceof Promise)
    await again
    await again
    await res.finish()
  })
  const { stdout } = await curl([url])
  t.equal(stdout.length, 6 * count + 8)
  t.equal(stdout.toString('latin1', 6 * count), 'lastone!')
})

t.test('onheader and ondata take functions and null only', async (t) => {
  const { ask } = await start(t, (req, res) => {
    for (const name of ['onheader', 'ondata'] as const) {
      t.throws(() => Object.assign(req, { [name]: 5 }), { code: 'LEVERET_ARGUMENT', argument: name })
      req[name] = null
    }
    void res.finish('done')
  })
  t.equal((await ask(request('GET /'))).body.toString(), 'done')
})
