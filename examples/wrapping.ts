// Five wrappers of handlers: service = withRequestId(timed(errorsMapped(withToken(handler, token))))
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { wrap, type Handler } from 'leveret'

/** Lets pages of other `origins` read the responses, and responds to their preflight requests. */
export function cors(handler: Handler, origins: readonly string[]): Handler {
  return wrap(handler, ({ method, headers }, next) => {
    const { origin } = headers
    const allowed = origin !== undefined && origins.includes(origin) ? { 'Access-Control-Allow-Origin': origin } : {}
    if (method === 'OPTIONS' && headers['access-control-request-method'] !== undefined) {
      const preflight = { 'Access-Control-Allow-Methods': 'GET, POST', 'Access-Control-Allow-Headers': 'Content-Type', 'Access-Control-Max-Age': 600 }
      return [null, 204, { ...allowed, ...preflight, Vary: 'Origin' }]
    }
    return next(([content, status, given]) => [content, status, { ...given, ...allowed, Vary: [given.Vary ?? [], 'Origin'].flat() }])
  })
}

/** Serves only requests with this bearer token. */
export function withToken(handler: Handler, token: string): Handler {
  const digest = (text = ''): Buffer => createHash('sha256').update(text).digest()
  const expected = digest(`Bearer ${token}`)
  return wrap(handler, ({ headers }, next) => {
    if (timingSafeEqual(digest(headers.authorization), expected)) return next()
    return ['a token is needed\n', 401, { 'WWW-Authenticate': 'Bearer' }]
  })
}

/** Gives each request an id, which the client, the handler and each line of the log about it have. */
export function withRequestId(handler: Handler): Handler {
  return wrap(handler, (request, next) => {
    const id = randomUUID()
    request.headers['x-request-id'] = id
    request.ctx.addLogFields({ request_id: id })
    return next(([content, status, headers]) => [content, status, { ...headers, 'X-Request-Id': id }])
  })
}

/** Tells the client how long the handler took. */
export function timed(handler: Handler): Handler {
  return wrap(handler, (_request, next) => {
    const began = performance.now()
    return next(([content, status, headers]) => {
      const milliseconds = (performance.now() - began).toFixed(1)
      return [content, status, { ...headers, 'Server-Timing': `handler;dur=${milliseconds}` }]
    })
  })
}

/** Thrown by handlers for what is not there. */
export class NotFound extends Error {}

/** Responds to errors that are meant for the client. */
export function errorsMapped(handler: Handler): Handler {
  return wrap(handler, (_request, next) => next(null, (error) => {
    if (error instanceof NotFound) return [`${error.message}\n`, 404]
    throw error
  }))
}
