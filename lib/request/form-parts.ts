import { yieldNow, type Awaitable, type Op } from '../../lev/index.js'
import { awaitableBy, Exclusive, opMethods } from '../../lev/internal.js'
import { readAll, type Pieces } from '../pieces.js'
import { decodeText } from './body-text.js'
import { formNameBytes } from '../config/fixed-limits.js'
import { bodyError, StateError } from '../errors.js'
import { formDisposition } from '../http1/disposition.js'
import type { FieldBlock, RequestHeaders } from '../http1/headers.js'
import { CONTENT, FORM_END, MultipartReader, PART, PART_END } from '../http1/multipart.js'
import { mediaTypeOf, type MediaType } from '../http1/parameters.js'
import { NEED_MORE, rejections } from '../http1/rejection.js'

/**
 * Parts read before other tasks get a turn. A part without content takes some 10 microseconds, one with the longest head 300:
 * reading a buffered form of 5 MiB at once would take a fifth of a second.
 */
const partsAtOnce = 16

/** Default Content-Type of a part (RFC 7578 section 4.4). */
const defaultType = 'text/plain'

/** Runs an operation for code that is not a coroutine. */
type Ask = <T>(operation: () => Op<T>) => Promise<T>

/** How to read the parts. */
export interface PartsOptions {
  /** Maximum bytes of a part that is not a file. */
  readonly fieldLimit: number
  readonly ask: Ask
}

/** One part of a multipart form: a field or a file. It can be read until the next part is requested. */
export class FormPart implements AsyncIterable<Buffer> {
  /** The form field's name. */
  readonly name: string
  /**
   * Null: not a file. The client's name for the file, after the last slash; never use it as a path. "" for a file without a
   * name: a part without a filename is a file if its type is neither text nor JSON.
   */
  readonly filename: string | null
  /** Media type as sent by the client, without parameters. */
  readonly type: string
  readonly #fields: FieldBlock
  readonly #mediaType: MediaType
  readonly #read: (part: FormPart) => Op<Buffer | null>
  readonly #ask: Ask

