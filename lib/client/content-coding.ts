import { promisify } from 'node:util'
import {
  brotliDecompress, constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw, gunzip, inflate, inflateRaw,
} from 'node:zlib'
import { waitForWork, type Op } from '../../lev/index.js'
import { RequestError } from '../errors.js'
import type { Pieces } from './content-reader.js'

/** The value of Accept-Encoding: everything that `decoded` can decode. */
export const acceptEncoding = 'gzip, deflate, br'

/** Maximum number of codings of one content: each multiplies the work that a few bytes can cause. */
const mostCodings = 5

/** The decoders of one format: for whole content, and for streaming. */
interface Format {
  readonly decode: (bytes: Buffer, limit: number) => Promise<Buffer>
  readonly open: () => ReturnType<typeof createGunzip>
}

// A truncated trailer is no reason to lose the content: browsers and fetch accept it too.
const lenient = { finishFlush: constants.Z_SYNC_FLUSH }
const lenientBrotli = { finishFlush: constants.BROTLI_OPERATION_FLUSH }
const [asGzip, asZlib, asRaw, asBrotli] = [promisify(gunzip), promisify(inflate), promisify(inflateRaw), promisify(brotliDecompress)]

const gzip: Format = {
  decode: async (bytes, maxOutputLength) => await asGzip(bytes, { ...lenient, maxOutputLength }),
  open: () => createGunzip(lenient),
}
const zlib: Format = {
  decode: async (bytes, maxOutputLength) => await asZlib(bytes, { ...lenient, maxOutputLength }),
  open: () => createInflate(lenient),
}
const raw: Format = {
  decode: async (bytes, maxOutputLength) => await asRaw(bytes, { ...lenient, maxOutputLength }),
  open: () => createInflateRaw(lenient),
}
const brotli: Format = {
  decode: async (bytes, maxOutputLength) => await asBrotli(bytes, { ...lenientBrotli, maxOutputLength }),
  open: () => createBrotliDecompress(lenientBrotli),
}

/** The format of content, by its coding and its first byte. */
const formats: Readonly<Record<string, (first: number) => Format>> = {
  gzip: () => gzip,
  'x-gzip': () => gzip,
  // Some servers send raw deflate. With a zlib header the low half of the first byte is 8 (RFC 1950 section 2.2).
  deflate: (first) => ((first & 0x0f) === 8 ? zlib : raw),
  br: () => brotli,
}

/**
 * The codings in Content-Encoding, in the order in which they must be decoded. Null if there are none, or if one of them is
 * unknown: the content then stays as it is.
 * @throws RequestError if there are too many
 */
export function codingsOf(contentEncoding: string): readonly string[] | null {
  const codings = contentEncoding.split(',').map((one) => one.trim().toLowerCase()).filter((one) => one !== '' && one !== 'identity')
  if (codings.length === 0 || !codings.every((coding) => Object.hasOwn(formats, coding))) return null
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
  for (const coding of codings) if (content.length > 0) content = await formats[coding](content[0]).decode(content, Math.max(1, limit))
  return content
}

/** Decodes content as it arrives; `next` throws RequestError if it cannot be decoded, or exceeds `limit` bytes. */
export function decodedPieces(codings: readonly string[], source: Pieces, limit: number): Pieces {
  return codings.reduce((pieces, coding) => new Decoder(pieces, formats[coding], limit), source)
}

/** Decodes one coding, on the thread pool. The amount decoded ahead of the reader is bounded, however much a piece expands. */
class Decoder implements Pieces {
  readonly #source: Pieces
  readonly #format: (first: number) => Format
  readonly #limit: number
  #zlib: ReturnType<Format['open']> | null = null
  #total = 0
  /** Whether zlib has consumed all its input. */
  #hungry = true
  #ended = false
  #failure: RequestError | null = null
  #wake: () => void = () => {}

  constructor(source: Pieces, format: (first: number) => Format, limit: number) {
    this.#source = source
    this.#format = format
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
      yield* waitForWork(new Promise<void>((resolve) => (this.#wake = resolve)))
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

  #open(first: number): ReturnType<Format['open']> {
    const zlib = this.#format(first).open()
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
