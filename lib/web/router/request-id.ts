import { randomUUID } from 'node:crypto'
import type { Handler } from '../../request/handler.js'
import { wrap } from '../wrap.js'

/**
 * Gives each request a random id. The handler has it as the header `x-request-id`, in place of any that the client sent; the client
 * gets it as `X-Request-Id`; each further line of the log about the request has it as `request_id`.
 */
export function withRequestId(handler: Handler): Handler {
  return wrap(handler, (request, next) => {
    const id = randomUUID()
    request.headers['x-request-id'] = id
    request.ctx.addLogFields({ request_id: id })
    return next(([content, status, headers]) => [content, status, { ...headers, 'X-Request-Id': id }])
  })
}
