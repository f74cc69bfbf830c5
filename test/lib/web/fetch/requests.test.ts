// What an application sees of a request on the wire: its Request is the one that the platform would make.
import t from 'tap'
import { fromFetch, type FetchApplication } from '../../../../lib/web/fetch/index.js'
import { serve } from '../../../support/serving.js'

const told: FetchApplication = async (given, { ctx }) => Response.json({
  url: given.url,
  pathname: new URL(given.url).pathname,
  method: given.method,
  headers: Object.fromEntries(given.headers),
  body: given.body === null ? null : await given.text(),
  ip: ctx.client_ip,
})

interface Told {
  readonly url: string
  readonly pathname: string
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: string | null
}

const get = (target: string, host: string | null = 'test', version = '1.1', more = ''): string => (
  `GET ${target} HTTP/${version}\r\n${host === null ? '' : `Host: ${host}\r\n`}${more}\r\n`
)

t.test('the address: host and target as sent, in the form that every URL has', async (t) => {
  const { ask } = await serve(t, {}, fromFetch(told))
  const table: [wire: string, url: string | number][] = [
    [get('/'), 'http://test/'],
    [get('/?'), 'http://test/'],
    [get('/a?b=c&d'), 'http://test/a?b=c&d'],
    [get('/a?b?c'), 'http://test/a?b?c'],
    [get('?a=b'), 400],
    [get('/%C3%A4%2F%2e?x=%20%'), 'http://test/%C3%A4%2F%2e?x=%20%'],
    [get('//double//slash'), 'http://test//double//slash'],
    [get('//evil.test/a'), 'http://test//evil.test/a'],
    [get('/@evil.test'), 'http://test/@evil.test'],
    [get('/:80'), 'http://test/:80'],
    [get('/http://evil.test/'), 'http://test/http://evil.test/'],
    [get('/a/./b/../c'), 'http://test/a/c'],
    [get('/a/%2e%2e/b'), 'http://test/b'],
    [get('/../../a'), 'http://test/a'],
    [get('/;p=1,2'), 'http://test/;p=1,2'],
    [get('/a\'b?a\'b'), 'http://test/a\'b?a%27b'],
    [get('/a#b'), 400],
    [get('/ä'), 400],
    // The host.
    [get('/', 'TEST.example'), 'http://test.example/'],
    [get('/', 'test:80'), 'http://test/'],
    [get('/', 'test:8080'), 'http://test:8080/'],
    [get('/', 'test:'), 'http://test/'],
    [get('/', '[::1]:8080'), 'http://[::1]:8080/'],
    [get('/', '[0:0::1]'), 'http://[::1]/'],
    [get('/', 'a_b.test'), 'http://a_b.test/'],
    [get('/', 'a.test.'), 'http://a.test./'],
    [get('/', '127.1'), 'http://127.0.0.1/'],
    [get('/', 'a,b'), 'http://a,b/'],
    [get('/admin/x', null, '1.0'), 'http://localhost/admin/x'],
    [get('/admin/x', '', '1.0'), 400],
    [get('/admin/x', ''), 400],
    [get('/', null), 400],
    [get('/', 'a@b'), 400],
    [get('/', 'a/b'), 400],
    [get('/', 'a b'), 400],
    [get('/', 'test:65536'), 400],
    // Hosts of RFC 3986 that no URL has.
    [get('/', '256.256.256.256'), 400],
    [get('/', 'a.test.1'), 400],
    [get('/', '1.2.3.4.5'), 400],
    // Other forms of the target.
    [get('http://other.test/p?q', 'other.test'), 'http://other.test/p?q'],
    [get('http://other.test', 'other.test'), 'http://other.test/'],
    [get('http://other.test?q', 'other.test'), 'http://other.test/?q'],
    [get('http://other.test/', 'test'), 'http://other.test/'],
    [get('https://other.test/', 'other.test'), 421],
    [get('http://u:p@other.test/', 'other.test'), 400],
    ['OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n', 'http://test/*'],
    // Nobody's word is taken for the scheme or the host.
    [get('/', 'test', '1.1', 'X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nForwarded: proto=https;host=evil.test\r\n'), 'http://test/'],
  ]
  for (const [wire, url] of table) {
    const { status, body } = await ask(wire)
    const what = wire.split('\r\n', 2).join(' ')
    if (typeof url === 'number') t.equal(status, url, what)
    else if (t.equal(status, 200, what)) {
      const seen = JSON.parse(body.toString()) as Told
      t.equal(seen.url, url, what)
      t.equal(seen.pathname, new URL(url).pathname)
    }
  }
})

