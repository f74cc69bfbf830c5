import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Stream } from '../../../lev/index.js'
import { park } from '../../../lev/io/parked-connection.js'
import { virtual } from '../../../testing/virtual.js'
import { byHand } from '../../support/hand-transport.js'

/** Takes the place of `wake`, and keeps what it was told. */
function awakened(): { streams: Stream[]; late: boolean[]; wake: (stream: Stream, late: boolean) => void } {
  const streams: Stream[] = []
  const late: boolean[] = []
  return { streams, late, wake: (stream, isLate) => void (streams.push(stream), late.push(isLate)) }
}

t.test('only an idle connection can be parked; its stream is closed then, its transport is not', (t) => virtual(function* () {
  const { wake } = awakened()
  const [unread, transport] = yield* byHand()
  transport.bring('x')
  t.equal(park(unread, Infinity, wake), null, 'unread input')
  const [unsent] = yield* byHand()
  unsent.put('x')
  t.equal(park(unsent, Infinity, wake), null, 'unsent output')
  const [ended, other] = yield* byHand()
  other.events?.onEnd()
  t.equal(park(ended, Infinity, wake), null, 'the peer has ended')
  const [closed] = yield* byHand()
  closed.close()
  t.equal(park(closed, Infinity, wake), null, 'closed')
  const [idle, kept] = yield* byHand()
  const parked = park(idle, Infinity, wake)
  t.equal(idle.isOpen, false)
  t.same(kept.calls, [])
  parked?.close()
  t.same(kept.calls, ['destroy'])
  for (const stream of [unread, unsent, ended]) stream.close()
}))

t.test('the first event makes a new stream, which gets it; after that, closing the parked connection does nothing', (t) => virtual(function* () {
  const { streams, late, wake } = awakened()
  const [stream, transport] = yield* byHand()
  const parked = park(stream, lev.now() + 10, wake)
  transport.bring('hello')
  t.same(late, [false])
  t.equal(String(yield* streams[0].read()), 'hello')
  parked?.close()
  parked?.hurry(lev.now())
  yield* lev.sleep(20)
  t.equal(streams[0].isOpen, true)
  t.equal(streams.length, 1, 'its deadline is off')
  streams[0].close()
}))

t.test('the deadline can only be moved to an earlier time', (t) => virtual(function* () {
  const { streams, late, wake } = awakened()
  const [stream] = yield* byHand()
  const parked = park(stream, lev.now() + 10, wake)
  parked?.hurry(lev.now() + 5)
  parked?.hurry(lev.now() + 7)
  yield* lev.sleep(4.9)
  t.same(late, [])
  yield* lev.sleep(0.2)
  t.same(late, [true])
  streams[0].close()
}))
