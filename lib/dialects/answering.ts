import { outside, type Op } from '../../lev/index.js'
import { isOp, isThenable, settled, type Answer } from '../handler.js'
import { ResponseError, type ResponseHeaders } from '../http1/response.js'

/**
 * Calls a user's function, which may be plain, a coroutine or async, and goes on with what it gives: at once if that is
 * there, so that a plain handler costs no task.
 */
export function answering<T>(
  call: () => T | Op<T> | PromiseLike<T>, conclude: (given: T) => Answer | Op<Answer>,
): Answer | Op<Answer> {
  const given = outside(call)
  return isOp(given) || isThenable(given) ? answeringLater(given, conclude) : conclude(given as T)
}

function* answeringLater<T>(given: unknown, conclude: (given: T) => Answer | Op<Answer>): Op<Answer> {
  const answer = conclude((yield* settled(given)) as T)
  return isOp(answer) ? yield* answer : answer
}

/**
 * The answer that a handler means which returned a text, bytes or a table.
 * @param names what the table calls the status
 * @throws ResponseError: the client gets a 500
 */
export function answerOf(given: unknown, names: 'status' | 'statusCode'): Answer {
  if (typeof given === 'string' || given instanceof Uint8Array) return given
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ResponseError(null, `the handler must return a string, bytes, or a table { ${names}, headers, body }`)
  }
  const { body = null, headers = null, [names]: status = null } = given as Readonly<Record<string, unknown>>
  if (body !== null && typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new ResponseError(null, `the body must be a string or bytes, got ${typeof body}`)
  }
  // The rest is checked where it is sent.
  return [body, (status ?? 200) as number, (headers ?? undefined) as ResponseHeaders | undefined]
}
