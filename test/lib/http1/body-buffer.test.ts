import fc from 'fast-check'
import t from 'tap'
import { BodyBuffer } from '../../../lib/http1/body-buffer.js'
import { seed } from '../../support/seed.js'

t.test('any pieces, put together again', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 40 }), fc.nat(2000), (pieces, capacity) => {
      const body = new BodyBuffer(capacity)
      for (const piece of pieces) body.append(Buffer.concat([Buffer.from('xx'), piece]), 2, 2 + piece.length)
      const whole = Buffer.concat(pieces)
      return body.length === whole.length && body.take().equals(whole)
    }),
    { seed, numRuns: 300 },
  )
})

t.test('it copies: the bytes given may be used again', async (t) => {
  const body = new BodyBuffer()
  for (const length of [1, 32, 33, 5000]) {
    const bytes = Buffer.alloc(length, 'a')
    body.append(bytes, 0, length)
    bytes.fill('b')
  }
  t.equal(body.take().toString(), 'a'.repeat(1 + 32 + 33 + 5000))
})

t.test('memory stays in proportion to the bytes in it', async (t) => {
  const body = new BodyBuffer()
  const byte = Buffer.from('a')
  for (let n = 0; n < 100_000; n++) body.append(byte, 0, 1)
  t.equal(body.length, 100_000)
  t.ok(body.take().buffer.byteLength <= 200_000)
  t.equal(new BodyBuffer().take().length, 0)
})
