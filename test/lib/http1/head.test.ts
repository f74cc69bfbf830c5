import t from 'tap'
import { HeadReader, NEED_MORE, REJECTED } from '../../../lib/http1/head.js'
import { limits, readHead, readHeadInPieces } from './support.js'

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`
const line = (text: string): string => `${text}\r\nHost: a.test\r\n\r\n`
const field = (text: string): string => `GET / HTTP/1.1\r\nHost: a.test\r\n${text}\r\n\r\n`

t.test('a browser\'s request', async (t) => {
  const text = 'GET /a/b?x=1&y HTTP/1.1\r\nHost: one.test:8080\r\nAccept: */*\r\nX-Empty:\r\nX-Wide: \t a  b \t\r\n\r\n'
  const { next, head } = readHead(text + 'more')
  t.equal(next, text.length)
  t.match(head, {
    method: 'GET',
    target: '/a/b?x=1&y',
    form: 'origin',
    query: '/a/b',
    args: 'x=1&y',
    minorVersion: 1,
    host: 'one.test:8080',
    keepAlive: true,
    contentLength: -1,
    chunked: false,
    expectContinue: false,
    upgrade: false,
  })
  t.same(head?.fields.lines(), [['Host', 'one.test:8080'], ['Accept', '*/*'], ['X-Empty', ''], ['X-Wide', 'a  b']])
})

t.test('methods', async (t) => {
  const known = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'PROPFIND']
  const odd = ['get', 'Get', 'M', "!#$%&'*+-.^_`|~09", 'A'.repeat(32)]
  const near = ['GEX', 'PUX', 'POSX', 'HEAX', 'DELETX', 'OPTIONX', 'CONNECX']
  for (const method of [...known, ...odd, ...near]) {
    const target = method === 'CONNECT' ? 'a.test:443' : '/'
    t.equal(readHead(line(`${method} ${target} HTTP/1.1`)).head?.method, method)
  }
  const refused: [string, number, string][] = [
    ['A'.repeat(33) + ' / HTTP/1.1', 501, 'method too long'],
    [' / HTTP/1.1', 400, 'malformed method'],
    ['G@T / HTTP/1.1', 400, 'malformed method'],
    ['GET\t/ HTTP/1.1', 400, 'malformed method'],
    ['GET', 400, 'malformed method'],
    ['G\xc9T / HTTP/1.1', 400, 'malformed method'],
    ['GET\0 / HTTP/1.1', 400, 'malformed method'],
  ]
  for (const minor of [1, 2, 9]) t.equal(readHead(line(`GET / HTTP/1.${minor}`)).head?.minorVersion, 1, 'the highest that is known')
  for (const [text, status, reason] of refused) t.same(readHead(line(text)).rejection, { status, reason }, text)
  t.equal(readHead('A'.repeat(33)).rejection?.status, 501, 'without waiting for its end')
  t.equal(readHead('A'.repeat(32)).next, NEED_MORE)
})

t.test('request lines', async (t) => {
  const refused: [string, number, string][] = [
    ['GET  / HTTP/1.1', 400, 'malformed request line'],
    ['GET /  HTTP/1.1', 400, 'malformed HTTP version'],
    ['GET / HTTP/1.1 ', 400, 'malformed HTTP version'],
    ['GET / x HTTP/1.1', 400, 'malformed HTTP version'],
    ['GET /', 400, 'malformed request line'],
    ['GET ', 400, 'malformed request line'],
    ['GET / ', 400, 'malformed HTTP version'],
    ['GET /\tHTTP/1.1', 400, 'character not allowed in the request target'],
    ['GET / http/1.1', 400, 'malformed HTTP version'],
    ['GET / HTTP/1', 400, 'malformed HTTP version'],
    ['GET / HTTP/1.', 400, 'malformed HTTP version'],
    ['GET / HTTP/1.10', 400, 'malformed HTTP version'],
    ['GET / HTTP/11.1', 400, 'malformed HTTP version'],
    ['GET / HTTP/1,1', 400, 'malformed HTTP version'],
    ['GET / HTTP/+.1', 400, 'malformed HTTP version'],
    ['GET / HTTPS/1.1', 400, 'malformed HTTP version'],
    ['GET / HTTP/0.9', 505, 'unsupported HTTP version'],
    ['GET / HTTP/2.0', 505, 'unsupported HTTP version'],
    ['PRI * HTTP/2.0', 505, 'unsupported HTTP version'],
  ]
  for (const [text, status, reason] of refused) t.same(readHead(line(text)).rejection, { status, reason }, text)
  t.equal(readHead('GET / HTTP/1.1\nHost: a.test\n\n').rejection?.reason, 'malformed HTTP version', 'bare LF')
  t.equal(readHead('GET /\nHost: a.test\n\n').rejection?.reason, 'malformed request line', 'bare LF')
  t.equal(readHead('GET / HTTP/1.1\r\r\n').rejection?.reason, 'bare CR')
  t.equal(readHead('GET / HTTP/1.0\r\n\r\n').head?.minorVersion, 0)
})

