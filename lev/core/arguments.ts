import { isAwaitable } from './operation.js'
import { UsageError } from './errors.js'

// The compiler finds most of these mistakes, but only in TypeScript. Each message says what to write instead.

/** @throws UsageError unless `start` is a function. The task constructor checks its return value. */
export function checkStart(what: string, start: unknown): void {
  if (typeof start === 'function') return
  const got = isOperation(start) ? `an operation: write ${what}(() => ...)` : kindOf(start)
  throw new UsageError(`${what} takes a function that gives an operation, such as a function*; got ${got}`)
}

/** @throws UsageError unless `op` is an operation */
export function checkOperation(what: string, op: unknown): void {
  if (!has(op, 'next')) throw new UsageError(`${what} takes an operation, got ${advice(op)}`)
}

/** @throws UsageError if `promise` is an operation or a function; any other value is accepted, as by `await` */
export function checkPromise(what: string, promise: unknown): void {
  if (isOperation(promise)) throw new UsageError(`${what} takes a promise, got an operation: write yield* before that, without ${what}`)
  if (typeof promise === 'function' && !has(promise, 'then')) {
    throw new UsageError(`${what} takes a promise, got a function: give what it returns, by calling it`)
  }
}

/**
 * Whether `value` is a generator; nothing more can be known of an operation before it runs. Other iterators have no `throw`. A
 * promise that can be `yield*`-ed has begun, and counts as a promise.
 */
export function isOperation(value: unknown): boolean {
  return has(value, 'next') && has(value, 'throw') && has(value, Symbol.iterator) && (!has(value, 'then') || isAwaitable(value))
}

function advice(given: unknown): string {
  if (has(given, 'then')) return 'a promise: write wait(promise)'
  if (typeof given === 'function') return 'a function: give what it returns, by calling it'
  return kindOf(given)
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value
}

/** Never throws: a value that cannot be looked at has nothing. */
function has(value: unknown, name: string | symbol): boolean {
  try {
    return value !== null && (typeof value === 'object' || typeof value === 'function') && name in value
  } catch {
    return false
  }
}
