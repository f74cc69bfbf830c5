import t from 'tap'
import fc from 'fast-check'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { byHand, type HandTransport } from '../../support/hand-transport.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { clientSecurity } from './stream-kinds.js'

/** Bytes that tell where they stand. */
function numbered(from: number, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, index) => (from + index) % 251))
}

/** What was borrowed is written over, as the next read does. */
function bring(transport: HandTransport, bytes: Buffer, borrowed: boolean): void {
  if (!borrowed) return transport.events?.onChunk(bytes)
  const room = Buffer.concat([bytes, Buffer.alloc(10)])
  transport.events?.onBorrowedChunk(room, bytes.length)
  room.fill(0xff)
}

t.test('whatever pieces it comes in and whichever way it is read, input is the same', async (t) => {
  const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 4000, max: 9000 }))
  const pieces = fc.array(fc.record({ size, borrowed: fc.boolean(), together: fc.boolean() }), { minLength: 1, maxLength: 120 })
  const ways = fc.array(fc.constantFrom('read', 'some', 'into', 'parse'), { minLength: 1, maxLength: 20 })
  await fc.assert(fc.asyncProperty(pieces, ways, async (brought, reading) => {
    await lev.run(function* () {
      const [stream, transport] = yield* byHand()
      const total = brought.reduce((sum, piece) => sum + piece.size, 0)
      const bringer = lev.spawn(function* () {
        let sent = 0
        for (const piece of brought) {
          bring(transport, numbered(sent, piece.size), piece.borrowed)
          sent += piece.size
          if (!piece.together) yield* lev.yieldNow()
        }
        transport.events?.onEnd()
      })
      const got = Buffer.alloc(total + 10)
      let received = 0
      for (let turn = 0; ; turn++) {
        const more = yield* readOnce(stream, got, received, reading[turn % reading.length])
        if (more === 0) break
        received += more
      }
      yield* bringer.join()
      if (received !== total || !got.subarray(0, total).equals(numbered(0, total))) throw new Error(`${received} of ${total}`)
    }, { driver: lev.memory({ seed: 1 }) })
  }), { numRuns: 300 })
  t.pass('every way')
})

function* readOnce(stream: lev.Stream, got: Buffer, received: number, way: string): Op<number> {
  if (way === 'into') return yield* stream.readInto(got.subarray(0, Math.min(got.length, received + 5000)), received)
  if (way === 'parse') {
    // A parser that wants twice what is there, and then takes all.
    const more = yield* stream.fill()
    const bytes = stream.input.subarray(stream.inputStart, stream.inputEnd)
    if (!more && bytes.length === 0) return 0
    bytes.copy(got, received)
    stream.consume(bytes.length)
    return bytes.length
  }
  const bytes = yield* stream.read(way === 'some' ? 100 : undefined)
  return bytes === null ? 0 : bytes.copy(got, received)
}

t.test('readInto takes what is there first, and what arrives without a copy in between', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  const target = Buffer.alloc(10)
  bring(transport, Buffer.from('abc'), false)
  t.equal(yield* stream.readInto(target, 0), 3)
  const reading = lev.spawn(() => stream.readInto(target, 3))
  yield* lev.yieldNow()
  bring(transport, Buffer.from('defg'), true)
  bring(transport, Buffer.from('hijklm'), true)
  t.equal(yield* reading.join(), 7, 'as much as came before the reader had its turn')
  t.equal(target.toString(), 'abcdefghij')
  t.equal(stream.input.toString('latin1', stream.inputStart, stream.inputEnd), 'klm', 'what has no room stays')
}))

t.test('readInto at the end, past its deadline, and cancelled', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  const target = Buffer.alloc(10)
  stream.readDeadline = lev.now() + 5
  t.match(yield* failure(stream.readInto(target, 0)), { code: 'LEV_TIMEOUT' })
  stream.readDeadline = Infinity
  const reading = lev.spawn(() => stream.readInto(target, 0))
  yield* lev.yieldNow()
  reading.cancel()
  yield* lev.yieldNow()
  bring(transport, Buffer.from('late'), true)
  t.equal(target.toString('latin1', 0, 4), '\0\0\0\0', 'nothing is put where no reader waits any more')
  t.equal((yield* stream.read())?.toString(), 'late')
  transport.events?.onEnd()
  t.equal(yield* stream.readInto(target, 0), 0)
  stream.close()
  t.match(yield* failure(stream.readInto(target, 0)), { code: 'LEV_CLOSED' })
}))

/** What reads from a stream, each in its way. */
const readers: Record<string, (stream: lev.Stream, target: Buffer) => Op<unknown>> = {
  fill: (stream) => stream.fill(),
  read: (stream) => stream.read(),
  readInto: (stream, target) => stream.readInto(target, 0),
  secure: (stream) => stream.secure(clientSecurity),
  linger: (stream) => stream.linger(1, 10),
}

