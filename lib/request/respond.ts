import { now, wait, type Op } from '../../lev/index.js'
import { callApart } from '../../lev/internal.js'
import { cancelOnDisconnect, settledOrGone } from './cancel-on-disconnect.js'
import type { Connection } from '../server/connection.js'
import { Context } from './context.js'
import { closed, isPending, type Exchange, type NextAction } from './exchange.js'
import { isOp, isThenable, type HandlerResult, type ResponseParts } from './handler.js'
import { dropLate, markHandled } from './late-result.js'
import { cancelContent } from '../response/content-source.js'
import { failLate, sendResult } from '../response/send-response.js'
import { RequestBody } from './request-body.js'
import { transitions } from './states.js'
import { serveWebSocket } from '../websocket/serve.js'
import { Upgrade } from '../websocket/upgrade.js'

/** Calls the handler and sends its response: synchronously, or as an operation if there is something to wait for. */
export function respond(exchange: Exchange, body: Buffer | RequestBody | null): NextAction | Op<NextAction> {
  let given: ReturnType<typeof callHandler>
  try {
    given = callHandler(exchange, body)
  } catch (error) {
    if (exchange.spawned === null) throw error
    given = failing(error)
  }
  if (exchange.spawned !== null || isOp(given) || isThenable(given)) return respondLater(exchange, given)
  return finish(exchange, given)
}

function* failing(error: unknown): Op<never> {
  throw error
}

/**
 * Waits for a handler's result and the tasks that it has spawned; repeats while the result is again a coroutine or a promise,
 * since an async function may return a coroutine.
 */
function* respondLater(exchange: Exchange, result: ReturnType<typeof callHandler>): Op<NextAction> {
  let given: HandlerResult | typeof result = result
  do given = yield* awaited(exchange, given)
  while (isOp(given) || isThenable(given))
  const sent = finish(exchange, given)
  return isPending(sent) ? yield* sent : sent
}

function awaited(exchange: Exchange, given: ReturnType<typeof callHandler>): Op<HandlerResult | Op<HandlerResult>> {
  if (isOp(given)) return cancelOnDisconnect(exchange, given)
  if (!isThenable(given)) return cancelOnDisconnect(exchange, giving(given), () => cancelContent(given))
  const promise = Promise.resolve(given)
  if (exchange.spawned !== null) return arriving(exchange, markHandled(promise))
  return settledOrGone(exchange, promise, () => dropLate(promise, exchange.logger, exchange.head))
}

function* giving<T>(value: T): Op<T> {
  return value
}

/** Waits for a promise beside the tasks that the handler has spawned. */
function arriving<T>(exchange: Exchange, promise: Promise<T>): Op<T> {
  let failed = false
  const arrival = function* (): Op<T> {
    try {
      return yield* wait(promise)
    } catch (error) {
      failed = true
      throw error
    }
  }
  return cancelOnDisconnect(exchange, arrival(), () => !failed && dropLate(promise, exchange.logger, exchange.head))
}

function finish(exchange: Exchange, given: HandlerResult): NextAction | Op<NextAction> {
  exchange.handlerDeadline = null
  if (exchange.gone !== null) {
    if (exchange.limits?.uninterruptible === true) tellLost(exchange, given)
    cancelContent(given)
    return exchange.abandon(closed)
  }
  if (exchange.timedOut) {
    cancelContent(given)
    return failLate(exchange)
  }
  return given instanceof Upgrade ? serveWebSocket(exchange, given) : sendResult(exchange, given)
}

/** Logs that the client has not waited for the response of a handler that ran on without it. */
function tellLost({ logger, head: { method, query } }: Exchange, given: HandlerResult): void {
  const status = Array.isArray(given) ? (given as ResponseParts)[1] ?? 200 : 200
  logger.warn({ method, query, status }, 'the client left before the response of an uninterruptible handler')
}

function callHandler(exchange: Exchange, body: Buffer | RequestBody | null): ReturnType<Connection['service']['handle']> {
  const { connection, head } = exchange
  const ctx = new Context(connection, exchange, body)
  exchange.advance(transitions.handlerCalled)
  connection.client.readDeadline = Infinity
  const own = exchange.limits?.handler_timeout
  const handler_timeout = own === undefined ? connection.settings.handler_timeout : own
  if (handler_timeout !== null) exchange.handlerDeadline = now() + handler_timeout
  const headers = exchange.peer.headersOf(head)
  if (exchange.decoded) {
    delete headers['content-encoding']
    delete headers['content-length']
  }
  const whole = body instanceof RequestBody ? null : body
  return callApart(exchange, () => connection.service.handle(head.method, head.query, head.args, headers, whole, ctx))
}
