// The script in Redis beside the local budgets: the same numbers at the same times.
import t, { type Test } from 'tap'
import { budgetScript } from '../../../../lib/web/limits/budget-script.js'
import { Budgets, type Rate } from '../../../../lib/limits/budgets.js'
import { needsRedis, redisClients, RedisServer, type TestClient } from '../../../support/redis.js'
import { randomFrom, seed } from '../../../support/seed.js'

/** The script with a clock of the test, in microseconds as its last argument, and with values that live as long as the test. */
const timed = `
local server = redis
local redis = { call = function(name, ...)
  if name == 'TIME' then return { math.floor(ARGV[4] / 1000000), ARGV[4] % 1000000 } end
  if name == 'SET' then return server.call('SET', (select(1, ...)), (select(2, ...))) end
  return server.call(name, ...)
end }
${budgetScript}`

async function connected(t: Test): Promise<TestClient> {
  return await redisClients.ioredis(t, (await new RedisServer(t).start()).path)
}

const rates: readonly Rate[] = [
  { rate: 1, per: 1, burst: 1 },
  { rate: 10, per: 1, burst: 50 },
  { rate: 7, per: 60, burst: 20 },
  { rate: 100_000, per: 0.001, burst: 100_000 },
  { rate: 99_991, per: 86_400, burst: 100_000 },
  { rate: 5, per: 3600, burst: 1 },
]

t.test('grants, levels and waits are those of the local budgets', needsRedis, async (t) => {
  const { command } = await connected(t)
  for (const [index, rate] of rates.entries()) {
    const random = randomFrom(seed * 100 + index)
    const budgets = new Budgets(rate, 1000)
    const one = rate.per * 1e6 / rate.rate
    let time = 1.7e15
    const steps = Array.from({ length: 500 }, () => {
      time += Math.round(random.pick([0, 0, random() * one, one, one + 1, random() * one * rate.burst, random() * 1e10]))
      const cost = random.pick([0, 1, 1, 1, 2, rate.burst, rate.burst + 1, random.below(rate.burst)])
      return { time, cost, key: random.pick(['a', 'b', 'c']) }
    })
    const replies = await Promise.all(steps.map(({ time, cost, key }) => {
      return command('EVAL', timed, '1', `${index}${key}`, ...[cost * budgets.unit, budgets.full, budgets.drain, time].map(String))
    })) as [number, number][]
    const different = steps.flatMap((step, index) => {
      const [granted, level] = replies[index]
      const wait = budgets.take(step.key, step.cost, step.time / 1e6)
      const remaining = Math.floor((budgets.full - level) / budgets.unit)
      const got = granted === 1 ? 0 : budgets.waitAt(level, step.cost * budgets.unit)
      const isSame = got === wait && remaining === budgets.remaining && Math.ceil(level / budgets.drain) / 1e6 === budgets.refill
      return isSame ? [] : [{ ...step, got, wait, remaining, locally: budgets.remaining }]
    })
    t.strictSame(different, [], `seed ${seed}, ${JSON.stringify(rate)}`)
    t.ok(replies.some(([granted]) => granted === 0) && replies.some(([granted]) => granted === 1))
  }
})

t.test('a clock that is set back lets no time pass, and counts on from there', needsRedis, async (t) => {
  const { command } = await connected(t)
  // A request every 10 seconds.
  const { unit, full, drain } = new Budgets({ rate: 1, per: 10, burst: 2 }, 1)
  const take = async (seconds: number): Promise<number> => {
    const [granted] = await command('EVAL', timed, '1', 'key', ...[unit, full, drain, seconds * 1e6].map(String)) as [number, number]
    return granted
  }
  const granted: number[] = []
  for (const seconds of [5000, 5000, 1000, 1009, 1010, 1010, 900, 910, 919, 920]) granted.push(await take(seconds))
  t.strictSame(granted, [1, 1, 0, 0, 1, 0, 0, 1, 0, 1])
})

t.test('a budget expires when it is full again; what is rejected, or costs nothing, writes nothing', needsRedis, async (t) => {
  const { command } = await connected(t)
  const { unit, full, drain } = new Budgets({ rate: 10, per: 60, burst: 5 }, 1)
  const take = (cost: number): Promise<unknown> => command('EVAL', budgetScript, '1', 'key', ...[cost * unit, full, drain].map(String))
  const stored = (): Promise<unknown> => command('GET', 'key')
  t.match(await take(0), [1, 0])
  t.equal(await stored(), null)
  t.match(await take(4), [1, 4 * unit])
  const value = await stored()
  // Of the 24 seconds that four requests take to come back, few can have passed.
  const left = Number(await command('PTTL', 'key'))
  t.ok(left > 0 && left <= 24_001, `${left} ms`)
  t.match(await take(2), [0])
  t.match(await take(0), [1])
  t.equal(await stored(), value)
})

t.test('a budget that is not full does not expire', needsRedis, async (t) => {
  const { command } = await connected(t)
  const { unit, full, drain } = new Budgets({ rate: 7, per: 3, burst: 50 }, 1)
  const early: unknown[] = []
  for (let count = 0; count < 40; count++) {
    await command('EVAL', budgetScript, '1', `key ${count}`, ...[unit, full, drain].map(String))
    const [level, time] = String(await command('GET', `key ${count}`)).split(' ').map(Number)
    const expires = 1000 * Number(await command('PEXPIRETIME', `key ${count}`))
    if (expires < time + level / drain || expires > time + level / drain + 3000) early.push({ level, time, expires })
  }
  t.strictSame(early, [])
})
