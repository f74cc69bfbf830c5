import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { failure, virtual } from '../../../testing/virtual.js'

/** One task of a random program: what it does, after how long, when it is cancelled, and what its wait is wrapped in. */
interface Actor {
  readonly does: 'send' | 'receive' | 'trySend' | 'tryReceive'
  readonly count: number
  readonly starts: number
  readonly pauses: number
  readonly cancelled: number
  readonly wrapped: 'no' | 'timeout' | 'scope'
}

const actor = fc.record<Actor>({
  does: fc.constantFrom('send', 'send', 'receive', 'receive', 'trySend', 'tryReceive'),
  count: fc.integer({ min: 1, max: 4 }),
  starts: fc.nat(4),
  pauses: fc.nat(2),
  cancelled: fc.oneof(fc.nat(6), fc.constant(Infinity)),
  wrapped: fc.constantFrom('no', 'timeout', 'scope'),
})

function wrap<T>(how: Actor['wrapped'], op: Op<T>): Op<T> {
  if (how === 'timeout') return lev.timeout(3, op)
  return how === 'scope' ? lev.scope(() => op) : op
}

t.test('channels: nothing is lost or doubled, order and capacity are kept, whichever task is cancelled when', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(actor, { minLength: 1, maxLength: 10 }), fc.nat(3), async (actors, capacity) => {
    await virtual(function* () {
      const channel = lev.channel<string>(capacity)
      const sent: string[] = []
      const received: string[] = []
      const attempts: string[] = []
      function* act(actor: Actor, index: number): Op<void> {
        yield* lev.sleep(actor.starts)
        for (let count = 0; count < actor.count; count++) {
          const item = `${index}.${count}`
          if (actor.does === 'send') {
            attempts.push(item)
            yield* wrap(actor.wrapped, channel.send(item))
            sent.push(item)
          } else if (actor.does === 'trySend') {
            if (channel.trySend(item)) sent.push(item)
          } else if (actor.does === 'tryReceive') {
            const got = channel.tryReceive()
            if (got !== null) received.push(got)
          } else {
            const got = yield* wrap(actor.wrapped, channel.receive())
            if (got !== null) received.push(got)
          }
          // Between its turns, a sender whose value was just taken may stand in the queue of a channel without room.
          if (channel.size > capacity) t.fail('too many are held')
          if (actor.pauses > 0) yield* lev.sleep(actor.pauses)
        }
      }
      const tasks = actors.map((actor, index) => lev.spawn(() => act(actor, index)))
      const joins = tasks.map((task) => lev.spawn(function* () {
        try {
          yield* task.join()
        } catch (error) {
          if (!(error instanceof lev.CancelledError || error instanceof lev.TimeoutError)) throw error
        }
      }))
      for (const [index, { cancelled }] of actors.entries()) {
        if (cancelled !== Infinity) {
          lev.spawn(function* () {
            yield* lev.sleep(cancelled)
            tasks[index]?.cancel()
          })
        }
      }
      yield* lev.sleep(40)
      const stuck = tasks.filter((task) => task.outcome === null).length
      for (const task of tasks) task.cancel()
      for (const join of joins) yield* join.join()
      for (let got = channel.tryReceive(); got !== null; got = channel.tryReceive()) received.push(got)
      t.ok(stuck <= actors.length)
      t.equal(new Set(received).size, received.length, 'nothing is doubled')
      for (const item of sent) if (!received.includes(item)) t.fail(`${item} was lost`)
      for (const item of received) if (!sent.includes(item)) t.fail(`${item} came, though its sender was told nothing`)
      // Of several receivers, the one that was given a value first need not be the first to go on.
      const single = actors.filter(({ does }) => does === 'receive' || does === 'tryReceive').length <= 1
      for (let index = 0; single && index < actors.length; index++) {
        const own = received.filter((item) => item.startsWith(`${index}.`))
        t.same(own, [...own].sort(), 'in the order of one sender')
      }
    })
  }), { numRuns: 250 })
})

t.test('semaphores: never too many, no permit is lost, whichever task is cancelled when', async (t) => {
  const user = fc.record({
    starts: fc.nat(4), holds: fc.nat(4), cancelled: fc.oneof(fc.nat(8), fc.constant(Infinity)),
    cleans: fc.nat(2), wrapped: fc.constantFrom<Actor['wrapped']>('no', 'timeout', 'scope'),
  })
  await fc.assert(fc.asyncProperty(fc.array(user, { maxLength: 12 }), fc.integer({ min: 1, max: 3 }), async (users, permits) => {
    await virtual(function* () {
      const semaphore = lev.semaphore(permits)
      let inside = 0
      function* work(holds: number, cleans: number): Op<void> {
        inside++
        if (inside > permits) t.fail('too many')
        try {
          yield* lev.sleep(holds)
        } finally {
          // A cancellation may end this wait, too.
          try {
            yield* lev.sleep(cleans)
          } finally {
            inside--
          }
        }
      }
      const tasks = users.map(({ starts, holds, cleans, wrapped }) => lev.spawn(function* () {
        yield* lev.sleep(starts)
        yield* wrap(wrapped, semaphore.with(work(holds, cleans)))
      }))
      const joins = tasks.map((task) => lev.spawn(function* () {
        try {
          yield* task.join()
        } catch (error) {
          if (!(error instanceof lev.CancelledError || error instanceof lev.TimeoutError)) throw error
        }
      }))
      for (const [index, { cancelled }] of users.entries()) {
        if (cancelled !== Infinity) {
          lev.spawn(function* () {
            yield* lev.sleep(cancelled)
            tasks[index]?.cancel()
          })
        }
      }
      for (const join of joins) yield* join.join()
      t.equal(inside, 0)
      t.equal(semaphore.available, permits)
    })
  }), { numRuns: 250 })
})

