// Limits in Redis on the virtual clock, with a client that replies as each test says.
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import { runningTask } from '../../../../lev/internal.js'
import * as server from '../../../../lib/index.js'
import { ArgumentError, wrap, type Handler, type WrappedRequest } from '../../../../lib/index.js'
import { inject } from '../../../../lib/web/inject/index.js'
import { Budgets } from '../../../../lib/limits/budgets.js'
import { rateLimit, type RateLimitOptions, type RedisClient, type SharedOptions } from '../../../../lib/web/limits/index.js'
import { FakeRedis } from '../../../support/fake-redis.js'
import type { KeptLog } from '../../../support/kept-log.js'
import { virtual } from '../../../../testing/virtual.js'
import { randomFrom, seed } from '../../../support/seed.js'
import { virtually } from '../../../support/virtual.js'

const ok = (): string => 'hello'

type Options = Partial<RateLimitOptions> & Partial<Pick<SharedOptions, 'whenAway' | 'deadline' | 'prefix'>>

function limitedBy(client: RedisClient, { whenAway, deadline, prefix = 'test:', ...options }: Options = {}): (handler: Handler) => Handler {
  return rateLimit({ rate: 1, key: ({ query }) => query, ...options, shared: { client, prefix, whenAway, deadline } })
}

interface Told {
  /** Seconds since the story began. */
  readonly now: number
  readonly log: KeptLog
  /** One request: status, with Retry-After, and the seconds that it took if they are not 0. */
  get(path: string, headers?: Record<string, string>): lev.Op<string>
  /** Sleeps until this time of the story. */
  until(seconds: number): lev.Op<void>
}

const round = (seconds: number): number => Math.round(seconds * 1e6) / 1e6

/** The world does not wait for promises that no task waits for. */
function realTurn(): lev.Op<void> {
  return lev.wait(new Promise((resolve) => setImmediate(resolve)))
}

function story<T>(handler: Handler, tell: (told: Told) => lev.Op<T>): Promise<T> {
  return virtually({}, handler, function* ({ server, log }) {
    const began = lev.now()
    return yield* tell({
      get now() {
        return round(lev.now() - began)
      },
      log,
      *get(path, headers = {}) {
        const sent = lev.now()
        const response = yield* inject(server, { path, headers })
        const took = round(lev.now() - sent)
        return [response.status, response.headers['retry-after'], took === 0 ? undefined : `+${took}`].filter((text) => text !== undefined).join(' ')
      },
      *until(seconds) {
        yield* lev.sleep(Math.max(0, began + seconds - lev.now()))
        yield* realTurn()
      },
    })
  })
}

function* repeated(count: number, get: () => lev.Op<string>): lev.Op<string[]> {
  const told: string[] = []
  for (let index = 0; index < count; index++) told.push(yield* get())
  return told
}

t.test('one budget for two processes', async (t) => {
  const redis = new FakeRedis()
  const options = { rate: 2, per: 10, burst: 3 }
  const [one, other] = [limitedBy(redis, options)(ok), limitedBy(redis, options)(ok)]
  const both = wrap(one, ({ method, query, args, headers, body, ctx }, next) => {
    return headers['x-process'] === 'other' ? other(method, query, args, headers, body, ctx) : next()
  })
  await story(both, function* ({ get, until }) {
    const elsewhere = { 'X-Process': 'other' }
    t.strictSame([yield* get('/'), yield* get('/', elsewhere), yield* get('/'), yield* get('/', elsewhere), yield* get('/')],
      ['200 +0.001', '200 +0.001', '200 +0.001', '429 5 +0.001', '429 5'])
    yield* until(5.01)
    t.strictSame([yield* get('/', elsewhere), yield* get('/'), yield* get('/b')], ['200 +0.001', '429 5 +0.001', '200 +0.001'])
  })
})

t.test('what is known to be above the limit is not asked for, until it may be allowed', async (t) => {
  const redis = new FakeRedis()
  await story(limitedBy(redis, { rate: 1, per: 2, cost: ({ query }) => query === '/much' ? 2 : 1, key: () => '' })(ok), function* (told) {
    t.equal(yield* told.get('/'), '200 +0.001')
    t.strictSame(yield* repeated(100, () => told.get('/')), Array(100).fill('429 2'))
    t.equal(yield* told.get('/much'), '429', 'a cost that no budget has')
    t.equal(redis.asked.length, 1)
    // The budget was taken from half a millisecond after the request was sent, so until then it is Redis who knows.
    yield* told.until(1.9999)
    t.equal(yield* told.get('/'), '429 1')
    t.equal(redis.asked.length, 1)
    yield* told.until(2.0001)
    t.equal(yield* told.get('/'), '200 +0.001')
    t.equal(redis.asked.length, 2)
  })
})

