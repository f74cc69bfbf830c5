import { boolean, fieldsOf, integer, number, oneOf, refuse, type Check } from '../config/validators.js'
import { refuseUnknown } from '../config/check-fields.js'
import type { Rate } from '../limits/budgets.js'
import { rateChecks } from '../limits/rate-checks.js'
import { isToken, scheme } from '../http1/grammar.js'
import type { Agreement, Effort } from './deflate.js'
import type { Origins, Protocols } from './handshake.js'

/** Options of permessage-deflate. */
export type CompressionOptions = { readonly [K in keyof (Agreement & Effort)]?: (Agreement & Effort)[K] | null | undefined }

/** How fast the messages of a WebSocket are read; all but `rate` are optional. */
export interface MessageRate {
  /** Messages in `per` seconds, on average: an integer from 1 to 100,000. */
  readonly rate: number
  /** Seconds, from 0.001 to 86,400. Default: 1. */
  readonly per?: number | null | undefined
  /** Messages at once, after a time without any: an integer from 1 to 100,000. Default: `rate`. */
  readonly burst?: number | null | undefined
}

/** Options of a WebSocket; all are optional. */
export interface WebSocketOptions {
  /**
   * Subprotocols in order of preference: the first that the client offers too is used. Or a function that gets the client's
   * offers and returns one of them, or null. Default: none.
   */
  readonly protocols?: Protocols | null | undefined
  /**
   * Origins whose pages may connect: "same" (host and port are those of the request, and over TLS the scheme is https), a
   * list, "*" for all, or a function. Browsers always send an origin; a client that sends none may connect, unless a function
   * rejects it. Default: "same".
   */
  readonly origins?: Origins | null | undefined
  /** Maximum size of a received message, in bytes, decompressed; a larger one closes with 1009. Default: 1048576 (1 MiB). */
  readonly max_message_size?: number | null | undefined
  /** How fast messages are read: a peer that sends faster has to wait, by TCP; null: as fast as they are handled. Default: null. */
  readonly message_rate?: MessageRate | null | undefined
  /** Whether to use permessage-deflate (RFC 7692) if the peer supports it, or its options. Default: false. */
  readonly compression?: boolean | CompressionOptions | null | undefined
  /** Seconds without a byte from the peer after which a ping is sent; 0 for never. Default: 30. */
  readonly ping_interval?: number | null | undefined
  /** Seconds that the peer has to respond to a ping; after that the connection counts as lost, with 1006. Default: 15. */
  readonly pong_timeout?: number | null | undefined
  /**
   * Seconds that the peer has to respond to a close and to read unsent output, and that a handler has to end once its
   * WebSocket is closed. Default: 10.
   */
  readonly close_timeout?: number | null | undefined
  /** Maximum number of unsent bytes, beyond which `on_full` applies. Default: 1048576 (1 MiB). */
  readonly queue_limit?: number | null | undefined
  /** Whether a `send` beyond that waits ("wait"), or closes the WebSocket with 1008 ("close"). Default: "wait". */
  readonly on_full?: 'wait' | 'close' | null | undefined
}

/** The options of one WebSocket, complete and checked. */
export interface WebSocketRules {
  readonly protocols: Protocols
  readonly origins: Origins
  readonly max_message_size: number
  /** Null for no limit. */
  readonly message_rate: Rate | null
  /** Null for no compression. */
  readonly compression: (Agreement & Effort) | null
  readonly ping_interval: number
  readonly pong_timeout: number
  readonly close_timeout: number
  readonly queue_limit: number
  readonly on_full: 'wait' | 'close'
}

const GiB = 1024 ** 3

const compressionDefaults: Agreement & Effort = {
  server_no_context_takeover: true,
  client_no_context_takeover: true,
  server_max_window_bits: 15,
  client_max_window_bits: 15,
  level: 4,
  min_size: 1024,
}

const compressionChecks: { readonly [K in keyof (Agreement & Effort)]: Check<(Agreement & Effort)[K]> } = {
  server_no_context_takeover: boolean,
  client_no_context_takeover: boolean,
  server_max_window_bits: integer(8, 15),
  client_max_window_bits: integer(8, 15),
  level: integer(1, 9),
  min_size: integer(0, GiB, 'bytes'),
}

