import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import * as lev from '../../../../lev/index.js'
import * as net from '../../../../lib/dialects/lune/index.js'
import { developmentIdentities } from '../../../../tls/index.js'
import { keptLog } from '../../../support/kept-log.js'
import { serve as serveCore } from '../../../support/serving.js'
import { virtual } from '../../../../testing/virtual.js'

type ServeHandler = Parameters<typeof net.serve>[1]

/** Serves on a port of the system's choice until the test ends. */
async function serve(t: Test, handler: ServeHandler): Promise<{ handle: net.ServeHandle; url: string; log: ReturnType<typeof keptLog> }> {
  const log = keptLog()
  const handle = await net.serve(0, handler, { logger: log })
  t.teardown(() => {
    try {
      void handle.stop()
    } catch { /* it was stopped */ }
  })
  return { handle, url: `http://127.0.0.1:${handle.port}`, log }
}

t.test('serve does not block; request gets what the handler says', async (t) => {
  const { url } = await serve(t, (request) => ({ status: 201, body: `Echo:\n${request.body}`, headers: { 'X-A': 'b' } }))
  const response = await net.request({ url, method: 'POST', body: 'hellö' })
  t.match(response, { ok: true, statusCode: 201, statusMessage: 'Created', body: 'Echo:\nhellö', headers: { 'x-a': 'b' } })
  t.equal(response.bytes.toString(), 'Echo:\nhellö')
})

t.test('serve and request as operations', async (t) => {
  await lev.run(function* () {
    const handle = yield* net.serve(0, function* (request) {
      t.ok(lev.inCoroutine())
      yield* lev.sleep(0.001)
      return `coroutine ${request.method}`
    }, { logger: keptLog() })
    const op = net.request(`http://127.0.0.1:${handle.port}`)
    t.notOk(op instanceof Promise)
    t.equal((yield* op).body, 'coroutine GET')
    yield* handle.stop()
  })
})

t.test('serve in a virtual world', async (t) => {
  await virtual(function* () {
    const handle = yield* net.serve(80, function* () {
      yield* lev.sleep(3600)
      return 'an hour later'
    }, { logger: keptLog() })
    t.equal(handle.port, 80)
    const stream = yield* net.tcp.connect('127.0.0.1', 80)
    yield* stream.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')
    let text = ''
    for (let bytes = yield* stream.read(); bytes !== null; bytes = yield* stream.read()) text += bytes.toString()
    t.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nan hour later$/)
    yield* stream.close()
    yield* handle.stop()
    t.ok(lev.now() >= 3600 && lev.now() < 3700)
  })
})

t.test('ServeRequest: path, query, method, headers, body', async (t) => {
  const seen: net.ServeRequest[] = []
  const { url } = await serve(t, async (request) => {
    seen.push(request)
    return 'async'
  })
  t.equal((await net.request(`${url}/some/p%20th?key=param1&key=param2&key2=a+b%26&key=3&empty`)).body, 'async')
  t.match(seen[0], { path: '/some/p%20th', method: 'GET', body: '' })
  t.same({ ...seen[0].query }, { key: ['param1', 'param2', '3'], key2: 'a b&', empty: '' })
  t.equal(seen[0].query.toString, undefined, 'names come from clients')
  t.match(seen[0].headers.host, /^127/)
  await net.request({ url, method: 'PUT', body: Buffer.from([0xff, 0x00]), headers: { 'X-Mixed': 'Case' } })
  t.match(seen[1], { path: '/', method: 'PUT', bytes: Buffer.from([0xff, 0x00]) })
  t.equal(seen[1].headers['x-mixed'], 'Case')
  const conn = await net.tcp.connect('127.0.0.1', Number(new URL(url).port))
  await conn.write('GET / HTTP/1.0\r\n\r\n')
  while (await conn.read() !== null);
  t.match(seen.at(-1), { ip: '127.0.0.1', port: conn.localPort })
  await conn.close()
  t.same({ ...seen[1].query }, {})
})

