import { bodySize, settingsTable } from './settings.js'
import { boolean, fieldsOf, refuse, type Check } from './validators.js'
import { refuseUnknown } from './check-fields.js'

/** Limits of one route, in place of the settings of the same names. What is not given follows the settings. */
export interface Limits {
  /** Largest body of a request, in bytes; 0 allows none. */
  readonly max_body_size?: number | null | undefined
  /** Whether the body is buffered before the handler is called. */
  readonly buffer_body?: boolean | null | undefined
  /** How long a body may take, in seconds, on top of its size divided by `min_transfer_rate`. */
  readonly request_body_timeout?: number | null | undefined
  /** How long the handler may take until it has returned, in seconds; null: no limit. */
  readonly handler_timeout?: number | null | undefined
  /**
   * Whether the handler runs on when its client leaves, as a payment must: only a server whose time to stop is over cancels it. It
   * has no `handler_timeout`. The setting does not have this member. Default: false.
   */
  readonly uninterruptible?: boolean | null | undefined
}

/** Limits that are complete and checked. */
export interface CheckedLimits {
  /** As in `Limits`; null: that of the settings. */
  readonly max_body_size: number | null
  readonly buffer_body: boolean | null
  readonly request_body_timeout: number | null
  /** Undefined: that of the settings. */
  readonly handler_timeout: number | null | undefined
  readonly uninterruptible: boolean
}

const names = ['max_body_size', 'buffer_body', 'request_body_timeout', 'handler_timeout', 'uninterruptible']

/** @throws ConfigError naming the limit, the given value and the expected one */
export function checkLimits(given: unknown): CheckedLimits {
  const fields = fieldsOf(given, 'limits', 'an object of limits')
  for (const name of fields.keys()) if (!names.includes(name)) refuseUnknown(name, names)
  const read = <T>(name: string, check: Check<T>): T | null => {
    const value = fields.get(name) ?? null
    return value === null ? null : check(value, name)
  }
  const uninterruptible = read('uninterruptible', boolean) ?? false
  const time = fields.has('handler_timeout') ? settingsTable.handler_timeout.check(fields.get('handler_timeout'), 'handler_timeout', null) : undefined
  if (uninterruptible && typeof time === 'number') return refuse('handler_timeout', time, 'null', 'nothing interrupts a handler that is uninterruptible')
  return Object.freeze({
    max_body_size: read('max_body_size', bodySize),
    buffer_body: read('buffer_body', boolean),
    request_body_timeout: read('request_body_timeout', (value, name) => settingsTable.request_body_timeout.check(value, name, 0)),
    handler_timeout: uninterruptible ? null : time,
    uninterruptible,
  })
}
