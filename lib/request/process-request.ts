import { CancelledError, ClosedError, now, TimeoutError, type Op } from '../../lev/index.js'
import { instanceOf, makerDone } from '../../lev/internal.js'
import { bodyAtHand, receiveBody, withOpenBody } from './body-reader.js'
import type { Connection } from '../server/connection.js'
import { BodyError } from '../errors.js'
import { closed, Exchange, isPending, type NextAction } from './exchange.js'
import { redirectToHttps } from './https-redirect.js'
import { NEED_MORE, REJECTED } from '../http1/head.js'
import { rejections } from '../http1/rejection.js'
import { logFailure } from '../log/log-failure.js'
import { respond } from './respond.js'
import { fail, failLate, reject } from '../response/send-response.js'
import { transitions } from './states.js'

export const idleTimeout: NextAction = [null, 'keepalive timeout']

/**
 * Reads one request, calls the handler and sends the response. The caller closes the connection unless it is kept alive.
 * Nothing suspends between reading and responding when the request is in the input buffer and its handler is plain.
 */
export function* processRequest(connection: Connection, count: number): Op<NextAction> {
  const { client, reader } = connection
  const exchange = new Exchange(connection, count)
  try {
    let end: number
    while ((end = reader.read(client.input, client.inputStart, client.inputEnd)) === NEED_MORE) {
      beginWait(exchange)
      if (!(yield* client.fill())) return exchange.abandon(closed)
    }
    connection.endIdle()
    if (end === REJECTED) return reject(exchange, reader.rejection ?? rejections.requestLine)
    client.consume(end - client.inputStart)
    const head = exchange.begin(reader.head)
    const { redirect } = connection.peer.place
    if (redirect !== null) {
      const redirected = redirectToHttps(exchange, redirect)
      if (redirected !== null) return redirected
    }
    if (!connection.mayServe(head)) return reject(exchange, rejections.misdirected)
    const { chooser } = connection.service
    if (chooser !== null) exchange.choose(chooser)

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
    connection.endRequest()
    // A request cancelled by a server that stops waiting is logged too.
    exchange.abandon(closed, 0, 'cancelled')
    makerDone()
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
  // Reads and writes on a lost connection fail: no fault of the handler. One that runs on without its client is at fault, but for reads.
  const lost = !connection.client.isOpen && instanceOf<ClosedError | TimeoutError>(error, ClosedError, TimeoutError)
  if (exchange.gone !== null && (exchange.isOver || exchange.body?.incomplete === true) && (lost || instanceOf(error, CancelledError))) return exchange.abandon(closed)
  if (exchange.isInHandler && exchange.timedOut) {
    if (!lost && !instanceOf<Error>(error, CancelledError, BodyError)) logFailure(exchange.logger, exchange.head, error, 'the handler failed after its time was over')
    return failLate(exchange)
  }
  if (exchange.isInHandler && instanceOf(error, BodyError) && exchange.written === 0) {
    return exchange.mayRespond ? reject(exchange, error) : exchange.abandon(closed)
  }
  logFailure(exchange.logger, exchange.head, error, 'the handler failed')
  // The unread rest of the body must not be taken for the next request.
  exchange.body?.close()
  return exchange.mayRespond ? fail(exchange) : exchange.abandon(closed)
}

function sendFailed(error: Error): NextAction {
  return [null, `failed to send response: ${error.message}`]
}