  /** @internal @throws BodyError 400 for header fields that are not those of a form part; 413 for a name over 1024 bytes */
  constructor(fields: FieldBlock, read: (part: FormPart) => Op<Buffer | null>, ask: Ask) {
    const disposition = formDisposition(utf8(fields.get('content-disposition')) ?? '')
    if (disposition === null) throw bodyError(rejections.form)
    const { name, filename } = disposition
    const nameSize = Buffer.byteLength(name)
    if (nameSize > formNameBytes) throw bodyError(rejections.fieldName(nameSize))
    const contentType = fields.get('content-type') ?? defaultType
    this.#mediaType = mediaTypeOf(contentType)
    this.name = name
    this.filename = filename ?? (isText(this.#mediaType) ? null : '')
    this.type = contentType.split(';', 1)[0].trim()
    this.#fields = fields
    this.#read = read
    this.#ask = ask
  }

  /** The part's header fields by lower-case name. The object has no prototype. */
  get headers(): RequestHeaders {
    const headers = this.#fields.toObject()
    for (const [name, value] of Object.entries(headers)) headers[name] = utf8(value) ?? ''
    return headers
  }

  /** The next piece of the part's content; null at the end. @throws BodyError; StateError once the next part was requested */
  read(): Awaitable<Buffer | null> {
    return this.#awaitable(this.#read(this))
  }

  /** The rest of the part's content. @throws as `read` */
  bytes(): Awaitable<Buffer> {
    return this.#awaitable(readAll(() => this.#read(this)))
  }

  /**
   * The rest of the part's content as text, in the charset of its Content-Type, by default UTF-8.
   * @throws as `read`; BodyError 415 for an unknown charset, 400 for bytes that are not valid in it
   */
  text(): Awaitable<string> {
    return this.#awaitable(this.#text())
  }

  *#text(): Op<string> {
    return decodeText(yield* readAll(() => this.#read(this)), this.#mediaType.parameters.get('charset'))
  }

  /** For async code; in a coroutine, `read` is simpler. @throws as `read` */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return iterator(this.#ask, () => this.#read(this))
  }

  #awaitable<T>(operation: Op<T>): Awaitable<T> {
    return awaitableBy(operation, (op) => this.#ask(() => op))
  }
}

opMethods(FormPart.prototype, 'read', 'bytes', 'text')

/** The parts of a multipart form as they arrive, one after another: files of any size pass through a few KiB of memory. */
export class FormParts implements AsyncIterable<FormPart> {
  readonly #pieces: Pieces
  readonly #ask: Ask
  readonly #fieldLimit: number
  readonly #reader: MultipartReader
  readonly #reading = new Exclusive('read one form')
  /** The part returned last. */
  #current: FormPart | null = null
  /** Whether the current part is complete, and how many more bytes it may have. */
  #whole = false
  #left = 0
  #count = 0
  #failure: unknown = null

  /** @internal */
  constructor(boundary: string | undefined, pieces: Pieces, { fieldLimit, ask }: PartsOptions) {
    this.#pieces = pieces
    this.#ask = ask
    this.#fieldLimit = fieldLimit
    this.#reader = new MultipartReader(boundary)
  }

  /**
   * The next part; null after the last one. The unread rest of the part before is dropped.
   * @throws BodyError: 400 for a malformed form, 413 for one with more than 1000 parts or with a field that is too long;
   * UsageError while another task waits for a read of the form
   */
  next(): Awaitable<FormPart | null> {
    return awaitableBy(this.#reading.run(this.#next()), (op) => this.#ask(() => op))
  }

  *#next(): Op<FormPart | null> {
    this.#current = null
    if (++this.#count % partsAtOnce === 0) yield* yieldNow()
    let event = yield* this.#step()
    while (event === CONTENT || event === PART_END) event = yield* this.#step()
    return this.#current
  }

  /** For async code; in a coroutine, `next` is simpler. @throws as `next` */
  [Symbol.asyncIterator](): AsyncIterator<FormPart, undefined> {
    return iterator(this.#ask, () => this.next())
  }

  *#read(part: FormPart): Op<Buffer | null> {
    if (this.#current !== part) throw new StateError('the part is over: the next one was asked for')
    if (this.#whole) return null
    return (yield* this.#step()) === CONTENT ? this.#reader.data : null
  }

  /** The reader's next event. The first error is thrown again by every later call. */
  *#step(): Op<number> {
    if (this.#failure !== null) throw this.#failure
    try {
      let event = this.#reader.next()
      for (; event === NEED_MORE; event = this.#reader.next()) yield* this.#feed()
      this.#note(event)
      if (event === FORM_END) yield* this.#dropRest()
      return event
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  *#feed(): Op<void> {
    const piece = yield* this.#pieces.next()
    if (piece === null) throw bodyError(rejections.form)
    this.#reader.push(piece)
  }

  #note(event: number): void {
    const { fields, data, rejection } = this.#reader
    if (rejection !== null) throw bodyError(rejection)
    if (event === PART) {
      this.#current = new FormPart(fields, (part) => this.#reading.run(this.#read(part)), this.#ask)
      this.#left = this.#current.filename === null ? this.#fieldLimit : Infinity
    } else if (event === CONTENT) {
      this.#left -= data.length
      if (this.#left < 0) throw bodyError(rejections.field(this.#fieldLimit + 1))
    }
    this.#whole = event === PART_END
  }

  /** Discards the epilogue, which has no meaning. */
  *#dropRest(): Op<void> {
    while ((yield* this.#pieces.next()) !== null);
  }
}

opMethods(FormParts.prototype, 'next')

function isText({ type }: MediaType): boolean {
  return type.startsWith('text/') || type === 'application/json' || type.endsWith('+json')
}

/** Header fields are stored as latin1, but those of a form part are UTF-8. */
function utf8(value: string | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value, 'latin1').toString()
}

function iterator<T>(ask: Ask, next: () => Op<T | null>): AsyncIterator<T, undefined> {
  return {
    async next() {
      const value = await ask(next)
      return value === null ? { done: true, value: undefined } : { done: false, value }
    },
    return: async () => ({ done: true, value: undefined }),
  }
}
