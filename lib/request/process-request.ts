import { CancelledError, ClosedError, now, TimeoutError, wait, type Op } from '../../lev/index.js'
import { callApart, instanceOf, nameOf } from '../../lev/internal.js'
import { bodyAtHand, receiveBody, withOpenBody } from './body-reader.js'
import { cancelOnDisconnect } from './cancel-on-disconnect.js'
import type { Connection } from '../server/connection.js'
import { BodyError } from '../errors.js'
import { Context } from './context.js'
import { Exchange, isPending, type NextAction } from './exchange.js'
import { isOp, isThenable, type HandlerResult } from './handler.js'
import { NEED_MORE, REJECTED } from '../http1/head.js'
import { rejections } from '../http1/rejection.js'
import { logFailure } from '../log/log-failure.js'
import { cancelContent } from '../response/content-source.js'
import { RequestBody } from './request-body.js'
import { transitions } from './states.js'
import { fail, reject, sendResult } from '../response/send-response.js'
import { serveWebSocket } from '../websocket/serve.js'
import { Upgrade } from '../websocket/upgrade.js'

const closed: NextAction = [null, 'closed']
export const idleTimeout: NextAction = [null, 'keepalive timeout']

/**
 * Reads one request, calls the handler and sends the response. The caller closes the connection unless it is kept alive.
 * Nothing suspends between reading and responding when the request is in the input buffer and its handler is plain.
 */
export function* processRequest(connection: Connection, count: number): Op<NextAction> {
  const { client, reader } = connection
  const exchange = new Exchange(connection, count)
  try {
    let end = reader.read(client.input, client.inputStart, client.inputEnd)
    while (end === NEED_MORE) {
      beginWait(exchange)
      if (!(yield* client.fill())) return exchange.abandon(closed)
      end = reader.read(client.input, client.inputStart, client.inputEnd)
    }
    connection.endIdle()
    if (end === REJECTED) return reject(exchange, reader.rejection ?? rejections.requestLine)
    client.consume(end - client.inputStart)
    const head = exchange.begin(reader.head)
    if (!connection.mayServe(head)) return reject(exchange, rejections.misdirected)

    let body: Buffer | null = null
    if (head.chunked || head.contentLength > 0) {
      const received = bodyAtHand(exchange) ?? (yield* receiveBody(exchange))
      if ('status' in received) return reject(exchange, received)
      if ('reader' in received) return yield* withOpenBody(received, () => respond(exchange, received.body))
      body = received
    }
    const sent = respond(exchange, body)
    return isPending(sent) ? yield* sent : sent
  } catch (error) {
    return afterFault(exchange, error)
  } finally {
    connection.idle = false
    connection.onDrain = null
    // A request cancelled by a server that stops waiting is logged too.
    exchange.abandon(closed, 0, 'cancelled')
  }
}

/**
 * Sets the deadline of a head, which covers all of it from its first byte on. Blank lines before the head do not count: some
 * clients send one after a request, and would take a 408 for the response to their next one.
 */
function beginWait(exchange: Exchange): void {
  const { connection } = exchange
  if (!exchange.isIdle) return
  if (!connection.reader.begun) {
    if (!connection.idle) connection.beginIdle(exchange.count)
    return
  }
  connection.endIdle()
  exchange.advance(transitions.headBegun)
  connection.client.readDeadline = now() + connection.settings.request_header_timeout
}

