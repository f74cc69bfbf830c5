// In development (NODE_ENV=development), stderr reports operations that were created but never run: their `yield*` or `await` is
// missing. Those made in a task are reported when it ends, or the request that it serves; others once they are collected, or when the
// process ends. Each place in the program is reported once.

import { makesAwaitable, type Awaitable, type Op, type OpMaker } from './operation.js'

type Operation = Generator<unknown, unknown, unknown>
type Call = (...args: never[]) => Operation

/** A task, as far as it is known here. */
interface Maker {
  readonly loop: { enqueueLater(runnable: { run(): void }): void }
}

/** Represents an operation that has not run yet, without keeping it alive: if it is collected, its `yield*` was forgotten. */
class Unrun {
  /** Its stack begins at the caller of `from`. */
  readonly #made = new Error('an operation was made and never run: was a yield* or an await forgotten?')
  /** The others that its task has made; null outside of tasks. */
  readonly #siblings: Set<Unrun> | null

  constructor(from: Call, task: Maker | null) {
    Error.captureStackTrace(this.#made, from)
    this.#siblings = task === null ? null : siblingsOf(task)
    this.#siblings?.add(this)
    unrun.add(this)
  }

  /** Its operation runs, or is known to be unneeded. */
  drop(): boolean {
    this.#siblings?.delete(this)
    return unrun.delete(this)
  }

  report(): void {
    if (!this.drop()) return
    const { stack = '' } = this.#made
    const place = stack.split('\n').slice(1).find((line) => !line.includes(ownCode)) ?? stack
    if (reported.has(place)) return
    reported.add(place)
    console.error('lev:', stack)
  }
}

/** In the stack lines of Leveret's own code. */
const ownCode = new URL('../../', import.meta.url).href
const reported = new Set<string>()

const watching = process.env.NODE_ENV === 'development'
/** Operations that have neither run nor been reported. */
const unrun = new Set<Unrun>()
const watched = new WeakMap<Operation, Unrun>()
const collected = new FinalizationRegistry<Unrun>((one) => one.report())
const entries = ['next', 'return', 'throw'] as const
/** Those that each running task has made. */
const byTask = new WeakMap<Maker, Set<Unrun>>()
let currentTask = (): Maker | null => null

/** @param running returns the running task */
export function watchMakers(running: () => Maker | null): void {
  currentTask = running
}

function siblingsOf(task: Maker): Set<Unrun> {
  const siblings = byTask.get(task) ?? new Set<Unrun>()
  byTask.set(task, siblings)
  return siblings
}

/**
 * In development, reports the operations that a task has made and that have not run by the next turn: the task has ended, or the
 * request that it serves.
 * @param task by default the running one
 * @param value what the task gave, which its receiver may run
 */
export function makerDone(task?: Maker, value?: unknown): void {
  if (watching) reportThoseOf(task ?? currentTask(), value)
}

function reportThoseOf(task: Maker | null, value: unknown): void {
  if (task === null) return
  const made = byTask.get(task)
  if (made === undefined) return
  byTask.delete(task)
  const given = watched.get(value as Operation)
  if (given !== undefined) made.delete(given)
  if (made.size > 0) task.loop.enqueueLater({ run: () => made.forEach((one) => one.report()) })
}

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
function watch(op: Operation, from: Call): void {
  // A watched method may return an operation that another one has made.
  if (watched.has(op)) return
  const one = new Unrun(from, currentTask())
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
  one.drop()
  collected.unregister(one)
  for (const entry of entries) Reflect.deleteProperty(op, entry)
}