t.test('a channel without capacity: the sender waits for its receiver', (t) => virtual(function* () {
  const channel = lev.channel<number>()
  t.equal(channel.trySend(1), false)
  t.equal(channel.tryReceive(), null)
  const sending = lev.spawn(() => channel.send(2))
  yield* lev.yieldNow()
  t.equal(sending.outcome, null)
  t.equal(channel.tryReceive(), 2)
  yield* sending.join()
  const receiving = lev.spawn(() => channel.receive())
  yield* lev.yieldNow()
  t.equal(channel.trySend(3), true)
  t.equal(yield* receiving.join(), 3)
  t.equal(channel.size, 0)
}))

t.test('closing a channel: what is held is received, who waits is told', (t) => virtual(function* () {
  const channel = lev.channel<string>(1)
  yield* channel.send('held')
  const sender = lev.spawn(() => failure(channel.send('too late')))
  yield* lev.yieldNow()
  channel.close()
  channel.close()
  t.match(yield* sender.join(), { code: 'LEV_CLOSED' })
  t.throws(() => channel.trySend('x'), { code: 'LEV_CLOSED' })
  t.match(yield* failure(channel.send('x')), { code: 'LEV_CLOSED' })
  t.equal(yield* channel.receive(), 'held')
  t.equal(yield* channel.receive(), null)
  t.equal(channel.tryReceive(), null)
  const other = lev.channel<string>()
  const receivers = [lev.spawn(() => other.receive()), lev.spawn(() => other.receive())]
  yield* lev.yieldNow()
  other.close()
  for (const receiver of receivers) t.equal(yield* receiver.join(), null)
}))

t.test('values that look like none', (t) => virtual(function* () {
  const channel = lev.channel<undefined | number | string>(3)
  for (const value of [undefined, 0, '']) yield* channel.send(value)
  for (const value of [undefined, 0, '']) t.equal(yield* channel.receive(), value)
  const nulls = lev.channel<null>(1)
  t.match(yield* failure(nulls.send(null)), { code: 'LEV_USAGE', message: /null/ }, 'null is the end, and no value')
  t.throws(() => nulls.trySend(null), { code: 'LEV_USAGE' })
}))

t.test('events', (t) => virtual(function* () {
  const event = lev.event()
  t.equal(event.isSet, false)
  const waiters = [1, 2, 3].map(() => lev.spawn(() => event.wait()))
  yield* lev.yieldNow()
  waiters[1]?.cancel()
  event.set()
  event.set()
  t.equal(event.isSet, true)
  yield* lev.yieldNow()
  t.same(waiters.map((waiter) => waiter.outcome?.kind), ['value', 'cancelled', 'value'])
  t.match(yield* failure(waiters[1]?.join() ?? lev.sleep(0)), { code: 'LEV_CANCELLED' })
  yield* event.wait()
}))

t.test('a semaphore serves in the order of asking, and no task overtakes another', (t) => virtual(function* () {
  const semaphore = lev.semaphore(1)
  const order: number[] = []
  const use = (index: number): lev.Task<void> => lev.spawn(() => semaphore.with((function* () {
    order.push(index)
    yield* lev.sleep(1)
  })()))
  const tasks = [0, 1, 2].map(use)
  yield* lev.sleep(1)
  tasks.push(use(3))
  for (const task of tasks) yield* task.join()
  t.same(order, [0, 1, 2, 3])
  t.match(yield* failure(semaphore.with((function* () {
    yield* lev.sleep(0)
    throw new Error('inside')
  })())), /inside/)
  t.equal(semaphore.available, 1)
}))

t.test('wrong numbers', async (t) => {
  for (const wrong of [0, -1, 1.5, NaN, Infinity]) t.throws(() => lev.semaphore(wrong), { name: 'RangeError' })
  for (const wrong of [-1, 1.5, NaN]) t.throws(() => lev.channel(wrong), { name: 'RangeError' })
  lev.channel(Infinity)
})

t.test('wake-ups from outside of every task', (t) => lev.run(function* () {
  const channel = lev.channel<string>(1)
  const event = lev.event()
  setTimeout(() => channel.trySend('from a timer'), 2)
  t.equal(yield* channel.receive(), 'from a timer')
  void Promise.resolve().then(() => event.set())
  yield* event.wait()
}))
