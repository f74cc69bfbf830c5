/** Wakes a suspended task. Only the first call for each suspension counts. */
export interface Waker {
  /** Makes the task ready; its `yield` returns `value`. */
  resume(value: unknown): void
  /** Makes the task ready; its `yield` throws `error`. */
  fail(error: unknown): void
  /**
   * The wake-up will come from outside the driver's world (+1), or has come or is no longer awaited (-1).
   * `guaranteed`: it will come regardless of the driver's world.
   */
  externalWait(change: 1 | -1, guaranteed: boolean): void
}

/**
 * Yielded by a coroutine that cannot go on: the only suspension primitive.
 * The task calls `arm` once; then either the waker is called, or the task is cancelled and `disarm` must release
 * what `arm` set up (a timer, a listener, a position in a queue).
 */
export interface Suspension {
  /** Starts waiting: `waker` must be called once, unless `disarm` is called before. */
  arm(waker: Waker): void
  /** Stops waiting: the waker must not be called after this. */
  disarm(): void
}

/** An operation that may suspend; run with `yield*`. */
export type Op<T> = Generator<Suspension, T, unknown>

/**
 * An operation that async code can await. In a coroutine `yield*` runs it; elsewhere the first `await`, or `then`, does, in a task of
 * its own. It runs once.
 */
export interface Awaitable<T> extends Op<T>, Promise<T> {}

/** Runs an operation on behalf of code that awaits it. */
export type Begin<T> = (operation: Op<T>) => Promise<T>

/** Set on an operation that `lev` cannot run by itself, such as a read of a request's body. */
const begin = Symbol('begin')
/** Set once it was awaited. */
const begun = Symbol('begun')

type Internals<T> = Op<T> & { [begin]?: Begin<T>; [begun]?: Promise<T> }

let beginByDefault: Begin<unknown> = () => Promise.reject(new Error('lev is not loaded'))

/** @param run how operations run that are awaited, unless they say otherwise */
export function beginAwaitedBy(run: <T>(operation: Op<T>) => Promise<T>): void {
  beginByDefault = run as Begin<unknown>
}

function promiseOf<T>(operation: Internals<T>): Promise<T> {
  return (operation[begun] ??= (operation[begin] ?? (beginByDefault as Begin<T>))(operation))
}

const generators = Object.getPrototypeOf((function* () {}).prototype) as Generator

/** What all operations inherit that can be awaited. It is the prototype of their generator functions, so making one costs nothing more. */
const prototype = Object.assign(Object.create(generators) as Generator, {
  then(this: Internals<unknown>, ...args: Parameters<Promise<unknown>['then']>) {
    return promiseOf(this).then(...args)
  },
  catch(this: Internals<unknown>, ...args: Parameters<Promise<unknown>['catch']>) {
    return promiseOf(this).catch(...args)
  },
  finally(this: Internals<unknown>, ...args: Parameters<Promise<unknown>['finally']>) {
    return promiseOf(this).finally(...args)
  },
})

/** A generator function whose operations are to be awaitable. */
export type OpMaker = (...args: never[]) => Op<unknown>

/** Makes the operations of these generator functions awaitable. */
export function makesAwaitable(...makers: readonly OpMaker[]): void {
  for (const maker of makers) maker.prototype = prototype
}

/** Whether `value` is an operation that can be awaited, and not a promise. */
export function isAwaitable(value: unknown): value is Awaitable<unknown> {
  return typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(prototype, value)
}

function* running<T>(operation: Op<T>): Op<T> {
  return yield* operation
}
makesAwaitable(running)

/** Returns `operation` as one that can also be awaited; `run` then runs it, once. */
export function awaitableBy<T>(operation: Op<T>, run: Begin<T>): Awaitable<T> {
  const op = running(operation) as Internals<T>
  op[begin] = run
  return op as Awaitable<T>
}