t.test('targets in origin-form', async (t) => {
  const good: [string, string, string][] = [
    ['/', '/', ''],
    ['/?', '/', ''],
    ['/a?b?c', '/a', 'b?c'],
    ['//a', '//a', ''],
    ['/a%20b%zz%', '/a%20b%zz%', ''],
    ["/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@", ''],
    ['/a|b[c]{d}^e"f`?a|b[c]{d}^e"f`\\g', '/a|b[c]{d}^e"f`', 'a|b[c]{d}^e"f`\\g'],
    ['/*', '/*', ''],
  ]
  for (const [target, query, args] of good) {
    t.match(readHead(get(target)).head, { target, query, args, form: 'origin', host: 'a.test' }, target)
  }
  for (const byte of ['\0', '\x01', '\t', '\x1f', '\x7f', '\x80', '\xff', '#', '<', '>']) {
    for (const target of [`/${byte}`, `/a${byte}b`, `/a?${byte}`, `http://a.test/${byte}`]) {
      const { rejection } = readHead(get(target))
      t.same(rejection, { status: 400, reason: 'character not allowed in the request target' }, JSON.stringify(target))
    }
  }
  t.equal(readHead(get('/a\\b')).rejection?.status, 400, 'a backslash in the path')
})

t.test('targets in other forms', async (t) => {
  const good: [string, string, string, string, string][] = [
    ['GET', 'http://b.test/x?y', 'b.test', '/x', 'y'],
    ['GET', 'HTTPS://B.test:8443/x', 'B.test:8443', '/x', ''],
    ['GET', 'http://b.test', 'b.test', '/', ''],
    ['GET', 'http://b.test?y?z', 'b.test', '/', 'y?z'],
    ['GET', 'http://[::1]:80/x', '[::1]:80', '/x', ''],
    ['OPTIONS', 'http://b.test', 'b.test', '*', ''],
    ['OPTIONS', 'http://b.test?', 'b.test', '/', ''],
    ['OPTIONS', 'http://b.test/', 'b.test', '/', ''],
    ['OPTIONS', '*', 'a.test', '*', ''],
    ['CONNECT', 'b.test:443', 'b.test:443', 'b.test:443', ''],
    ['CONNECT', '[2001:db8::1]:1', '[2001:db8::1]:1', '[2001:db8::1]:1', ''],
  ]
  for (const [method, target, host, query, args] of good) {
    const { head } = readHead(line(`${method} ${target} HTTP/1.1`))
    t.match(head, { method, target, host, query, args }, `${method} ${target}`)
  }
  const refused: [string, string][] = [
    ['GET', '*'],
    ['OPTIONS', '**'],
    ['OPTIONS', '*/'],
    ['GET', 'a.test:80'],
    ['GET', 'a'],
    ['GET', '?a'],
    ['GET', 'http:/a.test/'],
    ['GET', 'http:///x'],
    ['GET', 'http://'],
    ['GET', 'http://:80/'],
    ['GET', 'http://user@a.test/'],
    ['GET', 'http://user:pw@a.test/'],
    ['GET', 'http://a.test:x/'],
    ['GET', 'http://a.test:65536/'],
    ['GET', 'http://a.test\\b/'],
    ['GET', 'http://a.test/b\\c'],
    ['GET', 'http://[::1/'],
    ['GET', 'ftp://a.test/'],
    ['GET', 'javascript:alert(1)'],
    ['CONNECT', '/'],
    ['CONNECT', '*'],
    ['CONNECT', 'a.test'],
    ['CONNECT', 'a.test:'],
    ['CONNECT', 'a.test:0'],
    ['CONNECT', 'a.test:65536'],
    ['CONNECT', ':443'],
    ['CONNECT', 'http://a.test:443/'],
    ['CONNECT', 'u@a.test:443'],
  ]
  for (const [method, target] of refused) {
    t.equal(readHead(line(`${method} ${target} HTTP/1.1`)).rejection?.status, 400, `${method} ${target}`)
  }
})

