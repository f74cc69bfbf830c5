import { inCoroutine, portal, wait, type Op, type Portal } from '../lev/index.js'

/**
 * The result of a function that waits, for both kinds of callers. In a coroutine of lev it is an operation, which begins only
 * with `yield*`. Elsewhere it is a promise, which has already begun. Each can be used as the other: an operation can be awaited in
 * an async function that a coroutine calls, and a promise can be `yield*`-ed.
 */
export type Waiting<T> = Op<T> & Promise<T>

/** Returns `operation` in the form that fits the caller. @param world where it runs if it becomes a promise */
export function waiting<T>(operation: () => Op<T>, world: Portal = portal()): Waiting<T> {
  return inCoroutine() ? asOperation(operation(), (op) => world.run(() => op)) : asPromise(world.run(operation))
}

/** Runs `operation` on behalf of code that awaits it. */
type Begin<T> = (operation: Op<T>) => Promise<T>

/** An operation that can be awaited. */
type Awaitable<T> = Op<T> & { begin: Begin<T>; promise?: Promise<T> }

function promiseOf<T>(operation: Awaitable<T>): Promise<T> {
  return (operation.promise ??= operation.begin(operation))
}

/** What operations that can be awaited inherit: one object for all, so that none needs functions of its own. */
const awaitable = Object.assign(Object.create(Object.getPrototypeOf((function* () {}).prototype) as object) as Generator, {
  then(this: Awaitable<unknown>, ...args: Parameters<Promise<unknown>['then']>) {
    return promiseOf(this).then(...args)
  },
  catch(this: Awaitable<unknown>, ...args: Parameters<Promise<unknown>['catch']>) {
    return promiseOf(this).catch(...args)
  },
  finally(this: Awaitable<unknown>, ...args: Parameters<Promise<unknown>['finally']>) {
    return promiseOf(this).finally(...args)
  },
})

function* running<T>(operation: Op<T>): Op<T> {
  return yield* operation
}
running.prototype = awaitable

/** Returns `operation` as one that can also be awaited; `begin` then runs it, once. */
export function asOperation<T>(operation: Op<T>, begin: Begin<T>): Waiting<T> {
  const op = running(operation) as Waiting<T> & Awaitable<T>
  op.begin = begin
  return op
}

/** Returns `promise` with the methods of an operation that waits for it. */
export function asPromise<T>(promise: Promise<T>): Waiting<T> {
  let waited: Op<T> | null = null
  const operation = (): Op<T> => (waited ??= wait(promise))
  return Object.assign(promise as Waiting<T>, {
    next: (value: unknown) => operation().next(value),
    return: (value: T) => operation().return(value),
    throw: (error: unknown) => operation().throw(error),
    [Symbol.iterator]: operation,
  })
}

/**
 * The same for work that goes on whether or not the caller waits for it, such as sending: it has already begun in coroutines
 * too. Only a caller that waits gets its error.
 */
export function begun<T>(promise: Promise<T>): Waiting<T> {
  promise.catch(() => {})
  return asPromise(promise)
}

/** The same for work that is already done: a coroutine goes on at once. */
export function done(): Waiting<void> {
  return inCoroutine() ? waiting(nothing) : begun(Promise.resolve())
}

function* nothing(): Op<void> {}
