import { CancelledError, type Op } from '../../../lev/index.js'
import { instanceOf, messageOf } from '../../../lev/internal.js'
import { waiting, type Waiting } from '../shared/waiting.js'

/** What the functions give that may fail: whether it went well, and the value or a message that says why not. */
export type Attempt<T> = [success: true, value: T] | [success: false, message: string]

/** Gives what `operation` gives, or the message of what it throws. */
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