t.test('what a process rejects by itself, Redis would have rejected too', async (t) => {
  const random = randomFrom(seed)
  const redis = new FakeRedis()
  const [rate, burst] = [10, 5]
  const options = { rate, burst, cost: ({ query }: WrappedRequest) => Number(query.slice(1)), key: () => '' }
  const { unit, full, drain } = new Budgets({ rate, per: 1, burst }, 1)
  const processes = [server.new({ log_level: 'error' }, limitedBy(redis, options)(ok)), server.new({ log_level: 'error' }, limitedBy(redis, options)(ok))]
  const [counts, wrong] = await virtual(function* () {
    const counts = { granted: 0, locally: 0, rejected: 0 }
    const wrong: unknown[] = []
    const began = lev.now()
    const process = function* (): lev.Op<void> {
      while (lev.now() < began + 6) {
        redis.delay = random.pick([1e-5, 0.001, 0.04])
        yield* lev.sleep(random.pick([0, 0.001, 0.02, 0.1]) * random())
        const [cost, sent, asked] = [random.pick([1, 1, 2, 5]), lev.now(), redis.asked.length]
        const { status } = yield* inject(random.pick(processes), { path: `/${cost}` })
        if (status === 200) counts.granted++
        else if (lev.now() > sent || redis.asked.length > asked) counts.rejected++
        else if (redis.levelAt(redis.asked[0].key, sent, drain) > full - cost * unit) counts.locally++
        else wrong.push({ cost, sent, level: redis.levelAt(redis.asked[0].key, sent, drain) })
      }
    }
    yield* lev.scope(function* () {
      for (let count = 0; count < 4; count++) lev.spawn(process)
      yield* lev.yieldNow()
    })
    return [counts, wrong] as const
  }, { seed })
  t.strictSame(wrong, [], `seed ${seed}`)
  t.ok(counts.locally > 20 && counts.rejected > 0 && counts.granted > 20, JSON.stringify(counts))
})

t.test('the fields, costs, keys and content are those of a local limit', async (t) => {
  const options: RateLimitOptions = {
    rate: 10, per: 60, burst: 5, policy: 'all', format: 'problem', cost: ({ headers }) => Number(headers['x-cost'] ?? 1), key: ({ headers }) => headers['x-key'] ?? null,
  }
  const requests = [{ 'X-Key': 'a' }, { 'X-Key': 'a', 'X-Cost': '3' }, { 'X-Key': 'a', 'X-Cost': '2' }, { 'X-Key': 'a', 'X-Cost': '6' }, { 'X-Key': 'b' }, {}]
  const redis = new FakeRedis()
  redis.delay = 0
  const [shared, local] = await Promise.all([limitedBy(redis, options), rateLimit(options)].map((limited) => {
    return virtually({}, limited(ok), function* ({ server }) {
      const told: unknown[] = []
      for (const headers of requests) {
        const { status, headers: { ratelimit, 'ratelimit-policy': policy, 'retry-after': after }, ...response } = yield* inject(server, { path: '/', headers })
        told.push([status, ratelimit, policy, after, response.text()])
      }
      return told
    })
  }))
  t.strictSame(shared, local)
  t.equal(redis.asked.length, 3)
})

t.test('a deadline is taken back with the reply', async (t) => {
  const redis = new FakeRedis()
  await story(limitedBy(redis, { rate: 100, deadline: 0.5 })(ok), function* ({ get }) {
    yield* get('/')
    const { timers } = runningTask('the test').loop
    yield* repeated(3, () => get('/'))
    t.ok(timers.next > lev.now() + 0.5, `${timers.next}`)
  })
})

t.test('a reply after the deadline is no reply', async (t) => {
  for (const [delay, deadline, whenAway, expected] of [
    [0.049, null, 'closed', '200 +0.049'], [0.051, null, 'closed', '503 1 +0.05'], [0.051, null, 'open', '200 +0.05'],
    [0.3, 0.4, 'closed', '200 +0.3'], [Infinity, 0.4, 'closed', '503 1 +0.4'],
  ] as const) {
    const redis = new FakeRedis()
    redis.delay = delay
    await story(limitedBy(redis, { whenAway, deadline })(ok), function* ({ get }) {
      t.equal(yield* get('/'), expected)
    })
  }
})

