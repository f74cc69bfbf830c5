import t from 'tap'
import { ChunkedReader, DATA } from '../../../lib/http1/chunked.js'
import { collect } from '../../support/memory.js'

/** Microseconds of CPU time that a body takes. */
function cost(body: Buffer): number {
  const reader = new ChunkedReader(1e6, { lineLimit: 100, countLimit: 10, sizeLimit: 1000 })
  const before = process.cpuUsage()
  let at = 0
  do {
    reader.nextPiece(body, at, Math.min(body.length, at + 65_536))
    at = reader.position
  } while (reader.event === DATA || at < body.length)
  const { user, system } = process.cpuUsage(before)
  return user + system
}

// A file of its own: a reader of another test would keep the shape as well.
t.test('one-byte chunks cost the same after garbage was collected while no body was read', async (t) => {
  const small = Buffer.from(`${'1\r\nx\r\n'.repeat(300_000)}0\r\n\r\n`)
  const large = Buffer.from(`8000\r\n${'x'.repeat(0x8000)}\r\n`.repeat(20) + '0\r\n\r\n')
  const [before, after] = [[Infinity], [Infinity]]
  let times = Infinity
  // A machine that is busy with something else makes some rounds slow, never all of them.
  for (let round = 0; round < 20 && (round < 6 || times > 1.5); round++) {
    for (const body of [large, large, small]) {
      const one = cost(body)
      if (body === small) (round < 3 ? before : after).push(one)
      collect()
    }
    times = Math.min(...after) / Math.min(...before)
  }
  t.ok(times < 2.5, `${times.toFixed(1)} times as much`)
})
