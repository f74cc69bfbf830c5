import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { byHand, HandTransport } from '../../support/hand-transport.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { ran } from '../../support/virtual-run.js'
import { computing } from '../../support/computing.js'

t.test('what a task puts before it pauses leaves in one write', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  for (let count = 0; count < 1000; count++) stream.put(count % 2 === 0 ? 'x' : Buffer.from('y'))
  yield* stream.write('end')
  t.same(transport.writes, [], 'nothing has left yet')
  t.equal(stream.unsent, 1003)
  t.equal(stream.bytesPut, 1003)
  yield* lev.yieldNow()
  t.same(transport.writes, ['xy'.repeat(500) + 'end'])
  yield* lev.yieldNow()
  t.equal(transport.writes.length, 1)
}))

t.test('output of several tasks leaves together, but does not wait for one that computes for long', async (t) => {
  for (const [seconds, before] of [[0.00001, 0], [0.005, 4]] as const) {
    const { driver, compute } = computing(lev.memory())
    await lev.run(function* () {
      const streams: [lev.Stream, HandTransport][] = []
      for (let count = 0; count < 6; count++) streams.push(yield* byHand())
      yield* lev.sleep(1)
      const left: number[] = []
      for (const [stream] of streams) {
        lev.spawn(function* () {
          left.push(streams.filter(([, { writes }]) => writes.length > 0).length)
          compute(seconds)
          stream.put('response')
        })
      }
      yield* lev.sleep(1)
      t.ok((left.at(-1) ?? 0) >= before, `${left.at(-1)} had left when the last one was made`)
      if (before === 0) t.ok(left.filter((count) => count === left.at(-1)).length > 1, 'some left together')
      t.ok(streams.every(([, { writes }]) => writes.length === 1))
    }, { driver })
  }
})

t.test('text is sent as UTF-8 by write, as latin1 by put', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  yield* stream.write('é€')
  stream.put('\xe9')
  yield* stream.write(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
  yield* lev.yieldNow()
  t.same(transport.writes.map((text) => Buffer.from(text, 'latin1').toString('hex')), ['c3a9e282ac' + 'e9' + '0203'])
}))

t.test('output goes to the transport in pieces, as far as it takes them', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  const writing = lev.spawn(function* () {
    yield* stream.write(Buffer.alloc(1 << 20))
    return 'written'
  })
  yield* lev.yieldNow()
  t.equal(transport.pending, 64 * 1024)
  for (let left = 0; writing.outcome === null; left += 1000) {
    transport.leave(1000)
    t.ok(transport.pending < 128 * 1024)
    yield* lev.yieldNow()
    if (left > 2e6) throw new Error('the writer waits for ever')
  }
  t.equal(yield* writing.join(), 'written')
  t.ok(stream.unsent <= 64 * 1024)
  const flushing = lev.spawn(() => stream.flush())
  yield* lev.yieldNow()
  transport.leave(10)
  yield* lev.yieldNow()
  t.equal(flushing.outcome, null, 'a flush waits for all of it')
  transport.leave()
  yield* flushing.join()
  t.equal(stream.unsent, 0)
}))

t.test('each byte that leaves puts the stall off; the deadline stands', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  stream.stallTimeout = 10
  stream.put('x'.repeat(1000))
  for (let count = 0; count < 5; count++) {
    yield* lev.sleep(9)
    transport.leave(1)
  }
  t.equal(stream.isOpen, true)
  stream.writeDeadline = lev.now() + 15
  yield* lev.sleep(9)
  transport.leave(1)
  yield* lev.sleep(5)
  t.equal(stream.isOpen, true)
  yield* lev.sleep(2)
  t.match([stream.isOpen, transport.calls], [false, ['reset']])
  t.match(yield* failure(stream.flush()), { code: 'LEV_TIMEOUT' })
}))

t.test('all that waits leaves at minSendRate, or the stream is cut, though bytes leave', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  stream.stallTimeout = 10
  stream.minSendRate = 100
  stream.put('x'.repeat(50_000))
  yield* lev.yieldNow()
  transport.leave()
  yield* lev.sleep(1000)
  t.equal(stream.isOpen, true, 'what has left long ago earns nothing, and costs nothing')
  const began = lev.now()
  stream.put('x'.repeat(1000))
  for (let second = 0; second < 12; second++) {
    if (second === 6) stream.put('x'.repeat(500))
    yield* lev.sleep(1)
    transport.leave(1)
  }
  // 10 s, and 15 for its bytes.
  while (stream.isOpen && lev.now() < began + 100) {
    yield* lev.sleep(1)
    transport.leave(1)
  }
  t.match([stream.isOpen, transport.calls, Math.abs(lev.now() - began - 25) <= 1], [false, ['reset'], true])
  t.match(yield* failure(stream.flush()), { code: 'LEV_TIMEOUT' })
}))

t.test('minSendRate alone, without a stallTimeout, cuts nothing', (t) => virtual(function* () {
  const [stream] = yield* byHand()
  stream.minSendRate = 100
  stream.put('x')
  yield* lev.sleep(1e6)
  t.equal(stream.isOpen, true)
}))

t.test('bytes that leave without being told of put the stall off, too', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  stream.stallTimeout = 10
  stream.put('x'.repeat(1000))
  for (let count = 0; count < 5; count++) {
    yield* lev.sleep(9)
    transport.pending -= 10
  }
  t.equal(stream.isOpen, true)
  // They are looked for every quarter of the time.
  yield* lev.sleep(9)
  t.equal(stream.isOpen, true)
  yield* lev.sleep(4)
  t.equal(stream.isOpen, false)
}))

