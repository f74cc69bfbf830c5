import t from 'tap'
import { ResponseHeadReader, type ResponseHead } from '../../../lib/http1/response-head-reader.js'
import { CHUNKED, keepAliveTimeout, responseFraming, UNTIL_CLOSE } from '../../../lib/http1/response-framing.js'
import { limits } from './support.js'

function headOf(text: string): ResponseHead {
  const bytes = Buffer.from(`${text}\r\n\r\n`, 'latin1')
  const reader = new ResponseHeadReader(limits)
  t.equal(reader.read(bytes, 0, bytes.length), bytes.length, text)
  return reader.head
}

t.test('where the content of a response ends, and whether another response can follow', async (t) => {
  const cases: [method: string, head: string, length: number, keepAlive: boolean][] = [
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 5', 5, true],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5', 5, true],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 5 , 05', 5, true],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: foo, Close', 5, false],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 5', 5, false],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive', 5, true],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive, close', 5, false],
    ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', CHUNKED, true],
    ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: , Chunked ,', CHUNKED, true],
    ['GET', 'HTTP/1.1 200 OK', UNTIL_CLOSE, false],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5', 0, true],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', 0, true],
    ['GET', 'HTTP/1.1 204 No Content', 0, true],
    ['GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 0', 0, true],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5', 0, false],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked', 0, false],
    ['GET', 'HTTP/1.1 205 Reset Content', 0, false],
    ['GET', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0', 0, true],
    ['GET', 'HTTP/1.1 100 Continue', 0, true],
  ]
  for (const [method, head, length, keepAlive] of cases) t.same(responseFraming(method, headOf(head)), { length, keepAlive }, `${method} ${head}`)
})

t.test('heads that do not say one length', async (t) => {
  const cases: [head: string, reason: string][] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6', 'differing Content-Length headers'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5, 6', 'differing Content-Length headers'],
    ['HTTP/1.1 200 OK\r\nContent-Length: +5', 'malformed Content-Length header'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0x5', 'malformed Content-Length header'],
    ['HTTP/1.1 200 OK\r\nContent-Length:', 'malformed Content-Length header'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999', 'Content-Length too large to count'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked', 'both Content-Length and Transfer-Encoding'],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked', 'Transfer-Encoding in HTTP/1.0'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked', 'unsupported transfer coding'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: identity', 'unsupported transfer coding'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 'unsupported transfer coding'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\xa0', 'unsupported transfer coding'],
  ]
  for (const [head, reason] of cases) t.match(responseFraming('GET', headOf(head)), { reason }, head)
})

t.test('how long a server keeps an idle connection', async (t) => {
  const cases: [value: string, seconds: number | null][] = [
    ['timeout=5', 5], ['timeout=5, max=100', 5], ['max=100, Timeout = "7"', 7], ['max=100', null], ['timeout', null], ['notimeout=5', null],
  ]
  for (const [value, seconds] of cases) t.equal(keepAliveTimeout(headOf(`HTTP/1.1 200 OK\r\nKeep-Alive: ${value}`)), seconds, value)
  t.equal(keepAliveTimeout(headOf('HTTP/1.1 200 OK')), null)
})
