import { CancelledError, ClosedError, now, scope, TimeoutError, wait, type Op } from '../lev/index.js'
import { readBody } from './body.js'
import type { Connection } from './connection.js'
import { Context } from './context.js'
import { Exchange, type Disposition } from './exchange.js'
import { isOp, isThenable, type Answer } from './handler.js'
import { NEED_MORE, REFUSED } from './http1/head.js'
import { refusals, type Refusal } from './http1/refusal.js'
import { sendAnswer, sendFailure, sendRefusal } from './respond.js'

const closed: Disposition = [null, 'closed']
const idleTimeout: Disposition = [null, 'keepalive timeout']
const headTimeout: Refusal = { status: 408, reason: 'request header timeout' }
const bodyTimeout: Refusal = { status: 408, reason: 'request body timeout' }

/**
 * Reads one request, has it answered, and sends the answer. The caller closes the connection unless it is to be kept
 * alive. Nothing suspends between reading and answering when the request is there already and its handler is plain.
 */
export function* processRequest(connection: Connection, count: number): Op<Disposition> {
  const { client, reader } = connection
  const exchange = new Exchange(connection)
  try {
    let end = reader.read(client.input, client.inputStart, client.inputEnd)
    if (end === NEED_MORE) end = yield* awaitHead(connection, exchange)
    if (end === REFUSED) return yield* sendRefusal(exchange, reader.refusal ?? refusals.requestLine)
    client.consume(end - client.inputStart)
    const head = exchange.begin(reader.head)
    const body = head.chunked || head.contentLength > 0 ? yield* readBody(connection, head) : null
    if (body !== null && 'status' in body) return yield* sendRefusal(exchange, body)
    return yield* respond(exchange, body, count)
  } catch (error) {
    if (error instanceof ClosedError) return exchange.abandon(closed)
    if (error instanceof TimeoutError) return yield* refuseLate(exchange)
    throw error
  } finally {
    // Cancelled in the midst of it, by a server that stops waiting: the log tells of it too.
    exchange.abandon(closed)
  }
}

/** Waits for a whole head; gives what the reader says of it. @throws ClosedError, also at the end of the stream; TimeoutError */
function* awaitHead(connection: Connection, exchange: Exchange): Op<number> {
  const { client, reader } = connection
  if (client.inputStart === client.inputEnd) {
    connection.beginIdle()
    try {
      if (!(yield* client.fill())) throw new ClosedError('the client is done')
    } finally {
      connection.idle = false
    }
  }
  exchange.phase = 'head'
  client.readDeadline = now() + connection.settings.request_header_timeout
  for (;;) {
    const end = reader.read(client.input, client.inputStart, client.inputEnd)
    if (end !== NEED_MORE) return end
    if (!(yield* client.fill())) throw new ClosedError('the client ended within a request')
  }
}

/** What becomes of a request that did not come in time. */
function* refuseLate(exchange: Exchange): Op<Disposition> {
  if (exchange.phase === 'idle') return idleTimeout
  return yield* sendRefusal(exchange, exchange.phase === 'head' ? headTimeout : bodyTimeout)
}

/** Calls the handler and sends what it answers. */
function* respond(exchange: Exchange, body: Buffer | null, count: number): Op<Disposition> {
  const { connection, head } = exchange
  const { client } = connection
  const ctx = new Context(connection, count)
  exchange.phase = 'answer'
  client.readDeadline = Infinity
  const before = client.bytesPut
  let answer: Answer
  try {
    const result = connection.service.handle(head.method, head.query, head.args, connection.headersOf(head), body, ctx)
    answer = isOp(result) || isThenable(result) ? yield* attend(connection, ctx, result) : result
  } catch (error) {
    if (Context.isGone(ctx) && error instanceof CancelledError) return exchange.abandon(closed)
    connection.logger.error({ err: error, method: head.method, query: head.query }, 'the handler failed')
    if (Context.isGone(ctx)) return exchange.abandon(closed)
    if (client.bytesPut === before) return yield* sendFailure(exchange, count)
    // Part of an answer is out: only closing tells the client that it is not whole.
    return exchange.finish(500, client.bytesPut - before, [null, 'the handler failed'])
  }
  return yield* sendAnswer(exchange, answer, count, client.bytesPut - before)
}

/** Waits for a handler that suspends, and cancels it if its client goes away meanwhile. */
function* attend(connection: Connection, ctx: Context, result: Op<Answer> | PromiseLike<Answer>): Op<Answer> {
  const { client, settings } = connection
  let over = false
  try {
    return yield* scope(function* (around) {
      client.onGone = (how) => {
        if (how === 'end' && settings.half_close === 'answer') return
        Context.abort(ctx, 'client gone')
        around.cancel('client gone')
      }
      if (client.inputEnded) client.onGone('end')
      const answer = yield* isOp(result) ? result : wait(result)
      over = true
      return answer
    })
  } catch (error) {
    over = true
    throw error
  } finally {
    client.onGone = null
    if (!over) Context.abort(ctx, 'the server stopped')
  }
}
