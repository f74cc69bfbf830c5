import { inCoroutine, portal, wait, type Op, type Portal } from '../lev/index.js'
import { awaitableBy } from '../lev/internal.js'

/**
 * The result of a function that waits, for both kinds of callers. In a coroutine of lev it is an operation, which begins only
 * with `yield*`. Elsewhere it is a promise, which has already begun. Each can be used as the other: an operation can be awaited in
 * an async function that a coroutine calls, and a promise can be `yield*`-ed.
 */
export type Waiting<T> = Op<T> & Promise<T>

/** Returns `operation` in the form that fits the caller. @param world where it runs if it becomes a promise */
export function waiting<T>(operation: () => Op<T>, world: Portal = portal()): Waiting<T> {
  return inCoroutine() ? awaitableBy(operation(), (op) => world.run(() => op)) : asPromise(world.run(operation))
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
