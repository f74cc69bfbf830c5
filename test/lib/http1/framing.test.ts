import t from 'tap'
import { readHead } from './support.js'

const request = (version: string, ...lines: string[]): string =>
  ['POST / HTTP/' + version, 'Host: a.test', ...lines, '', ''].join('\r\n')
const bad = (reason: string) => ({ status: 400, reason })
const with11 = (...lines: string[]) => readHead(request('1.1', ...lines))
const with10 = (...lines: string[]) => readHead(request('1.0', ...lines))

t.test('Host', async (t) => {
  const host = (...lines: string[]) => readHead(['GET / HTTP/1.1', ...lines, '', ''].join('\r\n'))
  t.same(host('Accept: */*').rejection, bad('no Host header'))
  t.same(host('Host: a.test', 'host: a.test').rejection, bad('repeated Host header'))
  t.same(readHead('GET http://a.test/ HTTP/1.1\r\n\r\n').rejection, bad('no Host header'))
  t.same(readHead('GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n').rejection, bad('repeated Host header'))
  t.equal(readHead('GET / HTTP/1.0\r\n\r\n').head?.host, '')
  t.equal(host('HOST:a.test').head?.host, 'a.test')
  const malformed = [
    '', 'a b', 'a/b', 'a@b', 'a:b', 'a:1:2', ':80', 'a,b c', 'a:65536', 'a:123456', 'a\\b', 'a?b', 'a#b', 'a%41',
    'http://a.test', 'a.test, b.test', '[::1', '::1', '[]', '[::1]x', '[1:2:3]', 'a\xe9', '<a>', '"a"', 'a:8x', 'a:-1',
  ]
  for (const text of malformed) t.same(host(`Host: ${text}`).rejection, bad('malformed Host header'), text)
  const good = [
    'a', 'a.test', 'A.Test:8080', 'a:', 'a:65535', '127.0.0.1', '127.0.0.1:80', '[::1]', '[::1]:8080',
    'a_b', 'x--y.test.',
  ]
  for (const text of good) t.equal(host(`Host: ${text}`).head?.host, text, text)
})

t.test('Content-Length', async (t) => {
  const good: [string[], number][] = [
    [['Content-Length: 0'], 0],
    [['content-length:5'], 5],
    [['CONTENT-LENGTH: \t5 '], 5],
    [['Content-Length: 00005'], 5],
    [['Content-Length: 9007199254740991'], Number.MAX_SAFE_INTEGER],
    [['Content-Length: 5, 5'], 5],
    [['Content-Length: 5,5 ,\t5'], 5],
    [['Content-Length: 5', 'Accept: x', 'Content-Length: 5', 'Content-Length: 5, 5'], 5],
  ]
  for (const [lines, length] of good) t.equal(with11(...lines).head?.contentLength, length, lines.join())
  const malformed = [
    '', '+5', '-5', '-0', ' 5 5', '5 5', '0x10', '1e3', '5.0', '5;', '5,', ',5', '5,,5', 'five', '5\xa0', '\xb2',
    '5, +5', '"5"', '1_0', 'Infinity', 'NaN',
  ]
  for (const text of malformed) {
    t.same(with11(`Content-Length: ${text}`).rejection, bad('malformed Content-Length header'), text)
  }
  for (const text of ['9007199254740992', '9'.repeat(400), '18446744073709551621', '5, 18446744073709551621']) {
    t.equal(with11(`Content-Length: ${text}`).rejection?.status, 400, text)
  }
  const differing = bad('differing Content-Length headers')
  t.same(with11('Content-Length: 5', 'Content-Length: 6').rejection, differing)
  t.same(with11('Content-Length: 5, 6').rejection, differing)
  t.same(with11('Content-Length: 0', 'Content-Length: 5').rejection, differing)
})

t.test('a Content-Length given several times is handed on as one', async (t) => {
  const { head } = with11('Content-Length: 5, 5', 'Accept: x', 'content-length: 5', 'Via: y', 'Content-Length: 5')
  t.same(head?.fields.lines(), [['Host', 'a.test'], ['Content-Length', '5'], ['Accept', 'x'], ['Via', 'y']])
})