t.test('a second reader is refused, and nothing has changed for the first', (t) => virtual(function* () {
  for (const [first, begin] of Object.entries(readers).slice(0, 3)) {
    for (const [second, join] of Object.entries(readers)) {
      for (const woken of [false, true]) {
        const [stream, transport] = yield* byHand()
        const target = Buffer.alloc(10)
        const other = Buffer.alloc(10)
        stream.readDeadline = lev.now() + 60
        const reading = lev.spawn(() => begin(stream, target))
        yield* lev.yieldNow()
        // The first one may have its input, and not have gone on yet.
        if (woken) bring(transport, Buffer.from('first'), true)
        const what = `${second} beside ${first}${woken ? ', which is woken' : ''}`
        t.match(yield* failure(join(stream, other)), { code: 'LEV_USAGE', message: /two tasks/ }, what)
        if (!woken) bring(transport, Buffer.from('first'), true)
        const got = yield* reading.join()
        if (first === 'readInto') t.strictSame([got, target.toString('latin1', 0, 5)], [5, 'first'], what)
        else if (first === 'read') t.equal(String(got), 'first', what)
        else t.equal(String(yield* stream.read()), 'first', what)
        t.ok(stream.isOpen && other.every((byte) => byte === 0), what)
        t.equal(stream.readDeadline, lev.now() + 60)
        stream.close()
      }
    }
  }
}))

t.test('a place or a number of bytes that cannot be is refused, and the input stays as it was', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  const target = Buffer.alloc(8)
  bring(transport, Buffer.from('input'), false)
  for (const start of [undefined, NaN, -1, 1.5, 9]) {
    t.match(yield* failure(stream.readInto(target, start as number)), { code: 'LEV_USAGE' }, `readInto from ${start}`)
  }
  for (const max of [NaN, -1, 1.5]) t.match(yield* failure(stream.read(max)), { code: 'LEV_USAGE' }, `read ${max}`)
  t.equal((yield* stream.read(2))?.toString(), 'in')
  t.equal(yield* stream.readInto(target, 5), 3)
  t.equal(target.toString('latin1', 5), 'put')
}))

t.test('after a reader was cancelled, has failed, or timed out, another one may read', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  const reading = lev.spawn(() => stream.read())
  yield* lev.yieldNow()
  reading.cancel()
  yield* reading.done()
  stream.readDeadline = lev.now() + 1
  t.match(yield* failure(stream.read()), { code: 'LEV_TIMEOUT' })
  stream.readDeadline = Infinity
  lev.spawn(function* () {
    bring(transport, Buffer.from('x'), false)
  })
  t.equal(String(yield* stream.read()), 'x')
  stream.close()
}))

t.test('unread input is bounded, in whatever pieces it comes', (t) => virtual(function* () {
  for (const size of [1, 4096, 5000, 65536]) {
    const [stream, transport] = yield* byHand()
    let sent = 0
    while (!transport.paused) {
      bring(transport, numbered(sent, size), true)
      sent += size
    }
    t.ok(sent >= 98_304 && sent < 98_304 + size, `paused after ${sent} bytes in pieces of ${size}`)
    stream.close()
  }
}))

t.test('who takes what arrives sees it first; the reader is woken only for what is left', async (t) => {
  await lev.run(function* () {
    const [stream, transport] = yield* byHand()
    const seen: string[] = []
    let takes = Infinity
    stream.tap.attach((buffer, size, now) => {
      t.ok(now >= 0)
      seen.push(buffer.toString('latin1', 0, size))
      return Math.min(takes, size)
    })
    let woken = 0
    const reader = lev.spawn(function* () {
      while (yield* stream.fill()) woken++
    })
    yield* lev.yieldNow()
    for (const borrowed of [true, false]) {
      takes = Infinity
      bring(transport, Buffer.from('whole'), borrowed)
      yield* lev.yieldNow()
      t.equal(woken, borrowed ? 0 : 1)
      takes = 2
      bring(transport, Buffer.from('a part'), borrowed)
      bring(transport, Buffer.from(' and what comes while that is unread'), borrowed)
      yield* lev.yieldNow()
      t.equal(woken, borrowed ? 1 : 2)
      t.equal(stream.input.toString('latin1', stream.inputStart, stream.inputEnd), 'part and what comes while that is unread')
      stream.consume(stream.inputEnd - stream.inputStart)
    }
    t.same(seen, ['whole', 'a part', 'whole', 'a part'])
    stream.wakeReader(false)
    yield* reader.join()
    stream.close()
  }, { driver: lev.memory() })
})