export const defaults: WebSocketRules = {
  protocols: [],
  origins: 'same',
  max_message_size: 1024 * 1024,
  message_rate: null,
  compression: null,
  ping_interval: 30,
  pong_timeout: 15,
  close_timeout: 10,
  queue_limit: 1024 * 1024,
  on_full: 'wait',
}

export const seconds = number(0.001, 3600, 'seconds')

export const checks: { readonly [K in keyof WebSocketRules]: Check<WebSocketRules[K]> } = {
  protocols: protocolsOf,
  origins: originsOf,
  max_message_size: integer(0, GiB, 'bytes'),
  message_rate: messageRateOf,
  compression: compressionOf,
  ping_interval: (value, key) => (value === 0 ? 0 : seconds(value, key)),
  pong_timeout: seconds,
  close_timeout: seconds,
  queue_limit: integer(1, GiB, 'bytes'),
  on_full: oneOf('wait', 'close'),
}

const known = new WeakMap<object, WebSocketRules>()

/**
 * Checks a user's options and completes them with the defaults. The result for each object is cached.
 * @param prefix the text before option names in errors
 * @throws ConfigError naming the option, the given value and the expected one
 */
export function rulesOf(options: WebSocketOptions | null | undefined, prefix = ''): WebSocketRules {
  if (options === undefined || options === null) return defaults
  const before = known.get(options)
  if (before !== undefined) return before
  const fields = fieldsOf(options, 'options', 'an object of WebSocket options')
  for (const name of fields.keys()) if (!Object.hasOwn(checks, name)) refuseUnknown(name, Object.keys(checks), prefix)
  const rules: WebSocketRules = Object.freeze(merged(defaults, checks, fields, prefix))
  known.set(options, rules)
  return rules
}

/** `base`, overridden by the checked `fields`. A null field is ignored, unless it is null in `base`. */
export function merged<T extends object>(
  base: T, table: { readonly [K in keyof T]: Check<T[K]> }, fields: ReadonlyMap<string, unknown>, prefix: string,
): T {
  const result = { ...base }
  for (const name of Object.keys(base) as (keyof T & string)[]) {
    const given = fields.get(name)
    if (given !== undefined && (given !== null || base[name] === null)) result[name] = table[name](given, prefix + name)
  }
  return result
}

function messageRateOf(value: unknown, key: string): Rate | null {
  if (value === null) return null
  const fields = fieldsOf(value, key, 'null or an object { rate, per, burst }')
  for (const name of fields.keys()) if (!Object.hasOwn(rateChecks, name)) refuseUnknown(name, Object.keys(rateChecks), `${key}.`)
  const rate = rateChecks.rate(fields.get('rate'), `${key}.rate`)
  return merged<Rate>({ rate, per: 1, burst: rate }, rateChecks, fields, `${key}.`)
}

function compressionOf(value: unknown, key: string): (Agreement & Effort) | null {
  if (value === true) return compressionDefaults
  if (value === false || value === null) return null
  const fields = fieldsOf(value, key, 'true, false or an object of options for permessage-deflate')
  for (const name of fields.keys()) {
    if (!Object.hasOwn(compressionChecks, name)) refuseUnknown(name, Object.keys(compressionChecks), `${key}.`)
  }
  return merged(compressionDefaults, compressionChecks, fields, `${key}.`)
}

function protocolsOf(value: unknown, key: string): Protocols {
  if (typeof value === 'function') return value as Protocols
  return protocolList(value, key, 'an array of subprotocol names, or a function')
}

export function protocolList(value: unknown, key: string, expected: string): readonly string[] {
  if (!Array.isArray(value)) return refuse(key, value, expected)
  return Array.from(value, (one: unknown, index) => {
    return typeof one === 'string' && isToken(one) ? one : refuse(`${key}[${index}]`, one, 'the name of a subprotocol, a token')
  })
}

const ORIGIN = new RegExp(`^${scheme}://[^/?#\\s]+$`)

function originsOf(value: unknown, key: string): Origins {
  if (value === 'same' || value === '*') return value
  if (typeof value === 'function') return value as Origins
  if (!Array.isArray(value)) return refuse(key, value, '"same", "*", an array of origins, or a function')
  return Array.from(value, (one: unknown, index) => {
    if (typeof one === 'string' && (one === 'null' || ORIGIN.test(one))) return one
    return refuse(`${key}[${index}]`, one, 'an origin such as "https://example.com"', 'with the scheme, and nothing behind the host and port')
  })
}
