import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import * as lev from '../../../../lev/index.js'
import * as net from '../../../../lib/dialects/zune/index.js'
import { developmentIdentities } from '../../../../tls/index.js'
import { keptLog, type KeptLog } from '../../../support/kept-log.js'
import { serve as serveCore } from '../../../support/serving.js'
import { readAll } from '../../../../testing/streams.js'
import { valueOf } from './value-of.js'

/** Serves on a port of the system's choice until the test ends. */
async function serve(t: Test, options: Omit<net.ServeOptions, 'port'>): Promise<{ handle: net.ServerHandle; url: string; log: KeptLog }> {
  const log = keptLog()
  const handle = valueOf(await net.serve({ port: 0, ...options }, { logger: log }))
  t.teardown(() => handle.close())
  return { handle, url: `http://127.0.0.1:${handle.port}`, log }
}

t.test('serve and request: [true, value]', async (t) => {
  const seen: net.ServerRequest[] = []
  const { url } = await serve(t, {
    request(request) {
      seen.push(request)
      return { statusCode: 201, headers: { 'X-A': 'b' }, body: 'Hello' }
    },
  })
  const [ok, response] = await net.request(`${url}/a?b=c`)
  t.equal(ok, true)
  t.match(response, { ok: true, statusCode: 201, statusReason: 'Created', body: 'Hello', headers: { 'x-a': 'b', 'content-length': '5' } })
  t.match(seen[0], { method: 'GET', path: '/a?b=c', body: '' })
  t.match(seen[0].headers.host, /^127/)
  await net.request(url, { method: 'POST', body: 'bödy', headers: { 'X-Mixed': 'Case' } })
  t.match(seen[1], { method: 'POST', path: '/', body: 'bödy', bytes: Buffer.from('bödy') })
  t.equal(seen[1].headers['x-mixed'], 'Case')
})

