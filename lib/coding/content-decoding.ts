import { waitForThreadPool, type Op } from '../../lev/index.js'
import type { Pieces } from '../request/body-source.js'
import { bodyError, type BodyError } from '../errors.js'
import { BodyBuffer } from '../http1/body-buffer.js'
import { rejections } from '../http1/rejection.js'
import { codingNamed, namesIn, requestCodings, type DecodableCoding, type ZlibStream } from './codings.js'

/**
 * Largest compressed body, and largest content, that are decoded synchronously. A body of 2 KB takes 25 microseconds so and 100
 * on the thread pool; a larger one would block all other tasks.
 */
const spotInput = 16 * 1024
const spotOutput = 128 * 1024

/** Size of the thread pool's output chunks: with zlib's default of 16 KiB a large body takes twice as long. */
const chunkSize = 64 * 1024

/** The coding of a body by its Content-Encoding: null for none, undefined for one that is not decoded. */
export function bodyCoding(contentEncoding: string | undefined): DecodableCoding | null | undefined {
  const names = namesIn(contentEncoding)
  if (names.length === 0) return null
  return names.length === 1 ? codingNamed(requestCodings, names[0]) : undefined
}

/** Decodes a whole body. @throws BodyError: 400 for a malformed one, 413 for more than `limit` decoded bytes */
export function* decodeWhole(bytes: Buffer, coding: DecodableCoding, limit: number): Op<Buffer> {
  const spot = bytes.length > 0 && bytes.length <= spotInput ? decodeOnTheSpot(bytes, coding, Math.min(limit, spotOutput)) : null
  if (spot !== null) return spot
  let given: Buffer | null = bytes.length === 0 ? null : bytes
  const decoder = new Decoder({
    *next() {
      const piece = given
      given = null
      return piece
    },
  }, coding, limit)
  const content = new BodyBuffer()
  try {
    for (let piece = yield* decoder.next(); piece !== null; piece = yield* decoder.next()) content.append(piece, 0, piece.length)
    return content.take()
  } finally {
    decoder.close()
  }
}

/** Decodes a body synchronously; null: the content has more than `limit` bytes. */
function decodeOnTheSpot(bytes: Buffer, coding: DecodableCoding, limit: number): Buffer | null {
  try {
    // zlib does not accept a limit of 0.
    const options = { info: true, maxOutputLength: Math.max(limit, 1), chunkSize: Math.min(4 * bytes.length + 1024, chunkSize) }
    const { buffer, engine } = coding.formatOf(bytes[0]).sync(bytes, options) as { buffer: Buffer; engine: { bytesWritten: number } }
    // zlib leaves bytes after the end unread.
    if (engine.bytesWritten !== bytes.length) throw bodyError(rejections.compressedBody)
    return buffer.length > limit ? null : buffer
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    if (error.code === 'ERR_BUFFER_TOO_LARGE') return null
    if (String(error.code).startsWith('Z_')) throw bodyError(rejections.compressedBody)
    throw error
  }
}

/**
 * Decodes a body piece by piece on the thread pool, to at most `limit` bytes. The output decoded ahead of the reader is bounded,
 * however large a piece becomes.
 */
export class Decoder implements Pieces {
  readonly #source: Pieces
  readonly #coding: DecodableCoding
  readonly #limit: number
  #zlib: ZlibStream | null = null
  #given = 0
  #total = 0
  /** Whether zlib has consumed all of its input. */
  #hungry = true
  #ended = false
  #failure: BodyError | null = null
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
      if (this.#ended) return null
      if (this.#hungry) this.#give(yield* this.#source.next())
      yield* waitForThreadPool(new Promise<void>((resolve) => (this.#wake = resolve)))
    }
  }

  /** Frees zlib's memory. Harmless when repeated. */
  close(): void {
    this.#zlib?.destroy()
  }

  #counted(bytes: Buffer): Buffer {
    this.#total += bytes.length
    if (this.#total > this.#limit) throw (this.#failure = bodyError(rejections.bodyTooLarge(this.#limit + 1)))
    return bytes
  }

  #give(piece: Buffer | null): void {
    this.#hungry = false
    if (piece === null) {
      if (this.#zlib === null) throw (this.#failure = bodyError(rejections.compressedBody))
      this.#zlib.end()
      return
    }
    this.#zlib ??= this.#open(piece[0])
    this.#given += piece.length
    this.#zlib.write(piece, (error) => {
      if (error) this.#failure ??= bodyError(rejections.compressedBody)
      this.#hungry = true
      this.#wake()
    })
  }

  #open(first: number): ZlibStream {
    const zlib = this.#coding.formatOf(first).stream({ chunkSize })
    zlib.on('readable', () => this.#wake())
    zlib.on('end', () => {
      this.#ended = true
      // zlib stops at the end of the compressed data, even if the body has more bytes.
      if (zlib.bytesWritten !== this.#given) this.#failure = bodyError(rejections.compressedBody)
      this.#wake()
    })
    zlib.on('error', () => {
      this.#failure ??= bodyError(rejections.compressedBody)
      this.#wake()
    })
    return zlib
  }
}
