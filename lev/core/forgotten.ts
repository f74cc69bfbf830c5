// In development (NODE_ENV=development), stderr reports each operation that was created but never run: its `yield*` is missing.

import { makesAwaitable, type Awaitable, type Op, type OpMaker } from './operation.js'

type Operation = Generator<unknown, unknown, unknown>
type Maker = (...args: never[]) => Operation

/** Represents an operation that has not run yet, without keeping it alive: if it is collected, its `yield*` was forgotten. */
class Unrun {
  /** Its stack begins at the caller of `maker`. */
  readonly #made = new Error('an operation was made and never run: was a yield* forgotten?')

  constructor(maker: Maker) {
    Error.captureStackTrace(this.#made, maker)
  }

  report(): void {
    if (unrun.delete(this)) console.error('lev:', this.#made.stack)
  }
}

const watching = process.env.NODE_ENV === 'development'
/** Operations that have neither run nor been reported. */
const unrun = new Set<Unrun>()
const watched = new WeakMap<Operation, Unrun>()
const collected = new FinalizationRegistry<Unrun>((one) => one.report())
const entries = ['next', 'return', 'throw'] as const

if (watching) {
  process.once('exit', () => {
    for (const one of [...unrun]) one.report()
  })
}

/**
 * Returns `op`, an operation that the caller of the calling function must run or await. In development it is reported if it never
 * runs.
 * @param op made by a generator function that `makesAwaitable` was called with
 * @param inner an operation that `op` runs; only `op` is watched from here on
 */
export function made<T>(op: Op<T>, inner?: unknown): Awaitable<T> {
  if (watching) {
    claim(inner)
    watch(op, made)
  }
  return op as Awaitable<T>
}

/** Stops watching `op`: it is not reported even if it never runs, for example in a task that is cancelled before its first step. */
export function claim(op: unknown): void {
  if (watching) unwatch(op as Operation)
}

/** `T` with methods of the names `K` that are plain generator functions. */
type Plain<T, K extends keyof T> = Omit<T, K> & {
  [Name in K]: T[Name] extends (...args: infer Args) => Awaitable<infer R> ? (...args: Args) => Op<R> : never
}

/**
 * Makes the operations awaitable that the methods `names` of `object` return, and in development has them watched as by `made`.
 * Returns `object`.
 */
export function opMethods<T extends object, K extends keyof T>(object: Plain<T, K>, ...names: readonly (K & string)[]): T
export function opMethods(prototype: object, ...names: readonly string[]): void
export function opMethods(object: object, ...names: readonly string[]): object {
  for (const name of names) {
    const method = (object as Record<string, unknown>)[name] as (...args: unknown[]) => Operation
    // A method that is not a generator function returns an operation that another one has made.
    if (method.prototype !== undefined) makesAwaitable(method as OpMaker)
    if (!watching) continue
    const value = function (this: unknown, ...args: unknown[]): Operation {
      const op = method.apply(this, args)
      watch(op, value)
      return op
    }
    Object.defineProperty(object, name, { value, configurable: true, writable: true })
  }
  return object
}

/** Puts methods on `op` itself that record its first use and then remove themselves. */
function watch(op: Operation, maker: Maker): void {
  // A watched method may return an operation that another one has made.
  if (watched.has(op)) return
  const one = new Unrun(maker)
  unrun.add(one)
  watched.set(op, one)
  collected.register(op, one, one)
  for (const entry of entries) {
    const value = (given?: unknown): unknown => {
      unwatch(op)
      return op[entry](given as never)
    }
    Object.defineProperty(op, entry, { value, configurable: true })
  }
}

function unwatch(op: Operation): void {
  const one = watched.get(op)
  if (one === undefined) return
  watched.delete(op)
  unrun.delete(one)
  collected.unregister(one)
  for (const entry of entries) Reflect.deleteProperty(op, entry)
}
