import { CancelledError, ClosedError, now, sleep, type Op } from '../../lev/index.js'
import { instanceOf, scopeAfter } from '../../lev/internal.js'
import { closing, type Exchange, type NextAction } from '../request/exchange.js'
import { settled } from '../request/handler.js'
import { rejections, type Rejection } from '../http1/rejection.js'
import { namesOf, ResponseError, type ResponseHeaders } from '../http1/response-headers.js'
import { logFailure } from '../log/log-failure.js'
import { visible } from '../log/stdout-sink.js'
import { tellRejection } from '../observe/tell-rejection.js'
import { WebSocketRecord } from '../observe/websocket-record.js'
import { sendResult } from '../response/send-response.js'
import { closeReasons } from './close-reasons.js'
import { acceptHandshake, type Accepted } from './handshake.js'
import type { Upgrade } from './upgrade.js'
import { WebSocket } from './websocket.js'

/** Responds to a handshake, and then runs the WebSocket until it is closed; after that the caller closes the connection. */
export function serveWebSocket(exchange: Exchange, upgrade: Upgrade): NextAction | Op<NextAction> {
  const { head, peer, written } = exchange
  const { rules } = upgrade
  if (written > 0) throw new ResponseError(null, 'the handler has written to the connection itself, and upgrades it as well')
  const accepted = head.chunked || head.contentLength > 0 ? rejections.webSocketBody : acceptHandshake(head, rules, peer.hostOf(head), peer.scheme === 'https')
  if (!('status' in accepted)) return run(exchange, upgrade, accepted)
  tellRejection(peer, accepted)
  return sendResult(exchange, declined(accepted, head.upgrade))
}

function* run(exchange: Exchange, upgrade: Upgrade, accepted: Accepted): Op<NextAction> {
  const { connection, head, peer } = exchange
  const { rules } = upgrade
  exchange.writer.upgrade(exchange, withHeaders(accepted.headers, upgrade.headers))
  exchange.finish(101, 0, closing)
  const agreed = accepted.compression !== null && rules.compression !== null
  const compression = agreed ? { ...rules.compression, ...accepted.compression } : null
  const terms = { client: false, protocol: accepted.protocol, compression, connection: peer.connection }
  const ws = new WebSocket(connection.client, terms, rules, connection.service.inflateBudget)
  const record = WebSocketRecord.open(peer, head, accepted.protocol, compression !== null)
  try {
    connection.whenDraining(() => ws.close(closeReasons.stopping.code, closeReasons.stopping.reason))
    yield* converse(exchange, ws, upgrade)
  } catch (error) {
    // A CancelledError comes from the client's leaving, or from the handler itself.
    if (!instanceOf(error, CancelledError) && !isBlameless(error, ws)) {
      exchange.logger.error({ err: error, query: head.query }, 'a WebSocket failed')
    }
  } finally {
    // Has an effect only if a stopping server has cancelled the handler.
    ws.close(closeReasons.stopping.code, closeReasons.stopping.reason)
    exchange.abort('the WebSocket is closed')
    const { closeCode, closeReason } = ws
    exchange.logger.debug({ client_ip: peer.ip, query: head.query, code: closeCode, reason: visible(closeReason) }, 'WebSocket closed')
    record?.close(closeCode ?? 1006, closeReason)
  }
  return closing
}

const handshakeHeader = /^(?:upgrade|sec-websocket-.*)$/i

/** The headers of a handshake and those of the handler. @throws ResponseError if one of these is the handshake's */
function withHeaders(accepted: ResponseHeaders, given: ResponseHeaders | null | undefined): ResponseHeaders {
  if (given === null || given === undefined) return accepted
  const taken = namesOf(given).find((name) => handshakeHeader.test(name))
  if (taken !== undefined) throw new ResponseError(taken, 'is set by the handshake')
  return { ...given, ...accepted }
}

/** A client that asked for an upgrade may already have sent data of the new protocol, so no further request can be read. */
function declined({ status, reason, headers = {} }: Rejection, upgrade: boolean): [string, number, ResponseHeaders] {
  const options = [headers.Connection, upgrade ? 'close' : undefined].filter((option) => option !== undefined)
  return [`${reason}\n`, status, options.length > 0 ? { ...headers, Connection: options.join(', ') } : headers]
}

/** Runs the handler beside a task that reads. After the client has gone, the handler has `close_timeout` seconds to end. */
function* converse(exchange: Exchange, ws: WebSocket, upgrade: Upgrade): Op<void> {
  let handled = false
  let until: number | null = null
  yield* scopeAfter({ spawned: null, context: upgrade.context }, function* (around) {
    const pump = ws.pump()
    ws.onOver = () => {
      until = now() + upgrade.rules.close_timeout
      exchange.abort('the WebSocket is closed')
    }
    const reading = around.spawn(function* () {
      yield* pump
      if (handled) return
      yield* sleep((until ?? now()) - now())
      around.cancel('client gone')
    })
    const code = yield* handle(exchange, ws, upgrade)
    handled = true
    ws.close(code)
    if (until === null) yield* reading.join()
    else reading.cancel()
  })
}

/** Runs the handler and returns the code to close with. */
function* handle(exchange: Exchange, ws: WebSocket, upgrade: Upgrade): Op<number> {
  try {
    yield* settled(upgrade.handle(ws))
    return 1000
  } catch (error) {
    if (isBlameless(error, ws)) return 1000
    const { logger, head } = exchange
    logFailure(logger, head, error, 'the handler failed')
    return 1011
  }
}

/** Whether the errors come only from sending to a client that has gone, in any number of tasks: that is not the handler's fault. */
function isBlameless(error: unknown, ws: WebSocket): boolean {
  const errors: readonly unknown[] = instanceOf(error, AggregateError) ? error.errors : [error]
  return !ws.isOpen && errors.every((one) => instanceOf(one, ClosedError))
}