/** Ends a request after an error thrown while it was read or processed. */
function afterFault(exchange: Exchange, error: unknown): NextAction {
  const { connection } = exchange
  if (exchange.isBeforeHandler) {
    if (instanceOf(error, ClosedError)) return exchange.abandon(closed)
    if (!instanceOf(error, TimeoutError)) throw error
    // The stream was closed because the client does not read the responses to earlier requests.
    if (!connection.client.isOpen) return exchange.abandon(sendFailed(error))
    return exchange.isIdle ? idleTimeout : reject(exchange, rejections.headTimeout)
  }
  if (exchange.isSending && instanceOf<ClosedError | TimeoutError>(error, ClosedError, TimeoutError)) {
    return exchange.abandon(sendFailed(error))
  }
  // Reads and writes on a lost connection fail: no fault of the handler.
  const lost = !connection.client.isOpen && instanceOf<ClosedError | TimeoutError>(error, ClosedError, TimeoutError)
  if (exchange.gone !== null && (lost || instanceOf(error, CancelledError))) return exchange.abandon(closed)
  if (exchange.isInHandler && instanceOf(error, BodyError) && exchange.written === 0) {
    return exchange.mayRespond ? reject(exchange, error) : exchange.abandon(closed)
  }
  logFailure(connection.logger, exchange.head, error, 'the handler failed')
  // The unread rest of the body must not be taken for the next request.
  exchange.body?.close()
  return exchange.mayRespond ? fail(exchange) : exchange.abandon(closed)
}

function sendFailed(error: Error): NextAction {
  return [null, `failed to send response: ${error.message}`]
}

/** Calls the handler and sends its response: synchronously, or as an operation if there is something to wait for. */
function respond(exchange: Exchange, body: Buffer | RequestBody | null): NextAction | Op<NextAction> {
  let given: ReturnType<typeof callHandler>
  try {
    given = callHandler(exchange, body)
  } catch (error) {
    if (exchange.spawned === null) throw error
    given = failing(error)
  }
  if (exchange.spawned !== null || isOp(given) || isThenable(given)) return respondLater(exchange, given)
  return conclude(exchange, given)
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
  const sent = conclude(exchange, given)
  return isPending(sent) ? yield* sent : sent
}

function awaited(exchange: Exchange, given: ReturnType<typeof callHandler>): Op<HandlerResult | Op<HandlerResult>> {
  if (isOp(given)) return cancelOnDisconnect(exchange, given)
  if (isThenable(given)) return arriving(exchange, markHandled(given))
  return cancelOnDisconnect(exchange, giving(given), () => cancelContent(given))
}

function* giving<T>(value: T): Op<T> {
  return value
}

/** Waits for a promise. If the request ends first, the promise's content is closed, or its error logged, when it settles. */
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
  return cancelOnDisconnect(exchange, arrival(), () => void promise.then(cancelContent, (error: unknown) => failed || logLate(exchange, error)))
}

/** Logs an error that a handler throws after its client has disconnected, unless the disconnect caused it. */
function logLate({ connection, head }: Exchange, error: unknown): void {
  if (instanceOf<Error>(error, ClosedError, CancelledError, BodyError) || nameOf(error) === 'AbortError') return
  logFailure(connection.logger, head, error, 'the handler failed after its request was over')
}

function conclude(exchange: Exchange, given: HandlerResult): NextAction | Op<NextAction> {
  if (exchange.gone !== null) {
    cancelContent(given)
    return exchange.abandon(closed)
  }
  return given instanceof Upgrade ? serveWebSocket(exchange, given) : sendResult(exchange, given)
}

function callHandler(exchange: Exchange, body: Buffer | RequestBody | null): ReturnType<Connection['service']['handle']> {
  const { connection, head } = exchange
  const ctx = new Context(connection, exchange, body)
  exchange.advance(transitions.handlerCalled)
  connection.client.readDeadline = Infinity
  const headers = connection.peer.headersOf(head)
  if (exchange.decoded) {
    delete headers['content-encoding']
    delete headers['content-length']
  }
  const whole = body instanceof RequestBody ? null : body
  return callApart(exchange, () => connection.service.handle(head.method, head.query, head.args, headers, whole, ctx))
}

/** Attaches a no-op catch, so that a rejection before the promise is awaited is not an unhandledRejection. */
function markHandled<T>(given: PromiseLike<T>): Promise<T> {
  const promise = Promise.resolve(given)
  promise.catch(() => {})
  return promise
}