t.test('bodies of requests are decompressed', async (t) => {
  const handler: ServeHandler = ({ body, bytes, headers }) => [body, bytes.length, headers['content-encoding']].join()
  const { url } = await serve(t, handler)
  const text = 'compressed '.repeat(100)
  for (const [coding, body] of [['gzip', gzipSync(text)], ['deflate', deflateSync(text)]] as const) {
    const response = await net.request({ url, method: 'POST', body, headers: { 'Content-Encoding': coding } })
    t.equal(response.body, `${text},${text.length},`)
  }
  t.equal((await net.request({ url, method: 'POST', body: 'x', headers: { 'Content-Encoding': 'x-y' } })).statusCode, 415)
  t.equal((await net.request({ url, method: 'POST', body: 'x', headers: { 'Content-Encoding': 'gzip' } })).statusCode, 400)
  const raw = await net.serve(0, handler, { logger: keptLog(), decode_body: false })
  const body = gzipSync(text)
  const response = await net.request({ url: `http://127.0.0.1:${raw.port}`, method: 'POST', body, headers: { 'Content-Encoding': 'gzip' } })
  t.match(response.body, new RegExp(`,${body.length},gzip$`))
  await raw.stop()
})

t.test('a method is sent in upper case', async (t) => {
  const methods: string[] = []
  const { port } = await serveCore(t, {}, (method) => {
    methods.push(method)
    return ''
  })
  for (const method of ['post', 'Put', 'patch', 'DELETE', 'get', null]) await net.request({ url: `http://127.0.0.1:${port}`, method })
  t.same(methods, ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'GET'])
  await t.rejects(net.request({ url: `http://127.0.0.1:${port}`, method: 5 } as never), { code: 'LEVERET_ARGUMENT', argument: 'method' } as never)
})

t.test('a status that only announces a response is refused, with the reason', async (t) => {
  const { url, log } = await serve(t, ({ path }) => ({ status: Number(path.slice(1)), body: 'x' }))
  for (const status of [100, 101, 103, 199]) t.equal((await net.request(`${url}/${status}`)).statusCode, 500)
  t.same(log.of('error').map(({ err }) => (err as Error).message), [100, 101, 103, 199].map((status) => {
    return `the status is ${status}: 100 to 199 only announce a response; it must be 200 to 599`
  }))
})

t.test('ServeResponse: string, bytes, table; what it cannot be is a 500, and the server lives', async (t) => {
  const responses: Record<string, unknown> = {
    '/text': 'text', '/bytes': Buffer.from([1, 2]), '/empty': {}, '/table': { status: 404, body: Buffer.from([3]) },
    '/nil': undefined, '/number': 5, '/array': ['x'], '/100': { status: 100 }, '/599': { status: 599 }, '/600': { status: 600 },
    '/body': { body: 5 }, '/header': { headers: { 'X-A': 'a\r\nb' } },
  }
  const { url, log } = await serve(t, ({ path }) => {
    if (path === '/throws') throw new Error('secret')
    return responses[path] as string
  })
  const get = async (path: string): Promise<[number, string]> => {
    const { statusCode, body } = await net.request(url + path)
    return [statusCode, body]
  }
  t.same(await get('/text'), [200, 'text'])
  t.same(await get('/bytes'), [200, '\x01\x02'])
  t.same(await get('/empty'), [200, ''])
  t.same(await get('/table'), [404, '\x03'])
  t.same(await get('/599'), [599, ''])
  for (const path of ['/nil', '/number', '/array', '/100', '/600', '/body', '/header', '/throws']) {
    t.same(await get(path), [500, 'Internal Server Error\n'], path)
  }
  t.equal(log.of('error').length, 8)
})