t.test('serve in a virtual world', async (t) => {
  await lev.run(function* () {
    const [ok, handle] = yield* net.serve({
      port: 80,
      *request() {
        yield* lev.sleep(3600)
        return 'an hour later'
      },
    }, { logger: keptLog() })
    if (!ok) throw new Error(handle)
    t.equal(handle.port, 80)
    const stream = yield* lev.connect({ ip: '127.0.0.1', port: 80 })
    yield* stream.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')
    const text = String(yield* readAll(stream))
    t.match(text, /an hour later$/)
    stream.close()
    const [taken, message] = yield* net.serve({ port: 80, request: () => '' }, { logger: keptLog() })
    t.notOk(taken)
    t.match(message, /^failed to bind 0\.0\.0\.0:80: .*address already in use/)
    yield* handle.close()
    t.ok(lev.now() >= 3600 && lev.now() < 3700)
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('request as an operation', async (t) => {
  const { url } = await serve(t, { request: async () => Buffer.from('bytes') })
  await lev.run(function* () {
    const op = net.request(url)
    t.notOk(op instanceof Promise)
    t.equal(valueOf(yield* op).body, 'bytes')
  })
})

t.test('what handlers give: string, buffer, table; what cannot be is a 500', async (t) => {
  const responses: Record<string, unknown> = {
    '/text': 'text', '/bytes': Buffer.from([0xff]), '/table': { statusCode: 404, headers: {}, body: Buffer.from([1]) }, '/empty': {},
    '/nil': undefined, '/number': 5, '/status': { statusCode: 99 }, '/body': { body: {} },
  }
  const { url, log } = await serve(t, {
    request({ path }) {
      if (path === '/throws') throw new Error('secret')
      return responses[path] as string
    },
  })
  const get = async (path: string): Promise<[number, Buffer]> => {
    const { statusCode, bytes } = valueOf(await net.request(url + path))
    return [statusCode, bytes]
  }
  t.same(await get('/text'), [200, Buffer.from('text')])
  t.same(await get('/bytes'), [200, Buffer.from([0xff])])
  t.same(await get('/table'), [404, Buffer.from([1])])
  t.same(await get('/empty'), [200, Buffer.alloc(0)])
  for (const path of ['/nil', '/number', '/status', '/body', '/throws']) {
    t.same(await get(path), [500, Buffer.from('Internal Server Error\n')], path)
  }
  t.equal(log.of('error').length, 5)
})

t.test('serve: the default address is 0.0.0.0; reuseAddress; what is wrong is told', async (t) => {
  const { handle, url } = await serve(t, { request: () => 'here', reuseAddress: true })
  t.equal(valueOf(await net.request(url)).body, 'here')
  const [, taken] = await net.serve({ port: handle.port, address: '127.0.0.1', request: () => '' })
  t.match(taken, `failed to bind 127.0.0.1:${handle.port}: address already in use`)
  const wrong: [unknown, RegExp][] = [
    [undefined, /^options must be a table/], [5, /^options/], [{ port: 0 }, /^request must be a function/],
    [{ request() {} }, /^port must be an integer/], [{ port: '80', request() {} }, /^port/], [{ port: 70000, request() {} }, /^port/],
    [{ port: 0, request() {}, address: 5 }, /^address must be/], [{ port: 0, request() {}, address: '1.2.3' }, /^address must be/],
    [{ port: 0, request() {}, reuseAddress: 1 }, /^reuseAddress must be/], [{ port: 0, request() {}, webhook: () => {} }, /^webhook must be/],
    [{ port: 0, request() {}, webhook: { open: 1 } }, /^webhook\.open must be a function/],
    [{ port: 0, request() {}, adress: '::' }, /^unknown setting adress; did you mean address\?$/],
    [{ port: 0, request() {}, webhook: { mesage() {} } }, /^unknown setting webhook\.mesage; did you mean webhook\.message\?$/],
  ]
  for (const [options, message] of wrong) {
    const [ok, said] = await net.serve(options as net.ServeOptions)
    t.equal(ok, false)
    t.match(said, message)
  }
  t.match(await net.serve({ port: 0, request: () => '' }, { port: 5 } as never), [false, /port/])
  for (const [options, message] of [
    [5, /^options must be/], [{ foo: 1 }, /^unknown setting foo/], [{ headers: 5 }, /^headers must be/], [{ method: 'A B' }, /^method must be/],
    [{ method: 'POST', body: 5 }, /^body must be/], [{ allowRedirects: 'x' }, /^allowRedirects must be/],
  ] as [unknown, RegExp][]) t.match(await net.request(url, options as never), [false, message])
  t.match(await net.serve({ port: 0, request: () => '', address: null, reuseAddress: null, webhook: 5 as never }), [false, /webhook/])
})

t.test('ServerHandle: close, also twice', async (t) => {
  const { handle, url } = await serve(t, { request: () => 'x' })
  valueOf(await net.request(url))
  const closing = handle.close()
  await handle.close()
  await closing
  const [ok, message] = await net.request(url)
  t.equal(ok, false)
  t.match(message, /ECONNREFUSED/)
})

t.test('request: redirects, methods, headers; every status is a success', async (t) => {
  const { port } = await serveCore(t, {}, (method, path, _args, headers, body) => {
    if (path === '/moved') return [null, 302, { Location: '/there' }]
    return [`${method} ${path} ${headers['x-a'] ?? ''} ${body?.toString() ?? ''}`, path === '/missing' ? 404 : 200]
  })
  const url = `http://127.0.0.1:${port}`
  t.equal(valueOf(await net.request(`${url}/moved`)).body, 'GET /there  ')
  t.match(await net.request(`${url}/moved`, { method: 'GET', allowRedirects: false }), [true, { ok: false, statusCode: 302, headers: { location: '/there' } }])
  t.match(await net.request(`${url}/missing`), [true, { ok: false, statusCode: 404, statusReason: 'Not Found' }])
  for (const method of ['POST', 'PUT', 'DELETE'] as const) {
    t.equal(valueOf(await net.request(url, { method, body: 'b', headers: { 'X-A': 'y' } })).body, `${method} / y b`)
  }
  t.equal(valueOf(await net.request(`127.0.0.1:${port}/a`)).body, 'GET /a  ', 'without a protocol')
  t.equal(valueOf(await net.request(url, null, null)).ok, true)
  for (const host of ['', 'ftp://a.test', 'http://', undefined, 5]) t.match(await net.request(host as string), [false, /(host|url) must/], String(host))
  t.match(await net.request(url, 5 as never), [false, /options/])
  t.match(await net.request('http://127.0.0.1:1'), [false, /ECONNREFUSED/])
  t.match(await net.request(url, {}, { timeout: 0 }), [false, /timeout/])
})

t.test('request over TLS: verified', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const { port } = await serveCore(t, { ssl: made.ssl }, () => 'secret')
  const url = `https://localhost:${port}`
  t.match(await net.request(url), [false, /certificate/])
  t.equal(valueOf(await net.request(url, {}, { tls: { ca: readFileSync(made.ca) } })).body, 'secret')
})

t.test('a coroutine that is cancelled gets nothing', async (t) => {
  const { url } = await serve(t, { request: () => lev.sleep(100) as never })
  await lev.run(function* () {
    let got = false
    const task = lev.spawn(function* () {
      yield* net.request(url)
      got = true
    })
    yield* lev.sleep(0.05)
    task.cancel()
    yield* lev.sleep(0.05)
    t.notOk(got)
  })
})
