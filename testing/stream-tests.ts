import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import * as lev from '../lev/index.js'
import { closingTests } from './closing-tests.js'
import { match } from './match.js'
import { driverTests, type DriverTest, type DriverTestBodies, type StreamSetup } from './setup.js'
import { readAll, readExactly } from './streams.js'
import { failure } from './virtual.js'

const tests: DriverTestBodies = {
  * 'data arrives in order, both ways at once'(setup) {
    const [near, far] = yield* setup.pair()
    const lines = Array.from({ length: 500 }, (_, index) => `${index}:${'x'.repeat(index % 97)}\n`)
    function* talk(stream: lev.Stream): lev.Op<void> {
      for (const [index, line] of lines.entries()) {
        if (index % 3 === 0) stream.put(line)
        else yield* stream.write(index % 3 === 1 ? line : Buffer.from(line))
        if (index % 50 === 0) yield* lev.yieldNow()
      }
      yield* stream.end()
    }
    lev.spawn(() => talk(near))
    lev.spawn(() => talk(far))
    assert.equal((yield* readAll(far)).toString(), lines.join(''))
    assert.equal((yield* readAll(near)).toString(), lines.join(''))
  },

  * 'text is sent as one byte per character'(setup) {
    const [near, far] = yield* setup.pair()
    near.put('\x00\x7f\x80\xff')
    lev.spawn(() => near.end())
    assert.equal((yield* readAll(far)).toString('hex'), '007f80ff')
    far.close()
  },

  * 'megabytes arrive whole while the reader is slow'(setup) {
    const [near, far] = yield* setup.pair()
    const sent = randomBytes(setup.secure ? 3 << 20 : 12 << 20)
    lev.spawn(function* () {
      for (let at = 0, size = 1; at < sent.length; at += size, size = (size * 7 + 13) % 300_000) {
        yield* near.write(sent.subarray(at, at + size))
      }
      yield* near.end()
    })
    const parts: Buffer[] = []
    for (let part = yield* far.read(); part !== null; part = yield* far.read(100_000)) {
      parts.push(part)
      if (parts.length % 16 === 0) yield* lev.yieldNow()
    }
    assert.ok(Buffer.concat(parts).equals(sent))
    far.close()
  },

  * 'a reader that does not read holds the writer back'(setup) {
    const [near, far] = yield* setup.pair()
    const chunk = Buffer.alloc(10_000, 'x')
    let wrote = 0
    const writing = lev.spawn(function* () {
      for (; wrote < 1e9; wrote += chunk.length) yield* near.write(chunk)
    })
    for (let before = -1; wrote > before && wrote < 32e6; ) {
      before = wrote
      yield* lev.sleep(0.03)
    }
    assert.ok(wrote < 32e6, `the writer waits after ${wrote} bytes`)
    assert.ok(near.unsent <= 128 * 1024 + chunk.length, 'output does not pile up')
    assert.ok(far.inputEnd - far.inputStart <= 192 * 1024, 'input does not pile up')
    writing.cancel()
    yield* failure(writing.join())
    lev.spawn(() => near.end())
    assert.equal((yield* readAll(far)).length, near.bytesPut, 'what was accepted arrives')
    far.close()
  },

  * 'each side ends its output by itself'(setup) {
    const [near, far] = yield* setup.pair()
    yield* near.write('question')
    yield* near.end()
    yield* near.end()
    match(yield* failure(near.write('more')), { code: 'LEV_CLOSED' })
    assert.equal((yield* readAll(far)).toString(), 'question')
    assert.equal(far.inputEnded, true)
    yield* lev.sleep(0.01)
    for (const word of ['long', ' ', 'response']) {
      yield* far.write(word)
      yield* lev.sleep(0.001)
    }
    yield* far.end()
    yield* lev.sleep(0.01)
    assert.equal((yield* readAll(near)).toString(), 'long response', 'also if it is read after both have ended')
    assert.equal(yield* near.fill(), false, 'the end stays the end')
    assert.equal(yield* far.fill(), false)
    near.close()
    far.close()
    match(yield* failure(near.fill()), { code: 'LEV_CLOSED' }, 'but a closed stream is closed')
  },

  * 'a read deadline passes, and can be moved'(setup) {
    const [near, far] = yield* setup.pair()
    const start = lev.now()
    near.readDeadline = start + 0.02
    match(yield* failure(near.read()), { code: 'LEV_TIMEOUT' })
    assert.ok(lev.now() >= start + 0.02, 'not early')
    match(yield* failure(near.read()), { code: 'LEV_TIMEOUT' }, 'it stays passed')
    near.readDeadline = Infinity
    yield* far.write('late')
    assert.equal((yield* near.read())?.toString(), 'late', 'the stream lives on')
    near.readDeadline = lev.now() + 3600
    const impatient = lev.spawn(() => failure(near.read()))
    yield* lev.yieldNow()
    near.readDeadline = lev.now() + 0.01
    match(yield* impatient.join(), { code: 'LEV_TIMEOUT' }, 'to an earlier time')
    near.readDeadline = lev.now() + (setup.virtual ? 0.01 : 60)
    const reading = lev.spawn(() => near.read())
    yield* lev.sleep(0.005)
    near.readDeadline = lev.now() + 120
    yield* lev.sleep(0.01)
    yield* far.write('in time')
    assert.equal((yield* reading.join())?.toString(), 'in time', 'to a later time')
    near.close()
    far.close()
  },

  * 'a write deadline cuts the stream unless it is moved'(setup) {
    const [near, far] = yield* setup.pair()
    const gone: string[] = []
    near.onGone.attach((how) => gone.push(how))
    near.writeDeadline = lev.now() + (setup.virtual ? 0.02 : 60)
    const chunk = Buffer.alloc(100_000)
    const writing = lev.spawn(function* () {
      for (;;) yield* near.write(chunk)
    })
    const failing = lev.spawn(() => failure(writing.join()))
    yield* lev.sleep(0.015)
    const moved = near.writeDeadline = lev.now() + 0.03
    match(yield* failing.join(), { code: 'LEV_TIMEOUT' })
    assert.ok(lev.now() >= moved, 'not early, though it was set earlier before')
    assert.deepEqual(gone, ['close'])
    assert.equal(near.isOpen, false)
    match(yield* failure(near.write('x')), { code: 'LEV_TIMEOUT' })
    // libuv reports an end when a reset arrives with unread data.
    if (setup.virtual) match(yield* failure(readAll(far)), { code: 'LEV_CLOSED' }, 'the peer sees a loss and not an end')
    far.close()
  },

  * 'output that stalls cuts the stream; a slow reader does not'(setup) {
    const [near, far] = yield* setup.pair()
    near.stallTimeout = 0.1
    const start = lev.now()
    const writing = lev.spawn(function* () {
      for (;;) yield* near.write(Buffer.alloc(10_000))
    })
    const failing = lev.spawn(() => failure(writing.join()))
    // On a real clock, the speed of a slow reader is unknown.
    while (setup.virtual && lev.now() < start + 0.2) {
      yield* far.read()
      yield* lev.sleep(0.001)
    }
    if (setup.virtual) assert.equal(near.isOpen, true)
    match(yield* failing.join(), { code: 'LEV_TIMEOUT' })
    assert.ok(lev.now() >= start + (setup.virtual ? 0.29 : 0.1), 'not early')
    far.close()
  },

  * 'a task that is cancelled while it reads or writes leaves nothing behind'(setup) {
    const [near, far] = yield* setup.pair()
    const reading = lev.spawn(() => near.read())
    yield* lev.yieldNow()
    reading.cancel()
    match(yield* failure(reading.join()), { code: 'LEV_CANCELLED' })
    yield* far.write('for the next reader')
    assert.equal((yield* near.read())?.toString(), 'for the next reader')
    const writing = lev.spawn(function* () {
      for (;;) yield* near.write(Buffer.alloc(100_000, 'y'))
    })
    yield* lev.sleep(0.02)
    writing.cancel()
    match(yield* failure(writing.join()), { code: 'LEV_CANCELLED' })
    lev.spawn(() => near.end())
    assert.equal((yield* readAll(far)).length, near.bytesPut)
    far.close()
  },

  * 'two readers at once are an error'(setup) {
    const [near, far] = yield* setup.pair()
    const reading = lev.spawn(() => near.read())
    yield* lev.yieldNow()
    match(yield* failure(near.fill()), { code: 'LEV_USAGE' })
    yield* far.write('x')
    assert.equal((yield* reading.join())?.toString(), 'x')
    near.close()
    far.close()
  },

  * 'closing wakes every waiting task, and nothing works on a closed stream'(setup) {
    const [near, far] = yield* setup.pair()
    const reading = lev.spawn(() => failure(near.read()))
    const writing = lev.spawn(() => failure((function* () {
      for (;;) yield* near.write(Buffer.alloc(100_000))
    })()))
    yield* lev.sleep(0.02)
    near.close()
    near.close()
    match(yield* reading.join(), { code: 'LEV_CLOSED' })
    match(yield* writing.join(), { code: 'LEV_CLOSED' })
    assert.throws(() => near.put('x'), { code: 'LEV_CLOSED' })
    for (const op of [near.write('x'), near.flush(), near.end(), near.fill()]) match(yield* failure(op), { code: 'LEV_CLOSED' })
    near.readDeadline = lev.now() + 3600
    near.writeDeadline = lev.now() + 3600
    near.stallTimeout = 1
    far.close()
  },

  * 'input is seen without being consumed'(setup) {
    const [near, far] = yield* setup.pair()
    yield* near.write('0123456789')
    while (far.inputEnd - far.inputStart < 10) yield* far.fill()
    const kept = far.input.subarray(far.inputStart, far.inputStart + 4)
    far.consume(4)
    for (const more of ['abc', 'def', 'x'.repeat(3000)]) {
      yield* near.write(more)
      const before = far.inputEnd - far.inputStart
      assert.equal(yield* far.fill(), true)
      assert.ok(far.inputEnd - far.inputStart > before)
    }
    assert.equal((yield* readExactly(far, 12)).toString(), '456789abcdef')
    assert.equal(kept.toString(), '0123', 'a view of consumed bytes stays as it was')
    near.close()
    far.close()
  },
}

/**
 * The tests that every connection of a driver must pass: order, backpressure, deadlines, cancellation, half-close, reset,
 * lingering, and that no byte of one connection appears on another.
 */
export function streamTests(setup: StreamSetup): DriverTest[] {
  return driverTests(setup, { ...tests, ...closingTests })
}