t.test('what was held back when the output was ended is dropped, and hurts no other stream', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  stream.put('x')
  yield* stream.flush(1)
  const ending = lev.spawn(() => stream.end())
  yield* lev.yieldNow()
  transport.leave()
  yield* ending.join()
  stream.beforeSend.attach(() => stream.put('late'))
  transport.events?.onProgress()
  yield* lev.yieldNow()
  t.same(transport.writes, ['x'])
  t.match(yield* failure(stream.write('more')), { code: 'LEV_CLOSED' })
}))

t.test('no output, no stall: the time begins with the first byte that waits', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  stream.stallTimeout = 10
  stream.put('x')
  yield* lev.yieldNow()
  transport.leave()
  yield* lev.sleep(100)
  stream.put('y')
  yield* lev.sleep(9)
  t.equal(stream.isOpen, true)
  yield* lev.sleep(2)
  t.equal(stream.isOpen, false)
}))

t.test('unread input pauses the transport, and reading resumes it', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  t.equal(transport.paused, false)
  transport.bring('x'.repeat(90_000))
  t.equal(transport.paused, false)
  transport.bring('y'.repeat(10_000))
  t.equal(transport.paused, true)
  stream.consume(10_000)
  t.equal(transport.paused, true, 'not at once')
  stream.consume(40_000)
  t.equal(transport.paused, false)
  transport.bring('z'.repeat(60_000))
  t.equal(transport.paused, true)
  for (let piece = 0; piece < 2; piece++) t.equal(yield* stream.fill(), true, 'what has arrived already')
  t.match([stream.inputEnd - stream.inputStart, transport.paused], [110_000, true])
  lev.spawn(() => stream.fill())
  yield* lev.yieldNow()
  t.equal(transport.paused, false, 'who wants more than that gets it')
  transport.bring('!')
}))

t.test('onGone: once for the end, once for the loss, never for one\'s own close', (t) => virtual(function* () {
  const told: string[] = []
  function* watched(): Op<[lev.Stream, HandTransport]> {
    const [stream, transport] = yield* byHand()
    told.length = 0
    stream.onGone.attach((how) => told.push(how))
    return [stream, transport]
  }
  const [ended, endedTransport] = yield* watched()
  endedTransport.events?.onEnd()
  t.same(told, ['end'])
  yield* ended.end()
  endedTransport.events?.onClose(null)
  t.same(told, ['end'], 'both sides have ended: nothing was lost')

  const [, lostTransport] = yield* watched()
  lostTransport.events?.onEnd()
  lostTransport.events?.onClose(new Error('reset'))
  t.same(told, ['end', 'close'])

  const [, resetTransport] = yield* watched()
  resetTransport.events?.onClose(new Error('reset'))
  resetTransport.events?.onClose(null)
  t.same(told, ['close'])

  const [own, ownTransport] = yield* watched()
  own.close()
  ownTransport.events?.onClose(null)
  t.same(told, [])
}))

t.test('an onGone that throws is reported and harms no other code', async (t) => {
  const { value, reported } = await ran(function* () {
    const [stream, transport] = yield* byHand()
    stream.onGone.attach(() => {
      throw new Error('in onGone')
    })
    const reading = lev.spawn(() => stream.read())
    yield* lev.yieldNow()
    transport.events?.onEnd()
    return yield* reading.join()
  })
  t.match([value, reported], [null, [/in onGone/]])
})

t.test('input that arrived before a loss can still be read', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  transport.bring('last words')
  transport.events?.onClose(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
  t.equal((yield* stream.read())?.toString(), 'last words')
  t.match(yield* failure(stream.read()), { code: 'LEV_CLOSED', message: /ECONNRESET/, cause: { code: 'ECONNRESET' } })
}))

t.test('a flush of a stream that was lost fails, also if nothing was unsent', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  transport.events?.onClose(null)
  t.match(yield* failure(stream.flush()), { code: 'LEV_CLOSED' })
  t.same(transport.writes, [])
}))

t.test('a handshake waits until what was said before has left, and begins with what was heard', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  stream.put('plain')
  transport.bring('hello')
  const calls: string[] = []
  transport.secure = (...args: unknown[]) => {
    calls.push(String(args[1]))
    return new HandTransport()
  }
  const handshake = lev.spawn(() => failure(stream.secure({ side: 'client' } as lev.Security)))
  yield* lev.sleep(1)
  t.same(calls, [])
  transport.leave()
  yield* lev.sleep(1)
  t.same(calls, ['hello'])
  t.equal(stream.inputStart, stream.inputEnd)
  stream.readDeadline = lev.now() + 1
  t.match(yield* handshake.join(), { code: 'LEV_TIMEOUT' })
  t.equal(stream.isOpen, false)
}))

t.test('a writer to a fast reader lets other tasks run', (t) => virtual(function* () {
  const [stream, transport] = yield* byHand()
  transport.write = () => {}
  let stop = false
  lev.spawn(function* () {
    yield* lev.sleep(1)
    stop = true
  })
  while (!stop) yield* stream.write(Buffer.alloc(100_000))
  stop = false
  lev.spawn(function* () {
    yield* lev.sleep(1)
    stop = true
  })
  while (!stop) {
    yield* stream.write('small')
    yield* stream.flush()
  }
  t.pass('it ended')
}))