t.test('field lines', async (t) => {
  const refused: [string, string][] = [
    ['a : b', 'whitespace before the colon of a field'],
    ['a\t: b', 'whitespace before the colon of a field'],
    [': b', 'empty field name'],
    [':', 'empty field name'],
    ['a', 'field line without a colon'],
    ['a b: c', 'whitespace before the colon of a field'],
    [' a: b', 'folded field line'],
    ['a: b\r\n c', 'folded field line'],
    ['a: b\r\n\tc: d', 'folded field line'],
    ['a: b\nc: d', 'line ended by a bare LF'],
    ['a\nc: d', 'line ended by a bare LF'],
    ['\na: b', 'line ended by a bare LF'],
    ['a: b\rc: d', 'bare CR'],
    ['a: b\r\rc: d', 'bare CR'],
    ['\ra: b', 'bare CR'],
    ['a\rb: c', 'field line without a colon'],
    ['a: b\0', 'control character in a field value'],
    ['a: \x01', 'control character in a field value'],
    ['a: \x0b', 'control character in a field value'],
    ['a: b\x7f', 'control character in a field value'],
    ['a\0: b', 'character not allowed in a field name'],
    ['a(b): c', 'character not allowed in a field name'],
    ['a\xe9: c', 'character not allowed in a field name'],
    ['"a": c', 'character not allowed in a field name'],
  ]
  for (const [text, reason] of refused) {
    t.same(readHead(field(text)).rejection, { status: 400, reason }, JSON.stringify(text))
  }
  t.equal(readHead('GET / HTTP/1.1\r\n Host: a.test\r\n\r\n').rejection?.reason, 'folded field line', 'the first line')
  const odd = '\x80\xe9\xff\t "(),/:;<=>?@[]{}'
  t.equal(readHead(field(`a: ${odd}`)).head?.fields.get('a'), odd)
  t.equal(readHead(field('a:b')).head?.fields.get('a'), 'b')
  t.equal(readHead(field('a: \t')).head?.fields.get('a'), '')
  t.equal(readHead('GET / HTTP/1.0\r\n\r\n').head?.fields.lines().length, 0)
})

t.test('blank lines before a request', async (t) => {
  const request = get('/')
  const { next, head } = readHead('\r\n\r\n' + request)
  t.equal(next, request.length + 4)
  t.same([head?.query, head?.host, head?.fields.get('host')], ['/', 'a.test', 'a.test'])
  t.equal(readHead('\r\n'.repeat(4) + request).head?.query, '/')
  t.same(readHead('\r\n'.repeat(5)).rejection, { status: 400, reason: 'too many blank lines before the request' })
  t.equal(readHead('\n' + request).rejection?.reason, 'line ended by a bare LF')
  t.equal(readHead('\r' + request).rejection?.reason, 'bare CR')
  t.equal(readHead(' \r\n' + request).rejection?.status, 400)
})

