import { hash } from 'node:crypto'
import type { Op } from '../../../lev/index.js'
import { callAt, messageOf, PromiseWait, runningTask } from '../../../lev/internal.js'
import type { Logger } from '../../log/logger.js'
import { Breaker } from './breaker.js'
import { budgetScript, budgetScriptSha } from './budget-script.js'
import type { Budgets, Rate } from '../../limits/budgets.js'
import { isUnknownScript, type ScriptRunner } from './redis-client.js'
import type { SharedRules } from './options.js'

/** One breaker for each client, so that the log tells once that its server is away. */
const breakers = new WeakMap<object, Breaker>()

function breakerOf({ client }: ScriptRunner): Breaker {
  const breaker = breakers.get(client) ?? new Breaker()
  breakers.set(client, breaker)
  return breaker
}

/** Budgets in Redis. The local ones keep what the replies tell: a lower bound of each level. */
export class SharedBudgets {
  readonly #budgets: Budgets
  readonly #rules: SharedRules
  readonly #breaker: Breaker
  readonly #rate: string

  constructor(budgets: Budgets, rules: SharedRules, { rate, per, burst }: Rate) {
    this.#budgets = budgets
    this.#rules = rules
    this.#breaker = breakerOf(rules.runner)
    this.#rate = `${rate} ${per} ${burst} `
  }

  /**
   * Takes `cost` from the budget of `key` in Redis. Returns 0, or the seconds after which the budget has enough; null if Redis
   * is away.
   * @param cost an integer from 0 that the budget can have
   */
  *take(key: string, cost: number, logger: Logger): Op<number | null> {
    const { loop } = runningTask('rateLimit')
    const sent = loop.now
    const { deadline } = this.#rules
    const breaker = this.#breaker
    if (!this.#begin(sent)) return null
    let isLate = false
    const failed = (error: unknown, isSilent = false): void => {
      if (breaker.fail(loop.now, isSilent)) logger.warn({ error: messageOf(error) }, 'rateLimit: Redis is away')
    }
    const isInTime = (): boolean => {
      forgetDeadline()
      if (isLate) breaker.hear(sent, loop.now)
      return !isLate
    }
    // What comes late has no listener but these two.
    const reply = this.#ask(key, cost, () => isLate).then((reply) => {
      if (isInTime() && breaker.succeed()) logger.info('rateLimit: Redis is back')
      return reply
    }, (error: unknown) => {
      if (isInTime()) failed(error)
      return null
    })
    const wait = new PromiseWait(reply, false)
    // Also of a request that is cancelled: its client may leave before the deadline, as all others may.
    const forgetDeadline = callAt(sent + deadline, () => {
      isLate = true
      failed(`no reply within ${deadline} s`, true)
      wait.interrupt()
    }, false)
    const told = (yield wait) as Reply | null | undefined ?? null
    if (told === null) return null
    this.#budgets.raise(key, told.level, sent, loop.now)
    return told.isGranted ? 0 : this.#budgets.waitAt(told.level, cost * this.#budgets.unit)
  }

  /** Whether Redis may be asked. While it is away a client that is not connected keeps commands, and would send them all later. */
  #begin(now: number): boolean {
    const { isAway } = this.#breaker
    if (!this.#breaker.begin(now)) return false
    if (!isAway || this.#rules.runner.isReady()) return true
    this.#breaker.fail(now, false)
    return false
  }

  /** @throws what the client rejects with; Error for a reply of another form */
  async #ask(key: string, cost: number, isLate: () => boolean): Promise<Reply> {
    const { runner, prefix } = this.#rules
    const { unit, full, drain } = this.#budgets
    // A key of one length, in which no client has chosen a byte; with the rate, since levels of other rates mean something else.
    const name = prefix + hash('sha256', this.#rate + key, 'base64url').slice(0, 22)
    const args = [cost * unit, full, drain].map(String)
    try {
      return replyOf(await runner.runBySha(budgetScriptSha, name, args))
    } catch (error) {
      if (!isUnknownScript(error) || isLate()) throw error
      return replyOf(await runner.run(budgetScript, name, args))
    }
  }
}

/** The reply of the script. */
interface Reply {
  readonly isGranted: boolean
  readonly level: number
}

/** Clients may be set to give integers as text or as bigint. */
function replyOf(value: unknown): Reply {
  const [granted, level] = Array.isArray(value) && value.length === 2 ? value.map(Number) : []
  if (granted !== 0 && granted !== 1 || !Number.isSafeInteger(level) || level < 0) throw new Error('not the reply of the script')
  return { isGranted: granted === 1, level }
}
