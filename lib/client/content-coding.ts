import { waitForThreadPool, type Op } from '../../lev/index.js'
import { acceptEncodingOf, codingNamed, decodableCodings, namesIn, type DecodableCoding, type ZlibStream } from '../coding/codings.js'
import { RequestError } from '../errors.js'
import type { Pieces } from './content-reader.js'

/** The value of Accept-Encoding: everything that `decoded` can decode. */
export const acceptEncoding = acceptEncodingOf(decodableCodings)

/** Maximum number of codings of one content: each multiplies the work that a few bytes can cause. */
const mostCodings = 5

/**
 * The codings in Content-Encoding, in the order in which they must be decoded. Null if there are none, or if one of them is
 * unknown: the content then stays as it is.
 * @throws RequestError if there are too many
 */
export function codingsOf(contentEncoding: string): readonly DecodableCoding[] | null {
  const names = namesIn(contentEncoding)
  const codings = names.map((name) => codingNamed(decodableCodings, name)).filter((coding) => coding !== undefined)
  if (codings.length === 0 || codings.length < names.length) return null
  if (codings.length > mostCodings) throw new RequestError(`the content has more than ${mostCodings} codings`)
  return codings.reverse()
}

/**
 * Decodes content by its Content-Encoding; null if it stays as it is.
 * @throws Error if the content cannot be decoded, or exceeds `limit` bytes
 */
export async function decoded(contentEncoding: string, bytes: Buffer, limit: number): Promise<Buffer | null> {
  const codings = codingsOf(contentEncoding)
  if (codings === null) return null
  let content = bytes
  for (const { formatOf } of codings) {
    if (content.length === 0) continue
    const { pooled, lenient } = formatOf(content[0])
    // A truncated trailer is no reason to lose the content: browsers and fetch accept it too.
    content = await pooled(content, { finishFlush: lenient, maxOutputLength: Math.max(1, limit) })
  }
  return content
}

/** Decodes content as it arrives; `next` throws RequestError if it cannot be decoded, or exceeds `limit` bytes. */
export function decodedPieces(codings: readonly DecodableCoding[], source: Pieces, limit: number): Pieces {
  return codings.reduce((pieces, coding) => new Decoder(pieces, coding, limit), source)
}

/** Decodes one coding, on the thread pool. The amount decoded ahead of the reader is bounded, however much a piece expands. */
class Decoder implements Pieces {
  readonly #source: Pieces
  readonly #coding: DecodableCoding
  readonly #limit: number
  #zlib: ZlibStream | null = null
  #total = 0
  /** Whether zlib has consumed all its input. */
  #hungry = true
  #ended = false
  #failure: RequestError | null = null
  #wake: () => void = () => {}

  constructor(source: Pieces, coding: DecodableCoding, limit: number) {
    this.#source = source
    this.#coding = coding
    this.#limit = limit
  }

  *next(): Op<Buffer | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const bytes = this.#zlib?.read() as Buffer | null | undefined
      if (bytes) return this.#counted(bytes)
      if (this.#ended) return yield* this.#rest()
      if (this.#hungry) {
        const piece = yield* this.#source.next()
        if (piece === null && this.#zlib === null) return null
        this.#give(piece)
      }
      yield* waitForThreadPool(new Promise<void>((resolve) => (this.#wake = resolve)))
    }
  }

  #counted(bytes: Buffer): Buffer {
    this.#total += bytes.length
    if (this.#total > this.#limit) this.#fail(`the response has more than ${this.#limit} bytes`)
    if (this.#failure !== null) throw this.#failure
    return bytes
  }

  /** Skips data after the end of the coded content. */
  *#rest(): Op<null> {
    while ((yield* this.#source.next()) !== null);
    return null
  }

  #give(piece: Buffer | null): void {
    this.#hungry = false
    if (piece === null) return void this.#zlib?.end()
    this.#zlib ??= this.#open(piece[0])
    this.#zlib.write(piece, () => {
      this.#hungry = true
      this.#wake()
    })
  }

  #open(first: number): ZlibStream {
    const { stream, lenient } = this.#coding.formatOf(first)
    const zlib = stream({ finishFlush: lenient })
    zlib.on('readable', () => this.#wake())
    zlib.on('end', () => {
      this.#ended = true
      this.#wake()
    })
    zlib.on('error', (error: Error) => this.#fail(error.message))
    return zlib
  }

  #fail(reason: string): void {
    this.#failure ??= new RequestError(reason)
    this.#zlib?.destroy()
    this.#wake()
  }
}
