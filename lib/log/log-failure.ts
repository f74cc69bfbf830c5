import { instanceOf } from '../../lev/internal.js'
import { BodyError } from '../errors.js'
import type { Logger } from './logger.js'

/**
 * Logs an error thrown by a handler or by the content of its response. An invalid body is the client's fault and is logged at
 * debug level, so that clients cannot fill the log with errors and stacks.
 */
export function logFailure(
  logger: Logger, { method, query }: { readonly method: string; readonly query: string }, error: unknown, message: string,
): void {
  if (instanceOf(error, BodyError)) logger.debug({ reason: error.reason, method, query }, message)
  else logger.error({ err: error, method, query }, message)
}
