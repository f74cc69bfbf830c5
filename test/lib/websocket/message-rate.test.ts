// The option message_rate.
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { WebSocketOptions } from '../../../lib/websocket/options.js'
import { MessagePace } from '../../../lib/websocket/message-pace.js'
import type { WebSocket } from '../../../lib/websocket/websocket.js'
import { Budgets } from '../../../lib/limits/budgets.js'
import { randomFrom, seed } from '../../support/seed.js'
import { story } from './chat.js'
import { closeFrame, frame, opcodes, Peer } from './wire.js'

const { text, binary, continuation, ping, pong } = opcodes

/** A handler that notes each message and when it came, in seconds from the first, and in the end the close code. */
function noting(notes: string[]): (ws: WebSocket) => Op<void> {
  return function* (ws) {
    let began: number | null = null
    for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) {
      began ??= lev.now()
      notes.push(`${String(message)} ${(lev.now() - began).toFixed(3)}`)
    }
    notes.push(`${ws.closeCode} ${(lev.now() - (began ?? lev.now())).toFixed(3)}`)
  }
}

const options: WebSocketOptions = { message_rate: { rate: 4, burst: 2 } }

t.test('a burst, then the rate, exact; what is over waits, and so does a close behind it', async (t) => {
  const messages = [
    frame(text, 'a'), frame(binary, 'b'), frame(text, 'c'), frame(text, 'd1', { fin: false }), frame(continuation, 'd2'), frame(text, 'e'),
  ]
  for (const segment of [1, 7, 1000]) {
    const notes: string[] = []
    await story(noting(notes), function* (world) {
      const peer = yield* Peer.open(world, {}, Buffer.concat(messages))
      yield* lev.sleep(60)
      peer.send(...messages.slice(0, 3), closeFrame(3001))
      t.strictSame(yield* peer.all(), ['close 3001'])
    }, { ...options, ping_interval: 0 }, {}, { segment, latency: [0, 0] })
    t.strictSame(notes.map((note) => note.replace(/ 6\d.*/, ' later')), [
      'a 0.000', 'b 0.000', 'c 0.250', 'd1d2 0.500', 'e 0.750', 'a later', 'b later', 'c later', '3001 later',
    ], `segments of ${segment}`)
    const times = notes.map((note) => Number(note.split(' ')[1])).slice(5)
    t.strictSame(times.map((time) => (time - times[0]).toFixed(3)), ['0.000', '0.000', '0.250', '0.250'])
  }
})

t.test('the last of what has come waits no longer than its time, also if nothing follows', async (t) => {
  const notes: string[] = []
  await story(noting(notes), function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.sleep(1)
    peer.send(Buffer.concat([frame(text, 'a'), frame(text, 'b'), frame(text, 'c')]))
    yield* lev.sleep(10)
    t.strictSame(notes, ['a 0.000', 'b 0.000', 'c 0.250'])
    peer.client.stream.reset()
  }, { ...options, ping_interval: 0 })
})

t.test('compressed messages, which are inflated elsewhere', async (t) => {
  const notes: string[] = []
  const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }
  await story(noting(notes), function* (world) {
    // "a" in a block that is stored.
    const one = frame(text, Buffer.from('4b0400', 'hex'), { rsv: 4 })
    const peer = yield* Peer.open(world, headers, Buffer.concat([one, one, one, one, closeFrame(1000)]))
    yield* peer.all()
  }, { ...options, compression: true })
  t.strictSame(notes, ['a 0.000', 'a 0.000', 'a 0.250', 'a 0.500', '1000 0.500'])
})

t.test('pings are answered and a close is noticed at once, as long as no message before them waits', async (t) => {
  const notes: string[] = []
  await story(noting(notes), function* (world) {
    const pings = Array.from({ length: 100 }, () => [frame(ping, 'p'), frame(pong)]).flat()
    const peer = yield* Peer.open(world, {}, Buffer.concat([frame(text, 'a'), frame(text, 'b'), ...pings, closeFrame(1000)]))
    const frames = yield* peer.all()
    t.equal(frames.length, 101)
    t.equal(frames.at(-1), 'close 1000')
  }, { message_rate: { rate: 1, per: 60, burst: 2 } })
  t.strictSame(notes, ['a 0.000', 'b 0.000', '1000 0.000'])
})

