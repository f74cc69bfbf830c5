import { scope, sleep, type Op, type Task } from '../../../lev/index.js'
import { Context } from '../../request/context.js'
import { ArgumentError } from '../../errors.js'
import { Signal } from '../../signal.js'
import type { Reply } from './reply.js'
import { connectionOf, type Hold } from './socket.js'
import type { Handler, Request, Socket } from './types.js'
import { called } from '../shared/called.js'

/** Seconds for which a handler may go on after its response was sent. */
const graceSeconds = 10

/** A request from the core. */
interface Arrival {
  readonly method: string
  readonly url: string
  readonly ctx: Context
}

/** Runs the handler for a request, in a task of its own. Errors go to `reply` and are never thrown. */
export function* visit(arrival: Arrival, reply: Reply, handler: Handler): Op<void> {
  const { ctx } = arrival
  const failed = (error: unknown): void => {
    if (!reply.fail(error)) ctx.logger.error({ err: error, method: arrival.method, query: arrival.url }, 'the handler failed after its response')
  }
  const req = new IncomingRequest(arrival, reply, failed)
  // Aborted when the client leaves, and when a stopping server no longer waits.
  const gone = (): void => reply.end()
  ctx.signal.addEventListener('abort', gone)
  if (ctx.signal.aborted) gone()
  try {
    yield* scope(function* (around) {
      let grace: Task<void> | null = null
      const handling = around.spawn(function* () {
        try {
          yield* called(() => handler(req, reply.res))
        } finally {
          grace?.cancel()
        }
      })
      const telling = around.spawn(() => req.deliver(arrival, reply))
      yield* reply.ended()
      telling.cancel('client gone')
      if (handling.outcome !== null) return
      grace = around.spawn(function* () {
        if (!ctx.signal.aborted) yield* sleep(graceSeconds)
        handling.cancel('client gone')
      })
    })
  } catch (error) {
    failed(error)
  } finally {
    ctx.signal.removeEventListener('abort', gone)
  }
}

class IncomingRequest implements Request {
  readonly conn: Socket
  readonly method: string
  readonly url: string
  readonly #assigned = new Signal()
  #onheader: Request['onheader'] = null
  #ondata: Request['ondata'] = null

  readonly #hold: Hold

  constructor({ method, url, ctx }: Arrival, reply: Reply, failed: (error: unknown) => void) {
    this.method = method
    this.url = url
    const { conn, hold } = connectionOf(ctx.client, Context.peer(ctx), reply, failed)
    this.conn = conn
    this.#hold = hold
  }

  get onheader(): Request['onheader'] {
    return this.#onheader
  }

  set onheader(handle: Request['onheader']) {
    this.#onheader = callbackOf('onheader', handle)
    this.#assigned.tell()
  }

  get ondata(): Request['ondata'] {
    return this.#ondata
  }

  set ondata(handle: Request['ondata']) {
    this.#ondata = callbackOf('ondata', handle)
    this.#assigned.tell()
  }

  /** Calls the callbacks with the headers and the body, once they are assigned. */
  *deliver({ ctx }: Arrival, reply: Reply): Op<void> {
    while (this.#onheader === null && this.#ondata === null) yield* this.#assigned.wait()
    for (const [name, value] of Context.fieldLines(ctx)) {
      if (this.#onheader !== null) yield* called(() => this.onheader?.(this, name.toLowerCase(), value))
    }
    for (;;) {
      while (this.#ondata === null) yield* this.#assigned.wait()
      // Output that a callback sends for each piece must not pile up.
      yield* reply.waitForDrain()
      yield* this.#hold.over()
      const chunk = yield* readFor(reply, ctx)
      if (chunk === undefined) return
      yield* called(() => this.ondata?.(this, chunk))
      if (chunk === null) return
    }
  }
}

function callbackOf<F>(name: string, given: F | null | undefined): F | null {
  if (given === undefined || given === null || typeof given === 'function') return given ?? null
  throw new ArgumentError(name, `${name} must be a function or null, got ${typeof given}`)
}

/** The next piece of the body; undefined if reading fails after the response is over. */
function* readFor(reply: Reply, ctx: Context): Op<Buffer | null | undefined> {
  try {
    return yield* ctx.body.read()
  } catch (error) {
    if (reply.over) return undefined
    throw error
  }
}
