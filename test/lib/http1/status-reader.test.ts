import fc from 'fast-check'
import t from 'tap'
import { StatusReader } from '../../../lib/http1/status-reader.js'
import { seed } from '../../support/seed.js'

const cases: readonly (readonly [text: string, status: number | undefined])[] = [
  ['HTTP/1.1 200 OK\r\n\r\n', 200],
  ['HTTP/1.0 404 \r\n', 404],
  ['HTTP/1.1 599\r\n', 599],
  ['HTTP/1.1 200\n\n', 200],
  ['HTTP/1.1 101 Switching Protocols\r\n\r\n', 101],
  ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: <a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n', 204],
  ['HTTP/1.1 100 Continue\n\nHTTP/1.1 500 \n', 500],
  ['HTTP/1.1 100 Continue\r\n\r\n', undefined],
  ['HTTP/1.1 20', undefined],
  ['HTTP/1.1 2000 OK\r\n', undefined],
  ['HTTP/1.1 099 OK\r\n', undefined],
  ['HTTP/2 200 OK\r\n', undefined],
  [' HTTP/1.1 200 OK\r\n', undefined],
  ['', undefined],
]

t.test('the status of what is written, whole or in any pieces', async (t) => {
  for (const [text, status] of cases) {
    const whole = new StatusReader()
    whole.read(text)
    t.equal(whole.status, status, text)
    fc.assert(fc.property(fc.array(fc.nat(text.length)), fc.boolean(), (cuts, asBytes) => {
      const reader = new StatusReader()
      const ends = [...cuts, text.length].sort((a, b) => a - b)
      let from = 0
      for (const end of ends) {
        const piece = text.slice(from, end)
        from = end
        if (!reader.read(asBytes ? Buffer.from(piece, 'latin1') : piece)) break
      }
      return reader.status === status
    }), { seed })
  }
})

t.test('it gives up on what is no response', async (t) => {
  const reader = new StatusReader()
  let pieces = 0
  while (reader.read('words '.repeat(10))) pieces++
  t.ok(pieces < 100)
  t.equal(reader.status, undefined)
  t.notOk(new StatusReader().read(Buffer.alloc(1_000_000)))
})
