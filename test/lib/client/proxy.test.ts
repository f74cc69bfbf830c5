import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import { proxyFromEnvironment, proxyOf } from '../../../lib/client/proxy.js'
import { request, websocket } from '../../../lib/index.js'
import { developmentIdentities } from '../../../tls/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { serve } from '../../support/serving.js'
import { echo } from '../websocket/chat.js'
import { listening } from './listening.js'
import { ok, scripted } from './scripted.js'

t.test('the proxy that the environment has', async (t) => {
  const both = { http_proxy: 'http://lower:1', HTTPS_PROXY: 'https://upper/' }
  const cases: [url: string, environment: Record<string, string>, proxy: string | null][] = [
    ['http://a.test/', {}, null],
    ['http://a.test/', both, 'http://lower:1'], ['https://a.test/', both, 'https://upper'],
    ['ws://a.test/', both, 'http://lower:1'], ['wss://a.test/', both, 'https://upper'],
    ['http://a.test/', { HTTP_PROXY: 'upper:3128' }, 'http://upper:3128'],
    ['http://a.test/', { HTTP_PROXY: 'http://upper', http_proxy: 'http://lower' }, 'http://lower'],
    ['http://a.test/', { HTTP_PROXY: 'http://upper', http_proxy: '' }, 'http://upper'],
    ['http://a.test/', { HTTP_PROXY: 'http://upper', REQUEST_METHOD: 'GET' }, null],
    ['http://a.test/', { http_proxy: 'http://lower', REQUEST_METHOD: 'GET' }, 'http://lower'],
    ['https://a.test/', { HTTPS_PROXY: 'http://upper', REQUEST_METHOD: 'GET' }, 'http://upper'],
    ...['localhost', 'x.localhost', '127.0.0.1', '127.3.2.1', '[::1]'].map((host): [string, Record<string, string>, null] => [`http://${host}:5/`, both, null]),
  ]
  for (const [url, environment, proxy] of cases) t.equal(proxyFromEnvironment(new URL(url), environment)?.url.origin ?? null, proxy, `${url} ${JSON.stringify(environment)}`)
  t.throws(() => proxyFromEnvironment(new URL('http://a.test'), { http_proxy: 'socks5://u:secret@b.test' }), {
    code: 'LEVERET_REQUEST', message: 'the environment variable http_proxy is no URL of a proxy that speaks HTTP',
  })
})

t.test('hosts that are reached without it', async (t) => {
  const cases: [list: string, url: string, exempt: boolean][] = [
    ['a.test', 'http://a.test/', true], ['a.test', 'http://b.a.test/', true], ['a.test', 'http://ba.test/', false], ['a.test', 'http://a.test.b/', false],
    ['.a.test', 'http://b.a.test/', true], ['.a.test', 'http://a.test/', true], ['*.a.test', 'http://b.a.test/', true], ['A.Test', 'http://a.test/', true],
    ['x, a.test y', 'http://a.test/', true], ['*', 'http://a.test/', true], ['', 'http://a.test/', false], [',', 'http://a.test/', false],
    ['a.test:80', 'http://a.test/', true], ['a.test:81', 'http://a.test/', false], ['a.test:443', 'https://a.test/', true], ['a.test:81', 'http://b.a.test:81/', true],
    ['10.0.0.1', 'http://10.0.0.1/', true], ['10.0.0.1', 'http://10.0.0.10/', false], ['2001:db8::1', 'http://[2001:db8::1]/', true],
    ['[2001:db8::1]:80', 'http://[2001:db8::1]/', true], ['[2001:db8::1]:81', 'http://[2001:db8::1]/', false], ['a.test', 'http://a.test./', true],
  ]
  for (const [list, url, exempt] of cases) {
    for (const name of ['no_proxy', 'NO_PROXY']) {
      const proxy = proxyFromEnvironment(new URL(url), { http_proxy: 'p.test', https_proxy: 'p.test', [name]: list })
      t.equal(proxy === null, exempt, `${name}=${list} ${url}`)
    }
  }
})

