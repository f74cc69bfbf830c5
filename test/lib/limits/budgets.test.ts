// The budgets beside an exact model, and how much memory they take.
import t from 'tap'
import { Budgets, type Rate } from '../../../lib/limits/budgets.js'
import { randomFrom, seed, type Random } from '../../support/seed.js'

/** A bucket of tokens in whole numbers of any size: what it holds times the microseconds of `per`. */
class Bucket {
  readonly #rate: bigint
  readonly #unit: bigint
  readonly #size: bigint
  #tokens: bigint
  #time = 0

  constructor({ rate, per, burst }: Rate) {
    this.#rate = BigInt(rate)
    this.#unit = BigInt(Math.round(per * 1e6))
    this.#tokens = this.#size = BigInt(burst) * this.#unit
  }

  /** Microseconds until there is enough; Infinity: never. */
  take(cost: number, time: number): number {
    const gained = this.#tokens + BigInt(Math.max(0, time - this.#time)) * this.#rate
    this.#tokens = gained > this.#size ? this.#size : gained
    this.#time = time
    const missing = BigInt(cost) * this.#unit - this.#tokens
    if (missing > 0n) return BigInt(cost) * this.#unit > this.#size ? Infinity : Number((missing + this.#rate - 1n) / this.#rate)
    this.#tokens = -missing
    return 0
  }

  get remaining(): number {
    return Number(this.#tokens / this.#unit)
  }
}

const rates: readonly Rate[] = [
  { rate: 1, per: 1, burst: 1 },
  { rate: 3, per: 1, burst: 3 },
  { rate: 10, per: 1, burst: 50 },
  { rate: 7, per: 60, burst: 20 },
  { rate: 100_000, per: 0.001, burst: 100_000 },
  { rate: 99_991, per: 86_400, burst: 100_000 },
  { rate: 5, per: 3600, burst: 1 },
]

/** A step of the clock in microseconds: mostly within what the rate gives back. */
function stepOf({ rate, per, burst }: Rate, random: Random): number {
  const one = per * 1e6 / rate
  return Math.round(random.pick([0, 0, random() * one, one, one + 1, random() * one * burst, random() * 1e10, -random() * one]))
}

t.test('grants, waits and what is left are those of the model', async (t) => {
  for (const [index, rate] of rates.entries()) {
    const random = randomFrom(seed * 100 + index)
    const budgets = new Budgets(rate, 1000)
    const buckets = new Map(['', 'a', 'b', '\u{1f407}'].map((key) => [key, new Bucket(rate)]))
    let time = 0
    const differences = Array.from({ length: 4000 }, () => {
      time = Math.max(0, time + stepOf(rate, random))
      const key = random.pick([...buckets.keys()])
      const cost = random.pick([0, 1, 1, 1, 2, rate.burst, rate.burst + 1, random.below(rate.burst)])
      const bucket = buckets.get(key)
      const expected = bucket?.take(cost, time)
      const got = Math.round(budgets.take(key, cost, time / 1e6) * 1e6)
      return [got === expected && budgets.remaining === bucket?.remaining, { time, key, cost, got, expected, remaining: budgets.remaining }] as const
    }).filter(([isSame]) => !isSame)
    t.strictSame(differences, [], `seed ${seed}, ${JSON.stringify(rate)}`)
  }
})

t.test('after the time to wait there is enough, and a microsecond before there is not', async (t) => {
  const random = randomFrom(seed)
  for (const rate of rates) {
    const wrong = Array.from({ length: 200 }, () => {
      const time = random.below(1e9)
      const cost = 1 + random.below(rate.burst)
      const [early, late] = [new Budgets(rate, 1), new Budgets(rate, 1)]
      const [wait] = [early, late].map((budgets) => {
        budgets.take('a', rate.burst, time / 1e6)
        return Math.round(budgets.take('a', cost, time / 1e6) * 1e6)
      })
      const refused = early.take('a', cost, (time + wait - 1) / 1e6)
      const granted = late.take('a', cost, (time + wait) / 1e6)
      return { time, cost, wait, refused, granted }
    }).filter(({ refused, granted }) => refused === 0 || granted !== 0)
    t.strictSame(wrong, [], `seed ${seed}, ${JSON.stringify(rate)}`)
  }
})

t.test('refill tells when the budget is full', async (t) => {
  const budgets = new Budgets({ rate: 10, per: 1, burst: 20 }, 1)
  budgets.take('a', 15, 0)
  t.equal(budgets.refill, 1.5)
  budgets.take('a', 0, 1)
  t.equal(budgets.refill, 0.5)
  budgets.take('a', 0, 1.5)
  t.equal(budgets.refill, 0)
})

t.test('as many keys as are promised have budgets of their own, and the table grows with them', async (t) => {
  const keys = 100_000
  const budgets = new Budgets({ rate: 1, per: 3600, burst: 2 }, keys)
  t.ok(budgets.bytes < 4096, 'small at first')
  for (let index = 0; index < keys; index++) budgets.take(`10.${index >> 16}.${index >> 8 & 255}.${index & 255}`, 1, 0)
  t.ok(budgets.bytes <= keys * 64, 'bounded')
  let early = 0
  let late = 0
  for (let index = 0; index < keys; index++) {
    const key = `10.${index >> 16}.${index >> 8 & 255}.${index & 255}`
    if (budgets.take(key, 1, 0) !== 0) early++
    if (budgets.take(key, 1, 0) === 0) late++
  }
  t.equal(late, 0)
  // One set of the table may be full before the others.
  t.ok(early <= 5, `${early} were limited too early`)
})

t.test('more keys than there is room for get no more than their budgets, and take no more memory', async (t) => {
  const random = randomFrom(seed)
  const rate = { rate: 2, per: 1, burst: 5 }
  const budgets = new Budgets(rate, 100)
  const buckets = Array.from({ length: 5000 }, () => new Bucket(rate))
  let [time, excess, granted] = [0, 0, 0]
  for (let count = 0; count < 100_000; count++) {
    time += random.below(50)
    // A few keys are busy, the others a flood.
    const index = random.below(random.pick([10, 5000]))
    if (budgets.take(String(index), 1, time / 1e6) !== 0) continue
    granted++
    if (buckets[index].take(1, time) !== 0) excess++
  }
  t.equal(excess, 0, `seed ${seed}`)
  t.ok(granted > 100, 'some were granted')
  t.ok(budgets.bytes <= 256 * 24)
})

t.test('a flood of new keys does not give a busy key its budget back', async (t) => {
  const budgets = new Budgets({ rate: 1, per: 60, burst: 10 }, 1000)
  t.equal(budgets.take('busy', 10, 0), 0)
  for (let index = 0; index < 20_000; index++) budgets.take(`flood ${index}`, 1, 1)
  t.ok(budgets.take('busy', 1, 1) > 0)
})

t.test('keys that are quiet make room', async (t) => {
  const budgets = new Budgets({ rate: 1, per: 1, burst: 1 }, 100_000)
  let refused = 0
  for (let index = 0; index < 50_000; index++) if (budgets.take(String(index), 1, index / 50) !== 0) refused++
  t.equal(refused, 0)
  t.ok(budgets.bytes < 100_000, 'the table holds those of the last second')
})
