// Three wrappers of handlers: service = timed(errorsMapped(withToken(handler, token)))
import { createHash, timingSafeEqual } from 'node:crypto'
import { wrap, type Handler } from 'leveret'

/** Serves only requests with this bearer token. */
export function withToken(handler: Handler, token: string): Handler {
  const digest = (text = ''): Buffer => createHash('sha256').update(text).digest()
  const expected = digest(`Bearer ${token}`)
  return wrap(handler, ({ headers }, next) => {
    if (timingSafeEqual(digest(headers.authorization), expected)) return next()
    return ['a token is needed\n', 401, { 'WWW-Authenticate': 'Bearer' }]
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
