import { randomBytes } from 'node:crypto'
import { KeyedHash } from './keyed-hash.js'

/** How fast a budget refills, and how much it holds. */
export interface Rate {
  /** Requests of cost 1 that it gains in `per` seconds: an integer. */
  readonly rate: number
  /** Seconds. */
  readonly per: number
  /** Requests of cost 1 that a full budget allows at once: an integer. */
  readonly burst: number
}

/** Slots that a key may be in: so many that one set is rarely full before all are. */
const ways = 32
const firstSets = 4

/**
 * The budgets of many keys, by the generic cell rate algorithm (GCRA): a level rises by the cost of each request and sinks at the rate;
 * what would rise above the burst is rejected, and costs nothing. All numbers are integers below 2**53, so nothing is rounded but the
 * time, to microseconds.
 *
 * The memory is bounded: a hash of each key is kept in a table of sets, which grows to twice the number of keys and no further. A key
 * whose set is full takes the slot with the lowest level, and that level: mostly 0, the budget of a key that has been quiet, as good as
 * none. With more keys at once than the table has room for, a newcomer thus begins with less than a full budget; none ever gets more.
 */
export class Budgets {
  /** Units of the level that a request of cost 1 adds. */
  readonly unit: number
  /** Units by which the level sinks in a microsecond. */
  readonly drain: number
  /** The level at which a budget is used up. */
  readonly full: number
  readonly #mostSets: number
  readonly #hash: KeyedHash
  #sets = firstSets
  /** 52 bits of the hash of each slot's key, below a bit that is set; 0: the slot is free, and so are those after it in its set. */
  #keys = new Float64Array(firstSets * ways)
  #levels = new Float64Array(firstSets * ways)
  /** When the level was that, in microseconds. */
  #times = new Float64Array(firstSets * ways)
  /** The level of the last key. */
  #level = 0

  /** @param keys how many have budgets of their own at once */
  constructor({ rate, per, burst }: Rate, keys: number) {
    const microseconds = Math.round(per * 1e6)
    const divisor = commonDivisor(microseconds, rate)
    this.unit = microseconds / divisor
    this.drain = rate / divisor
    this.full = burst * this.unit
    this.#mostSets = Math.max(firstSets, 2 ** Math.ceil(Math.log2(2 * keys / ways)))
    const seed = randomBytes(8)
    this.#hash = new KeyedHash(seed.readInt32LE(0), seed.readInt32LE(4))
  }

  /** The memory of the table. */
  get bytes(): number {
    return 3 * 8 * this.#keys.length
  }

  /** The cost that the budget of the last key still allows, rounded down. */
  get remaining(): number {
    return Math.floor((this.full - this.#level) / this.unit)
  }

  /** Seconds until the budget of the last key is full again. */
  get refill(): number {
    return Math.ceil(this.#level / this.drain) / 1e6
  }

  /**
   * Takes `cost` from the budget of `key`. Returns 0, or the seconds after which the budget has enough; Infinity if it never has.
   * @param cost an integer from 0
   * @param now in seconds; if it is less than before, no time has passed
   */
  take(key: string, cost: number, now: number): number {
    const time = Math.round(now * 1e6)
    const slot = this.#slotOf(key, time)
    const level = this.#levels[slot]
    const added = cost * this.unit
    if (level > this.full - added) {
      this.#level = level
      return this.waitAt(level, added)
    }
    this.#level = this.#levels[slot] = level + added
    return 0
  }

  /** Like `take`, but takes nothing: a key that the table does not have is taken for quiet. */
  check(key: string, cost: number, now: number): number {
    const slot = this.#find(this.#hashOf(key))
    const level = this.#level = slot === null ? 0 : this.#levelAt(slot, Math.round(now * 1e6))
    const added = cost * this.unit
    return level > this.full - added ? this.waitAt(level, added) : 0
  }

  /**
   * Raises the budget's level to the one that it had at least at the time `then`. Unlike for `take`, a key that is new to a full set
   * does not inherit a level, so what the table has stays a lower bound.
   * @param now in seconds, not before `then`
   */
  raise(key: string, level: number, then: number, now: number): void {
    const time = Math.round(now * 1e6)
    const left = Math.max(0, level - (time - Math.floor(then * 1e6)) * this.drain)
    const found = this.#find(this.#hashOf(key))
    if (found !== null) this.#settle(found, Math.max(left, this.#levelAt(found, time)), time)
    else if (left > 0) this.#settle(this.#slotOf(key, time), left, time)
    this.#level = level
  }

  /** Seconds until a budget of this level, which `added` units would exceed, has enough; Infinity: never. */
  waitAt(level: number, added: number): number {
    return added > this.full ? Infinity : Math.ceil((level + added - this.full) / this.drain) / 1e6
  }

  /** 52 bits of the hash of a key, below a bit that is set. */
  #hashOf(key: string): number {
    this.#hash.update(key)
    const { low, high } = this.#hash
    return (high & 0xfffff | 0x100000) * 2 ** 32 + low
  }

  /** The slot of the key with this hash; null if it has none. */
  #find(hash: number): number | null {
    const first = (this.#hash.low & this.#sets - 1) * ways
    for (let slot = first; slot < first + ways; slot++) if (this.#keys[slot] === hash) return slot
    return null
  }

  /** The slot of a key, with its level at `time`. */
  #slotOf(key: string, time: number): number {
    const hash = this.#hashOf(key)
    const { low } = this.#hash
    for (;;) {
      const keys = this.#keys
      const first = (low & this.#sets - 1) * ways
      let lowest = first
      let least = Infinity
      for (let slot = first; slot < first + ways; slot++) {
        if (keys[slot] === hash) return this.#settle(slot, this.#levelAt(slot, time), time)
        if (keys[slot] !== 0) continue
        keys[slot] = hash
        return this.#settle(slot, 0, time)
      }
      for (let slot = first; slot < first + ways && least > 0; slot++) {
        const level = this.#levelAt(slot, time)
        if (level >= least) continue
        least = level
        lowest = slot
      }
      if (least === 0 || this.#sets === this.#mostSets) {
        keys[lowest] = hash
        return this.#settle(lowest, least, time)
      }
      this.#grow()
    }
  }

  #settle(slot: number, level: number, time: number): number {
    this.#levels[slot] = level
    this.#times[slot] = time
    return slot
  }

  #levelAt(slot: number, time: number): number {
    const passed = time - this.#times[slot]
    return passed > 0 ? Math.max(0, this.#levels[slot] - passed * this.drain) : this.#levels[slot]
  }

  /** Doubles the table: each set becomes two. */
  #grow(): void {
    const [keys, levels, times] = [this.#keys, this.#levels, this.#times]
    this.#sets *= 2
    this.#keys = new Float64Array(keys.length * 2)
    this.#levels = new Float64Array(keys.length * 2)
    this.#times = new Float64Array(keys.length * 2)
    for (let slot = 0; slot < keys.length; slot++) {
      if (keys[slot] === 0) continue
      // The remainder by 2**32 are the lower bits, of which the set is made.
      let free = (keys[slot] % 2 ** 32 & this.#sets - 1) * ways
      while (this.#keys[free] !== 0) free++
      this.#keys[free] = keys[slot]
      this.#levels[free] = levels[slot]
      this.#times[free] = times[slot]
    }
  }
}

function commonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
