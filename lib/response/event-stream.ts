import { now, scope, sleep, type Op, type Task } from '../../lev/index.js'
import { keepContext, messageOf, opMethods } from '../../lev/internal.js'
import { asArguments, optionsOf } from '../config/arguments.js'
import { fieldsOf } from '../config/validators.js'
import { ArgumentError } from '../errors.js'
import type { ResponseParts } from '../request/handler.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import type { Out } from './out.js'

/** Fields of an event besides its data. */
export interface EventFields {
  /** The event's type, for which browsers register listeners; "message" when absent. */
  readonly event?: string | null | undefined
  /** The id that the client sends as `Last-Event-ID` when it reconnects; "" clears the one before. */
  readonly id?: string | number | null | undefined
  /** Seconds after which the client should reconnect once the connection is lost. */
  readonly retry?: number | null | undefined
}

/** Options of an event stream. */
export interface EventStreamOptions {
  /** Seconds without an event after which a comment keeps the connection alive for proxies on the way. 0: never. Default: 15. */
  readonly heartbeat?: number | null | undefined
  /** Seconds after which the client should reconnect; the client's own default when absent. */
  readonly retry?: number | null | undefined
  /**
   * Ends the stream regularly when it aborts; null: only the generator ends it. Default: `ctx.draining`, so that a server that
   * stops need not wait for its clients to disconnect.
   */
  readonly until?: AbortSignal | null | undefined
  /** Headers of the response, in addition to Content-Type and `Cache-Control: no-store`; the status is 200. */
  readonly headers?: ResponseHeaders | null | undefined
}

/** Sends server-sent events. */
export interface EventSender {
  /**
   * Sends one event, and waits while the client is behind. Data other than a string is sent as JSON.
   * @throws ArgumentError for an event or id with a line break or NUL, or data that cannot be written as JSON
   */
  send(data: unknown, fields?: EventFields): Op<void>
  /** Sends a comment, which clients ignore. */
  comment(text?: string): Op<void>
}

const defaultHeartbeat = 15

/**
 * A response of server-sent events, in the WHATWG's format. The generator sends them and is cancelled when the client
 * disconnects; the stream ends when it returns. The head is sent immediately.
 *
 * ```ts
 * return eventStream(function* (events) {
 *   for (let n = 1; ; n++) {
 *     yield* events.send({ n }, { id: n })
 *     yield* lev.sleep(1)
 *   }
 * })
 * ```
 * @throws ArgumentError naming an invalid option
 */
export function eventStream(produce: (events: EventSender) => Op<void>, options: EventStreamOptions = {}): ResponseParts {
  if (typeof produce !== 'function') throw new ArgumentError('produce', 'produce must be a generator function')
  asArguments(() => {
    const fields = optionsOf(options, 'options', 'an object of options', ['heartbeat', 'retry', 'until', 'headers'])
    if (fields.has('headers')) fieldsOf(fields.get('headers'), 'headers', 'an object of header names and values')
  })
  const heartbeat = secondsOf('heartbeat', options.heartbeat ?? defaultHeartbeat)
  const retry = isGiven(options.retry) ? retryLine(options.retry) : ''
  const { until } = options
  if (until !== undefined && until !== null && !(until instanceof AbortSignal)) {
    throw new ArgumentError('until', 'until must be an AbortSignal or null')
  }
  const context = keepContext()
  const headers: ResponseHeaders = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', ...options.headers }
  return [function* (out) {
    if (retry !== '') yield* out.write(`${retry}\n`)
    yield* out.flush()
    const sender = new Sender(out)
    yield* scope(function* (around) {
      const beating = heartbeat > 0 ? around.spawn(() => sender.beat(heartbeat)) : null
      const producing = context(() => around.spawn(() => produce(sender)))
      yield* unlessAborted(until === undefined ? out.draining : until, producing)
      beating?.cancel()
    })
  }, 200, headers]
}

/** Waits for a task, and cancels it if `signal` aborts. */
function* unlessAborted(signal: AbortSignal | null, task: Task<void>): Op<void> {
  if (signal === null) return yield* task.join()
  const stop = (): void => task.cancel()
  signal.addEventListener('abort', stop)
  try {
    if (signal.aborted) stop()
    yield* task.join()
  } catch (error) {
    if (task.outcome?.kind !== 'cancelled') throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

class Sender implements EventSender {
  readonly #out: Out
  #sentAt = now()

  constructor(out: Out) {
    this.#out = out
  }

  *send(data: unknown, fields: EventFields = {}): Op<void> {
    let text = ''
    if (isGiven(fields.retry)) text += retryLine(fields.retry)
    if (isGiven(fields.event)) text += `event: ${oneLine('event', fields.event)}\n`
    if (isGiven(fields.id)) text += `id: ${oneLine('id', String(fields.id))}\n`
    yield* this.#write(`${text}${lines('data: ', textOf(data))}\n`)
  }

  *comment(text = ''): Op<void> {
    yield* this.#write(`${lines(text === '' ? ':' : ': ', text)}\n`)
  }

  /** Sends a comment whenever nothing was sent for `seconds`. */
  *beat(seconds: number): Op<void> {
    for (;;) {
      const left = this.#sentAt + seconds - now()
      // Sums of seconds are not exact; a millisecond early does no harm.
      if (left > 0.001) yield* sleep(left)
      else yield* this.comment()
    }
  }

  *#write(text: string): Op<void> {
    this.#sentAt = now()
    yield* this.#out.write(text)
  }
}

opMethods(Sender.prototype, 'send', 'comment')

/** Puts `prefix` before each line of a text: CR, LF and CRLF all end lines in this format. */
function lines(prefix: string, text: string): string {
  return `${prefix}${text.replace(/\r\n|\r|\n/g, `\n${prefix}`)}\n`
}

function textOf(data: unknown): string {
  if (typeof data === 'string') return data
  let json: string | undefined
  try {
    json = JSON.stringify(data)
  } catch (error) {
    throw new ArgumentError('data', `data cannot be written as JSON: ${messageOf(error)}`)
  }
  if (json === undefined) throw new ArgumentError('data', `data cannot be written as JSON: it is ${typeof data}`)
  return json
}

/** Rejects NUL too: clients ignore an id that contains one. */
function oneLine(name: string, value: string): string {
  if (typeof value === 'string' && !/[\r\n\0]/.test(value)) return value
  throw new ArgumentError(name, `${name} must be a text without line breaks and NUL`)
}

/** The format has milliseconds in digits only: clients ignore 1e+21. */
function retryLine(seconds: number): string {
  const whole = Math.floor(secondsOf('retry', seconds))
  return `retry: ${BigInt(whole) * 1000n + BigInt(Math.round((seconds - whole) * 1000))}\n`
}

function secondsOf(name: string, value: number): number {
  if (typeof value === 'number' && value >= 0 && value < Infinity) return value
  throw new ArgumentError(name, `${name} must be a number of seconds, 0 or more`)
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null
}