t.test('Transfer-Encoding', async (t) => {
  for (const text of ['chunked', 'Chunked', 'CHUNKED ', '\tchunked']) {
    t.match(with11(`Transfer-Encoding: ${text}`).head, { chunked: true, contentLength: -1 }, text)
  }
  for (const text of ['chunked,', ', chunked', ' ,\t, chunked , ,']) {
    t.match(with11(`Transfer-Encoding: ${text}`).head, { chunked: true, contentLength: -1, keepAlive: false }, text)
  }
  for (const text of ['gzip, chunked', 'GZIP,\tchunked', 'gzip;q="a,b" , chunked', ',gzip,,chunked,']) {
    t.same(with11(`Transfer-Encoding: ${text}`).rejection, { status: 501, reason: 'unsupported transfer coding' }, text)
  }
  const malformed = [
    'gzip', 'identity', 'x-a;b=c', 'gzip,', '', 'chunked, gzip', 'chunked, chunked', 'chunked;a=b', 'chunked ;', '"chunked"',
    'chun ked', 'xchunked', 'chunkedx', '\x80chunked', 'chunked\xa0', 'gzip chunked', 'gzip;a="chunked", chunked',
    'gzip, chunked, x', ',', 'a;', 'a=b',
  ]
  for (const text of malformed) {
    t.same(with11(`Transfer-Encoding: ${text}`).rejection, bad('malformed Transfer-Encoding header'), text)
  }
  const repeated = bad('repeated Transfer-Encoding header')
  t.same(with11('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked').rejection, repeated)
  t.same(with11('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked').rejection, repeated)
  const both = bad('both Content-Length and Transfer-Encoding')
  t.same(with11('Content-Length: 5', 'Transfer-Encoding: chunked').rejection, both)
  t.same(with11('Transfer-Encoding: chunked', 'Content-Length: 0').rejection, both)
  t.same(with11('Transfer-Encoding: gzip', 'Content-Length: 0').rejection, both)
  t.same(with10('Transfer-Encoding: chunked').rejection, bad('Transfer-Encoding in HTTP/1.0'))
  t.equal(with11('Transfer_Encoding: chunked').head?.chunked, false, 'another name is another field')
})

t.test('Connection', async (t) => {
  const table: [string[], boolean, boolean][] = [
    // Connection fields, alive in 1.1, alive in 1.0
    [[], true, false],
    [['close'], false, false],
    [['CLOSE'], false, false],
    [['keep-alive'], true, true],
    [['Keep-Alive'], true, true],
    [['x, Close ,y'], false, false],
    [['x,\tkeep-alive'], true, true],
    [['keep-alive, close'], false, false],
    [['keep-alive', 'close'], false, false],
    [['x', 'keep-alive'], true, true],
    [[',,close,'], false, false],
    [['closed'], true, false],
    [['clos'], true, false],
    [['close x'], true, false],
    [['x-close, keep-alive-x'], true, false],
    [[''], true, false],
  ]
  for (const [values, modern, old] of table) {
    const lines = values.map((value) => `Connection: ${value}`)
    t.equal(with11(...lines).head?.keepAlive, modern, `1.1 ${values.join(' | ')}`)
    t.equal(with10(...lines).head?.keepAlive, old, `1.0 ${values.join(' | ')}`)
  }
  t.equal(readHead('CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\n\r\n').head?.keepAlive, false)
})

t.test('Upgrade', async (t) => {
  t.equal(with11('Connection: Upgrade', 'Upgrade: websocket').head?.upgrade, true)
  t.equal(with11('Upgrade: websocket', 'Connection: keep-alive, UPGRADE').head?.upgrade, true)
  t.equal(with11('Upgrade: websocket').head?.upgrade, false)
  t.equal(with11('Connection: upgrade').head?.upgrade, false)
  t.equal(with11('Connection: upgrade', 'Upgrade:').head?.upgrade, false)
  t.equal(with10('Connection: upgrade', 'Upgrade: websocket').head?.upgrade, false)
})

t.test('Expect', async (t) => {
  const body = 'Content-Length: 5'
  t.equal(with11('Expect: 100-continue', body).head?.expectContinue, true)
  t.equal(with11('Expect: 100-Continue', 'Transfer-Encoding: chunked').head?.expectContinue, true)
  for (const text of ['100-continue,', ',100-continue', ', 100-Continue ,,']) {
    t.match(with11(`Expect: ${text}`, body).head, { expectContinue: true, keepAlive: false }, text)
  }
  t.equal(with11('Expect: 100-continue').head?.expectContinue, false, 'nothing to wait for')
  t.equal(with11('Expect: 100-continue', 'Content-Length: 0').head?.expectContinue, false)
  t.equal(with10('Expect: 100-continue', body).head?.expectContinue, false)
  for (const text of ['', '200-ok', '100-continue, x', '100-continue;a=b', '100 continue', '100-continuf']) {
    t.same(with11(`Expect: ${text}`, body).rejection, { status: 417, reason: 'unsupported expectation' }, text)
  }
})

t.test('other fields of which there may be one', async (t) => {
  t.same(with11('Content-Type: a/b', 'Content-Type: a/b').rejection, bad('repeated Content-Type header'))
  t.same(with11('Authorization: a', 'authorization: b').rejection, bad('repeated Authorization header'))
  t.equal(with11('Accept: a', 'Accept: b').head?.fields.get('accept'), 'a, b')
})

t.test('CONNECT has no body', async (t) => {
  const connect = (line: string) => readHead(`CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\n${line}\r\n\r\n`)
  t.same(connect('Content-Length: 1').rejection, bad('CONNECT with a body'))
  t.same(connect('Transfer-Encoding: chunked').rejection, bad('CONNECT with a body'))
  t.equal(connect('Content-Length: 0').head?.contentLength, 0)
})