t.test('ServeConfig: address is a URL, and a malformed one throws', async (t) => {
  const handleRequest = () => 'here'
  const good = [
    ['http://0.0.0.0', '0.0.0.0'], ['http://localhost', '127.0.0.1'], ['http://127.0.0.1/', '127.0.0.1'], ['http://[::1]', '::1'],
    ['0.0.0.0', '0.0.0.0'], ['localhost', '127.0.0.1'], ['127.0.0.1', '127.0.0.1'], ['::1', '::1'], ['[::1]', '::1'], ['::', '::'],
  ]
  for (const [address, ip] of good) {
    const handle = await net.serve(0, { address, handleRequest }, { logger: keptLog() })
    t.equal(handle.ip, ip, address)
    t.equal((await net.request(`http://${ip === '::1' ? '[::1]' : '127.0.0.1'}:${handle.port}`)).body, 'here')
    await handle.stop()
  }
  const bad = [
    'a.b.c.d', 'http://a.b.c.d', '0.0.0.0:81', '[::1]:81', '::1:x', 'a:b:c', '::1]', '256.1.1.1', 'http://256.1.1.1', 'https://0.0.0.0', 'http://0.0.0.0:81', 'http://0.0.0.0/x', 'http://u@0.0.0.0', '', 5,
    'http://0.0.0.0?', 'http://0.0.0.0#',
  ]
  for (const address of bad) {
    t.throws(() => net.serve(0, { address: address as string, handleRequest }), { code: 'LEVERET_CONFIG', key: 'address' }, String(address))
  }
})

t.test('serve: other arguments that cannot be', async (t) => {
  const config = { code: 'LEVERET_CONFIG' }
  for (const handler of [undefined, null, 5, 'x', []]) {
    t.throws(() => net.serve(0, handler as never), { ...config, key: 'handlerOrConfig' })
  }
  for (const port of [-1, 65536, 1.5, '80', undefined]) t.throws(() => net.serve(port as number, () => ''), { ...config, key: 'port' })
  t.throws(() => net.serve(0, {}), { ...config, key: 'handleRequest' })
  t.throws(() => net.serve(0, { handleRequest: 5 as never }), { ...config, key: 'handleRequest' })
  t.throws(() => net.serve(0, { handleWebSocket: 5 as never }), { ...config, key: 'handleWebSocket' })
  t.throws(() => net.serve(0, { handleRequest: () => '', handleWebsocket() {} } as never), {
    ...config, key: 'handleWebsocket', message: 'unknown setting handleWebsocket; did you mean handleWebSocket?',
  })
  t.throws(() => net.serve(0, { address: 'http://0.0.0.0', handleWebSocket() {} }), { ...config, key: 'handleRequest' })
  t.throws(() => net.serve(0, () => '', { port: 5 } as never), { ...config, key: 'port' })
  t.throws(() => net.serve(0, () => '', { keepalive: 5 } as never), config)
  const { handle } = await serve(t, () => '')
  await t.rejects(net.serve(handle.port, () => ''), { code: 'LEVERET_BIND' })
})

t.test('ServeHandle: stop; stopping twice throws', async (t) => {
  const { handle, url } = await serve(t, () => 'x')
  const { stop } = handle
  await net.request(url)
  await stop()
  t.throws(() => handle.stop(), { code: 'LEVERET_STATE', message: /stopped/ })
  await t.rejects(net.request(url), { code: 'LEVERET_REQUEST' })
})

t.test('stop lets requests in flight finish', async (t) => {
  let stopping: Promise<void> | null = null
  const { handle, url } = await serve(t, async () => {
    stopping = handle.stop()
    await new Promise((resolve) => setTimeout(resolve, 20))
    return 'finished'
  })
  t.equal((await net.request(url)).body, 'finished')
  await stopping
})

