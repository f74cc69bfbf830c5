import t from 'tap'
import * as server from '../../../lib/index.js'
import { ConfigError, type Config, type Handler } from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { request, serve } from '../../support/serving.js'
import type { WireResponse } from '../../support/responses.js'
import { Certificates } from '../../tls/certificates.js'

const made = new Certificates()
t.teardown(() => made.remove())
const ssl = { default: made.issue({ names: ['localhost'] }) }

const handle: Handler = (_method, path, _args, _headers, _body, ctx) => `${path} ${ctx.scheme}`

function fieldOf({ fields }: WireResponse, name: string): string | null {
  return fields.filter(([one]) => one === name).map(([, value]) => value).join(' | ') || null
}

const redirects: readonly [line: string, headers: Record<string, string>, location: string][] = [
  ['GET /', {}, 'https://test/'],
  ['GET /a%2Fb/../c?d=e&f=%20?', {}, 'https://test/a%2Fb/../c?d=e&f=%20?'],
  ['GET /?', {}, 'https://test/?'],
  ['GET /a', { Host: 'test:8080' }, 'https://test/a'],
  ['GET /a', { Host: 'Test:' }, 'https://Test/a'],
  ['GET /a', { Host: '[::1]' }, 'https://[::1]/a'],
  ['GET /a', { Host: '[::1]:80' }, 'https://[::1]/a'],
  ['GET //evil.test/a', {}, 'https://test//evil.test/a'],
  ['GET /\\evil.test', {}, ''],
  ['GET /a', { 'X-Forwarded-Host': 'evil.test', 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '192.0.2.1' }, 'https://test/a'],
  ['GET http://other.test:80/a?b', {}, 'https://other.test/a?b'],
  ['GET http://other.test', {}, 'https://other.test/'],
  ['GET http://other.test?a', {}, 'https://other.test/?a'],
  ['GET http://me@evil.test/', {}, ''],
  ['HEAD /a', {}, 'https://test/a'],
  ['PURGE /a', {}, 'https://test/a'],
  ['OPTIONS *', {}, ''],
  ['OPTIONS http://other.test', {}, ''],
  ['CONNECT test:443', {}, ''],
  ['GET /a HTTP/1.0', {}, 'https://test/a'],
  ['GET /.well-known/acme-challenge/', {}, 'https://test/.well-known/acme-challenge/'],
  ['GET /.well-known/acme-challenge/../a', {}, 'https://test/.well-known/acme-challenge/../a'],
  ['GET /.well-known/acme-challenge/a%2Fb', {}, 'https://test/.well-known/acme-challenge/a%2Fb'],
  ['GET /.well-known/acme-challenge/a/b', {}, 'https://test/.well-known/acme-challenge/a/b'],
  ['DELETE /.well-known/acme-challenge/a', {}, 'https://test/.well-known/acme-challenge/a'],
]

t.test('each request is redirected to its own host, or rejected', async (t) => {
  const { ask } = await serve(t, { ssl, listen: [{ port: 0, redirect: 'https' }] }, () => 'served')
  for (const [line, headers, location] of redirects) {
    const response = await ask(request(line, headers))
    t.equal(fieldOf(response, 'location') ?? '', location, line)
    t.equal(fieldOf(response, 'connection'), 'close')
    t.equal(response.status >= 400, location === '', `${response.status}`)
    if (location !== '') t.equal(response.status, 308)
    if (location !== '' && !line.startsWith('HEAD')) t.equal(response.body.toString(), `Permanent Redirect: ${location}\n`)
  }
  t.match(await ask('GET / HTTP/1.0\r\n\r\n'), { status: 400 }, 'no host')
  t.match(await ask('GET / HTTP/1.1\r\nHost:\r\n\r\n'), { status: 400 }, 'an empty host')
})

t.test('to another port, whatever was sent; no body is waited for', async (t) => {
  const { ask, log } = await serve(t, { ssl, listen: [{ port: 0, redirect: 8443 }] }, handle)
  const bodies: Record<string, string>[] = [
    { 'Content-Length': '1000000' }, { 'Transfer-Encoding': 'chunked' }, { 'Content-Length': '5', 'Expect': '100-continue' },
  ]
  for (const headers of bodies) {
    const response = await ask(request('POST /a', { Host: 'test:8080', ...headers }))
    t.equal(response.status, 308)
    t.equal(fieldOf(response, 'location'), 'https://test:8443/a')
  }
  t.strictSame(log.statuses(), [308, 308, 308])
})

t.test('the challenge of a certificate authority is served', async (t) => {
  const { ask } = await serve(t, { ssl, listen: [{ port: 0, redirect: 'https' }] }, handle)
  const response = await ask(request('GET /.well-known/acme-challenge/a-B_9'))
  t.equal(response.body.toString(), '/.well-known/acme-challenge/a-B_9 http')
})

