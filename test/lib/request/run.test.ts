// Tasks of a request that async code runs.
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { Config, Context, Handler, HandlerResult } from '../../../lib/index.js'
import { wrap } from '../../../lib/index.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** How the code that calls `run` came to run: in the handler's first step, after a promise, under a wrapper, beside a spawned task. */
const places: Record<string, (play: (ctx: Context) => Promise<HandlerResult>) => Handler> = {
  'in the first step': (play) => async (_method, _query, _args, _headers, _body, ctx) => play(ctx),
  'after a promise': (play) => async (_method, _query, _args, _headers, _body, ctx) => {
    await turn()
    return play(ctx)
  },
  'under a wrapper': (play) => wrap(async (_method, _query, _args, _headers, _body, ctx) => {
    await turn()
    return play(ctx)
  }, (_request, next) => next((response) => response)),
  'beside a task': (play) => async (_method, _query, _args, _headers, _body, ctx) => {
    lev.spawn(() => lev.sleep(1))
    await turn()
    return play(ctx)
  },
  'returned by a coroutine': (play) => function* (_method, _query, _args, _headers, _body, ctx): Op<HandlerResult> {
    yield* lev.sleep(0)
    return turn().then(() => play(ctx)) as unknown as HandlerResult
  },
  'called by a coroutine': (play) => function* (_method, _query, _args, _headers, _body, ctx) {
    return yield* lev.wait(turn().then(() => play(ctx)))
  },
}

const ends: readonly [what: string, config: Config, end: (world: World, client: VirtualClient) => Op<unknown>, status: number][] = [
  ['the client leaves', {}, function* (_world, client) {
    client.stream.reset()
  }, 499],
  ['its time is over', { handler_timeout: 3 }, () => lev.sleep(3), 503],
  ['the server stops', {}, ({ server }) => lev.wait(server.stop({ drain: 0 })), 499],
]

for (const [place, make] of Object.entries(places)) {
  t.test(`run, ${place}: values and errors`, async (t) => {
    const handler = make(async (ctx) => {
      const value = await ctx.run(function* () {
        lev.spawn(() => lev.sleep(1))
        yield* lev.sleep(1)
        return 'value'
      })
      const error = await ctx.run(function* () {
        yield* lev.sleep(1)
        throw new RangeError('thrown')
      }).catch((error: Error) => error.message)
      const spawned = await ctx.run(function* () {
        lev.spawn(function* () {
          throw new RangeError('spawned')
        })
        yield* lev.sleep(Infinity)
      }).catch((error: Error) => error.message)
      return [value, error, spawned, await ctx.run(() => lev.sleep(0))].join()
    })
    await virtually({}, handler, function* ({ connect, log }) {
      const client = yield* connect(request('GET /'))
      const [{ body }] = yield* client.responses(1)
      t.equal(String(body), 'value,thrown,spawned,')
      t.strictSame(log.of('error'), [])
    })
  })

  for (const [what, config, end, status] of ends) {
    t.test(`run, ${place}: ${what}`, async (t) => {
      const events: string[] = []
      const handler = make(async (ctx) => {
        try {
          await ctx.run(function* () {
            try {
              yield* lev.sleep(50)
            } finally {
              yield* lev.sleep(0.1)
              events.push('cleaned up')
            }
          })
        } catch (error) {
          events.push((error as Error).name)
        }
        await ctx.run(() => lev.sleep(1)).catch((error: Error) => events.push(error.name))
        return 'late'
      })
      await virtually(config, handler, function* (world) {
        const client = yield* world.connect(request('GET /'))
        yield* lev.sleep(2)
        yield* end(world, client)
        yield* lev.sleep(1)
        yield* lev.wait(turn())
        t.strictSame(world.log.statuses(), [status])
        t.strictSame(world.log.of('error'), [])
      })
      t.strictSame(events, ['cleaned up', 'CancelledError', 'ClosedError'])
    })
  }
}

t.test('what is left when the handler returns', async (t) => {
  const events: string[] = []
  let late: Promise<unknown> = Promise.resolve()
  const handler = places['after a promise'](async (ctx) => {
    void ctx.run(function* () {
      try {
        yield* lev.sleep(50)
      } finally {
        events.push('cancelled')
      }
    })
    await ctx.run(() => lev.sleep(1))
    late = (async () => {
      await turn()
      await turn()
      return ctx.run(() => lev.sleep(1)).catch((error: Error) => `${error.name}: ${error.message}`)
    })()
    return 'done'
  })
  await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(request('GET /'))
    const [{ body }] = yield* client.responses(1)
    t.equal(String(body), 'done')
    t.match(yield* lev.wait(late), /^ClosedError: the request is over/)
  })
  t.strictSame(events, ['cancelled'])
})

t.test('a plain handler waits for it', async (t) => {
  const handler: Handler = (_method, _query, _args, _headers, _body, ctx) => {
    void ctx.run(() => lev.sleep(1))
    return 'plain'
  }
  await virtually({}, handler, function* ({ connect }) {
    const before = lev.now()
    const client = yield* connect(request('GET /'))
    yield* client.responses(1)
    t.ok(lev.now() - before >= 1)
  })
})

t.test('a wrong argument', async (t) => {
  const handler: Handler = (_method, _query, _args, _headers, _body, ctx) => {
    t.throws(() => ctx.run(lev.sleep(1) as never), { name: 'ArgumentError', message: /^run: start must be a function/ })
    return ''
  }
  await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(request('GET /'))
    yield* client.responses(1)
  })
})
