import { Readable } from 'node:stream'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import { wrap, type Handler, type StreamingContent } from '../../../lib/index.js'
import { observe, type Events } from '../../../lib/observe/index.js'
import { randomFrom, seed } from '../../support/seed.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient } from '../../support/virtual.js'

// Clients that leave at any time, from handlers of every kind: what has begun has one end, and nothing is left behind.

const leavings: ((client: VirtualClient) => Op<void>)[] = [
  function* ({ stream }) {
    stream.reset()
  },
  function* ({ stream }) {
    stream.close()
  },
  function* (client) {
    yield* client.stream.end()
    yield* readOn(client)
  },
  function* (client) {
    yield* readOn(client)
  },
]

function* readOn(client: VirtualClient): Op<void> {
  while (yield* client.more());
}

const runs = 60
const clients = 8

t.test('each beginning has one end; no hook and no content is left', async (t) => {
  for (let run = 0; run < runs; run++) {
    const random = randomFrom(seed * 1000 + run)
    const contents: Readable[] = []
    const streams = new Set<Stream>()
    const content = (): StreamingContent => {
      const readable = Readable.from(['one', 'two', 'x'.repeat(300_000), 'three'])
      contents.push(readable)
      return readable
    }
    const pause = (): Op<void> => lev.sleep(random.below(6) / 10)
    const inside = (call: () => Op<void>): Promise<void> => lev.portal().run(call)
    const handlers: Handler[] = [
      () => 'hello',
      () => [content()],
      () => {
        lev.spawn(pause)
        return [content()]
      },
      function* () {
        yield* pause()
        lev.spawn(pause)
        return [content()]
      },
      async () => {
        await inside(pause)
        return [content()]
      },
      async () => {
        lev.spawn(pause)
        await inside(pause)
        return [content()]
      },
      async () => {
        await inside(pause)
        throw new Error('a failure')
      },
      async () => {
        await inside(pause)
        return (function* () {
          yield* pause()
          return [content()] as const
        })()
      },
      () => [function* (out) {
        for (let k = 0; k < 5; k++) {
          yield* out.write('x'.repeat(random.below(100_000)))
          yield* pause()
        }
      }, 200, { 'Content-Type': 'text/plain' }],
      (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* (ws) {
        yield* ws.send('hello')
        yield* ws.next()
      }),
      (_method, _query, _args, _headers, _body, ctx) => ctx.body.text() as Op<string>,
      wrap(async () => {
        await inside(pause)
        return [content()]
      }, async (_request, next) => {
        await inside(pause)
        return next(async (response) => {
          await inside(pause)
          return response
        })
      }),
    ]
    const handle: Handler = (method, query, args, headers, body, ctx) => {
      streams.add(ctx.client)
      return handlers[Number(query.slice(1))](method, query, args, headers, body, ctx)
    }
    const open = new Map<string, object>()
    const faults: string[] = []
    const pair = <E extends object>(begin: keyof Events, end: keyof Events, keyOf: (event: E) => string): (() => void)[] => [
      observe(begin, (event) => {
        const key = `${begin} ${keyOf(event as E)}`
        if (open.has(key)) faults.push(`${key} twice`)
        open.set(key, event)
      }),
      observe(end, (event) => {
        const key = `${begin} ${keyOf(event as E)}`
        if (open.get(key) !== event) faults.push(`${key} ends without a beginning`)
        open.delete(key)
      }),
    ]
    const forget = [
      ...pair<Events['leveret:connection:open']>('leveret:connection:open', 'leveret:connection:close', ({ connection }) => `${connection}`),
      ...pair<Events['leveret:request:start']>('leveret:request:start', 'leveret:request:end', ({ connection, count }) => `${connection} ${count}`),
      ...pair<Events['leveret:websocket:open']>('leveret:websocket:open', 'leveret:websocket:close', ({ connection }) => `${connection}`),
    ]
    const config = { buffer_body: random.below(2) === 0, connection_limit: 2 + random.below(clients - 1), keepalive_idle_timeout: 5 }
    await virtually(config, handle, function* ({ connect }) {
      yield* lev.scope(function* (scope) {
        for (let k = 0; k < clients; k++) {
          scope.spawn(function* () {
            yield* pause()
            const which = random.below(handlers.length)
            const upgrade = {
              'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
            }
            const ask = `/${which}`
            const text = which === 9 ? request(`GET ${ask}`, upgrade) : request(`POST ${ask}`, { 'Accept-Encoding': 'gzip' }, 'x'.repeat(20))
            const client = yield* connect(text + (random.below(2) === 0 ? request('GET /0') : ''))
            try {
              if (random.below(2) === 0) yield* lev.timeout(1, client.more())
            } catch (error) {
              if (!(error instanceof lev.TimeoutError)) throw error
            }
            yield* pause()
            try {
              yield* random.pick(leavings)(client)
            } catch (error) {
              // The server has closed the connection before.
              if (!(error instanceof lev.ClosedError)) throw error
            }
          })
        }
        if (random.below(2) === 0) return
        // The server stops in the middle of it.
        yield* lev.sleep(random.below(10) / 10)
        scope.cancel()
      })
    }, { seed: seed + run })
    await new Promise((resolve) => setImmediate(resolve))
    for (const call of forget) call()
    t.strictSame(faults, [], `run ${run}`)
    t.strictSame([...open.keys()], [], `run ${run}`)
    t.strictSame(contents.filter(({ destroyed }) => !destroyed).length, 0, `run ${run}: content is closed`)
    for (const { onGone, onPut, beforeSend, tap } of streams) {
      t.strictSame([onGone.attached, onPut.attached, beforeSend.attached, tap.attached], [null, null, null, null], `run ${run}`)
    }
  }
})