t.test('while Redis is away, it is asked by one request a second', async (t) => {
  const redis = new FakeRedis()
  redis.error = new Error('READONLY')
  await story(limitedBy(redis, { whenAway: 'closed' })(ok), function* ({ get, log, until }) {
    const times = (): number[] => redis.asked.splice(0).map(({ at }) => round(at))
    const began = lev.now()
    t.strictSame(yield* repeated(7, () => get('/')), [...Array<string>(5).fill('503 1 +0.001'), '503 1', '503 1'])
    t.equal(times().length, 5)
    t.strictSame(log.of('warn'), [{ error: 'READONLY', message: 'rateLimit: Redis is away' }])
    // Failed 5 ms after the beginning.
    yield* until(1.0049)
    t.equal(yield* get('/'), '503 1')
    yield* until(1.0051)
    yield* lev.scope(function* () {
      for (let count = 0; count < 5; count++) lev.spawn(() => get('/'))
      yield* lev.yieldNow()
    })
    t.strictSame(times(), [round(began + 1.0051)])
    redis.error = null
    t.equal(yield* get('/'), '503 1')
    yield* until(2.0062)
    t.strictSame(yield* repeated(2, () => get('/')), ['200 +0.001', '429 1'])
    t.strictSame(log.of('info').at(-1), { message: 'rateLimit: Redis is back' })
    t.equal(log.of('warn').length, 1)
  })
})

t.test('failures that are not consecutive are none', async (t) => {
  const redis = new FakeRedis()
  await story(limitedBy(redis, { whenAway: 'closed', rate: 100 })(ok), function* ({ get, log }) {
    for (let count = 1; count < 20; count++) {
      redis.error = count % 5 === 0 ? null : new Error('once')
      yield* get('/')
    }
    t.equal(redis.asked.length, 19)
    t.strictSame(log.of('warn'), [])
  })
})

t.test('a request that gets no reply is followed by one after ten seconds, or a second after the reply', async (t) => {
  const redis = new FakeRedis()
  redis.delay = Infinity
  await story(limitedBy(redis, { whenAway: 'closed' })(ok), function* ({ get, until }) {
    const asked = (): number => redis.asked.splice(0).length
    yield* repeated(5, () => get('/'))
    t.equal(asked(), 5)
    yield* until(1.26)
    t.equal(yield* get('/'), '503 1 +0.05')
    yield* until(11.25)
    t.equal(yield* get('/'), '503 1')
    yield* until(11.27)
    redis.delay = 4
    t.equal(yield* get('/'), '503 1 +0.05')
    t.equal(asked(), 2)
    // Its reply comes at 15.27: late, but a sign.
    redis.delay = 0.01
    yield* until(15.26)
    t.equal(yield* get('/'), '503 1')
    yield* until(15.28)
    t.equal(yield* get('/'), '200 +0.01')
  })
})

t.test('a Redis that is always too slow costs one request a second its deadline, and the log one line', async (t) => {
  const redis = new FakeRedis()
  redis.delay = 0.06
  await story(limitedBy(redis, { whenAway: 'open', rate: 100_000 })(ok), function* ({ get, log, until }) {
    const waited: string[] = []
    for (let step = 0; step < 500; step++) {
      yield* until(step / 50)
      waited.push(yield* get('/'))
    }
    const slow = waited.filter((told) => told !== '200').length
    t.ok(slow >= 13 && slow <= 15, `${slow} waited`)
    t.equal(log.of('warn').length, 1)
  })
})

t.test('a client that is not connected is asked only while Redis is not taken to be away', async (t) => {
  const redis = new FakeRedis()
  redis.isReady = false
  redis.delay = Infinity
  await story(limitedBy(redis, { whenAway: 'open' })(ok), function* ({ get, log, until }) {
    for (let second = 0; second < 60; second++) {
      yield* until(second)
      yield* repeated(10, () => get('/'))
    }
    t.equal(redis.asked.length, 5)
    redis.isReady = true
    redis.delay = 0
    yield* until(62)
    yield* repeated(10, () => get('/'))
    t.equal(redis.asked.length, 6)
    t.strictSame([...log.of('warn'), ...log.of('info').slice(-1)].map(({ message }) => message), ['rateLimit: Redis is away', 'rateLimit: Redis is back'])
  })
})

