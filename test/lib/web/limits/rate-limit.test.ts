import t from 'tap'
import * as lev from '../../../../lev/index.js'
import * as server from '../../../../lib/index.js'
import { ArgumentError, wrap, type Handler } from '../../../../lib/index.js'
import { inject } from '../../../../lib/web/inject/index.js'
import { rateLimit, type RateLimitOptions } from '../../../../lib/web/limits/index.js'
import { group, json, routes, type Wrapper } from '../../../../lib/web/router/index.js'
import { virtual } from '../../../../testing/virtual.js'
import { keptLog } from '../../../support/kept-log.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'
import { seed } from '../../../support/seed.js'
import { request } from '../../../support/serving.js'
import { virtually } from '../../../support/virtual.js'

const ok = (): string => 'hello'

/** One request of each line, at these times: statuses, with Retry-After. */
function story(handler: Handler, requests: readonly [at: number, line: string, headers?: Record<string, string>][]): Promise<string[]> {
  return virtually({ log_level: 'error' }, handler, function* ({ server }) {
    const began = lev.now()
    const told: string[] = []
    for (const [at, path, headers = {}] of requests) {
      yield* lev.sleep(Math.max(0, began + at - lev.now()))
      const response = yield* inject(server, { path, headers })
      const wait = response.headers['retry-after']
      told.push(wait === undefined ? String(response.status) : `${response.status} ${wait}`)
    }
    return told
  })
}

t.test('a burst, then the rate', async (t) => {
  const limited = rateLimit({ rate: 2, per: 10, burst: 3 })
  t.strictSame(await story(limited(ok), [[0, '/'], [0, '/'], [0, '/'], [0, '/'], [4.5, '/'], [5, '/'], [5, '/'], [20, '/'], [20, '/'], [20, '/'], [20, '/']]),
    ['200', '200', '200', '429 5', '429 1', '200', '429 5', '200', '200', '200', '429 5'])
})

t.test('costs', async (t) => {
  const cost: RateLimitOptions['cost'] = ({ query }) => Number(query.slice(1))
  t.strictSame(await story(rateLimit({ rate: 1, burst: 10, cost })(ok), [[0, '/8'], [0, '/3'], [0, '/2'], [0, '/0'], [0, '/10'], [0, '/11'], [3, '/3']]),
    ['200', '429 1', '200', '200', '429 10', '429', '200'])
  t.strictSame(await story(rateLimit({ rate: 4, cost: 3 })(ok), [[0, '/'], [0, '/'], [0.5, '/']]), ['200', '429 1', '200'])
})

t.test('keys', async (t) => {
  const key: RateLimitOptions['key'] = ({ headers }) => headers['x-key'] ?? null
  const [a, b] = [{ 'X-Key': 'a' }, { 'X-Key': 'b' }]
  t.strictSame(await story(rateLimit({ rate: 1, key })(ok), [[0, '/', a], [0, '/', a], [0, '/', b], [0, '/', b], [0, '/'], [0, '/']]),
    ['200', '429 1', '200', '429 1', '200', '200'])
})

t.test('the client that a trusted proxy names, an IPv6 client by its network', async (t) => {
  const statuses = await virtual(function* () {
    const service = server.new({ log_level: 'error', trusted_proxies: ['loopback'] }, rateLimit({ rate: 1 })(ok))
    const told: number[] = []
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.1', '2001:db8::1', '2001:db8::2:0:0:1', '2001:db8:0:1::1']) {
      told.push((yield* inject(service, { path: '/', headers: { 'X-Forwarded-For': ip } })).status)
    }
    return told
  })
  t.strictSame(statuses, [200, 200, 429, 200, 429, 200])
})

t.test('an IPv6 client by the network of the setting', async (t) => {
  const statuses = await virtual(function* () {
    const service = server.new({ log_level: 'error', trusted_proxies: ['loopback'], client_ipv6_prefix: 48 }, rateLimit({ rate: 1 })(ok))
    const told: number[] = []
    for (const ip of ['2001:db8::1', '2001:db8:0:1::1', '2001:db8:1::1']) {
      told.push((yield* inject(service, { path: '/', headers: { 'X-Forwarded-For': ip } })).status)
    }
    return told
  })
  t.strictSame(statuses, [200, 429, 200])
})

t.test('one budget for all that a limit wraps: a route, a group, handlers of every kind', async (t) => {
  const limited: Wrapper = rateLimit({ rate: 3, per: 60 })
  const handler = routes({
    'GET /free': ok,
    '/own': limited(ok),
    ...group('/group', [limited], {
      'GET /plain': () => json('hello'),
      *'GET /slow'() {
        yield* lev.sleep(1)
        return 'hello'
      },
      'GET /async': async () => await Promise.resolve('hello'),
    }),
  })
  t.strictSame(await story(handler, [[0, '/own'], [0, '/group/slow'], [0, '/group/async'], [0, '/group/plain'], [0, '/own'], [0, '/free']]),
    ['200', '200', '200', '429 19', '429 19', '200'])
})

t.test('limits inside of each other, and inside of an async wrapper', async (t) => {
  const wrapped = wrap(rateLimit({ rate: 1 })(rateLimit({ rate: 3, per: 60 })(ok)), async (_request, next) => {
    await Promise.resolve()
    return next()
  })
  t.strictSame(await story(wrapped, [[0, '/'], [0, '/'], [1, '/'], [2, '/'], [3, '/']]), ['200', '429 1', '200', '200', '429 17'])
})

