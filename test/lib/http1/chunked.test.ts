import t from 'tap'
import { ChunkedReader, DATA, DONE, NEED_MORE, REJECTED } from '../../../lib/http1/chunked.js'
import { limits, readBody } from './support.js'

const bad = (reason: string) => ({ status: 400, reason })

t.test('bodies', async (t) => {
  const good: [string, string][] = [
    ['0\r\n\r\n', ''],
    ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n', 'hello world'],
    ['A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n', '01234567890123456789'],
    ['0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n', 'hello'],
    ['4\r\n\r\n\0\xff\r\n000\r\n\r\n', '\r\n\0\xff'],
    ['5;a\r\nhello\r\n0;b=c;d="e;f"\r\n\r\n', 'hello'],
    ['5 \t ; a = "b\t\xe9"\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['5;a=b;c="d\\"e"\r\nhello\r\n0 ;a;b \t= c ; d=""\r\n\r\n', 'hello'],
  ]
  for (const [text, content] of good) {
    const { result, used, body } = readBody(text + 'GET / HTTP/1.1')
    t.same([result, used, body], [DONE, text.length, content], JSON.stringify(text))
  }
})

t.test('malformed', async (t) => {
  const table: [string, string][] = [
    ['\r\n', 'malformed chunk size'],
    [';a\r\n', 'malformed chunk size'],
    ['g\r\n', 'malformed chunk size'],
    ['-1\r\n', 'malformed chunk size'],
    ['+1\r\n', 'malformed chunk size'],
    ['0x1\r\n', 'malformed chunk size'],
    ['1h\r\n', 'malformed chunk size'],
    [' 1\r\na\r\n', 'malformed chunk size'],
    ['1 \r\na\r\n', 'malformed chunk size'],
    ['1 a\r\na\r\n', 'malformed chunk size'],
    ['1\na\r\n', 'malformed chunk size'],
    ['1\0\r\n', 'malformed chunk size'],
    ['1\x0b\r\n', 'malformed chunk size'],
    ['1\r', 'bare CR'],
    ['1\r\r\n', 'bare CR'],
    ['1;a\n', 'malformed chunk extension'],
    ['1;a\0\r\n', 'malformed chunk extension'],
    ['1;"\x7f"\r\n', 'malformed chunk extension'],
    ['1;a="\r\n"\r\n', 'malformed chunk extension'],
    ...['', '=b', 'a="b', 'a="b\\', 'a b', ';a', 'a=', 'a= ', 'a ', 'a=b ', 'a="b"c', 'a="b" ', 'a=b c', 'a=b=c', '"a"', 'a;', 'a="\\\x01"']
      .map((text): [string, string] => [`1;${text}\r\nx\r\n`, 'malformed chunk extension']),
    ['1;a\r\r\n', 'bare CR'],
    ['1\r\nab\r\n', 'chunk data not followed by CRLF'],
    ['1\r\na\n0\r\n\r\n', 'chunk data not followed by CRLF'],
    ['1\r\na\r0\r\n\r\n', 'chunk data not followed by CRLF'],
    ['1\r\na0\r\n\r\n', 'chunk data not followed by CRLF'],
    ['00000000000000001\r\n', 'chunk size with too many digits'],
    ['0\r\n\n', 'line ended by a bare LF'],
    ['0\r\n\r\r', 'bare CR'],
  ]
  for (const [text, reason] of table) {
    const { result, rejection } = readBody(text + 'x')
    t.same([result, rejection], [REJECTED, bad(reason)], JSON.stringify(text))
  }
})

t.test('the limit of a body', async (t) => {
  const over = { status: 413, reason: 'max_body_size limit violation: 11' }
  t.equal(readBody('a\r\n0123456789\r\n0\r\n\r\n', [], 10).body, '0123456789')
  t.same(readBody('b\r', [], 10).rejection, over, 'before any content')
  t.same(readBody('b;', [], 10).rejection, over)
  t.same(readBody('5\r\n01234\r\n6\r\n', [], 10).rejection, over, 'of all chunks together')
  t.same(readBody('5\r\n01234\r\nfff\r\n', [], 10).rejection, { ...over, reason: 'max_body_size limit violation: 4100' }, 'what came is told')
  t.equal(readBody('ffffffffffffffff\r\n', [], Infinity).rejection?.status, 413, 'more than can be counted')
  t.equal(readBody('1fffffffffffff\r\n', [], Infinity).result, NEED_MORE)
  t.equal(readBody('1fffffffffffff\r\n', [], Infinity).rejection, null)
  t.equal(readBody('0\r\n\r\n', [], 0).result, DONE)
  t.equal(readBody('1\r\n', [], 0).rejection?.status, 413)
})

t.test('bytes that are not content have a budget', async (t) => {
  const tooMuch = bad('too many chunk framing bytes for the body')
  t.equal(readBody(`1;${'x'.repeat(1023)}\r\na\r\n0\r\n\r\n`).result, DONE)
  t.same(readBody(`1;${'x'.repeat(1024)}`).rejection, bad('chunk extension too long'))
  t.same(readBody(`1${' '.repeat(1025)}`).rejection, bad('chunk extension too long'))
  t.same(readBody('0'.repeat(17)).rejection, bad('chunk size with too many digits'))
  t.same(readBody(`1;${'x'.repeat(100)}\r\na\r\n`.repeat(1000)).rejection, tooMuch)
  t.same(readBody(`1;${'x'.repeat(1000)}\r\na\r\n`.repeat(9)).rejection, tooMuch)
  // 24 bytes with each byte of content, of which 16 are allowed beside the first 8192: enough for 1024 chunks.
  const extended = `1;${'x'.repeat(18)}\r\na\r\n`
  t.equal(readBody(extended.repeat(1024), [], 5000).result, NEED_MORE)
  t.same(readBody(extended.repeat(1025), [], 5000).rejection, tooMuch)
  const padded = '0000000000001\r\na\r\n'.repeat(5000) + '0\r\n\r\n'
  t.equal(readBody(padded, [], 5000).result, DONE, 'one-byte chunks, sizes padded')
  const signed = `2000;chunk-signature=${'a'.repeat(64)}\r\n${'x'.repeat(8192)}\r\n`
  t.equal(readBody(signed.repeat(100) + '0\r\n\r\n', [], 1e6).result, DONE, 'signed chunks')
})

t.test('trailers', async (t) => {
  const { result, used, trailers } = readBody('1\r\na\r\n0\r\nX-Sum: 1\r\nx-sum:2 \r\n\r\nGET')
  t.same([result, used], [DONE, 31])
  t.same(trailers, [['X-Sum', '1'], ['x-sum', '2']])
  t.equal(readBody('0\r\n\r\n').trailers, null)
  const table: [string, number, string][] = [
    ['X : 1', 400, 'whitespace before the colon of a field'],
    ['X: 1\r\n y', 400, 'folded field line'],
    ['X', 400, 'field line without a colon'],
    ['X: \0', 400, 'control character in a field value'],
    ['X: 1\nY: 2', 400, 'line ended by a bare LF'],
    ['x'.repeat(8193), 431, 'header line limit violation: 8193'],
    ['x: y\r\n'.repeat(101), 431, 'header count limit violation: 101'],
    [('x: ' + 'y'.repeat(8000) + '\r\n').repeat(9), 431, 'header size limit violation: 65537'],
    ['Content-Length: 5', 400, 'field not allowed in a trailer'],
    ['TRANSFER-ENCODING: chunked', 400, 'field not allowed in a trailer'],
    ['A: b\r\nHost: a.test', 400, 'field not allowed in a trailer'],
    ['Authorization: a', 400, 'field not allowed in a trailer'],
    ['Cookie: a', 400, 'field not allowed in a trailer'],
    ['X-Real-IP: 1.2.3.4', 400, 'field not allowed in a trailer'],
  ]
  for (const [text, status, reason] of table) {
    t.same(readBody(`0\r\n${text}\r\n\r\n`).rejection, { status, reason }, JSON.stringify(text.slice(0, 40)))
  }
})

t.test('a body that is over stays over', async (t) => {
  const readerOf = () => {
    const reader = new ChunkedReader(100, limits)
    const read = (text: string): number[] => {
      const bytes = Buffer.from(text)
      const results: number[] = []
      let at = 0
      do {
        results.push(reader.next(bytes, at, bytes.length))
        at = reader.position
      } while (results.at(-1) === DATA)
      return results
    }
    return { reader, read }
  }
  const good = readerOf()
  t.same(good.read('2;xx\r\nab\r\n0\r\nA: b\r\n\r\n'), [DATA, DONE])
  t.equal(good.reader.trailers?.get('a'), 'b')
  t.same(good.read(''), [DONE])
  const bad = readerOf()
  t.same(bad.read('x'), [REJECTED])
  t.same(bad.read('1\r\n'), [REJECTED])
})

t.test('100,000 one-byte chunks', async (t) => {
  const bytes = Buffer.from('1\r\nx\r\n'.repeat(100_000) + '0\r\n\r\n')
  const reader = new ChunkedReader(100_000, limits)
  let at = 0
  let content = 0
  while (reader.next(bytes, at, bytes.length) === DATA) {
    content += reader.dataEnd - reader.dataStart
    at = reader.position
  }
  t.same([content, reader.position, reader.rejection], [100_000, bytes.length, null])
})
