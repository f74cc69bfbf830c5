import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import type { Context, Handler } from '../../../lib/index.js'
import { keptLog } from '../../support/kept-log.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

/** Every kind of handler, each detaching `start`. */
const kinds: Readonly<Record<string, (start: () => Op<unknown>) => Handler>> = {
  plain: (start) => (...args) => {
    args[5].detach(start)
    return 'done'
  },
  generator: (start) => function* (...args) {
    yield* lev.sleep(0.1)
    args[5].detach(start)
    return 'done'
  },
  'async, after a wait': (start) => async (...args) => {
    await Promise.resolve()
    args[5].detach(start)
    return 'done'
  },
  'a task of the handler': (start) => (...args) => {
    lev.spawn(function* () {
      args[5].detach(start)
    })
    return 'done'
  },
  'a writer': (start) => (...args) => [function* (out) {
    args[5].detach(start)
    yield* out.write('done')
  }],
}

for (const [kind, handler] of Object.entries(kinds)) {
  t.test(`${kind}: a detached task outlives the request and its connection`, async (t) => {
    const events: string[] = []
    const start = function* (): Op<void> {
      yield* lev.sleep(10)
      events.push('done')
    }
    await virtually({ buffer_body: false }, handler(start), function* ({ server, connect, log }: World) {
      const client = yield* connect(request('GET /') + request('POST /', {}, 'content'))
      yield* client.responses(2)
      t.ok(lev.now() < 1, 'the response does not wait')
      client.stream.close()
      yield* lev.sleep(1)
      t.same(events, [])
      const began = lev.now()
      yield* lev.wait(server.stop({ drain: 30 }))
      t.same(events, ['done', 'done'], 'a server that stops waits')
      t.ok(lev.now() - began < 10, 'no longer than they take')
      t.same(log.statuses(), [200, 200])
      t.same(log.of('error'), [])
    })
  })

  t.test(`${kind}: the failure of a detached task is logged, and not that of the request`, async (t) => {
    for (const at of [0, 1]) {
      const start = function* (): Op<void> {
        if (at > 0) yield* lev.sleep(at)
        throw new Error('of the task')
      }
      await virtually({}, handler(start), function* ({ connect, log }: World) {
        const client = yield* connect(request('GET /path'))
        yield* client.responses(1)
        yield* lev.sleep(2)
        client.send(request('GET /'))
        t.same((yield* client.responses(2)).map(({ status }) => status), [200, 200])
        t.match(log.of('error')[0], { err: { message: 'of the task' }, method: 'GET', query: '/path', message: 'a detached task failed' })
        client.stream.close()
      })
    }
  })
}

t.test('a detached task is cancelled when the time for draining is over; a server may serve again after that', async (t) => {
  const events: unknown[] = []
  const handler: Handler = (_method, _query, _args, _headers, _body, ctx) => {
    ctx.detach(function* () {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        yield* lev.sleep(1)
        events.push('ended')
      }
    })
    return 'done'
  }
  await virtually({}, handler, function* ({ server, connect }: World) {
    const client = yield* connect(request('GET /'))
    yield* client.responses(1)
    client.stream.close()
    const began = lev.now()
    yield* lev.wait(server.stop({ drain: 5 }))
    t.same(events, ['ended'])
    t.ok(Math.abs(lev.now() - began - 6) < 0.1)
    const done = server.serve()
    yield* lev.wait(server.listening)
    const again = lev.now()
    yield* lev.wait(server.stop({ drain: 5 }))
    yield* lev.wait(done)
    t.ok(lev.now() - again < 1, 'nothing is waited for that has ended')
  })
})

t.test('a detached task goes on when its client leaves; what the request spawned does not', async (t) => {
  const events: string[] = []
  const handler: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    const work = (name: string) => function* (): Op<void> {
      try {
        yield* lev.sleep(5)
        events.push(`${name} done`)
      } finally {
        events.push(`${name} over`)
      }
    }
    ctx.detach(work('detached'))
    lev.spawn(work('spawned'))
    yield* lev.sleep(60)
    return 'not reached'
  }
  await virtually({}, handler, function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    client.stream.close()
    yield* lev.sleep(10)
    t.same(events, ['spawned over', 'detached done', 'detached over'])
  })
})

t.test('process_request: a detached task goes on in the world of its caller', async (t) => {
  const log = keptLog()
  const events: unknown[] = []
  await lev.run(function* () {
    const served = server.new({ logger: log }, (_method, _query, _args, _headers, _body, ctx) => {
      ctx.detach(function* () {
        yield* lev.sleep(60)
        events.push(lev.now() > 59)
        throw new Error('of the task')
      })
      return 'done'
    })
    const [near, far] = lev.pipe()
    near.put(request('GET /'))
    t.same(yield* served.process_request(far, '192.0.2.1', 1), ['keep-alive', null])
    near.close()
    far.close()
    yield* lev.sleep(61)
  }, { driver: lev.memory() })
  t.same(events, [true])
  t.match(log.of('error'), [{ err: { message: 'of the task' } }])
})

t.test('what is no operation is refused at once', async (t) => {
  const faults: unknown[] = []
  const given: unknown[] = [undefined, 'x', () => {}, async () => {}, (function* () {})()]
  const handler: Handler = (_method, _query, _args, _headers, _body, ctx: Context) => {
    for (const start of given) {
      try {
        ctx.detach(start as () => Op<void>)
      } catch (error) {
        faults.push(error)
      }
    }
    return 'done'
  }
  await virtually({}, handler, function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    yield* client.responses(1)
    client.stream.close()
  })
  t.equal(faults.length, given.length)
  for (const fault of faults) {
    t.type(fault, server.ArgumentError)
    t.match(String(fault), /start must be a generator function/)
  }
})
