import { asArguments, optionsOf } from '../../config/arguments.js'
import { integer, number, oneOf, refuse, show, type Check } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import type { WrappedRequest } from '../wrap.js'
import type { Rate } from '../../limits/budgets.js'
import { rateChecks } from '../../limits/rate-checks.js'
import { clientNetwork } from '../../peer/client-network.js'
import { scriptRunner, type RedisClient, type ScriptRunner } from './redis-client.js'

/** Options of `rateLimit`; all but `rate` are optional. */
export interface RateLimitOptions {
  /** Requests in `per` seconds, on average: an integer from 1 to 100,000. */
  readonly rate: number
  /** Seconds, from 0.001 to 86,400. Default: 1. */
  readonly per?: number | null | undefined
  /** Requests at once, after a time without any: an integer from 1 to 100,000. Default: `rate`. */
  readonly burst?: number | null | undefined
  /** What a request counts as: an integer from 0, or a function that returns one. Default: 1. */
  readonly cost?: number | ((request: WrappedRequest) => number) | null | undefined
  /**
   * Returns whose budget a request is taken from; null: it is not limited.
   * Default: `clientNetwork(ctx.client_ip, ctx.cfg.client_ipv6_prefix)`.
   */
  readonly key?: ((request: WrappedRequest) => string | null) | null | undefined
  /** How many keys have a budget of their own at once, from 1 to 10,000,000; a key takes about 60 bytes. Default: 100,000. */
  readonly keys?: number | null | undefined
  /** The content of a 429: a line of text, or a problem (RFC 9457). Default: "text". */
  readonly format?: 'text' | 'problem' | null | undefined
  /** The name under which responses tell of the limit, in the fields `RateLimit-Policy` and `RateLimit`. Default: they do not. */
  readonly policy?: string | null | undefined
  /** Where budgets are shared with other processes and machines. Default: they are those of this process. */
  readonly shared?: SharedOptions | null | undefined
}

/** Budgets in Redis or Valkey. */
export interface SharedOptions {
  /** Of the package `redis` or `ioredis`; the program connects and closes it. */
  readonly client: RedisClient
  /**
   * How the keys in Redis begin: limits with the same prefix and the same rate share their budgets. 1 to 100 characters of ASCII,
   * without spaces.
   */
  readonly prefix: string
  /** What happens while Redis is away: each process limits by itself, lets all requests through, or sends 503. Default: "local". */
  readonly whenAway?: 'local' | 'open' | 'closed' | null | undefined
  /** Seconds that a request waits for Redis, from 0.001 to 10. Default: 0.05. */
  readonly deadline?: number | null | undefined
}

/** The options of `shared`, checked, with the defaults. */
export interface SharedRules {
  readonly runner: ScriptRunner
  readonly prefix: string
  readonly whenAway: 'local' | 'open' | 'closed'
  readonly deadline: number
}

/** The options, checked, with the defaults. */
export interface RateLimitRules extends Rate {
  readonly keys: number
  readonly format: 'text' | 'problem'
  /** The name as a string of Structured Fields (RFC 9651); null: the fields are not sent. */
  readonly policy: string | null
  /** Null: the budgets are those of the process. */
  readonly shared: SharedRules | null
  /** The key of a request. @throws ArgumentError for another value of the option's function */
  keyOf(request: WrappedRequest): string | null
  /** The cost of a request. @throws ArgumentError for another value of the option's function */
  costOf(request: WrappedRequest): number
}

const known = ['rate', 'per', 'burst', 'cost', 'key', 'keys', 'format', 'policy', 'shared']

const policyName: Check<string> = (value, key) => {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value) ? value : refuse(key, value, 'a name in printable ASCII')
}

const prefixOf: Check<string> = (value, key) => {
  return typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value) ? value : refuse(key, value, 'the start of keys such as "login:", up to 100 characters')
}

const sharedOf: Check<SharedRules> = (value, key) => {
  const given = optionsOf(value, key, 'an object with client and prefix', ['client', 'prefix', 'whenAway', 'deadline'], `${key}.`)
  const option = <T>(name: string, check: Check<T>, byDefault: T): T => given.has(name) ? check(given.get(name), `${key}.${name}`) : byDefault
  return {
    runner: scriptRunner(given.get('client'), `${key}.client`),
    prefix: prefixOf(given.get('prefix'), `${key}.prefix`),
    whenAway: option('whenAway', oneOf('local', 'open', 'closed'), 'local'),
    deadline: option('deadline', number(0.001, 10, 'seconds'), 0.05),
  }
}

const functionOf: Check<(request: WrappedRequest) => unknown> = (value, key) => {
  return typeof value === 'function' ? value as (request: WrappedRequest) => unknown : refuse(key, value, 'a function of the request')
}

/** @throws ArgumentError naming the option, the given value and the expected one */
export function rulesOf(options: RateLimitOptions): RateLimitRules {
  return asArguments(() => {
    const given = optionsOf(options, 'options', 'an object with rate', known)
    const option = <T>(name: string, check: Check<T>, byDefault: T): T => given.has(name) ? check(given.get(name), name) : byDefault
    const rate = rateChecks.rate(given.get('rate'), 'rate')
    const burst = option('burst', rateChecks.burst, rate)
    const policy = option<string | null>('policy', policyName, null)
    const cost = given.get('cost')
    return {
      rate,
      per: option('per', rateChecks.per, 1),
      burst,
      keys: option('keys', integer(1, 10_000_000), 100_000),
      format: option('format', oneOf('text', 'problem'), 'text'),
      policy: policy === null ? null : `"${policy.replace(/["\\]/g, '\\$&')}"`,
      shared: option<SharedRules | null>('shared', sharedOf, null),
      keyOf: option<RateLimitRules['keyOf'] | null>('key', keyOf, null) ?? (({ ctx }) => clientNetwork(ctx.client_ip, ctx.cfg.client_ipv6_prefix)),
      costOf: typeof cost === 'function' ? costOf(cost, 'cost') : always(option('cost', integer(0, burst, 'at most the burst'), 1)),
    }
  })
}

function always(cost: number): () => number {
  return () => cost
}

const keyOf: Check<RateLimitRules['keyOf']> = (value, name) => {
  const call = functionOf(value, name)
  return (request) => {
    const key = call(request)
    if (typeof key === 'string' || key === null) return key
    throw new ArgumentError(name, `${name} must return a string, or null for no limit; it gave ${show(key)}`)
  }
}

const costOf: Check<RateLimitRules['costOf']> = (value, name) => {
  const call = functionOf(value, name)
  return (request) => {
    const cost = call(request)
    if (Number.isSafeInteger(cost) && Number(cost) >= 0) return Number(cost)
    throw new ArgumentError(name, `${name} must return an integer from 0; it gave ${show(cost)}`)
  }
}
