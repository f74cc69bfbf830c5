import { CancelledError, ClosedError } from '../../lev/index.js'
import { instanceOf, nameOf } from '../../lev/internal.js'
import { BodyError } from '../errors.js'
import type { Logger } from '../log/logger.js'
import { logFailure } from '../log/log-failure.js'
import { cancelContent } from '../response/content-source.js'

/** Attaches a no-op catch, so that a rejection before the promise is awaited is not an unhandledRejection. */
export function markHandled<T>(given: PromiseLike<T>): Promise<T> {
  const promise = Promise.resolve(given)
  promise.catch(() => {})
  return promise
}

/** Whether an error may come from the end of a request: it is no fault then. */
export function isEndOfRequest(error: unknown): boolean {
  return instanceOf<Error>(error, ClosedError, CancelledError, BodyError) || nameOf(error) === 'AbortError'
}

/**
 * Takes care of a handler's promise that is not waited for any more: when it settles, its content is closed, or its error logged
 * unless the end of the request caused it.
 */
export function dropLate(promise: Promise<unknown>, logger: Logger, request: { readonly method: string; readonly query: string }): void {
  promise.then(cancelContent, (error: unknown) => {
    if (!isEndOfRequest(error)) logFailure(logger, request, error, 'the handler failed after its request was over')
  })
}