t.test('behind a trusted proxy, its TLS counts', async (t) => {
  const { ask } = await serve(t, { listen: [{ port: 0, redirect: 'https' }], trusted_proxies: ['loopback'], hsts: { max_age: 60 } }, handle)
  const from = { 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Host': 'shop.test:80' }
  const secure = await ask(request('GET /a', { ...from, 'X-Forwarded-Proto': 'https' }))
  t.equal(secure.body.toString(), '/a https')
  t.equal(fieldOf(secure, 'strict-transport-security'), 'max-age=60')
  const plain = await ask(request('GET /a', { ...from, 'X-Forwarded-Proto': 'http' }))
  t.equal(fieldOf(plain, 'location'), 'https://shop.test/a')
  t.equal(fieldOf(plain, 'strict-transport-security'), null)
})

t.test('curl follows, with its method and body, and is told to keep to TLS; other places serve as they do', async (t) => {
  const both = server.new({ ssl, listen: [{ port: 0 }, { port: 0, ssl: false }], log_level: 'error', hsts: { max_age: 31_536_000, include_subdomains: true, preload: true } },
    (method, path, args, _headers, body) => path === '/own' ? ['x', 200, { 'strict-transport-security': 'max-age=0' }] : path === '/none' ? null : `${method} ${path} ${args} ${body?.toString()}`)
  both.serve().catch(() => {})
  t.teardown(() => both.stop({ drain: 0 }))
  await both.listening
  const [secure, plain] = both.addresses
  const { port } = await serve(t, { ssl, listen: [{ port: 0, redirect: secure?.port }] }, () => 'served')
  const followed = await curl(['-kLi', '--data', 'text', `http://localhost:${port}/a?b=c`])
  t.match(followed.text, /^HTTP\/1\.1 308 Permanent Redirect\r\n[^]*HTTP\/1\.1 200 OK\r\n[^]*POST \/a b=c text$/)
  const hsts = /^strict-transport-security: .*$/gim
  t.strictSame(followed.text.match(hsts), ['Strict-Transport-Security: max-age=31536000; includeSubDomains; preload'], 'only over TLS')
  const get = async (url: string): Promise<string[] | null> => (await curl(['-ki', url])).text.match(hsts)
  t.strictSame(await get(`https://localhost:${secure?.port}/own`), ['strict-transport-security: max-age=0'], 'never two')
  t.equal((await get(`https://localhost:${secure?.port}/none`))?.length, 1)
  t.equal((await curl(['-ki', '-H', 'Host: a b', `https://localhost:${secure?.port}/`])).text.match(hsts)?.length ?? 0, 1, 'a rejection has it')
  t.equal(await get(`http://localhost:${plain?.port}/a`), null)
  await both.configure({ hsts: { max_age: 0 } })
  t.strictSame(await get(`https://localhost:${secure?.port}/`), ['Strict-Transport-Security: max-age=0'])
})

const wrong: readonly [config: unknown, key: string, message: string][] = [
  [{ listen: [{ port: 80, redirect: 'http' }] }, 'listen[0].redirect', 'listen[0].redirect must be "https", or the port of the server with TLS, got "http"'],
  [{ listen: [{ port: 80, redirect: 0 }] }, 'listen[0].redirect', 'listen[0].redirect must be "https", or the port of the server with TLS, got 0'],
  [{ listen: [{ port: 80, redirect: 'https', ssl: true }] }, 'listen[0].ssl', 'listen[0] redirects to TLS, so ssl must not be true there'],
  [{ hsts: true }, 'hsts', 'hsts must be an object { max_age, include_subdomains, preload }, got true'],
  [{ hsts: {} }, 'hsts.max_age', 'hsts.max_age must be an integer from 0 to 2147483647 (seconds), got undefined'],
  [{ hsts: { max_age: '60' } }, 'hsts.max_age', 'hsts.max_age must be an integer from 0 to 2147483647 (seconds), got "60" (did you mean the number 60?)'],
  [{ hsts: { maxAge: 60 } }, 'hsts.maxAge', 'unknown setting hsts.maxAge; did you mean hsts.max_age?'],
  [{ hsts: { max_age: 60, include_subdomains: true, preload: true } }, 'hsts.preload',
    'hsts.preload needs include_subdomains: true and a max_age of at least 31536000: browsers list no other hosts'],
  [{ hsts: { max_age: 31_536_000, preload: true } }, 'hsts.preload',
    'hsts.preload needs include_subdomains: true and a max_age of at least 31536000: browsers list no other hosts'],
]

t.test('wrong settings', async (t) => {
  for (const [config, key, message] of wrong) {
    const error: unknown = t.throws(() => server.new(config as Config, () => 'x'))
    t.ok(error instanceof ConfigError)
    t.match(error, { key, message }, message)
  }
})
