import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import { runIn } from '../../../testing/setup.js'
import { streamKinds } from './stream-kinds.js'

/** What one side does, one after the other; a time limit ends its waiting, not the stream. */
interface Act {
  readonly does: 'put' | 'write' | 'flush' | 'pause' | 'read' | 'fill' | 'readUntil'
  readonly size: number
  readonly within: number
}

const act = fc.record<Act>({
  does: fc.constantFrom('put', 'write', 'write', 'flush', 'pause', 'read', 'read', 'fill', 'readUntil'),
  size: fc.oneof(fc.nat(200), fc.nat(200_000)),
  within: fc.constantFrom(0, 0.0005, 0.005, 0.1, 1),
})
const side = fc.array(act, { maxLength: 14 })

/** What a side sends, from its first byte: different everywhere nearby. */
const all = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 31 + (index >> 8)) & 255))

function* play(stream: Stream, acts: readonly Act[], received: Buffer[]): Op<void> {
  let at = 0
  const take = (bytes: Buffer | null): void => void (bytes !== null && received.push(bytes))
  function* one({ does, size }: Act): Op<void> {
    if (does === 'put' || does === 'write') {
      const data = all.subarray(at, at + size)
      at += size
      if (does === 'write') yield* stream.write(data)
      else stream.put(size % 2 === 0 ? data : data.toString('latin1'))
    } else if (does === 'flush') yield* stream.flush()
    else if (does === 'pause') yield* lev.sleep(size / 1e6)
    else if (does === 'read') take(yield* stream.read(size + 1))
    else if (does === 'fill') yield* stream.fill()
    else {
      stream.readDeadline = lev.now() + size / 1e7
      take(yield* stream.read())
    }
  }
  for (const act of acts) {
    try {
      // Two sides that only write wait for each other for ever: so each act has a limit.
      yield* lev.timeout(act.within, one(act))
    } catch (error) {
      if (!(error instanceof lev.TimeoutError)) throw error
    }
    stream.readDeadline = Infinity
  }
  lev.spawn(() => stream.end())
  for (let part = yield* stream.read(); part !== null; part = yield* stream.read()) received.push(part)
}

for (const kind of streamKinds.filter(({ virtual }) => virtual)) {
  t.test(`whatever two sides do, all bytes arrive in order: ${kind.name}`, async (t) => {
    await fc.assert(fc.asyncProperty(side, side, async (left, right) => {
      await runIn(kind, function* () {
        const [near, far] = yield* kind.pair()
        const atNear: Buffer[] = []
        const atFar: Buffer[] = []
        yield* lev.scope(function* () {
          lev.spawn(() => play(near, left, atNear))
          yield* play(far, right, atFar)
        })
        for (const [from, received] of [[near, atFar], [far, atNear]] as const) {
          const got = Buffer.concat(received)
          if (!got.equals(all.subarray(0, from.bytesPut))) throw new Error(`${got.length} of ${from.bytesPut} bytes, or others`)
        }
        near.close()
        far.close()
      })
    }), { numRuns: kind.secure ? 12 : 40 })
    t.pass('they did')
  })
}
