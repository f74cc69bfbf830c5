import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import { runIn, streamKinds } from './stream-kinds.js'
import { readAll } from '../../support/streams.js'

const connections = 24
const sizes = [1, 7, 100, 1021, 5003, 16_385, 70_001, 3]

/** Bytes of one end of one connection: every one says whose it is, and where it stands. */
function marked(owner: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (owner * 5 + i * 7) & 0xff
  return bytes
}

/** Sends pieces of odd sizes, between which the others run. */
function* send(stream: Stream, owner: number): Op<void> {
  const all = marked(owner, sizes.reduce((sum, size) => sum + size, 0))
  let at = 0
  for (const size of sizes) {
    yield* stream.write(all.subarray(at, at + size))
    at += size
    yield* lev.sleep(0.001 * (owner % 3))
  }
  yield* stream.end()
}

for (const kind of streamKinds) {
  t.test(`no byte of one connection appears on another: ${kind.name}`, async (t) => {
    const wrong: number[] = []
    await runIn(kind, function* () {
      const pairs: [Stream, Stream][] = []
      for (let n = 0; n < connections; n++) pairs.push(yield* kind.pair())
      yield* lev.scope(function* (scope) {
        for (const [n, [near, far]] of pairs.entries()) {
          for (const [stream, own, other] of [[near, 2 * n, 2 * n + 1], [far, 2 * n + 1, 2 * n]] as const) {
            scope.spawn(() => send(stream, own))
            scope.spawn(function* () {
              const received = yield* readAll(stream)
              if (!received.equals(marked(other, received.length)) || received.length < sizes.reduce((a, b) => a + b)) wrong.push(other)
            })
          }
        }
      })
      for (const pair of pairs) for (const stream of pair) stream.close()
    })
    t.strictSame(wrong, [])
  })
}