t.test('request: url or table, query, headers, options; throws only when there is no response', async (t) => {
  const { port } = await serveCore(t, { compression: { min_size: 1 } }, (method, path, args, headers) => {
    if (path === '/moved') return [null, 302, { Location: '/there' }]
    return [JSON.stringify([method, path, args, headers['x-a'] ?? null]), path === '/missing' ? 404 : 200, { 'Content-Type': 'application/json' }]
  })
  const url = `http://127.0.0.1:${port}`
  t.same(JSON.parse((await net.request({ url: `${url}/a?b=c`, query: { Key: ['1', '2'], Hello: ' 🚀 ' }, headers: { 'X-A': 'y' } })).body), [
    'GET', '/a', 'b=c&Key=1&Key=2&Hello=+%F0%9F%9A%80+', 'y',
  ])
  t.match(await net.request(`${url}/missing`), { ok: false, statusCode: 404, statusMessage: 'Not Found' })
  t.same(JSON.parse((await net.request(`${url}/moved`)).body)[1], '/there')
  const packed = await net.request({ url, options: { decompress: false }, headers: { 'Accept-Encoding': 'gzip' } })
  t.equal(packed.bytes[0], 0x1f)
  t.equal((await net.request({ url, method: null, body: null, query: null, headers: null, options: null })).ok, true, 'null counts as not given')
  for (const [argument, options] of [['options', 5], ['options.decompress', { decompress: 'x' }], ['options.foo', { foo: 1 }]] as const) {
    t.throws(() => net.request({ url, options } as never), { code: 'LEVERET_ARGUMENT', argument })
  }
  t.throws(() => net.request({ url, foo: 1 } as never), { code: 'LEVERET_ARGUMENT', argument: 'foo' })
  await t.rejects(net.request({ url, headers: 5 } as never), { code: 'LEVERET_ARGUMENT', argument: 'headers' } as never)
  for (const config of ['', 'no url', {}, { url: 5 }]) {
    t.throws(() => net.request(config as string), { code: 'LEVERET_ARGUMENT', argument: 'url' })
  }
  t.throws(() => net.request(null as never), { code: 'LEVERET_ARGUMENT', argument: 'config' })
  await t.rejects(net.request('http://127.0.0.1:1'), { code: 'LEVERET_REQUEST' })
  await t.rejects(net.request(url, { maxBodySize: 1 }), { code: 'LEVERET_REQUEST' })
})

t.test('urlEncode and urlDecode', async (t) => {
  t.equal(net.urlEncode('Hello, 🚀 & you'), 'Hello%2C%20%F0%9F%9A%80%20%26%20you')
  t.equal(net.urlDecode('Hello%2C%20%F0%9F%9A%80'), 'Hello, 🚀')
  t.equal(net.urlEncode('\xff\x00', true), '%FF%00')
  t.same(net.urlDecode('%FF%00', true), Buffer.from([255, 0]))
})

t.test('tcp.connect: read, write, close, addresses', async (t) => {
  const { port } = await serveCore(t, {}, () => 'x'.repeat(1000))
  const conn = await net.tcp.connect('127.0.0.1', port)
  t.match(conn, { localIp: '127.0.0.1', remoteIp: '127.0.0.1', remotePort: port })
  t.ok(conn.localPort > 0)
  const writing = conn.write('GET / HTTP/1.1\r\nHost: a.test\r\n')
  t.ok(writing instanceof Promise)
  await writing
  await conn.write(Buffer.from('Connection: close\r\n\r\n'))
  t.equal((await conn.read(4))?.toString(), 'HTTP')
  let rest = ''
  for (let bytes = await conn.read(); bytes !== null; bytes = await conn.read()) rest += bytes.toString()
  t.match(rest, /x{1000}$/)
  t.equal(await conn.read(), null, 'the end stays the end')
  for (const size of [0, -1, 1.5, NaN, 'x']) t.throws(() => conn.read(size as number), { code: 'LEVERET_ARGUMENT', argument: 'size' })
  t.throws(() => conn.write(5 as never), { code: 'LEVERET_ARGUMENT', argument: 'data' })
  await conn.close()
  await conn.close()
  t.equal(await conn.read(), null)
  t.equal(await conn.read(1), null)
  await t.rejects(conn.write('x'), { code: 'LEV_CLOSED', message: /closed/ })
})

