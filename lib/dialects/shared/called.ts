import { runOutsideTask, type Op } from '../../../lev/index.js'
import { settled } from '../../request/handler.js'

/**
 * Calls a user's function, which may be plain, a coroutine or async, and waits for its value. A coroutine runs in the
 * caller's task; in the others, functions that wait return promises, because those cannot `yield*`.
 */
export function* called<T>(call: () => T | Op<T> | PromiseLike<T>): Op<T> {
  return (yield* settled(runOutsideTask(call))) as T
}
