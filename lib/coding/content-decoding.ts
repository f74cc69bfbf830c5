import { createGunzip, createInflate, createInflateRaw, gunzipSync, inflateRawSync, inflateSync, type ZlibOptions } from 'node:zlib'
import { waitForWork, type Op } from '../../lev/index.js'
import type { Pieces } from '../request/body-source.js'
import { bodyError, type BodyError } from '../errors.js'
import { BodyBuffer } from '../http1/body-buffer.js'
import { rejections } from '../http1/rejection.js'

export type BodyCoding = 'gzip' | 'deflate'

/**
 * Largest compressed body, and largest content, that are decoded synchronously. A body of 2 KB takes 25 microseconds so and 100
 * on the thread pool; a larger one would block all other tasks.
 */
const spotInput = 16 * 1024
const spotOutput = 128 * 1024

/** Size of the thread pool's output chunks: with zlib's default of 16 KiB a large body takes twice as long. */
const chunkSize = 64 * 1024

/** The decoders of one format. */
interface Format {
  readonly open: (options: ZlibOptions) => ReturnType<typeof createGunzip>
  readonly decode: (bytes: Buffer, options: ZlibOptions) => unknown
}

const formats = {
  /** Any number of members (RFC 1952 section 2.2). */
  gzip: { open: createGunzip, decode: gunzipSync },
  zlib: { open: createInflate, decode: inflateSync },
  raw: { open: createInflateRaw, decode: inflateRawSync },
} satisfies Record<string, Format>

/** The coding of a body by its Content-Encoding: null for none, undefined for one that cannot be decoded. */
export function bodyCoding(contentEncoding: string | undefined): BodyCoding | null | undefined {
  const codings = (contentEncoding ?? '').split(',').map((one) => one.trim().toLowerCase()).filter((one) => one !== '' && one !== 'identity')
  if (codings.length === 0) return null
  const [coding] = codings
  if (codings.length === 1 && (coding === 'gzip' || coding === 'x-gzip')) return 'gzip'
  if (codings.length === 1 && coding === 'deflate') return 'deflate'
  return undefined
}

/**
 * The format of a body whose first byte is `first`. "deflate" is the zlib format, but some clients send raw deflate under that
 * name (RFC 9110 section 8.4.1.2). A zlib header has 8 in the low half of its first byte, which no raw deflate encoder writes.
 */
function formatOf(coding: BodyCoding, first: number): Format {
  if (coding === 'gzip') return formats.gzip
  return (first & 0x0f) === 8 ? formats.zlib : formats.raw
}

/** Decodes a whole body. @throws BodyError: 400 for a malformed one, 413 for more than `limit` decoded bytes */
export function* decodeWhole(bytes: Buffer, coding: BodyCoding, limit: number): Op<Buffer> {
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
function decodeOnTheSpot(bytes: Buffer, coding: BodyCoding, limit: number): Buffer | null {
  try {
    // zlib does not accept a limit of 0.
    const options = { info: true, maxOutputLength: Math.max(limit, 1), chunkSize: Math.min(4 * bytes.length + 1024, chunkSize) }
    const { buffer, engine } = formatOf(coding, bytes[0]).decode(bytes, options) as { buffer: Buffer; engine: { bytesWritten: number } }
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
  readonly #coding: BodyCoding
  readonly #limit: number
  #zlib: ReturnType<Format['open']> | null = null
  #given = 0
  #total = 0
  /** Whether zlib has consumed all of its input. */
  #hungry = true
  #ended = false
  #failure: BodyError | null = null
  #wake: () => void = () => {}

  constructor(source: Pieces, coding: BodyCoding, limit: number) {
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
      yield* waitForWork(new Promise<void>((resolve) => (this.#wake = resolve)))
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

  #open(first: number): ReturnType<Format['open']> {
    const zlib = formatOf(this.#coding, first).open({ chunkSize })
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
