import { instanceOf } from '../../lev/internal.js'
import { BodyError } from '../errors.js'
import type { RequestHead } from '../http1/request-head.js'
import type { Logger } from './logger.js'

/**
 * Logs what a handler, or the content of its response, has thrown. A body that is wrong is its client's fault, not the
 * handler's: clients must not fill the log with errors and stacks.
 */
export function logFailure(logger: Logger, { method, query }: RequestHead, error: unknown, message: string): void {
  if (instanceOf(error, BodyError)) logger.debug({ reason: error.reason, method, query }, message)
  else logger.error({ err: error, method, query }, message)
}
