// Limits in a redis-server, with the clients of both packages.
import { performance } from 'node:perf_hooks'
import * as ioredis from 'ioredis'
import * as redis from 'redis'
import t, { type Test } from 'tap'
import * as server from '../../../../lib/index.js'
import { inject } from '../../../../lib/web/inject/index.js'
import { rateLimit, type RateLimitOptions, type RedisClient, type SharedOptions } from '../../../../lib/web/limits/index.js'
import { keptLog, type KeptLog } from '../../../support/kept-log.js'
import { needsRedis, redisClients, RedisServer, type TestClient } from '../../../support/redis.js'
import { Running } from '../../../support/workers-program.js'

const kinds = Object.keys(redisClients) as (keyof typeof redisClients)[]

/** One process of a service: its statuses, and what it logs. */
class Service {
  readonly log: KeptLog = keptLog()
  readonly statuses: number[] = []
  readonly #server: server.Server

  constructor(client: RedisClient, { whenAway, deadline, ...options }: RateLimitOptions & Partial<Pick<SharedOptions, 'whenAway' | 'deadline'>>) {
    this.#server = server.new({ logger: this.log }, rateLimit({ ...options, shared: { client, prefix: 'test:', whenAway, deadline } })(() => 'hello'))
  }

  async get(): Promise<number> {
    const { status } = await inject(this.#server, { path: '/' })
    this.statuses.push(status)
    return status
  }

  /** Makes requests, some at a time, until `isOver`. */
  async load(isOver: () => boolean, atOnce = 8): Promise<void> {
    await Promise.all(Array.from({ length: atOnce }, async () => {
      while (!isOver()) {
        await this.get()
        // The replies of Redis are read between turns.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }))
  }

  /** Makes requests until one has this status. */
  async until(status: number): Promise<void> {
    while (await this.get() !== status) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  count(status: number): number {
    return this.statuses.filter((one) => one === status).length
  }

  get warnings(): unknown[] {
    return this.log.of('warn').map(({ message }) => message)
  }

  get news(): unknown[] {
    return this.log.of('info').map(({ message }) => message)
  }
}

/** Runs a test with each client, all at the same time, each with a redis-server of its own. */
function withEach(name: string, test: (t: Test, redis: RedisServer, connect: () => Promise<TestClient>) => Promise<void>): void {
  void t.test(name, needsRedis, async (t) => {
    await Promise.all(kinds.map(async (kind) => {
      const redis = await new RedisServer(t).start()
      await test(t, redis, () => redisClients[kind](t, redis.path))
    }))
  })
}

t.test('clients of every kind are accepted, and none is made to connect', async (t) => {
  const client = redis.createClient()
  const clients: readonly RedisClient[] = [
    client, client.duplicate(), redis.createClientPool(), redis.createCluster({ rootNodes: [{}] }),
    redis.createSentinel({ name: 'a', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }),
    new ioredis.Redis({ lazyConnect: true }), new ioredis.Cluster([], { lazyConnect: true }),
  ]
  for (const client of clients) t.type(rateLimit({ rate: 1, shared: { client, prefix: 'a' } }), 'function')
})

t.test('workers share one budget exactly, and end as their client is closed', needsRedis, async (t) => {
  const { path } = await new RedisServer(t).start()
  const running = new Running(t, `
    import { createClient } from ${JSON.stringify(import.meta.resolve('redis'))}
    import { rateLimit } from ${JSON.stringify(new URL('../../../../lib/web/limits/index.js', import.meta.url).href)}
    const client = createClient({ socket: { path: ${JSON.stringify(path)}, tls: false } })
    const limited = rateLimit({ rate: 1, per: 3600, burst: 100, shared: { client, prefix: 'test:', whenAway: 'closed', deadline: 10 } })
    await workers.run(async () => {
      await client.connect()
      return server.new({ port: 0, log_level: 'info' }, limited(() => String(workers.number)))
    }, { count: 2 })
    client.destroy()`)
  const url = await running.url()
  await running.workers(2)
  const told: string[] = []
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let count = 0; count < 20; count++) {
      const response = await fetch(url, { headers: { connection: 'close' } })
      told.push(response.status === 200 ? await response.text() : String(response.status))
    }
  }))
  // Mostly of both; which one accepts a connection is the system's choice.
  t.equal(told.filter((text) => text === '1' || text === '2').length, 100)
  t.equal(told.filter((text) => text === '429').length, 60)
  running.child.kill('SIGTERM')
  t.strictSame(await running.ended, [0, null])
})

withEach('two processes share one budget', async (t, _redis, connect) => {
  // So slow that a process which is held up for seconds loses nothing of it.
  const [rate, burst] = [50, 300]
  const options: RateLimitOptions & { deadline: number } = { rate, burst, deadline: 10 }
  const services = [new Service((await connect()).client, options), new Service((await connect()).client, options)]
  const began = performance.now()
  await services[0].get()
  const first = performance.now()
  const isOver = (): boolean => performance.now() - began > 1500
  await Promise.all(services.map((service) => service.load(isOver)))
  // What has come back since the last request of the load.
  let last = performance.now()
  while (await services[0].get() === 200) last = performance.now()
  const ended = performance.now()
  const granted = services.reduce((sum, service) => sum + service.count(200), 0)
  const [least, most] = [burst + rate * (last - first) / 1000, burst + rate * (ended - began) / 1000].map(Math.floor)
  t.ok(granted >= least * 0.99 && granted <= most * 1.01, `${granted} of ${least} to ${most}`)
  t.ok(services.every((service) => service.count(200) > 0))
  t.equal(services.reduce((sum, service) => sum + service.statuses.length - service.count(200) - service.count(429), 0), 0)
})

withEach('flushed under load: the script is sent again, and budgets begin anew', async (t, _redis, connect) => {
  const { client, command } = await connect()
  const service = new Service(client, { rate: 100_000, whenAway: 'closed', deadline: 10 })
  let isOver = false
  const load = service.load(() => isOver)
  const someMore = async (): Promise<void> => {
    const enough = service.statuses.length + 200
    while (service.statuses.length < enough) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  for (const flush of ['SCRIPT FLUSH', 'FLUSHALL', 'SCRIPT FLUSH ASYNC']) {
    await someMore()
    const [name, ...args] = flush.split(' ')
    await command(name, ...args)
  }
  await someMore()
  isOver = true
  await load
  t.strictSame([...new Set(service.statuses)], [200])
  t.strictSame(service.warnings, [])
})

for (const [how, away, back] of [
  ['killed', (redis: RedisServer) => redis.kill(), (redis: RedisServer) => redis.start()],
  ['paused', (redis: RedisServer) => redis.pause(), (redis: RedisServer) => redis.resume()],
] as const) {
  withEach(`${how} under load: 503 until it is back`, async (t, redis, connect) => {
    const { client } = await connect()
    const service = new Service(client, { rate: 100_000, whenAway: 'closed' })
    await service.until(200)
    let isOver = false
    const load = service.load(() => isOver, 2)
    await away(redis)
    await service.until(503)
    while (service.warnings.length === 0) await service.get()
    await back(redis)
    await service.until(200)
    isOver = true
    await load
    t.strictSame([...new Set(service.statuses)].sort(), [200, 503])
    t.strictSame(service.warnings, ['rateLimit: Redis is away'])
    t.strictSame(service.news, ['rateLimit: Redis is back'])
  })
}

withEach('killed: the process limits by itself, from what it knows', async (t, redis, connect) => {
  const { client } = await connect()
  const service = new Service(client, { rate: 1, per: 3600, burst: 10 })
  for (let count = 0; count < 6; count++) await service.get()
  await redis.kill()
  for (let count = 0; count < 6; count++) await service.get()
  t.strictSame(service.statuses, [...Array<number>(10).fill(200), 429, 429])
})

withEach('a client that is not connected any more', async (t, _redis, connect) => {
  const { client } = await connect()
  const service = new Service(client, { rate: 5, whenAway: 'open' })
  t.equal(await service.get(), 200)
  if ('destroy' in client && typeof client.destroy === 'function') client.destroy()
  else if ('disconnect' in client && typeof client.disconnect === 'function') client.disconnect()
  for (let count = 0; count < 20; count++) await service.get()
  t.equal(service.count(200), 21)
  t.equal(service.warnings.length, 1)
})
