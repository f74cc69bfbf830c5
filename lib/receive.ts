import { scope, type Op } from '../lev/index.js'
import { BodySource } from './body-source.js'
import { bodyAtHand, readBody } from './body.js'
import { bodyCoding, Decoder, decodeWhole, unsupportedCoding } from './decoder.js'
import { BodyError } from './errors.js'
import type { Disposition, Exchange } from './exchange.js'
import { bodyTooLarge, type Refusal } from './http1/refusal.js'
import { RequestBody } from './request-body.js'

/** Bytes and seconds that what a handler left of its body is read for, so that the connection can live on. */
const drainBytes = 64 * 1024
const drainSeconds = 2

/** A body that the handler reads itself. */
export interface OpenBody {
  readonly body: RequestBody
  readonly source: BodySource
  close(): void
}

/** The content of a request that is there already and wanted as a whole, as it was sent; null for any other, which `receive` gets. */
export function receivedAlready({ connection, head }: Exchange): Buffer | null {
  const { buffer_body, decode_body, max_body_size } = connection.settings
  return buffer_body === true && !decode_body && head.contentLength <= max_body_size ? bodyAtHand(connection, head) : null
}

/** Gets a request's content ready for its handler: as a whole, or open to be read; a Refusal says why it cannot be had. */
export function* receive(exchange: Exchange): Op<Buffer | OpenBody | Refusal> {
  const { connection, head } = exchange
  const { settings } = connection
  let buffered: boolean
  try {
    buffered = isBuffered(exchange)
  } catch (error) {
    connection.logger.error({ err: error, method: head.method, query: head.query }, 'buffer_body failed')
    return { status: 500, reason: 'the body was not read' }
  }
  if (buffered && !settings.decode_body) return yield* readBody(exchange)
  if (head.contentLength > settings.max_body_size) return bodyTooLarge(settings.max_body_size)
  try {
    const coding = settings.decode_body ? bodyCoding(head.fields.get('content-encoding')) : null
    if (coding === undefined) return unsupportedCoding
    exchange.decoded = coding !== null
    if (buffered) {
      const body = yield* readBody(exchange)
      return coding === null || 'status' in body ? body : yield* decodeWhole(body, coding, settings.max_body_size)
    }
    const source = new BodySource(connection, head, exchange)
    const decoder = coding === null ? null : new Decoder(source, coding, settings.max_body_size)
    const close = (): void => decoder?.close()
    exchange.source = source
    return { body: new RequestBody(decoder ?? source, head.fields.get('content-type'), exchange), source, close }
  } catch (error) {
    if (!(error instanceof BodyError)) throw error
    return { status: error.status, reason: error.reason }
  }
}

function isBuffered(exchange: Exchange): boolean {
  const { connection, head } = exchange
  const { buffer_body } = connection.settings
  if (typeof buffer_body === 'boolean') return buffer_body
  return buffer_body(head.method, head.query, connection.headersOf(head)) !== false
}

/** Has a request answered whose handler reads the body itself, and gets rid of what that left unread. */
export function* withOpenBody({ body, source, close }: OpenBody, respond: () => Disposition | Op<Disposition>): Op<Disposition> {
  const disposition = yield* scope(function* (around) {
    const serving = around.spawn(() => RequestBody.serve(body))
    try {
      const sent = respond()
      return 'next' in sent ? yield* sent : sent
    } finally {
      serving.cancel()
      close()
    }
  })
  if (disposition[0] !== 'keep-alive' || source.done) return disposition
  const drained = !source.unusable && (yield* source.drain(drainBytes, drainSeconds))
  source.close()
  return drained ? disposition : ['close', null]
}