t.test('limits, to the byte', async (t) => {
  const within = { lineLimit: 40, countLimit: 3, sizeLimit: 150 }
  const bare = 'GET / HTTP/1.0\r\n'
  const lines = (count: number): string => bare + 'a: b\r\n'.repeat(count) + '\r\n'
  const requestLine = (length: number): string => 'GET /' + 'x'.repeat(length - 14) + ' HTTP/1.0\r\n\r\n'
  const fieldLine = (length: number): string => bare + 'a: ' + 'x'.repeat(length - 3) + '\r\n\r\n'
  const sized = bare + ('a: ' + 'x'.repeat(35) + '\r\n').repeat(3) + '\r\n'

  t.ok(readHead(requestLine(40), within).next > 0)
  t.same(readHead(requestLine(41), within).rejection, { status: 414, reason: 'header line limit violation: 41' })
  t.equal(readHead('GET /' + 'x'.repeat(35), within).next, NEED_MORE)
  t.equal(readHead('GET /' + 'x'.repeat(36), within).rejection?.status, 414, 'before the line is whole')
  t.ok(readHead(fieldLine(40), within).next > 0)
  t.same(readHead(fieldLine(41), within).rejection, { status: 431, reason: 'header line limit violation: 41' })
  t.equal(readHead(bare + 'n'.repeat(41), within).rejection?.status, 431, 'a name')
  t.equal(readHead(bare + 'a:' + ' '.repeat(39), within).rejection?.status, 431, 'whitespace')
  t.ok(readHead(lines(3), within).next > 0)
  t.same(readHead(lines(4), within).rejection, { status: 431, reason: 'header count limit violation: 4' })
  t.equal(readHead(sized, { ...within, sizeLimit: 138 }).next, 138)
  const tooLarge = { status: 431, reason: 'header size limit violation: 138' }
  t.same(readHead(sized, { ...within, sizeLimit: 137 }).rejection, tooLarge)
  t.equal(readHead('GET / HTT', { ...within, sizeLimit: 9 }).rejection?.status, 431)
  t.equal(readHead('\r\n\r\n\r\n', { ...within, sizeLimit: 5 }).rejection?.status, 431)
})

t.test('one reader reads request after request', async (t) => {
  const reader = new HeadReader(limits)
  const two = Buffer.from(get('/1') + get('/2?a'))
  const next = reader.read(two, 0, two.length)
  const first = reader.head
  t.equal(reader.begun, false)
  t.equal(reader.read(two, next, two.length), two.length)
  t.same([first.query, first.args, reader.head.query, reader.head.args], ['/1', '', '/2', 'a'])
  two.fill(0)
  t.equal(first.fields.get('host'), 'a.test', 'a head does not look at the bytes again')
})

t.test('begun, refused, reset', async (t) => {
  const reader = new HeadReader(limits)
  const bytes = Buffer.from('\r\nGET bad\0')
  t.equal(reader.read(bytes, 0, 0), NEED_MORE)
  t.equal(reader.read(bytes, 0, 2), NEED_MORE)
  t.equal(reader.begun, false)
  t.equal(reader.read(bytes, 0, 3), NEED_MORE)
  t.equal(reader.begun, true)
  t.equal(reader.read(bytes, 0, bytes.length), REJECTED)
  t.equal(reader.read(bytes, 0, bytes.length), REJECTED)
  reader.reset()
  t.equal(reader.rejection, null)
  const good = Buffer.from(get('/'))
  t.equal(reader.read(good, 0, good.length), good.length)
})

t.test('a head that drips in is not read again and again', async (t) => {
  const bytes = Buffer.from(field(`a: ${'x'.repeat(8000)}`))
  let reads = 0
  const counting = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^[0-9]+$/.test(key)) reads++
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const reader = new HeadReader(limits)
  let next = NEED_MORE
  for (let end = 0; end <= bytes.length; end++) next = reader.read(counting, 0, end)
  t.equal(next, bytes.length)
  t.ok(reads < 4 * bytes.length, `${reads} reads of ${bytes.length} bytes`)
})

t.test('every way to cut a request in two', async (t) => {
  const bytes = Buffer.from('\r\nPOST /a?b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nX:\r\n\r\nhello')
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { next, head } = readHeadInPieces(bytes, [cut])
    if (next !== bytes.length - 5 || head?.contentLength !== 5 || head.query !== '/a') t.fail(`cut at ${cut}`)
  }
})