t.test('the content of a 429', async (t) => {
  for (const [format, content, type] of [
    [null, 'too many requests\n', 'text/plain; charset=utf-8'],
    ['problem', '{"title":"Too Many Requests","status":429,"detail":"try again in 10 s"}', 'application/problem+json'],
  ] as const) {
    const service = server.new({ log_level: 'error' }, rateLimit({ rate: 1, per: 10, format })(ok))
    await virtual(function* () {
      yield* inject(service, { path: '/' })
      const response = yield* inject(service, { path: '/' })
      t.equal(response.status, 429)
      t.equal(response.text(), content)
      t.equal(response.headers['content-type'], type)
    })
  }
})

t.test('the fields RateLimit-Policy and RateLimit', async (t) => {
  const handler = rateLimit({ rate: 10, per: 60, burst: 5, policy: 'a "b"' })(
    rateLimit({ rate: 1, per: 0.5, burst: 2, policy: 'in', key: ({ query }) => query === '/none' ? null : '' })(() => ['hello', 201, { RateLimit: 'own' }]))
  const told = await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(`${request('GET /')}${request('GET /none')}${request('GET /')}${request('GET /')}`)
    return (yield* client.responses(4)).map((response) => [response.status, valueOf(response, 'ratelimit-policy'), valueOf(response, 'ratelimit'), valueOf(response, 'retry-after')])
  })
  const outer = '"a \\"b\\"";q=5;w=30'
  t.strictSame(told, [
    [201, `"in";q=2;w=1, ${outer}`, 'own, "in";r=1;t=1, "a \\"b\\"";r=4;t=6', undefined],
    [201, outer, 'own, "a \\"b\\"";r=3;t=12', undefined],
    [201, `"in";q=2;w=1, ${outer}`, 'own, "in";r=0;t=1, "a \\"b\\"";r=2;t=18', undefined],
    [429, `"in";q=2;w=1, ${outer}`, '"in";r=0;t=1, "a \\"b\\"";r=1;t=24', '1'],
  ])
})

t.test('clients at the same time: exactly the burst, then exactly the rate', async (t) => {
  const handler = rateLimit({ rate: 5, burst: 20 })(function* () {
    yield* lev.sleep(0.3)
    return 'hello'
  })
  const counts = await virtually({}, handler, function* ({ connect }) {
    const began = lev.now()
    const round = function* (at: number): lev.Op<number> {
      yield* lev.sleep(began + at - lev.now())
      const responses: WireResponse[] = []
      yield* lev.scope(function* () {
        for (let count = 0; count < 40; count++) {
          lev.spawn(function* () {
            const client = yield* connect(request('GET /'))
            responses.push(...yield* client.responses(1))
          })
        }
        yield* lev.yieldNow()
      })
      return responses.filter(({ status }) => status === 200).length
    }
    return [yield* round(0), yield* round(1), yield* round(3), yield* round(60)]
  })
  t.strictSame(counts, [20, 5, 10, 20], `seed ${seed}`)
})

t.test('a key or a cost that is none is an error of the service, and nothing is served', async (t) => {
  const log = keptLog()
  for (const options of [{ key: () => undefined }, { cost: () => 0.5 }, { cost: () => NaN }, { cost: () => -1 }]) {
    const service = server.new({ logger: log }, rateLimit({ rate: 1, ...options as object })(ok))
    t.equal((await inject(service, { path: '/' })).status, 500)
  }
  const told = JSON.stringify(log.entries.map(({ fields }) => Object.values(fields).map((value) => value instanceof Error ? value.message : value)))
  t.match(told, /key must return a string, or null for no limit; it gave undefined/)
  t.match(told, /cost must return an integer from 0; it gave NaN/)
})

const mistakes: readonly [options: unknown, message: RegExp][] = [
  [undefined, /^options must be an object with rate, got undefined/],
  [{}, /^rate must be an integer from 1 to 100000, got undefined/],
  [{ rate: 0 }, /^rate must be/],
  [{ rate: 0.5 }, /^rate must be/],
  [{ rate: 100_001 }, /^rate must be/],
  [{ rate: '5' }, /did you mean the number 5/],
  [{ rate: 1, per: 0 }, /^per must be a number from 0.001 to 86400 \(seconds\), got 0/],
  [{ rate: 1, per: 100_000 }, /^per must be/],
  [{ rate: 1, burst: 0 }, /^burst must be/],
  [{ rate: 5, burst: 2, cost: 3 }, /^cost must be an integer from 0 to 2/],
  [{ rate: 1, key: 'ip' }, /^key must be a function of the request, got "ip"/],
  [{ rate: 1, keys: 0 }, /^keys must be/],
  [{ rate: 1, format: 'json' }, /^format must be one of "text", "problem", got "json"/],
  [{ rate: 1, policy: '' }, /^policy must be a name in printable ASCII/],
  [{ rate: 1, policy: 'ä' }, /^policy must be/],
  [{ rate: 1, windowMs: 5 }, /windowMs/],
]

t.test('mistakes in the options', async (t) => {
  for (const [options, message] of mistakes) {
    try {
      rateLimit(options as RateLimitOptions)
      t.fail(JSON.stringify(options))
    } catch (error) {
      t.type(error, ArgumentError)
      t.match((error as Error).message, message)
    }
  }
  t.type(rateLimit({ rate: 1, per: null, burst: null, cost: null, key: null, keys: null, format: null, policy: null }), 'function')
})
