import { CancelledError, type Op } from '../../../lev/index.js'
import { instanceOf, messageOf } from '../../../lev/internal.js'
import { waiting, type Waiting } from '../../waiting.js'

/** The result of a function that may fail: whether it succeeded, and its value or an error message. */
export type Attempt<T> = [success: true, value: T] | [success: false, message: string]

/** Runs `operation` and returns its value, or the message of its error. */
export function attempt<T>(operation: () => Op<T>): Waiting<Attempt<T>> {
  return waiting(function* (): Op<Attempt<T>> {
    try {
      return [true, yield* operation()]
    } catch (error) {
      if (instanceOf(error, CancelledError)) throw error
      return [false, messageOf(error)]
    }
  })
}
