import { createRequire } from 'node:module'
import type { Busboy, BusboyFileStream } from '@fastify/busboy'
import { waitForWork, type Op } from '../lev/index.js'
import type { Pieces } from './body-source.js'
import { BodyError, StateError } from './errors.js'

/** Parts of one form, and bytes of a part's name. */
export const partLimit = 1000
const nameLimit = 1024

const malformed = 'malformed form'

/** Turns in which the parser, which works in ticks of its own, may show no sign of life. */
const patience = 10

/** Has an operation run by code that is no coroutine. */
export type Ask = <T>(operation: () => Op<T>) => Promise<T>

/** How the parts are read. */
export interface PartsOptions {
  /** Bytes of one part that is no file: such parts are read into memory. */
  readonly fieldLimit: number
  readonly ask: Ask
}

/** What a part is besides its content. */
interface PartFacts {
  readonly name: string
  readonly filename: string | null
  readonly type: string
}

/** One part of a multipart form: a field or a file. It can be read until the next part is asked for. */
export class FormPart implements AsyncIterable<Buffer> {
  /** The form field's name. */
  readonly name: string
  /** Null: no file. As the client gave it, the last part of it if it was a path; never use it as a path. "" if none was given. */
  readonly filename: string | null
  /** Media type, as the client gave it. */
  readonly type: string
  readonly #read: () => Op<Buffer | null>
  readonly #ask: Ask

  /** @internal */
  constructor({ name, filename, type }: PartFacts, read: () => Op<Buffer | null>, ask: Ask) {
    this.name = name
    this.filename = filename
    this.type = type
    this.#read = read
    this.#ask = ask
  }

  /** The next piece of its content; null at the end. @throws BodyError; StateError once the next part was asked for */
  read(): Op<Buffer | null> {
    return this.#read()
  }

  /** All of its content that was not read yet. @throws as `read` */
  *bytes(): Op<Buffer> {
    const pieces: Buffer[] = []
    for (let piece = yield* this.#read(); piece !== null; piece = yield* this.#read()) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /** The same, as UTF-8. @throws as `read` */
  *text(): Op<string> {
    return (yield* this.bytes()).toString()
  }

  /** For async code; in a coroutine, `read` is simpler. @throws as `read` */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return iterator(this.#ask, this.#read)
  }
}

/** The parts of a multipart form as they arrive, one after the other: files of any size pass through a few KiB of memory. */
export class FormParts implements AsyncIterable<FormPart> {
  readonly #pieces: Pieces
  readonly #ask: Ask
  readonly #busboy: InstanceType<typeof Busboy>
  readonly #found: { readonly part: FormPart; readonly file: BusboyFileStream | null }[] = []
  /** The part that was given last, and its content if it is a file. */
  #current: FormPart | null = null
  #file: BusboyFileStream | null = null
  #failure: BodyError | null = null
  /** Whether the parser is at work on a piece, or stopped by a file that nobody reads. */
  #busy = false
  #ending = false
  #finished = false
  #idle = 0

  /** @internal @throws BodyError 400 for a form that says not where its parts end */
  constructor(contentType: string, pieces: Pieces, { fieldLimit, ask }: PartsOptions) {
    this.#pieces = pieces
    this.#ask = ask
    const busboy = this.#busboy = open(contentType, fieldLimit)
    busboy.on('partsLimit', () => this.#fail(413, `form parts limit violation: ${partLimit}`))
    busboy.on('field', (name: string | undefined, value, nameCut, valueCut, _encoding, type) => {
      if (nameCut || nameTooLong(name)) this.#fail(413, `form field name limit violation: ${nameLimit}`)
      else if (valueCut) this.#fail(413, `form field limit violation: ${fieldLimit}`)
      else if (name === undefined) this.#fail(400, malformed)
      else this.#add({ name, filename: null, type }, null, value)
    })
    busboy.on('file', (name: string | undefined, stream, filename: string | undefined, _encoding, type) => {
      // Its listener comes first: a damaged form must not end the process.
      stream.on('error', () => this.#fail(400, malformed))
      if (nameTooLong(name)) return this.#fail(413, `form field name limit violation: ${nameLimit}`)
      this.#add({ name: name ?? '', filename: filename ?? '', type }, stream, '')
    })
    busboy.on('error', () => this.#fail(400, malformed))
    busboy.on('finish', () => (this.#finished = true))
  }

  /**
   * The next part, null behind the last one. What was not read of the part before is dropped.
   * @throws BodyError: 400 for a form that is malformed, 413 for one with more than 1000 parts or with a field that is too long
   */
  *next(): Op<FormPart | null> {
    this.#current = null
    if (this.#file !== null) while ((yield* this.#content(this.#file)) !== null);
    this.#file = null
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const found = this.#found.shift()
      if (found !== undefined) {
        this.#idle = 0
        this.#file = found.file
        return (this.#current = found.part)
      }
      if (this.#finished) return null
      yield* this.#parse()
    }
  }

  /** For async code; in a coroutine, `next` is simpler. @throws as `next` */
  [Symbol.asyncIterator](): AsyncIterator<FormPart, undefined> {
    return iterator(this.#ask, () => this.next())
  }

  #add(facts: PartFacts, file: BusboyFileStream | null, text: string): void {
    let rest = file === null ? Buffer.from(text) : null
    const read = function* (this: FormParts): Op<Buffer | null> {
      if (this.#current !== part) throw new StateError('the part is over: the next one was asked for')
      if (file !== null) return yield* this.#content(file)
      const piece = rest
      rest = null
      return piece
    }
    const part = new FormPart(facts, () => read.call(this), this.#ask)
    this.#found.push({ part, file })
  }

  *#content(file: BusboyFileStream): Op<Buffer | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const piece = file.read() as Buffer | null
      if (piece !== null) {
        this.#idle = 0
        return piece
      }
      yield* ticks()
      if (file.readableEnded) return null
      yield* this.#parse()
    }
  }

  /** Has the parser go on, with the next piece of the body when it is done with the one before. */
  *#parse(): Op<void> {
    if (!this.#busy && !this.#ending) {
      const piece = yield* this.#pieces.next()
      this.#idle = 0
      if (piece === null) {
        this.#ending = true
        this.#busboy.end()
      } else {
        this.#busy = true
        this.#busboy.write(piece, () => (this.#busy = false))
      }
    }
    yield* ticks()
    if (++this.#idle > patience) this.#fail(400, malformed)
  }

  #fail(status: number, reason: string): void {
    this.#failure ??= new BodyError(status, reason)
  }
}

/** Waits until the parser and its streams have done what they put off for later ticks, such as telling of an end. */
function* ticks(): Op<void> {
  yield* waitForWork(new Promise<void>((resolve) => process.nextTick(resolve)))
}

/** @fastify/busboy, for those who need it: it holds 0.4 MB. */
const load = createRequire(import.meta.url)

function open(contentType: string, fieldSize: number): InstanceType<typeof Busboy> {
  const { Busboy: Parser } = load('@fastify/busboy') as { readonly Busboy: typeof Busboy }
  try {
    return new Parser({
      headers: { 'content-type': contentType },
      limits: { parts: partLimit, fieldNameSize: nameLimit, fieldSize, fields: Infinity, headerPairs: 100 },
    })
  } catch {
    // No boundary, most of all.
    throw new BodyError(400, malformed)
  }
}

/** The parser itself does not look at it in multipart forms. */
function nameTooLong(name: string | undefined): boolean {
  return name !== undefined && Buffer.byteLength(name) > nameLimit
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
