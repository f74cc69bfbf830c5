// Handlers of every kind behind a limit, in the process and in Redis.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import * as server from '../../../../lib/index.js'
import type { Handler } from '../../../../lib/index.js'
import { fromFetch } from '../../../../lib/web/fetch/index.js'
import { rateLimit, type RateLimitOptions } from '../../../../lib/web/limits/index.js'
import { group, json, routes } from '../../../../lib/web/router/index.js'
import { files } from '../../../../lib/web/static/index.js'
import { FakeRedis } from '../../../support/fake-redis.js'
import { kinds } from '../../../support/handler-kinds.js'
import { valueOf } from '../../../support/responses.js'
import { request } from '../../../support/serving.js'
import { virtually } from '../../../support/virtual.js'

const options: RateLimitOptions = { rate: 1, per: 60, policy: 'all' }

/** The same limit in the process and in Redis. */
const limits: Readonly<Record<string, () => (handler: Handler) => Handler>> = {
  'in the process': () => rateLimit(options),
  'in Redis': () => rateLimit({ ...options, shared: { client: new FakeRedis(), prefix: 'a' } }),
}

/** Two requests on one connection: status, content and the field of the limit of each. */
function twice(handler: Handler, text: string, method = 'GET'): Promise<(readonly [number, string, string | undefined])[]> {
  return virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(text + text)
    return (yield* client.responses(2, [method, method])).map((response) => [response.status, response.body.toString(), valueOf(response, 'ratelimit')] as const)
  })
}

const rejected = [429, 'too many requests\n', '"all";r=0;t=60'] as const

for (const [where, limit] of Object.entries(limits)) {
  t.test(`handlers of every kind, ${where}`, async (t) => {
    for (const [kind, run] of Object.entries(kinds)) {
      const told = await twice(limit()(() => run(() => ['hello', 201])), request('GET /'))
      t.strictSame(told.map(([status, content]) => [status, content]), [[201, 'hello'], [429, 'too many requests\n']], kind)
      const [failed] = await twice(limit()(() => run(() => { throw new Error('on purpose') })), request('GET /'))
      t.equal(failed[0], 500, kind)
    }
  })

  t.test(`routes and their bodies, ${where}`, async (t) => {
    const handler = routes(group('/api', [limit()], {
      'POST /echo': async ({ ctx }) => json({ got: await ctx.body.text() }),
    }))
    const post = request('POST /api/echo', {}, 'hello')
    t.strictSame(await twice(handler, post), [[200, '{"got":"hello"}', '"all";r=0;t=60'], rejected])
  })

  t.test(`fetch applications, ${where}`, async (t) => {
    const handler = limit()(fromFetch(async (request) => new Response(`${request.method} ${await request.text()}`)))
    const post = request('POST /', {}, 'hello')
    t.strictSame(await twice(handler, post), [[200, 'POST hello', '"all";r=0;t=60'], rejected])
  })

  t.test(`files and HEAD, ${where}`, async (t) => {
    const folder = t.testdir()
    writeFileSync(join(folder, 'a.txt'), 'a file')
    t.strictSame(await twice(limit()(files(folder)), request('GET /a.txt')), [[200, 'a file', '"all";r=0;t=60'], rejected])
    t.strictSame(await twice(limit()(files(folder)), request('HEAD /a.txt'), 'HEAD'), [[200, '', '"all";r=0;t=60'], [429, '', '"all";r=0;t=60']])
  })

  t.test(`content that streams, and handlers that respond on the connection, ${where}`, async (t) => {
    const streams = limit()(() => [function* (out) {
      yield* out.write('one ')
      yield* lev.sleep(1)
      yield* out.write('two')
    }, 200])
    t.strictSame((await twice(streams, request('GET /')))[0], [200, 'one two', '"all";r=0;t=60'])
    const direct = limit()(function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.write('HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok')
      return undefined
    })
    t.strictSame(await twice(direct, request('GET /')), [[200, 'ok', undefined], rejected])
  })

  t.test(`WebSockets, ${where}`, async (t) => {
    const handler = limit()((_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* (ws) {
      const message = yield* ws.next()
      yield* ws.send(`got ${message?.toString()}`)
    }))
    await virtually({}, handler, function* ({ server: served }) {
      const { port } = yield* lev.wait(served.listening)
      const url = `ws://127.0.0.1:${port}/`
      const ws = yield* server.websocket(url)
      yield* ws.send('it')
      t.equal(yield* ws.next(), 'got it')
      ws.close()
      try {
        yield* server.websocket(url)
        t.fail('it was not limited')
      } catch (error) {
        t.match((error as Error).message, /429/)
      }
    })
  })
}
