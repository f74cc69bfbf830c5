import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { request, tcp, urlDecode, urlEncode } from '../../../lib/index.js'
import { developmentIdentities } from '../../../tls/index.js'
import { eventually, serve } from '../../support/serving.js'

t.test('request: method, headers, query, body, redirects, decompression', async (t) => {
  const { port } = await serve(t, { compression: { min_size: 1 } }, (method, query, args, headers, body) => {
    if (query === '/moved') return [null, 302, { Location: '/there?x' }]
    if (query === '/missing') return ['nothing', 404, { 'X-A': ['1', '2'], 'Set-Cookie': ['a=1', 'b=2'] }]
    return [JSON.stringify([method, query, args, headers['x-a'] ?? null, body?.toString() ?? null]), 200, { 'Content-Type': 'application/json' }]
  })
  const base = `http://127.0.0.1:${port}`
  await lev.run(function* () {
    const full = yield* request({ url: `${base}/a?b=c`, method: 'PUT', headers: { 'X-A': 1 }, query: { d: ['e', 'f g'], h: null }, body: 'bödy' })
    t.match(full, { ok: true, status: 200, reason: 'OK' })
    t.same(JSON.parse(full.body.toString()), ['PUT', '/a', 'b=c&d=e&d=f+g', '1', 'bödy'])
    t.equal(full.headers['content-encoding'], undefined)
    const packed = yield* request({ url: base, decompress: false, headers: { 'Accept-Encoding': 'gzip' } })
    t.equal(packed.headers['content-encoding'], 'gzip')
    t.equal(packed.body[0], 0x1f)
    t.same(JSON.parse((yield* request(`${base}/moved`)).body.toString()).slice(1, 3), ['/there', 'x'])
    t.match(yield* request({ url: `${base}/moved`, redirects: false }), { ok: false, status: 302, headers: { location: '/there?x' } })
    const missing = yield* request(`${base}/missing`)
    t.match(missing, { ok: false, status: 404, reason: 'Not Found', headers: { 'x-a': '1, 2', 'set-cookie': 'a=1\nb=2' } })
  })
})

t.test('request: what goes wrong', async (t) => {
  let aborted = 0
  const { port } = await serve(t, {}, function* (_method, query, _args, _headers, _body, ctx) {
    if (query === '/large') return 'x'.repeat(2000)
    ctx.signal.addEventListener('abort', () => aborted++)
    yield* lev.sleep(100)
    return 'late'
  })
  const base = `http://127.0.0.1:${port}`
  await t.rejects(lev.run(() => request('http://127.0.0.1:1/')), { code: 'LEVERET_REQUEST' })
  await t.rejects(lev.run(() => request({ url: `${base}/large`, maxBodySize: 1000 })), { code: 'LEVERET_REQUEST' })
  await t.rejects(lev.run(() => request({ url: base, timeout: 0.05 })), lev.TimeoutError)
  await eventually(() => aborted === 1, 'a timeout aborts the request')
  await lev.run(function* () {
    const task = lev.spawn(() => request(base))
    yield* lev.sleep(0.05)
    task.cancel()
  })
  await eventually(() => aborted === 2, 'cancelling aborts the request')
  for (const url of ['', 'ftp://x', 'no url']) await t.rejects(lev.run(() => request(url)), { code: 'LEVERET_ARGUMENT', argument: 'url' } as never)
  await t.rejects(lev.run(() => request({ url: base, timeout: 0 })), { code: 'LEVERET_ARGUMENT', argument: 'timeout' } as never)
})

t.test('request: connections are kept for the next, also while others are given up', async (t) => {
  const peers: number[] = []
  const { port } = await serve(t, {}, function* (_method, query, _args, _headers, _body, ctx) {
    if (query === '/slow') yield* lev.sleep(0.2)
    else if (query === '/never') yield* lev.sleep(100)
    peers.push(ctx.client.remote.port)
    return query
  })
  const base = `http://127.0.0.1:${port}`
  await lev.run(function* () {
    yield* request(`${base}/a`)
    yield* lev.sleep(0.01)
    yield* request(`${base}/b`)
    t.equal(peers[0], peers[1])
    const slow = lev.spawn(() => request(`${base}/slow`))
    const never = Array.from({ length: 3 }, () => lev.spawn(() => request(`${base}/never`)))
    yield* lev.sleep(0.05)
    for (const task of never) task.cancel()
    t.equal((yield* request(`${base}/c`)).body.toString(), '/c')
    t.equal((yield* slow.join()).body.toString(), '/slow')
  })
})

t.test('request and tcp over TLS: verified by default', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const { port } = await serve(t, { ssl: made.ssl }, () => 'secret')
  const url = `https://localhost:${port}/`
  const ca = readFileSync(made.ca)
  await t.rejects(lev.run(() => request(url)), { code: 'LEVERET_REQUEST' })
  await t.rejects(lev.run(() => tcp.connect('localhost', port, true)), { code: 'LEV_HANDSHAKE' })
  await lev.run(function* () {
    t.equal((yield* request({ url, tls: { ca } })).body.toString(), 'secret')
    t.equal((yield* request({ url, tls: { verify: false } })).body.toString(), 'secret')
    const stream = yield* tcp.connect('localhost', port, { tls: { ca } })
    yield* stream.write('GET / HTTP/1.0\r\nHost: localhost\r\n\r\n')
    t.equal((yield* stream.read(4))?.toString(), 'HTTP')
    t.equal(stream.remote.port, port)
    stream.close()
  })
})

t.test('tcp: bad arguments name themselves, a port without a listener is an AddressError', async (t) => {
  for (const [argument, args] of [['host', ['', 1]], ['port', ['x', 0]], ['port', ['x', NaN]], ['ttl', ['x', 1, { ttl: 64 }]]] as const) {
    await t.rejects(lev.run(() => tcp.connect(args[0], args[1], args[2] as object | undefined)), { code: 'LEVERET_ARGUMENT', argument } as never)
  }
  await t.rejects(lev.run(() => tcp.connect('127.0.0.1', 1)), lev.AddressError)
})

t.test('urlEncode, urlDecode', async (t) => {
  t.equal(urlEncode('a b/ü~'), 'a%20b%2F%C3%BC~')
  t.equal(urlEncode('a\xff', true), 'a%FF')
  t.equal(urlEncode(Buffer.from([0, 255])), '%00%FF')
  t.equal(urlDecode('a%20b+%C3%BC%zz%'), 'a b+ü%zz%')
  t.same(urlDecode('%ff%00', true), Buffer.from([255, 0]))
  t.throws(() => urlDecode('%ff'), { code: 'LEVERET_ARGUMENT' })
  t.throws(() => urlEncode('€', true), { code: 'LEVERET_ARGUMENT' })
  t.throws(() => urlEncode(1 as never), { code: 'LEVERET_ARGUMENT' })
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const text = urlEncode(bytes)
    return /^[\w\-.~%]*$/.test(text) && urlDecode(text, true).equals(bytes)
  }))
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => urlDecode(urlEncode(text)) === text))
})
