import { inCoroutine, portal, type Op, type Portal } from '../../../lev/index.js'
import { messageOf } from '../../../lev/internal.js'
import { ArgumentError, StateError } from '../../errors.js'
import type { ResponseParts } from '../../request/handler.js'
import { declaredLength, headerLines, withDefaults, type ResponseHeaders } from '../../http1/response-headers.js'
import { hasContent } from '../../http1/status.js'
import type { Out } from '../../response/out.js'
import { textHeaders } from '../../response/send-response.js'
import { Signal } from '../../signal.js'
import type { Response } from './types.js'
import { begun, done, waiting, type Waiting } from '../../waiting.js'

/** Queued bytes above which waiting for `send` takes time. */
const queueLimit = 64 * 1024

type Data = string | Uint8Array

/** A response that is built by calls, at any time and from anywhere, and sent by the core as it grows. */
export class Reply {
  readonly res: Response
  /** Whether nothing more is sent: the whole response is on its way, or the client has gone. */
  over = false
  readonly #method: string
  readonly #headers = new Map<string, [name: string, value: string | number | (string | number)[]]>()
  #status: number | null = null
  #begun = false
  #finished = false
  /** Whether the content is sent in pieces: some of it came by `send`. */
  #streams = false
  #failure: { readonly error: unknown } | null = null
  #queue: Data[] = []
  #queued = 0
  readonly #changed = new Signal()
  readonly #drain = new Signal()
  readonly #world: Portal = portal()
  /** Shared by all callers outside of coroutines, so that callbacks that ignore it cost next to nothing. */
  #draining: Promise<void> | null = null

  constructor(method: string) {
    this.#method = method
    this.res = {
      send: (data, code) => {
        if (this.#finished) throw new StateError('send: the response has ended, since finish was called')
        if (this.#put('send', data, code)) this.#streams = true
        return this.#drained()
      },
      send_header: (name, data) => this.#addHeader(name, data),
      finish: (data, code) => {
        if (!this.#finished) this.#finish(data, code)
        return waiting(() => this.ended(), this.#world)
      },
    }
  }

  /** Waits until at most `queueLimit` bytes are queued. */
  *waitForDrain(): Op<void> {
    while (this.#queued > queueLimit) yield* this.#drain.wait()
  }

  #drained(): Waiting<void> {
    if (this.#queued <= queueLimit) return done()
    if (inCoroutine()) return waiting(() => this.waitForDrain(), this.#world)
    this.#draining ??= this.#world.run(() => this.waitForDrain()).finally(() => (this.#draining = null))
    return begun(this.#draining.then())
  }

  *ended(): Op<void> {
    while (!this.over) yield* this.#changed.wait()
  }

  /** Waits for the response's head to be decided; undefined if it was ended before. @throws the error given to `fail` */
  *response(): Op<ResponseParts | undefined> {
    let streams = false
    try {
      while (!this.#begun && this.#failure === null && !this.over) yield* this.#changed.wait()
      if (this.#failure !== null) throw this.#failure.error
      if (this.over) return undefined
      streams = this.#streams
      return [streams ? (out) => this.#writeQueue(out) : this.#queue[0] ?? null, this.#status ?? 200, this.#allHeaders()]
    } finally {
      if (!streams) this.end()
    }
  }

  /** Makes the response fail with `error`. False if it is too late for that. */
  fail(error: unknown): boolean {
    if (this.over) return false
    this.#failure ??= { error }
    this.#changed.tell()
    return true
  }

  /** Ends the response: nothing more is sent. Repeated calls do nothing. */
  end(): void {
    this.over = true
    this.#queue = []
    this.#queued = 0
    this.res.send_header = null
    this.#drain.tell()
    this.#changed.tell()
  }

  *#writeQueue(out: Out): Op<void> {
    try {
      for (;;) {
        const pieces = this.#queue
        this.#queue = []
        for (const piece of pieces) {
          yield* out.write(piece)
          const before = this.#queued
          this.#queued -= piece.length
          if (before > queueLimit && this.#queued <= queueLimit) this.#drain.tell()
        }
        if (this.#queue.length > 0) continue
        if (this.#failure !== null) throw this.#failure.error
        if (this.#finished || this.over) return
        yield* this.#changed.wait()
      }
    } finally {
      this.end()
    }
  }

  /** Queues content. Returns false if there is none to be sent. */
  #put(what: string, data: Data | null | undefined, code: number | null | undefined): boolean {
    const given = data ?? ''
    if (typeof given !== 'string' && !(given instanceof Uint8Array)) {
      throw new ArgumentError('data', `${what}: data must be a string, bytes or null, got ${typeof given}`)
    }
    if (code !== null && code !== undefined && this.#status === null && !this.#begun) this.#status = checkedCode(what, code)
    if (this.over || given.length === 0) return false
    this.res.send_header = null
    // If the response must have no content, the head is sent at the end.
    if (!hasContent(this.#method, this.#status ?? 200)) return false
    this.#begun = true
    this.#queue.push(given)
    this.#queued += given.length
    this.#changed.tell()
    return true
  }

  #finish(data: Data | null | undefined, code: number | null | undefined): void {
    this.#put('finish', data, code)
    this.#finished = true
    this.#begun = true
    this.res.send_header = null
    this.#changed.tell()
  }

  #addHeader(name: string, data: string | number): void {
    if (typeof name !== 'string') throw new ArgumentError('header_name', `send_header: header_name must be a string, got ${typeof name}`)
    if (typeof data !== 'string' && typeof data !== 'number') {
      throw new ArgumentError('header_data', `send_header: header_data must be a string, got ${data === null ? 'null' : typeof data}`)
    }
    const before = this.#headers.get(name.toLowerCase())
    if (before !== undefined && name.toLowerCase() === 'content-length') {
      throw new ArgumentError('header_name', `send_header: ${name} was given before`)
    }
    const value = before === undefined ? data : [before[1], data].flat()
    check(before?.[0] ?? name, value)
    this.#headers.set(name.toLowerCase(), [before?.[0] ?? name, value])
  }

  #allHeaders(): ResponseHeaders {
    const headers = Object.fromEntries(this.#headers.values())
    // As for other responses: no browser should guess that text is a page.
    return typeof this.#queue[0] === 'string' ? withDefaults(headers, 'content-type', textHeaders) : headers
  }
}

function checkedCode(what: string, code: number): number {
  if (Number.isInteger(code) && code >= 200 && code <= 599) return code
  throw new ArgumentError('response_code', `${what}: response_code must be an integer from 200 to 599, got ${String(code)}`)
}

/** Checks the header as the core will. */
function check(name: string, value: string | number | (string | number)[]): void {
  attempt('header_name', { [name]: '0' })
  attempt('header_data', { [name]: value })
}

function attempt(argument: string, headers: ResponseHeaders): void {
  try {
    headerLines(headers)
    declaredLength(headers)
  } catch (error) {
    throw new ArgumentError(argument, `send_header: ${messageOf(error)}`, { cause: error })
  }
}
