import { inCoroutine, portal, runOutsideTask, wait, type Op, type Portal } from '../lev/index.js'
import { settled } from './request/handler.js'

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

/** Returns `operation` with the methods of a promise, which `begin` makes when one of them is called. */
export function asOperation<T>(operation: Op<T>, begin: (operation: Op<T>) => Promise<T>): Waiting<T> {
  let begun: Promise<T> | null = null
  const promise = (): Promise<T> => (begun ??= begin(operation))
  return Object.assign(operation as Waiting<T>, {
    then: (...args: Parameters<Promise<T>['then']>) => promise().then(...args),
    catch: (...args: Parameters<Promise<T>['catch']>) => promise().catch(...args),
    finally: (...args: Parameters<Promise<T>['finally']>) => promise().finally(...args),
  } as Partial<Promise<T>>)
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

/**
 * Calls a user's function, which may be plain, a coroutine or async, and waits for its value. A coroutine runs in the
 * caller's task; in the others, functions that wait return promises, because those cannot `yield*`.
 */
export function* called<T>(call: () => T | Op<T> | PromiseLike<T>): Op<T> {
  return (yield* settled(runOutsideTask(call))) as T
}