t.test('limits with the same client find out together', async (t) => {
  const redis = new FakeRedis()
  redis.error = new Error('down')
  await story(limitedBy(redis, { whenAway: 'open' })(limitedBy(redis, { whenAway: 'open', prefix: 'other:' })(ok)), function* ({ get, log }) {
    t.strictSame(yield* repeated(4, () => get('/')), ['200 +0.002', '200 +0.002', '200 +0.001', '200'])
    t.equal(log.of('warn').length, 1)
  })
})

t.test('while Redis is away: limited by the process, let through, or 503', async (t) => {
  for (const [whenAway, expected] of [
    [null, ['200 +0.001', '200', '200', '429 10']],
    ['local', ['200 +0.001', '200', '200', '429 10']],
    ['open', ['200 +0.001', '200', '200', '200']],
    ['closed', ['200 +0.001', '503 1', '503 1', '503 1']],
  ] as const) {
    const redis = new FakeRedis()
    await story(limitedBy(redis, { whenAway, per: 10, burst: 3, key: () => '' })(ok), function* ({ get }) {
      // What Redis told before counts.
      const told = [yield* get('/')]
      redis.error = new Error('down')
      redis.delay = 0
      told.push(...yield* repeated(3, () => get('/')))
      t.strictSame(told, expected, String(whenAway))
    })
  }
  const redis = new FakeRedis()
  redis.error = new Error('down')
  await virtually({}, limitedBy(redis, { whenAway: 'closed', format: 'problem' })(ok), function* ({ server }) {
    const response = yield* inject(server, { path: '/' })
    t.strictSame([response.headers['content-type'], response.text()], ['application/problem+json', '{"title":"Service Unavailable","status":503}'])
  })
})