t.test('tcp: what was written before close arrives, and a slow reader makes the writer wait', async (t) => {
  await virtual(function* () {
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    const conn = yield* net.tcp.connect('127.0.0.1', listener.address.port)
    const far = yield* listener.accept()
    if (far === null) return
    let written = false
    lev.spawn(function* () {
      yield* conn.write(Buffer.alloc(1_000_000))
      written = true
    })
    yield* lev.sleep(1)
    t.notOk(written, 'the reader has not read')
    let got = 0
    while (!written) got += (yield* far.read())?.length ?? 0
    void conn.write('the end')
    void conn.close()
    let last = ''
    for (let bytes = yield* far.read(); bytes !== null; bytes = yield* far.read()) {
      got += bytes.length
      last = bytes.toString().slice(-7)
    }
    t.equal(got, 1_000_007)
    t.equal(last, 'the end')
    listener.close()
  })
})

t.test('tcp: a connection that is lost is an error, not an end', async (t) => {
  await virtual(function* () {
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    const conn = yield* net.tcp.connect('127.0.0.1', listener.address.port)
    const far = yield* listener.accept()
    far?.reset()
    try {
      yield* conn.read()
      t.fail('read')
    } catch (error) {
      t.match(error, { code: 'LEV_CLOSED' })
    }
    yield* conn.close()
    t.equal(yield* conn.read(), null)
    listener.close()
  })
})

t.test('tcp: a reader who waits is told of close', async (t) => {
  await virtual(function* () {
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    const conn = yield* net.tcp.connect('127.0.0.1', listener.address.port)
    const reading = lev.spawn(function* () {
      try {
        return yield* conn.read()
      } catch (error) {
        return error instanceof lev.ClosedError ? error.message : 'another error'
      }
    })
    yield* lev.sleep(1)
    yield* conn.close()
    t.equal(yield* reading.join(), null)
    t.equal(yield* conn.read(), null)
    listener.close()
  })
})

t.test('tcp over TLS: true, or a table; verified', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const { port } = await serveCore(t, { ssl: made.ssl }, () => 'secret')
  await t.rejects(net.tcp.connect('localhost', port, true), { code: 'LEV_HANDSHAKE' })
  await t.rejects(net.tcp.connect('localhost', port, { tls: true }), { code: 'LEV_HANDSHAKE' })
  const conn = await net.tcp.connect('localhost', port, { tls: { ca: readFileSync(made.ca) } })
  await conn.write('GET / HTTP/1.0\r\nHost: localhost\r\n\r\n')
  t.match((await conn.read())?.toString(), /^HTTP\/1\.1 200/)
  await conn.close()
  t.equal((await net.request(`https://localhost:${port}`, { tls: { ca: readFileSync(made.ca) } })).body, 'secret')
})

t.test('tcp: what cannot be', async (t) => {
  const bad: [string, unknown[]][] = [
    ['host', ['', 80]], ['port', ['x', 0]], ['tls', ['x', 80, { tls: 5 }]], ['foo', ['x', 80, { foo: 5 }]],
  ]
  for (const [argument, args] of bad) {
    await t.rejects(net.tcp.connect(...(args as [string, number])), { code: 'LEVERET_ARGUMENT', argument } as never)
  }
  t.throws(() => net.tcp.connect('x', 80, { ttl: 128 }), { code: 'LEVERET_ARGUMENT', argument: 'ttl', message: /Node\.js has no way/ }, 'at once')
  await t.rejects(net.tcp.connect('127.0.0.1', 1, { ttl: null }), { code: 'LEV_ADDRESS' }, 'null is not given')
  t.throws(() => net.tcp.connect('x', 80, 'tls' as never), { code: 'LEVERET_ARGUMENT', argument: 'config' })
  await t.rejects(net.tcp.connect('127.0.0.1', 1), { code: 'LEV_ADDRESS' })
})
