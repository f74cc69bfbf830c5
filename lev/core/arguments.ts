import { UsageError } from './errors.js'
import { taken } from './forgotten.js'

// TypeScript finds most of these mistakes, for programs that are written in it.

/** @throws UsageError unless `start` is a function: what it gives is looked at when there is a task for it */
export function checkStart(what: string, start: unknown): void {
  if (typeof start === 'function') return
  const rest = isOperation(start) ? `an operation: write ${what}(() => ...)` : kindOf(start)
  throw new UsageError(`${what} takes a function that gives an operation, such as a function*; got ${rest}`)
}

/** Takes an operation that is to be run. @throws UsageError if `op` is none */
export function takeOperation(what: string, op: unknown): void {
  if (!has(op, 'next')) throw new UsageError(`${what} takes an operation, got ${advice(op)}`)
  taken(op)
}

/** @throws UsageError if what is to be waited for is an operation or a function; any other value may be there already */
export function checkPromise(what: string, promise: unknown): void {
  if (isOperation(promise)) throw new UsageError(`${what} takes a promise, got an operation: write yield* before that, without ${what}`)
  if (typeof promise === 'function' && !has(promise, 'then')) {
    throw new UsageError(`${what} takes a promise, got a function: give what it returns, by calling it`)
  }
}

/** Whether `value` can only be `yield*`-ed, as far as its members tell. */
export function isOperation(value: unknown): boolean {
  return has(value, 'next') && has(value, Symbol.iterator) && !has(value, 'then')
}

function advice(given: unknown): string {
  if (has(given, 'then')) return 'a promise: write wait(promise)'
  if (typeof given === 'function') return 'a function: give what it returns, by calling it'
  return kindOf(given)
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value
}

function has(value: unknown, name: string | symbol): boolean {
  return value !== null && (typeof value === 'object' || typeof value === 'function') && name in value
}