t.test('a flood: the client has to wait, and the server keeps little of it', async (t) => {
  let taken = 0
  await story(function* (ws) {
    while ((yield* ws.next()) !== null) taken++
  }, function* (world) {
    const peer = yield* Peer.open(world)
    for (let count = 0; count < 100; count++) peer.send(Buffer.concat(Array.from({ length: 1000 }, () => frame(text, 'message'))))
    const all = peer.client.stream.unsent
    yield* lev.sleep(10.01)
    t.equal(taken, 10 + 10 * 10)
    t.ok(all - peer.client.stream.unsent < 400_000, `${all - peer.client.stream.unsent} bytes have left`)
    peer.client.stream.reset()
  }, { message_rate: { rate: 10 } })
})

t.test('a client that leaves while a message waits, in whichever way, is lost at once', async (t) => {
  for (const how of ['end', 'close', 'reset'] as const) {
    const notes: string[] = []
    await story(noting(notes), function* (world) {
      const peer = yield* Peer.open(world, {}, Buffer.concat([frame(text, 'a'), frame(text, 'b'), frame(text, 'c')]))
      yield* lev.sleep(5)
      if (how === 'end') yield* peer.client.stream.end()
      else peer.client.stream[how]()
      yield* lev.sleep(1)
      t.strictSame(notes, ['a 0.000', 'b 0.000', '1006 5.000'], how)
      t.equal(world.log.of('error').length, 0)
    }, { message_rate: { rate: 1, per: 60, burst: 2 } }, {}, { latency: [0, 0] })
  }
})

t.test('closing while a message waits: the client\'s close is read behind any flood', async (t) => {
  let ended = Infinity
  await story(function* (ws) {
    yield* ws.next()
    yield* lev.sleep(1)
    const began = lev.now()
    ws.close(3000, 'enough')
    t.equal(yield* ws.next(), null)
    ended = lev.now() - began
  }, function* (world) {
    const peer = yield* Peer.open(world, {}, Buffer.concat([...Array.from({ length: 5000 }, () => frame(text, 'x')), closeFrame(1000)]))
    t.strictSame(yield* peer.all(), ['close 3000 enough'])
    t.equal(peer.client.ending, 'end', 'not given up after close_timeout')
  }, { message_rate: { rate: 1, per: 60 }, close_timeout: 10 })
  t.equal(ended, 0)
})

t.test('a server that stops does not wait', async (t) => {
  await story(function* (ws) {
    while ((yield* ws.next()) !== null);
  }, function* (world) {
    const peer = yield* Peer.open(world, {}, Buffer.concat([frame(text, 'a'), frame(text, 'b')]))
    yield* lev.sleep(1)
    const began = lev.now()
    const stopped = world.server.stop({ drain: 30 })
    t.strictSame(yield* peer.take(1), ['close 1001 the server stops'])
    peer.send(closeFrame(1001))
    yield* peer.all()
    peer.client.stream.close()
    yield* lev.wait(stopped)
    t.ok(lev.now() - began < 1)
  }, { message_rate: { rate: 1, per: 3600 } })
})

t.test('a client that is still there is not taken for dead after a long wait', async (t) => {
  const notes: string[] = []
  await story(noting(notes), function* (world) {
    const peer = yield* Peer.open(world, {}, Buffer.concat([frame(text, 'a'), frame(text, 'b'), frame(text, 'c')]))
    t.strictSame(yield* peer.take(1), ['ping'])
    peer.send(frame(pong))
    yield* lev.sleep(1)
    t.strictSame(notes, ['a 0.000', 'b 100.000', 'c 200.000'])
    peer.send(closeFrame(1000))
    yield* peer.all()
  }, { message_rate: { rate: 1, per: 100 }, ping_interval: 30, pong_timeout: 15 }, {}, { latency: [0, 0] })
})

t.test('the same as the budgets of leveret/limits', async (t) => {
  const random = randomFrom(seed)
  const wrong: string[] = []
  for (const rate of [{ rate: 3, per: 1, burst: 3 }, { rate: 10, per: 1, burst: 50 }, { rate: 7, per: 60, burst: 20 }]) {
    const pace = new MessagePace(rate)
    const budgets = new Budgets(rate, 1)
    let now = 1
    for (let count = 0; count < 2000; count++) {
      now += random.pick([0, 0, random() * rate.per / rate.rate, rate.per])
      const from = pace.next(now)
      const wait = budgets.take('key', 1, now)
      if (Math.abs(Math.max(0, from - now) - wait) > 3e-6) wrong.push(`${count} at ${now} of ${JSON.stringify(rate)}: ${from - now} and ${wait}`)
      now = Math.max(now, from + 1e-6)
      if (wait > 0) budgets.take('key', 1, now)
    }
  }
  t.strictSame(wrong, [])
})