t.test('a trusted proxy is believed, and its host is checked as any other', async (t) => {
  const { ask } = await serve(t, { trusted_proxies: ['127.0.0.1'] }, fromFetch(told))
  const forwarded = (host: string): string => get('/a', 'inner', '1.1', `X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: ${host}\r\n`)
  const seen = JSON.parse((await ask(forwarded('shop.test'))).body.toString()) as Told
  t.match(seen, { url: 'https://shop.test/a', ip: '192.0.2.7' })
  t.equal((await ask(forwarded('256.256.256.256'))).status, 400)
})

t.test('the method; those that a Request cannot have are 501', async (t) => {
  let calls = 0
  const { ask } = await serve(t, {}, fromFetch((given) => new Response(`${++calls} ${given.method}`)))
  const table: [method: string, seen: string | number][] = [
    ['DELETE', 'DELETE'], ['PATCH', 'PATCH'], ['patch', 'patch'], ['QUERY', 'QUERY'], ['PROPFIND', 'PROPFIND'], ['x!', 'x!'],
    ['get', 501], ['Head', 501], ['post', 501], ['pUT', 501], ['options', 501], ['delete', 501],
    ['TRACE', 501], ['trace', 501], ['TRACK', 501], ['track', 501], ['connect', 501],
  ]
  for (const [method, seen] of table) {
    const before = calls
    const content = method === 'TRACE' ? '' : 'abc'
    const { status, body } = await ask(`${method} / HTTP/1.1\r\nHost: test\r\n${content === '' ? '' : 'Content-Length: 3\r\n'}\r\n${content}`)
    t.equal(status, typeof seen === 'number' ? seen : 200, method)
    if (typeof seen === 'string') t.equal(body.toString(), `${calls} ${seen}`)
    else t.equal(calls, before, `${method}: the application was not called`)
  }
})

t.test('headers', async (t) => {
  const { ask } = await serve(t, {}, fromFetch(told))
  const lines = [
    'X-Twice: a', 'x-twice:  b ', 'Cookie: a=1', 'Cookie: b=2', 'X-Empty:', 'X-Latin: gr\xfcn', '__proto__: p', 'constructor: c', 'X-Client-IP: 6.6.6.6',
    'X-Real-IP: 7.7.7.7', 'Authorization: Bearer x', 'Set-Cookie: sent=1', 'Content-Type: text/plain', 'Accept-Encoding: gzip', 'TE: trailers',
  ]
  const { body } = await ask(get('/', 'test', '1.1', lines.map((line) => `${line}\r\n`).join('')))
  const { headers } = JSON.parse(body.toString()) as Told
  t.match(headers, {
    'host': 'test', 'x-twice': 'a, b', 'cookie': 'a=1; b=2', 'x-empty': '', 'x-latin': 'gr\xfcn', 'constructor': 'c', 'x-client-ip': '127.0.0.1',
    'x-real-ip': '127.0.0.1', 'authorization': 'Bearer x', 'set-cookie': 'sent=1', 'content-type': 'text/plain', 'accept-encoding': 'gzip', 'te': 'trailers',
  })
  t.equal(body.toString().includes('"__proto__":"p"'), true)
  const absolute = JSON.parse((await ask(get('http://other.test/', 'test'))).body.toString()) as Told
  t.equal(absolute.headers['host'], 'other.test', 'the host of the target is the one that counts')
})

t.test('content', async (t) => {
  for (const buffer_body of [true, false]) {
    const { ask } = await serve(t, { buffer_body }, fromFetch(told))
    const table: [wire: string, body: string | null][] = [
      ['POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
      ['POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n', null],
      ['POST / HTTP/1.1\r\nHost: test\r\n\r\n', null],
      ['POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n', 'abcd'],
      ['DELETE / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
      ['OPTIONS * HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
      ['QUERY / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
      ['GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc', null],
      ['POST / HTTP/1.0\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
      ['POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
    ]
    for (const [wire, seen] of table) {
      const { status, body } = await ask(wire)
      t.equal(status, 200, wire)
      t.equal((JSON.parse(body.toString()) as Told).body, seen, `${buffer_body ? 'buffered' : 'streamed'}: ${wire.split('\r\n\r\n', 1)}`)
    }
    const empty = JSON.parse((await ask('POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')).body.toString()) as Told
    t.ok(empty.body === null || empty.body === '', 'chunked content without a byte')
  }
})
