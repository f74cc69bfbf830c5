import { gzipSync } from 'node:zlib'
import t from 'tap'
import { comparableHead, differenceOf, readResponses, type ParsedResponse } from '../../bench/responses.js'

const response = (lines: string, content = 'hi'): string => `HTTP/1.1 200 OK\r\n${lines}Content-Length: ${content.length}\r\n\r\n${content}`
const read = (text: string): ParsedResponse => readResponses(text)[0]

t.test('responses are told apart by their lengths', async (t) => {
  const [one, two] = [response('A: 1\r\n'), response('', '\r\n\r\nx')]
  t.same(readResponses(one + two).map(({ content }) => content), ['hi', '\r\n\r\nx'])
  t.equal(readResponses(one + two.slice(0, -1)).length, 1)
  t.same(readResponses('HTTP/1.1 200 OK\r\n'), [])
})

t.test('chunks are put together, and nothing is taken for whole before it is', async (t) => {
  const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\nA\r\n, two, tre\r\n0\r\n\r\n'
  t.equal(read(text).content, 'one, two, tre')
  t.equal(read(text).size, 13)
  for (let end = 0; end < text.length; end++) t.same(readResponses(text.slice(0, end)), [], `${end} bytes`)
  t.equal(readResponses(text + response('')).length, 2)
  t.throws(() => readResponses(text.replace('3\r\none', 'x\r\none')), /not a chunk/)
})

t.test('content that ends with the connection', async (t) => {
  const text = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it'
  t.same(readResponses(text), [])
  t.equal(readResponses(text, true)[0].content, 'all of it')
})

t.test('compressed content is unpacked', async (t) => {
  const packed = gzipSync('text').toString('latin1')
  const one = read(response('Content-Encoding: gzip\r\n', packed))
  t.equal(one.content, 'text')
  t.equal(one.size, packed.length)
})

t.test('what may differ does not count', async (t) => {
  const node = read(response('A: 1\r\nDate: Sat, 21 Nov 2026 02:34:20 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n'))
  const other = read(response('date: Sat, 21 Nov 2026 02:34:21 GMT\r\nServer: x\r\nVary: accept-encoding\r\nETag: "1"\r\nLast-Modified: x\r\nAccept-Ranges: bytes\r\na: 1\r\n'))
  t.equal(comparableHead(node), comparableHead(other))
  t.equal(differenceOf(node, other), null)
  const ids = ['7e2f1c60-9d2b-4c7b-8f31-0f0a4f6f1a51', '00000000-0000-4000-8000-000000000000'] as const
  const service = read(response(`X-Request-Id: ${ids[0]}\r\nVary: Origin, Accept-Encoding\r\nContent-Type: application/json\r\n`))
  const alike = read(response(`x-request-id: ${ids[1]}\r\nvary: Origin\r\ncontent-type: application/json; charset=utf-8\r\n`))
  t.equal(differenceOf(service, alike), null)
  const chunked = read('HTTP/1.1 200 OK\r\nA: 1\r\nDate: x GMT\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n')
  t.equal(differenceOf(node, chunked, true), null)
  t.match(differenceOf(node, chunked), /content-length: 2[^]*against[^]*transfer-encoding: chunked/)
})

t.test('everything else does', async (t) => {
  const one = read(response('A: 1\r\n'))
  t.match(differenceOf(one, read(response('A: 2\r\n'))), /a: 1[^]*against[^]*a: 2/)
  t.match(differenceOf(one, read(response('A: 1\r\n', 'ho'))), '"hi" (2 bytes) against "ho" (2 bytes)')
  t.match(differenceOf(one, read(response('A: 1\r\nConnection: close\r\n'))), /connection: close/)
  t.match(differenceOf(one, read(response('A: 1\r\nDate: now\r\n'))), /date: now/)
  t.match(differenceOf(one, read(response('A: 1\r\nX-Request-Id: 1\r\n'))), /x-request-id: 1/)
  t.match(differenceOf(one, read(response('A: 1\r\nVary: Origin\r\n'))), /vary: origin/)
})
