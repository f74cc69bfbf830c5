import { asArguments, optionsOf } from '../../config/arguments.js'
import { boolean, fieldName, integer, listOf, refuse, type Check } from '../../config/validators.js'
import { isToken } from '../../http1/grammar.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import type { Handler } from '../../request/handler.js'
import { wrap } from '../wrap.js'

/** Options of `cors`; all but `origins` are optional. */
export interface CorsOptions {
  /** The origins whose pages may read responses, such as `https://app.example.com`; `*` for all pages. */
  readonly origins: readonly string[] | '*'
  /** Whether these pages may send cookies; not with `*`. Default: false. */
  readonly credentials?: boolean | null | undefined
  /** Methods that they may use. Default: GET, HEAD, POST, PUT, PATCH, DELETE. */
  readonly methods?: readonly string[] | null | undefined
  /** Request headers that they may set. Default: all that they ask for. */
  readonly headers?: readonly string[] | null | undefined
  /** Response headers that their scripts may read, beyond those that all may. Default: none. */
  readonly expose?: readonly string[] | null | undefined
  /** Seconds for which browsers may keep the response to a preflight request. Default: 600. */
  readonly max_age?: number | null | undefined
}

const origin: Check<string> = (value, key) => {
  // As browsers send it: in lower case, without a default port or a path.
  const isOrigin = typeof value === 'string' && /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._~:[\]-]+$/.test(value) && !/^(?:http:.*:80|https:.*:443)$/.test(value)
  return isOrigin ? value : refuse(key, value, 'an origin as browsers send it, such as "https://app.example.com" or "http://localhost:5173"')
}

const method: Check<string> = (value, key) => typeof value === 'string' && isToken(value) ? value : refuse(key, value, 'a method')

const origins: Check<readonly string[] | '*'> = (value, key) => value === '*' ? value : listOf('origins, or "*"', origin)(value, key)

const known = ['origins', 'credentials', 'methods', 'headers', 'expose', 'max_age']

/** The options, as the headers that they become. */
function rulesOf(options: CorsOptions) {
  const given = optionsOf(options, 'options', 'an object with origins', known)
  const option = <T>(name: string, check: Check<T>, byDefault: T): T => given.has(name) ? check(given.get(name), name) : byDefault
  const names = listOf('names of headers', fieldName)
  const allowed = origins(given.get('origins'), 'origins')
  const credentials = option('credentials', boolean, false)
  if (credentials && allowed === '*') refuse('credentials', true, 'false with origins "*"', 'name the origins')
  const methods = option('methods', listOf('methods', method), ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])
  const exposed = option('expose', names, [])
  return {
    origins: allowed,
    common: credentials ? { 'Access-Control-Allow-Credentials': 'true' } : {},
    exposing: exposed.length > 0 ? { 'Access-Control-Expose-Headers': exposed.join(', ') } : {},
    headers: option<readonly string[] | null>('headers', names, null),
    preflight: {
      'Access-Control-Allow-Methods': methods.join(', '),
      'Access-Control-Max-Age': option('max_age', integer(0, 86_400, 'seconds'), 600),
    },
  }
}

/**
 * Lets pages of other origins read the responses of a handler, and responds to their preflight requests (the CORS protocol of the
 * fetch standard). Requests of other pages are served as well: browsers do not show them the response. To be put around what
 * `routes` returns, so that the responses to requests without a route have the headers, too.
 * @throws ArgumentError naming the option, the given value and the expected one
 */
export function cors(handler: Handler, options: CorsOptions): Handler {
  const rules = asArguments(() => rulesOf(options))
  const { origins, common, exposing } = rules
  // Made once, since each response has one of them.
  const granted = new Map(Array.from(origins, (one): [string, ResponseHeaders] => [one, { 'Access-Control-Allow-Origin': one, ...common }]))
  const exposed = new Map(Array.from(granted, ([one, headers]): [string, ResponseHeaders] => [one, { ...headers, ...exposing }]))
  const varies = origins !== '*'

  return wrap(handler, ({ method, headers }, next) => {
    const key = varies ? headers.origin ?? '' : '*'
    if (method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined) {
      const grant = granted.get(key)
      const vary = [...varies ? ['Origin'] : [], ...rules.headers === null ? ['Access-Control-Request-Headers'] : []]
      const asked = rules.headers?.join(', ') ?? headers['access-control-request-headers']
      const allowed = grant === undefined ? {} : { ...grant, ...rules.preflight, 'Access-Control-Allow-Headers': asked === '' ? undefined : asked }
      return [null, 204, { ...allowed, Vary: vary.length > 0 ? vary.join(', ') : undefined }]
    }
    const grant = exposed.get(key)
    return next(([content, status, given]) => {
      return [content, status, varies ? { ...given, ...grant, Vary: withOrigin(given) } : { ...given, ...grant }]
    })
  })
}

/** The value of Vary of a response that depends on the origin as well. */
function withOrigin(headers: ResponseHeaders): string | string[] {
  for (const name in headers) {
    if (name.length !== 4 || name.toLowerCase() !== 'vary') continue
    return [headers[name] ?? [], 'Origin'].flat().map(String)
  }
  return 'Origin'
}
