import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import { request, tcp, websocket } from '../../../lib/index.js'
import { clientSecurity, IdentityError } from '../../../tls/index.js'
import { serve } from '../../support/serving.js'

const tlsFaults: [argument: string, value: unknown][] = [
  ['tls', 5], ['tls.foo', { foo: 1 }], ['tls.ca', { ca: 5 }], ['tls.ca[1]', { ca: ['', 5] }], ['tls.cert', { cert: 5 }],
  ['tls.key', { key: {} }], ['tls.passphrase', { passphrase: 5 }], ['tls.serverName', { serverName: 5 }], ['tls.verify', { verify: 'no' }],
  ['tls.alpn', { alpn: 'h2' }], ['tls.alpn[0]', { alpn: [5] }], ['tls.alpn[0]', { alpn: [''] }],
]

/** Whether it was refused, naming the argument, before a byte was sent. */
async function refused(t: Test, argument: string, operation: () => lev.Op<unknown>, shown: unknown): Promise<void> {
  await t.rejects(lev.run(operation), { code: 'LEVERET_ARGUMENT', argument } as never, `${argument}: ${JSON.stringify(shown)}`)
}

t.test('request: options that cannot be name themselves, and nothing is sent', async (t) => {
  let requests = 0
  const { port } = await serve(t, {}, () => String(++requests))
  const url = `http://127.0.0.1:${port}/`
  const faults: [argument: string, options: object][] = [
    ['foo', { foo: 1 }], ['method', { method: 5 }], ['method', { method: 'A B' }], ['method', { method: 'CONNECT' }],
    ['headers', { headers: 5 }], ['headers', { headers: 'a: b' }], ['headers', { headers: { 'a b': 'x' } }],
    ['headers', { headers: { a: 'x\r\ny' } }], ['headers', { headers: { a: {} } }], ['headers', { headers: { a: ['x', null] } }],
    ['headers', { headers: { 'Transfer-Encoding': 'chunked' } }], ['headers', { headers: { a: 'x', A: 'y' } }],
    ['query', { query: 5 }], ['query.a', { query: { a: {} } }], ['query.a', { query: { a: ['x', {}] } }],
    ['body', { body: 5 }], ['body', { method: 'POST', body: {} }],
    ['redirects', { redirects: 'x' }], ['redirects', { redirects: -1 }], ['redirects', { redirects: 1.5 }],
    ['decompress', { decompress: 'x' }], ['insecureRedirects', { insecureRedirects: 1 }], ['timeout', { timeout: '5' }], ['maxBodySize', { maxBodySize: -1 }],
    ...tlsFaults.map(([argument, tls]): [string, object] => [argument, { tls }]),
  ]
  for (const [argument, options] of faults) await refused(t, argument, () => request({ url, ...options }), options)
  t.equal(requests, 0)
  await lev.run(() => request({ url, headers: { a: true, b: [1, 'x'], c: null }, query: { d: false, e: undefined }, body: null }))
  t.equal(requests, 1)
})

t.test('request: options behind the URL, as fetch takes them, are refused', async (t) => {
  let requests = 0
  const { port } = await serve(t, {}, () => String(++requests))
  const url = `http://127.0.0.1:${port}/`
  const asFetch = request as (url: string, more?: unknown) => lev.Op<unknown>
  for (const options of [{ method: 'POST', body: 'x' }, {}]) {
    await t.rejects(lev.run(() => asFetch(url, options)), { code: 'LEVERET_ARGUMENT', argument: 'options', message: /request\(\{ url, \.\.\.options \}\)/ } as never)
  }
  t.equal(requests, 0)
  await lev.run(() => lev.scope(function* (scope) {
    for (const task of [url, url].map(asFetch).map((op) => scope.spawn(() => op))) yield* task.join()
  }))
  t.equal(requests, 2, 'what map adds is no options')
})

t.test('request: certificates that cannot be used, and a server that speaks no TLS', async (t) => {
  const { port } = await serve(t, {}, () => 'plain')
  const url = `https://127.0.0.1:${port}/`
  await t.rejects(lev.run(() => request({ url, tls: { cert: 'none', key: 'none' } })), { code: 'LEVERET_IDENTITY' } as never)
  await t.rejects(lev.run(() => request(url)), {
    code: 'LEVERET_REQUEST', message: `GET https://127.0.0.1:${port}: the TLS handshake failed: wrong version number`,
  } as never)
})

t.test('tcp.connect and websocket: options that cannot be name themselves', async (t) => {
  const { port } = await serve(t, {}, () => 'never asked')
  for (const [argument, options] of [
    ['options', 5], ['options', 'tls'], ['options', null], ['foo', { foo: 1 }], ['ttl', { ttl: 'x' }],
    ...tlsFaults.map(([argument, tls]): [string, object] => [argument, { tls }]),
  ] as [string, never][]) await refused(t, argument, () => tcp.connect('127.0.0.1', port, options), options)
  for (const [argument, tls] of tlsFaults) {
    await refused(t, argument, () => websocket(`ws://127.0.0.1:${port}`, { tls: tls as never }), tls)
  }
})

t.test('clientSecurity refuses what would break a handshake from inside', async (t) => {
  for (const options of [{ serverName: 5 }, { serverName: '' }, { alpn: 'x' }, { alpn: [5] }, { alpn: ['x'.repeat(256)] }]) {
    t.throws(() => clientSecurity('a.test', options as never), IdentityError, JSON.stringify(options))
  }
})
