import assert from 'node:assert/strict'
import * as lev from '../lev/index.js'
import type { Op, Stream } from '../lev/index.js'
import { match } from './match.js'
import type { DriverTestBodies } from './setup.js'
import { readAll } from './streams.js'
import { failure } from './virtual.js'

/** How connections end: in order, by a reset, after lingering. */
export const closingTests: DriverTestBodies = {
  * 'output put before closing arrives, and then the end'(setup) {
    const [near, far] = yield* setup.pair()
    // TLS sends session tickets after the handshake; closing with them unread would be a reset.
    if (setup.secure) yield* lev.sleep(0.02)
    near.put('last words')
    near.close()
    assert.equal((yield* readAll(far)).toString(), 'last words')
    far.close()
  },

  * 'a reset is no end'(setup) {
    const [near, far] = yield* setup.pair()
    const gone: string[] = []
    far.onGone.attach((how) => gone.push(how))
    yield* near.write('some')
    assert.equal((yield* far.read())?.toString(), 'some')
    const reading = lev.spawn(() => failure(far.read()))
    yield* lev.yieldNow()
    near.reset()
    match(yield* reading.join(), { code: 'LEV_CLOSED', message: /lost/ })
    match(yield* failure(far.write('x')), { code: 'LEV_CLOSED' })
    assert.deepEqual(gone, ['close'])
    near.reset()
    far.close()
  },

  * 'onGone tells of an end once, and not of what this side does'(setup) {
    const [near, far] = yield* setup.pair()
    const gone: string[] = []
    far.onGone.attach((how) => gone.push(how))
    const tellNear = (how: string): void => void gone.push(`near: ${how}`)
    near.onGone.attach(tellNear)
    yield* near.write('question')
    yield* near.end()
    yield* lev.sleep(0.02)
    assert.deepEqual(gone, ['end'], 'though the question was not read')
    yield* far.write('response')
    near.onGone.detach(tellNear)
    yield* far.end()
    assert.equal((yield* readAll(near)).toString(), 'response')
    yield* lev.sleep(0.02)
    assert.deepEqual(gone, ['end'])
    near.close()
    far.close()
    yield* lev.sleep(0.01)
    assert.deepEqual(gone, ['end'])
  },

  * 'lingering: the peer gets all output although it has sent input that is never read'(setup) {
    const [near, far] = yield* setup.pair()
    const output = Buffer.alloc(300_000, 'output')
    lev.spawn(function* () {
      try {
        for (let count = 0; count < 40; count++) {
          yield* near.write(Buffer.alloc(20_000, 'unread'))
          yield* lev.sleep(0.0005)
        }
        yield* near.end()
      } catch (error) {
        if (!(error instanceof lev.ClosedError)) throw error
      }
    })
    yield* far.read(10)
    const lingering = lev.spawn(function* () {
      yield* far.write(output)
      yield* far.linger(5, 10_000_000)
    })
    assert.equal((yield* readAll(near)).length, output.length)
    yield* lingering.join()
    assert.equal(far.isOpen, false)
    near.close()
  },

  * 'lingering is bounded in time and bytes'(setup) {
    for (const [seconds, limit] of [[0.03, 1e9], [60, 100_000]] as const) {
      const [near, far] = yield* setup.pair()
      const start = lev.now()
      const sending = lev.spawn(() => failure((function* () {
        for (;;) {
          yield* near.write('x'.repeat(10_000))
          yield* lev.sleep(0.001)
        }
      })()))
      far.put('response')
      yield* far.linger(seconds, limit)
      assert.equal(far.isOpen, false)
      if (seconds < 1) assert.ok(lev.now() - start >= seconds, 'not early')
      else assert.ok(lev.now() - start < 30)
      match(yield* sending.join(), { code: 'LEV_CLOSED' })
      near.close()
    }
  },

  * 'lingering over a connection that is gone'(setup) {
    const [near, far] = yield* setup.pair()
    near.reset()
    yield* lev.sleep(0.02)
    yield* far.linger(1, 1000)
    assert.equal(far.isOpen, false)
  },
  * 'ending the output loses no input'(setup) {
    for (let round = 0; round < 5; round++) {
      const [near, far] = yield* setup.pair()
      lev.spawn(function* () {
        // Two records of TLS, which arrive together.
        yield* far.write(Buffer.alloc(16385))
        yield* far.end()
      })
      yield* near.fill()
      lev.spawn(() => near.end())
      assert.equal((yield* readAll(near)).length, 16385)
      assert.equal(yield* far.read(), null)
      near.close()
      far.close()
    }
  },

  * 'no byte of one connection appears on another'(setup) {
    const wrong: number[] = []
    const pairs: [Stream, Stream][] = []
    for (let n = 0; n < connections; n++) pairs.push(yield* setup.pair())
    yield* lev.scope(function* (scope) {
      for (const [n, [near, far]] of pairs.entries()) {
        for (const [stream, own, other] of [[near, 2 * n, 2 * n + 1], [far, 2 * n + 1, 2 * n]] as const) {
          scope.spawn(() => sendMarked(stream, own))
          scope.spawn(function* () {
            const received = yield* readAll(stream)
            if (!received.equals(marked(other, totalSize))) wrong.push(other)
          })
        }
      }
    })
    for (const pair of pairs) for (const stream of pair) stream.close()
    assert.deepEqual(wrong, [])
  },
}

const connections = 24
const sizes = [1, 7, 100, 1021, 5003, 16_385, 70_001, 3]
const totalSize = sizes.reduce((sum, size) => sum + size, 0)

/** Bytes of one end of one connection: every one says whose it is, and where it stands. */
function marked(owner: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (owner * 5 + i * 7) & 0xff
  return bytes
}

/** Sends pieces of odd sizes, between which the others run. */
function* sendMarked(stream: Stream, owner: number): Op<void> {
  const all = marked(owner, totalSize)
  let at = 0
  for (const size of sizes) {
    yield* stream.write(all.subarray(at, at + size))
    at += size
    yield* lev.sleep(0.001 * (owner % 3))
  }
  yield* stream.end()
}