t.test('a proxy\'s URL', async (t) => {
  t.match(proxyOf('http://us%20er:p%C3%BC@a.test:1'), { url: new URL('http://a.test:1/'), authorization: `Basic ${Buffer.from('us er:pü').toString('base64')}` })
  t.match(proxyOf('a.test'), { authorization: null })
  for (const text of ['', 'http://', 'socks5://a.test', 'ftp://a.test']) t.equal(proxyOf(text), null, text)
})

t.test('a request in the clear is given to the proxy', (t) => virtual(() => scripted(function* (stream) {
  yield* stream.write(ok('by proxy'))
}, function* (server) {
  const proxy = `http://u:p@127.0.0.1:${server.port}`
  for (const url of ['http://one.test/a?b#c', 'http://us:er@two.test:81/']) t.equal((yield* request({ url, proxy })).body.toString(), 'by proxy')
  t.same(server.asked.map(({ head }) => head.split('\r\n')[0]), ['GET http://one.test/a?b HTTP/1.1', 'GET http://two.test:81/ HTTP/1.1'])
  t.match(server.asked[1].head, /\r\nhost: two.test:81\r\n/)
  for (const { head } of server.asked) t.match(head, `\r\nproxy-authorization: Basic ${btoa('u:p')}\r\n`)
  t.match(server.asked[1].head, `\r\nauthorization: Basic ${btoa('us:er')}\r\n`)
  t.same(server.asked.map(({ connection }) => connection), [0, 0], 'one connection serves all')
  yield* request({ url: `http://127.0.0.1:${server.port}/direct`, proxy: false })
  t.match(server.asked[2], { head: /^GET \/direct HTTP/, connection: 1 })
  t.notMatch(server.asked[2].head, /proxy-/)
})))

t.test('the environment is that of the driver: on a virtual network there is none', async (t) => {
  const story = (server: { port: number; asked: readonly { head: string }[] }) => function* (): Op<string> {
    yield* request(`http://one.test:${server.port}/`)
    return server.asked[0].head.split(' ')[1]
  }
  const before = process.env.http_proxy
  process.env.http_proxy = 'http://127.0.0.1:1'
  t.teardown(() => (before === undefined ? delete process.env.http_proxy : (process.env.http_proxy = before)))
  const always = function* (stream: Stream): Op<void> {
    yield* stream.write(ok(''))
  }
  t.equal(await virtual(() => scripted(always, (server) => story(server)())), '/')
  await t.rejects(lev.run(() => request('http://one.test:1/')), { code: 'LEVERET_REQUEST', message: /cannot connect to 127.0.0.1:1/ } as never)
  const given = await lev.run(() => scripted(always, function* (server) {
    return yield* lev.wait(lev.run(() => story(server)()))
  }), { driver: { ...lev.memory(), environment: { http_proxy: 'http://proxy.test:49152' } } })
  t.match(given, /^http:\/\/one.test:\d+\/$/)
})

