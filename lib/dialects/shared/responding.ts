import { runOutsideTask, type Op } from '../../../lev/index.js'
import { fieldsOf, show } from '../../config/validators.js'
import { ConfigError } from '../../errors.js'
import { isOp, isThenable, settled, type HandlerResult } from '../../request/handler.js'
import { ResponseError, withDefaults, type ResponseHeaders } from '../../http1/response-headers.js'
import { suggest } from '../../config/suggest.js'

/**
 * Calls a user's function, which may be plain, a coroutine or async, and passes its result to `toResult`: at once for a plain
 * function, which therefore needs no task.
 */
export function runHandler<T>(
  call: () => T | Op<T> | PromiseLike<T>, toResult: (given: T) => HandlerResult | Op<HandlerResult>,
): HandlerResult | Op<HandlerResult> {
  const given = runOutsideTask(call)
  return isOp(given) || isThenable(given) ? runLater(given, toResult) : toResult(given as T)
}

function* runLater<T>(given: unknown, toResult: (given: T) => HandlerResult | Op<HandlerResult>): Op<HandlerResult> {
  const result = toResult((yield* settled(given)) as T)
  return isOp(result) ? yield* result : result
}

/** The shape of a dialect's responses. */
export interface ResponseShape {
  /** The name of the field for the status. */
  readonly status: 'status' | 'statusCode'
  /** Headers for a text that is returned by itself. */
  readonly textHeaders: ResponseHeaders
}

/** No Content-Type, instead of the core's default for text. */
export const untyped: ResponseHeaders = { 'Content-Type': null }

/**
 * Converts a handler's result (a text, bytes or a table) to a response.
 * @throws ResponseError, for which the client gets a 500
 */
export function responseOf(given: unknown, { status, textHeaders }: ResponseShape): HandlerResult {
  if (typeof given === 'string') return [given, 200, textHeaders]
  if (given instanceof Uint8Array) return given
  const fields = responseFields(given, status)
  const body = fields.get('body') ?? null
  if (body !== null && typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new ResponseError(null, `the body must be a string or bytes, got ${show(body)}${forgotten(body)}`)
  }
  const code = fields.get(status) ?? 200
  if (typeof code === 'number' && code >= 100 && code < 200) {
    throw new ResponseError(null, `the ${status} is ${code}: 100 to 199 only announce a response; it must be 200 to 599`)
  }
  // The rest is checked when it is sent.
  const headers = fields.get('headers') as ResponseHeaders | null | undefined
  return [body, code as number, withDefaults(headers, 'content-type', untyped)]
}

/** The fields of a table, in which unknown names are rejected. */
function responseFields(given: unknown, status: string): Map<string, unknown> {
  const known = [status, 'headers', 'body']
  try {
    const fields = fieldsOf(given, 'the response', `a string, bytes, or a table { ${known.join(', ')} }`)
    for (const name of fields.keys()) if (!known.includes(name)) refuseField(name, known)
    return fields
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ResponseError(null, error.message)
  }
}

function refuseField(name: string, known: readonly string[]): never {
  const near = suggest(name, known)
  const hint = near === null ? `it may have ${known.join(', ')}` : `did you mean ${near}?`
  throw new ResponseError(null, `the response has an unknown field ${/^[\w.-]{1,60}$/.test(name) ? name : show(name)}; ${hint}`)
}

/** A hint for the message if `value` is an operation or a promise. */
function forgotten(value: unknown): string {
  if (isOp(value)) return ' (was a yield* forgotten?)'
  return isThenable(value) ? ' (was an await or a yield* forgotten?)' : ''
}
