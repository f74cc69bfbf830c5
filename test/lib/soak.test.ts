import t, { type Test } from 'tap'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import type { Config, Context, Handler, HandlerResult } from '../../lib/index.js'
import { readResponses } from '../support/responses.js'
import { randomFrom, seed, type Random } from '../support/seed.js'
import { request } from '../support/serving.js'
import { virtually, type VirtualClient, type World } from '../support/virtual.js'

/** What handlers went through, in sum. */
class Tally {
  called = 0
  ended = 0
  aborted = 0
  /** Handlers at work on one connection. */
  readonly busy = new Map<lev.Stream, number>()
  most = 0

  handler(random: Random): Handler {
    return (_method, query, _args, _headers, body, ctx) => {
      this.called++
      const filling = 'x'.repeat(random.pick([0, 10, 5000, 300_000]))
      const response: HandlerResult = [`${query} ${String(body?.length)} ${filling}`, random.pick([200, 404])]
      switch (random.below(4)) {
        case 0:
          this.ended++
          return response
        case 1:
          this.ended++
          throw new Error('a handler that fails')
        case 2:
          return this.#coroutine(ctx, random() * 20, response)
        default:
          return this.#async(ctx, response)
      }
    }
  }

  *#coroutine(ctx: Context, seconds: number, response: HandlerResult): Op<HandlerResult> {
    ctx.signal.addEventListener('abort', () => this.aborted++)
    const at = ctx.client
    const now = (this.busy.get(at) ?? 0) + 1
    this.busy.set(at, now)
    this.most = Math.max(this.most, now)
    try {
      yield* lev.sleep(seconds)
      return response
    } finally {
      this.busy.set(at, (this.busy.get(at) ?? 1) - 1)
      this.ended++
    }
  }

  async #async(ctx: Context, response: HandlerResult): Promise<HandlerResult> {
    try {
      await Promise.resolve()
      return ctx.signal.aborted ? null : response
    } finally {
      this.ended++
    }
  }
}

const texts = [
  request('GET /a'), request('POST /b', {}, 'x'.repeat(100)), request('GET /c', { Connection: 'close' }),
  request('OPTIONS *'),
  request('PUT /e', { 'Transfer-Encoding': 'chunked' }, '5\r\nhello\r\n0\r\n\r\n'),
  request('GET /f HTTP/1.0', { Connection: 'keep-alive' }),
  request('GET /g', { 'Accept-Encoding': 'gzip' }), 'nonsense\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', '\r\n',
]

/** A client that does this and that, and leaves in one way or another. */
function* behave(client: VirtualClient, random: Random): Op<void> {
  try {
    for (let steps = random.below(12); steps > 0; steps--) {
      switch (random.below(6)) {
        case 0:
        case 1:
          client.send(random.pick(texts))
          break
        case 2: {
          const text = random.pick(texts)
          client.send(text.slice(0, random.below(text.length)))
          break
        }
        case 3:
          yield* lev.sleep(random() * random.pick([0.01, 1, 20]))
          break
        case 4:
          yield* lev.timeout(random() * 5, client.more(random.pick([100, 100_000])))
          break
        default:
          yield* client.stream.flush()
      }
    }
    const leaving = random.below(4)
    if (leaving === 0) return client.stream.reset()
    if (leaving === 1) return client.stream.close()
    if (leaving === 2) yield* client.stream.end()
    while (yield* client.more());
  } catch (error) {
    if (!(error instanceof lev.ClosedError || error instanceof lev.TimeoutError)) throw error
  } finally {
    client.stream.close()
  }
}

async function soak(t: Test, number: number, config: Config): Promise<void> {
  const random = randomFrom(number)
  const tally = new Tally()
  const what = `LEV_SEED=${number}`
  const segment = random.pick([200, 2000, 65_536])
  await virtually(config, tally.handler(random), function* ({ server, connect, log }: World) {
    const clients: VirtualClient[] = []
    yield* lev.scope(function* (scope) {
      for (let k = 0; k < 30; k++) {
        yield* lev.sleep(random() * 0.5)
        const own = randomFrom(number * 1000 + k)
        scope.spawn(function* () {
          const client = yield* connect()
          clients.push(client)
          yield* behave(client, own)
        })
      }
      yield* lev.sleep(random() * 30)
      yield* lev.wait(server.stop({ drain: random.pick([0, 1, 100]) }))
    })
    yield* lev.wait(new Promise<void>((resolve) => setImmediate(resolve)))
    t.equal(tally.ended, tally.called, `${what}: every handler came to an end`)
    t.ok(tally.most <= 1, `${what}: one at a time on each connection`)
    const faults = log.of('error').filter(({ message }) => message !== 'the handler failed')
    t.strictSame(faults, [], `${what}: no fault of the server's own`)
    // Requests whose content did not come whole are logged as well, and no handler was called for them.
    const refused = new Set([400, 408, 413, 499])
    const statuses = log.statuses()
    t.ok(statuses.length >= tally.called, `${what}: ${statuses.length} lines for ${tally.called} calls`)
    const responded = statuses.filter((status) => !refused.has(Number(status)))
    t.ok(responded.length <= tally.called, `${what}: no line without a call`)
    for (const client of clients) {
      const { fault } = readResponses(client.received)
      if (fault !== null) t.fail(`${what}: ${fault}`)
    }
  }, { seed: number, segment })
}

t.test('thirty clients that come, ask, dawdle and go, and a stop in the midst of it', async (t) => {
  for (let k = 0; k < 20; k++) await soak(t, seed * 1000 + k, {})
})

t.test('the same with tight settings', async (t) => {
  const tight: Config = {
    connection_limit: 5, requests_per_connection: 3, keepalive_idle_timeout: 1, request_header_timeout: 1,
    request_body_timeout: 1,
    send_timeout: 1, max_body_size: 50, half_close: 'answer', compression: { min_size: 1 },
  }
  for (let k = 0; k < 20; k++) await soak(t, seed * 1000 + 500 + k, tight)
})