/** A proxy that makes tunnels; `heads` has what it was asked for. */
function* tunnelling<T>(security: lev.Security | null, story: (port: number, heads: string[]) => Op<T>): Op<T> {
  const heads: string[] = []
  const pump = function* (from: Stream, to: Stream): Op<void> {
    try {
      for (let bytes = yield* from.read(); bytes !== null; bytes = yield* from.read()) yield* to.write(Buffer.from(bytes))
      yield* to.end()
    } catch (error) {
      if (!(error instanceof lev.ClosedError)) throw error
      to.close()
    }
  }
  const one = function* (client: Stream): Op<void> {
    try {
      if (security !== null) yield* client.secure(security)
      let head = ''
      while (!head.includes('\r\n\r\n')) head += (yield* client.read())?.toString('latin1') ?? '\r\n\r\n'
      heads.push(head)
      if (head.includes('refused.test')) return yield* client.write('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
      if (head.includes('silent.test')) return yield* client.end()
      const server = yield* lev.connect({ ip: '127.0.0.1', port: Number(/:(\d+) /.exec(head)?.[1]) })
      yield* client.write('HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n')
      yield* lev.scope(function* (both) {
        both.spawn(() => pump(client, server))
        both.spawn(() => pump(server, client))
      })
      server.close()
    } catch (error) {
      if (!(error instanceof lev.HandshakeError)) throw error
    }
  }
  return yield* listening(one, (port) => story(port, heads))
}

t.test('what is encrypted goes through a tunnel, and so does a WebSocket', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const ca = readFileSync(made.ca)
  const seen: unknown[] = []
  const handler = (_method: string, query: string, _args: string, headers: Record<string, string | undefined>, _body: unknown, ctx: { upgrade: (handler: typeof echo) => never }): unknown => {
    seen.push(headers['proxy-authorization'])
    return query === '/ws' ? ctx.upgrade(echo) : 'secret'
  }
  const secure = await serve(t, { ssl: made.ssl }, handler as never)
  const plain = await serve(t, {}, handler as never)
  await lev.run(() => tunnelling(null, function* (port, heads) {
    const proxy = `http://u:p@localhost:${port}`
    const url = `https://localhost:${secure.port}/`
    for (let count = 0; count < 2; count++) t.equal((yield* request({ url, proxy, tls: { ca }, headers: { 'Proxy-Authorization': 'mine' } })).body.toString(), 'secret')
    t.same(heads.length, 1, 'the tunnel is kept')
    t.match(heads[0], new RegExp(`^CONNECT localhost:${secure.port} HTTP/1.1\r\nhost: localhost:${secure.port}\r\nuser-agent: leveret/.*\r\nproxy-authorization: Basic ${btoa('u:p')}\r\n\r\n$`))
    for (const target of [`ws://localhost:${plain.port}/ws`, `wss://localhost:${secure.port}/ws`]) {
      const ws = yield* websocket(target, { proxy, tls: { ca } })
      yield* ws.send('through')
      t.equal(yield* ws.next(), 'through', target)
      ws.close()
    }
    t.equal(heads.length, 3)
    t.match(yield* failure(request({ url: 'https://refused.test/', proxy })), { code: 'LEVERET_REQUEST', message: /^GET https:\/\/refused.test: the proxy makes no tunnel: 407 Proxy Authentication Required$/ })
    t.match(yield* failure(request({ url: 'https://silent.test/', proxy })), { code: 'LEVERET_REQUEST', message: /the proxy closed the connection/ })
    t.match(yield* failure(request({ url, proxy })), { code: 'LEVERET_REQUEST', message: /certificate/ }, 'the server is verified')
  }))
  t.same(seen, [undefined, undefined, undefined, undefined], 'the server is not told what the proxy is')
})

t.test('a proxy that is spoken to by TLS', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const ca = readFileSync(made.ca)
  const { port } = await serve(t, { ssl: made.ssl }, () => 'secret')
  const context = process.getBuiltinModule('node:tls').createSecureContext({ cert: readFileSync(made.ssl.default.cert ?? ''), key: readFileSync(made.ssl.default.key ?? '') })
  await lev.run(() => tunnelling({ side: 'server', context, alpn: [], clientCertificate: 'none' }, function* (proxyPort, heads) {
    const proxy = `https://localhost:${proxyPort}`
    t.equal((yield* request({ url: `https://localhost:${port}/`, proxy, tls: { ca } })).body.toString(), 'secret')
    t.match(heads, [/^CONNECT/])
    t.match(yield* failure(request({ url: `https://localhost:${port}/`, proxy })), { code: 'LEVERET_REQUEST' }, 'it is verified')
  }))
})

t.test('options that cannot be', (t) => virtual(function* () {
  for (const proxy of [5, true, 'socks5://u:secret@a.test', '']) {
    const error = yield* failure(request({ url: 'http://a.test/', proxy: proxy as never }))
    t.match(error, { code: 'LEVERET_ARGUMENT', argument: 'proxy' }, String(proxy))
    t.notMatch((error as Error).message, /secret/)
  }
  t.match(yield* failure(request({ url: 'http://a.test/', socketPath: '' })), { code: 'LEVERET_ARGUMENT', argument: 'socketPath' })
  t.match(yield* failure(request({ url: 'http://a.test/', socketPath: '/x', proxy: 'a.test' })), { code: 'LEVERET_ARGUMENT', argument: 'proxy' })
}))
