import { outside, type Op } from '../../lev/index.js'
import { fieldsOf, show } from '../checks.js'
import { ConfigError } from '../errors.js'
import { isOp, isThenable, settled, type Answer } from '../handler.js'
import { ResponseError, type ResponseHeaders } from '../http1/response.js'
import { suggest } from '../suggest.js'

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
 * The response that a handler means which returned a text, bytes or a table.
 * @param names what the table calls the status
 * @throws ResponseError: the client gets a 500
 */
export function answerOf(given: unknown, names: 'status' | 'statusCode'): Answer {
  if (typeof given === 'string' || given instanceof Uint8Array) return given
  const fields = responseFields(given, names)
  const body = fields.get('body') ?? null
  if (body !== null && typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new ResponseError(null, `the body must be a string or bytes, got ${show(body)}${forgotten(body)}`)
  }
  // The rest is checked where it is sent.
  return [body, (fields.get(names) ?? 200) as number, (fields.get('headers') ?? undefined) as ResponseHeaders | undefined]
}

/** The fields of a table, of which each has a name that is known. */
function responseFields(given: unknown, names: 'status' | 'statusCode'): Map<string, unknown> {
  const known = [names, 'headers', 'body']
  try {
    const fields = fieldsOf(given, 'the response', `a string, bytes, or a table { ${known.join(', ')} }`)
    for (const name of fields.keys()) if (!known.includes(name)) refuseField(name, known)
    return fields
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ResponseError(null, error.message + forgotten(given))
  }
}

function refuseField(name: string, known: readonly string[]): never {
  const near = suggest(name, known)
  const hint = near === null ? `it may have ${known.join(', ')}` : `did you mean ${near}?`
  throw new ResponseError(null, `the response has an unknown field ${/^[\w.-]{1,60}$/.test(name) ? name : show(name)}; ${hint}`)
}

/** Says of an operation or a promise that was returned in place of its value what has been forgotten. */
function forgotten(value: unknown): string {
  if (isOp(value)) return ' (was a yield* forgotten?)'
  return isThenable(value) ? ' (was an await or a yield* forgotten?)' : ''
}
