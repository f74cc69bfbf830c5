import { scope, type Op } from '../../lev/index.js'
import { callContained } from '../../lev/internal.js'
import { bodyAtHand, BodySource } from './body-source.js'
import { unreadBodyBytes, unreadBodySeconds } from '../config/fixed-limits.js'
import { boolean } from '../config/validators.js'
import { bodySize, type BufferChoice, type SizeChoice } from '../config/settings.js'
import { acceptEncodingOf, requestCodings } from '../coding/codings.js'
import { bodyCoding, bodyDecoder, decodeWhole } from '../coding/content-decoding.js'
import { BodyError } from '../errors.js'
import type { Exchange, NextAction } from './exchange.js'
import { rejections, type Rejection } from '../http1/rejection.js'
import { RequestBody } from './request-body.js'

/** A body that the handler reads from the connection. */
export interface OpenBody {
  readonly body: RequestBody
  readonly source: BodySource
  close(): void
}

/** Fast path: the content, if it is in the input buffer and goes to the handler whole and as sent; null: use `receive`. */
export function receivedAlready({ connection, head }: Exchange): Buffer | null {
  const { buffer_body, decode_body, max_body_size } = connection.settings
  const takes = buffer_body === true && !decode_body && typeof max_body_size === 'number' && head.contentLength <= max_body_size
  return takes ? bodyAtHand(connection, head) : null
}

/** Prepares a request's content for the handler, buffered or open to be read; a Rejection if it cannot. */
export function* receive(exchange: Exchange): Op<Buffer | OpenBody | Rejection> {
  const { connection, head } = exchange
  const { decode_body } = connection.settings
  let chosen: Chosen
  try {
    chosen = choose(exchange)
  } catch (error) {
    connection.logger.error({ err: error, method: head.method, query: head.query }, 'a setting of the body failed')
    return rejections.bodyNotRead
  }
  const { buffered, limit } = chosen
  if (head.contentLength > limit) return rejections.bodyTooLarge(head.contentLength)
  try {
    const coding = decode_body ? bodyCoding(head.fields.get('content-encoding')) : null
    if (coding === undefined) return rejections.contentCoding(acceptEncodingOf(requestCodings))
    exchange.decoded = coding !== null
    const source = new BodySource(connection, head, exchange, limit)
    if (buffered) {
      const body = bodyAtHand(connection, head) ?? (yield* source.whole())
      return coding === null ? body : yield* decodeWhole(body, coding, limit)
    }
    const decoder = coding === null ? null : bodyDecoder(source, coding, limit)
    const close = (): void => decoder?.close()
    exchange.source = source
    return { body: new RequestBody(decoder ?? source, head.fields.get('content-type'), exchange), source, close }
  } catch (error) {
    if (!(error instanceof BodyError)) throw error
    return { status: error.status, reason: error.reason }
  }
}

/** The settings for the body of one request. */
interface Chosen {
  readonly buffered: boolean
  readonly limit: number
}

/** @throws any error of a function among the settings; ConfigError if it returns an invalid value */
function choose({ connection, head }: Exchange): Chosen {
  const { buffer_body, max_body_size } = connection.settings
  const ask = (choice: BufferChoice | SizeChoice): unknown => {
    const given: unknown = callContained(() => choice(head.method, head.query, connection.peer.headersOf(head)))
    // A promise is not a valid value; its own rejection must not end the process.
    if (given instanceof Promise) given.catch(() => {})
    return given
  }
  return {
    limit: typeof max_body_size === 'number' ? max_body_size : bodySize(ask(max_body_size), 'what max_body_size gives'),
    buffered: typeof buffer_body === 'boolean' ? buffer_body : boolean(ask(buffer_body), 'what buffer_body gives'),
  }
}

/** Responds to a request whose handler reads the body from the connection, then discards the unread rest. */
export function* withOpenBody({ body, source, close }: OpenBody, respond: () => NextAction | Op<NextAction>): Op<NextAction> {
  const next = yield* scope(function* (around) {
    const serving = around.spawn(() => RequestBody.serve(body))
    try {
      const sent = respond()
      return 'next' in sent ? yield* sent : sent
    } finally {
      serving.cancel()
      close()
    }
  })
  if (next[0] !== 'keep-alive' || source.done) return next
  const drained = !source.unusable && (yield* source.drain(unreadBodyBytes, unreadBodySeconds))
  source.close()
  return drained ? next : ['close', null]
}