t.test('a client that leaves while Redis is asked: the handler does not run, and nothing is left behind', async (t) => {
  const redis = new FakeRedis()
  redis.delay = 0.04
  redis.error = new Error('too late for anyone')
  let calls = 0
  await virtually({}, limitedBy(redis)(() => `${++calls}`), function* ({ connect, log }) {
    const client = yield* connect('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    yield* lev.sleep(0.02)
    t.equal(redis.asked.length, 1)
    client.stream.reset()
    yield* lev.sleep(0.01)
    t.strictSame(log.statuses(), [499])
    yield* lev.sleep(1)
    t.strictSame(log.of('error'), [])
  })
  t.equal(calls, 0)
})

t.test('clients that leave do not keep Redis away', async (t) => {
  const redis = new FakeRedis()
  redis.error = new Error('down')
  await virtually({}, limitedBy(redis, { whenAway: 'closed', rate: 5 })(ok), function* ({ connect, server, log }) {
    for (let count = 0; count < 5; count++) yield* inject(server, { path: '/' })
    redis.error = null
    yield* lev.sleep(1.1)
    redis.delay = 0.01
    const client = yield* connect('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    yield* lev.sleep(0.005)
    client.stream.reset()
    yield* lev.sleep(0.01)
    yield* realTurn()
    t.equal(redis.asked.length, 6)
    t.equal((yield* inject(server, { path: '/' })).status, 200)
    t.equal(log.of('info').at(-1)?.message, 'rateLimit: Redis is back')
  })
})

t.test('the script is sent when Redis does not know it, unless it is too late', async (t) => {
  const redis = new FakeRedis()
  redis.scripts = false
  await story(limitedBy(redis, { whenAway: 'closed', rate: 5 })(ok), function* ({ get, until }) {
    t.strictSame(yield* repeated(2, () => get('/')), ['200 +0.001', '200 +0.001'])
    t.strictSame(redis.commands.splice(0), ['evalSha', 'eval', 'evalSha'])
    redis.scripts = false
    redis.delay = 0.1
    t.equal(yield* get('/'), '503 1 +0.05')
    yield* until(1)
    t.strictSame(redis.commands, ['evalSha'])
  })
})

t.test('keys have one length, whatever clients send, and differ by key, prefix and rate', async (t) => {
  const redis = new FakeRedis()
  const keys = ['', 'a', 'b', '\r\nFLUSHALL\r\n', 'x'.repeat(8000), '{tag}', 'ä']
  const limits: readonly Options[] = [{ rate: 2 }, { rate: 3 }, { rate: 2, per: 2 }, { rate: 2, burst: 3 }, { rate: 2, prefix: 'b:' }]
  for (const options of limits) {
    let at = 0
    await story(limitedBy(redis, { ...options, key: () => keys[at++] })(ok), function* ({ get }) {
      yield* repeated(keys.length, () => get('/'))
    })
  }
  const names = new Set(redis.asked.map(({ key }) => key))
  t.strictSame([...names].filter((name) => !/^(?:test|b):[\w-]{22}$/.test(name)), [])
  t.equal(names.size, keys.length * limits.length)
})

t.test('replies of clients that give integers as text or bigint; other replies are failures', async (t) => {
  for (const [reply, expected] of [
    [['1', '0'], '200'], [[1n, 0n], '200'], [['0', '2000000'], '429 2'],
    [null, '503 1'], [[], '503 1'], [[2, 0], '503 1'], [[1, -1], '503 1'], [[1, 'x'], '503 1'], ['10', '503 1'],
  ] as const) {
    const client = { status: 'ready', evalsha: () => Promise.resolve(reply), eval: () => Promise.resolve(reply) }
    await story(limitedBy(client, { whenAway: 'closed' })(ok), function* ({ get }) {
      t.equal(yield* get('/'), expected)
    })
  }
  const throwing = { evalSha: () => { throw new Error('closed') }, eval: () => Promise.resolve() }
  await story(limitedBy(throwing, { whenAway: 'closed' })(ok), function* ({ get }) {
    t.equal(yield* get('/'), '503 1')
  })
})

t.test('the local level is never above the shared one, also when there are more keys than it has room for', async (t) => {
  const budgets = new Budgets({ rate: 1, per: 1, burst: 10 }, 1)
  for (let index = 0; index < 2000; index++) budgets.raise(`key ${index}`, 9.5e6, 0, 0)
  t.equal(budgets.check('new', 1, 0), 0)
  budgets.raise('new', 1e6, 0, 0)
  t.equal(budgets.check('new', 9, 0), 0)
  t.ok(budgets.check('new', 10, 0) > 0)
  // An older reply that comes later does not lower it.
  budgets.raise('new', 5e6, 1, 1)
  budgets.raise('new', 2e6, 0, 1)
  t.equal(budgets.check('new', 5, 1), 0)
  t.equal(budgets.check('new', 6, 1), 1)
})

const client = new FakeRedis()
const mistakes: readonly [shared: unknown, message: RegExp][] = [
  ['redis', /^shared must be an object with client and prefix, got "redis"/],
  [{ prefix: 'a' }, /^shared.client must be a client of the package redis or ioredis, got undefined/],
  [{ client: {}, prefix: 'a' }, /^shared.client must be a client of the package redis or ioredis, got an object/],
  [{ client }, /^shared.prefix must be the start of keys such as "login:", up to 100 characters, got undefined/],
  [{ client, prefix: '' }, /^shared.prefix must be/],
  [{ client, prefix: 'a b' }, /^shared.prefix must be/],
  [{ client, prefix: 'a'.repeat(101) }, /^shared.prefix must be/],
  [{ client, prefix: 'a', whenAway: 'close' }, /^shared.whenAway must be one of "local", "open", "closed", got "close" \(did you mean "closed"\?\)/],
  [{ client, prefix: 'a', deadline: 50 }, /^shared.deadline must be a number from 0.001 to 10 \(seconds\), got 50/],
  [{ client, prefix: 'a', timeout: 1 }, /shared.timeout/],
]

t.test('mistakes in the options', async (t) => {
  for (const [shared, message] of mistakes) {
    try {
      rateLimit({ rate: 1, shared: shared as SharedOptions })
      t.fail(JSON.stringify(shared))
    } catch (error) {
      t.type(error, ArgumentError)
      t.match((error as Error).message, message)
    }
  }
  t.type(rateLimit({ rate: 1, shared: null }), 'function')
})

t.test('a server that does not reply is found to be away, even if every client leaves before the deadline', async (t) => {
  const redis = new FakeRedis()
  redis.delay = Infinity
  await virtually({}, limitedBy(redis, { deadline: 2 })(ok), function* ({ connect, server, log }) {
    for (let count = 0; count < 5; count++) {
      const client = yield* connect('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      yield* lev.sleep(0.5)
      client.stream.reset()
    }
    t.strictSame(log.of('warn'), [])
    yield* lev.sleep(3)
    t.strictSame(log.of('warn'), [{ error: 'no reply within 2 s', message: 'rateLimit: Redis is away' }])
    const sent = lev.now()
    yield* inject(server, { path: '/' })
    yield* inject(server, { path: '/' })
    t.equal(lev.now(), sent + 2, 'one of them asks, the other is limited by the process')
  })
})
