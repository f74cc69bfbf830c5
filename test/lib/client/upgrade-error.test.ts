import t from 'tap'
import * as lev from '../../../lev/index.js'
import { UpgradeError, websocket } from '../../../lib/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { scripted } from './scripted.js'

t.test('what a server says in place of a WebSocket', async (t) => {
  const cases: [name: string, parts: string[], body: string, open: boolean][] = [
    ['with a length', ['HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno', ' for you'], 'no for you', true],
    ['chunked', ['HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwho', '\r\n1\r\n?\r\n0\r\n\r\n'], 'who?', true],
    ['to the end', ['HTTP/1.0 500 Oops\r\n\r\nall ', 'of it'], 'all of it', false],
    ['cut off', ['HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno'], 'no', false],
    ['too slow', ['HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nno'], 'no', true],
    ['too long', [`HTTP/1.1 403 Forbidden\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(100_000)}`], 'x'.repeat(65536), true],
    ['malformed', ['HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nnox'], 'no', true],
    ['of no length that is one', ['HTTP/1.1 403 Forbidden\r\nContent-Length: x\r\n\r\nno'], '', true],
    ['none', ['HTTP/1.1 204 No Content\r\n\r\n'], '', true],
    ['an upgrade to something else', ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nbytes'], '', true],
  ]
  for (const [name, parts, body, open] of cases) {
    await virtual(() => scripted(function* (stream) {
      for (const part of parts) {
        yield* stream.write(part)
        yield* lev.sleep(0.1)
      }
      if (open) yield* lev.sleep(100)
    }, function* (server) {
      const began = lev.now()
      const error = yield* failure(websocket(`ws://127.0.0.1:${server.port}/`))
      t.ok(error instanceof UpgradeError && error.body.toString() === body, name)
      t.match(error, { code: 'LEVERET_UPGRADE', status: Number(parts[0].slice(9, 12)) }, name)
      t.ok(lev.now() - began < 1.5, name)
    }))
  }
})
