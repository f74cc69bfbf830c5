import type { Op } from '../../../lev/index.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import { Context } from '../../request/context.js'
import type { Handler, ResponseParts } from '../../request/handler.js'
import { problem } from '../router/responses.js'
import { wrap, type Next, type WrappedRequest } from '../wrap.js'
import { pauseSeconds } from './breaker.js'
import { Budgets } from '../../limits/budgets.js'
import { rulesOf, type RateLimitOptions, type RateLimitRules, type SharedRules } from './options.js'
import { SharedBudgets } from './shared-budgets.js'

export { clientNetwork } from '../../peer/client-network.js'
export type { RateLimitOptions, SharedOptions } from './options.js'
export type { IoRedisClient, NodeRedisClient, RedisClient } from './redis-client.js'

/** Responds to a request that has so many seconds to wait. */
type Decide = (wait: number, next: Next) => ReturnType<Handler>

/**
 * Makes a wrapper that limits how many requests a client may make; the others get 429 (RFC 6585), with `Retry-After`. All handlers
 * that it wraps share the budgets: one route, those of a group, or the whole service.
 *
 * ```ts
 * const limited = rateLimit({ rate: 100, per: 60 })
 * const service = server.new(config, limited(handler))
 * ```
 * @throws ArgumentError naming the option, the given value and the expected one
 */
export function rateLimit(options: RateLimitOptions): (handler: Handler) => Handler {
  const rules = rulesOf(options)
  const budgets = new Budgets(rules, rules.keys)
  const { policy } = rules
  // The budget as a window: what it holds, and the time in which that comes back.
  const offered = `${policy};q=${rules.burst};w=${Math.ceil(rules.burst * rules.per / rules.rate)}`

  const decide: Decide = (wait, next) => {
    if (policy === null) return wait === 0 ? next() : tooMany(rules, wait)
    const left = `${policy};r=${budgets.remaining};t=${Math.ceil(budgets.refill)}`
    const told = ([content, status = 200, headers = {}]: Readonly<ResponseParts>): ResponseParts => {
      return [content, status, { ...headers, ...joined(headers, 'RateLimit-Policy', offered), ...joined(headers, 'RateLimit', left) }]
    }
    return wait === 0 ? next(told) : told(tooMany(rules, wait))
  }
  const { shared } = rules
  if (shared !== null) return sharing(rules, shared, budgets, decide)
  return (handler) => wrap(handler, (request, next) => {
    const key = rules.keyOf(request)
    if (key === null) return next()
    return decide(budgets.take(key, rules.costOf(request), Context.now(request.ctx)), next)
  })
}

/** @param decide calls the handler, or rejects if there are seconds to wait; tells what `budgets` has of the last key */
function sharing(rules: RateLimitRules, shared: SharedRules, budgets: Budgets, decide: Decide): (handler: Handler) => Handler {
  const inRedis = new SharedBudgets(budgets, shared, rules)

  function* ask({ ctx }: WrappedRequest, key: string, cost: number, next: Next): Op<ReturnType<Handler>> {
    const wait = yield* inRedis.take(key, cost, ctx.logger)
    if (wait !== null) return decide(wait, next)
    if (shared.whenAway === 'local') return decide(budgets.take(key, cost, Context.now(ctx)), next)
    return shared.whenAway === 'open' ? next() : unavailable(rules)
  }

  return (handler) => wrap(handler, (request, next) => {
    const key = rules.keyOf(request)
    if (key === null) return next()
    const cost = rules.costOf(request)
    const wait = budgets.check(key, cost, Context.now(request.ctx))
    return wait > 0 ? decide(wait, next) : ask(request, key, cost, next)
  })
}

function unavailable({ format }: RateLimitRules): ResponseParts {
  const headers = { 'Retry-After': pauseSeconds }
  return format === 'problem' ? problem({ status: 503 }, headers) : ['service unavailable\n', 503, headers]
}

/** @param wait seconds; Infinity if waiting is of no use */
function tooMany({ format }: RateLimitRules, wait: number): ResponseParts {
  const seconds = Math.ceil(wait)
  const headers: ResponseHeaders = wait === Infinity ? {} : { 'Retry-After': seconds }
  if (format === 'problem') return problem({ status: 429, detail: wait === Infinity ? null : `try again in ${seconds} s` }, headers)
  return ['too many requests\n', 429, headers]
}

/** A field with one more member: limits that wrap one another each tell of themselves. */
function joined(headers: ResponseHeaders, name: string, member: string): ResponseHeaders {
  const before = headers[name] ?? []
  return { [name]: [before, member].flat().map(String) }
}
