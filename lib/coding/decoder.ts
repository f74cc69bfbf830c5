import { waitForThreadPool, type Op } from '../../lev/index.js'
import type { Pieces } from '../pieces.js'
import type { DecodableCoding, ZlibStream } from './codings.js'
import type { ZstdFrames } from './zstd-frames.js'

/** Size of the output chunks: with zlib's default of 16 KiB large content takes twice as long. */
export const chunkSize = 64 * 1024

/** Most frames of content that is decoded strictly: a frame of 9 bytes takes as long as 100 KB of content. */
const frameLimit = 1000

/** How strictly content is decoded, and the errors of `next`. */
export interface DecodingRules {
  /** Whether content may be empty or cut off; bytes after its end are then skipped. */
  readonly lenient: boolean
  /** @param reason as zlib has it */
  malformed(reason: string): Error
  /** @param limit the most bytes that were allowed */
  tooLarge(limit: number): Error
}

/**
 * Decodes content as it arrives, on the thread pool, to at most `limit` bytes. The amount decoded ahead of the reader is bounded,
 * however much a piece expands.
 */
export class Decoder implements Pieces {
  readonly #source: Pieces
  readonly #coding: DecodableCoding
  readonly #limit: number
  readonly #rules: DecodingRules
  readonly #frames: ZstdFrames | null
  /** The part of the last piece of input that follows the end of a frame. */
  #behind: Buffer | null = null
  #zlib: ZlibStream | null = null
  /** Bytes given to zlib. */
  #given = 0
  /** Bytes of content. */
  #total = 0
  /** Whether zlib has consumed all of its input. */
  #hungry = true
  #ended = false
  #failure: Error | null = null
  #wake: () => void = () => {}

  constructor(source: Pieces, coding: DecodableCoding, limit: number, rules: DecodingRules) {
    this.#source = source
    this.#coding = coding
    this.#limit = limit
    this.#rules = rules
    this.#frames = coding.frames === null ? null : coding.frames()
  }

  *next(): Op<Buffer | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const bytes = this.#zlib?.read() as Buffer | null | undefined
      if (bytes) return this.#counted(bytes)
      if (this.#ended) return yield* this.#rest()
      if (this.#hungry) {
        const piece = yield* this.#input()
        if (piece === null && this.#zlib === null) return this.#nothing()
        this.#give(piece)
      }
      yield* waitForThreadPool(new Promise<void>((resolve) => (this.#wake = resolve)))
    }
  }

  /** Frees zlib's memory. Harmless when repeated. */
  close(): void {
    this.#zlib?.destroy()
  }

  /** The next piece of input. It ends where a frame does. */
  *#input(): Op<Buffer | null> {
    const piece = this.#behind ?? (yield* this.#source.next())
    this.#behind = null
    return this.#frames === null ? piece : this.#frame(piece, this.#frames)
  }

  #frame(piece: Buffer | null, frames: ZstdFrames): Buffer | null {
    const { lenient, malformed } = this.#rules
    const wasComplete = frames.isComplete
    if (piece === null) {
      if (!lenient && !wasComplete) throw this.#fail(malformed('unexpected end of file'))
      return null
    }
    const size = frames.read(piece)
    if (frames.fault !== null) {
      if (lenient && wasComplete) return null
      throw this.#fail(malformed(frames.fault))
    }
    if (!lenient && frames.count > frameLimit) throw this.#fail(malformed(`more than ${frameLimit} frames`))
    if (size < piece.length) this.#behind = piece.subarray(size)
    return piece.subarray(0, size)
  }

  #counted(bytes: Buffer): Buffer {
    this.#total += bytes.length
    if (this.#total > this.#limit) throw this.#fail(this.#rules.tooLarge(this.#limit))
    return bytes
  }

  /** Skips what comes after the end of the compressed data. */
  *#rest(): Op<null> {
    while ((yield* this.#source.next()) !== null);
    return null
  }

  #nothing(): null {
    if (!this.#rules.lenient) throw this.#fail(this.#rules.malformed('unexpected end of file'))
    return null
  }

  #give(piece: Buffer | null): void {
    this.#hungry = false
    if (piece === null) return void this.#zlib?.end()
    this.#zlib ??= this.#open(piece[0])
    this.#given += piece.length
    this.#zlib.write(piece, (error) => {
      if (error) this.#fail(this.#rules.malformed(error.message))
      this.#hungry = true
      this.#wake()
    })
  }

  #open(first: number): ZlibStream {
    const { lenient } = this.#rules
    const format = this.#coding.formatOf(first)
    const zlib = format.stream(lenient ? { chunkSize, finishFlush: format.lenient } : { chunkSize })
    zlib.on('readable', () => this.#wake())
    zlib.on('end', () => {
      this.#ended = true
      // zlib stops at the end of the compressed data, even if there are more bytes.
      if (!lenient && zlib.bytesWritten !== this.#given) this.#fail(this.#rules.malformed('trailing bytes'))
      this.#wake()
    })
    zlib.on('error', (error: Error) => {
      this.#fail(this.#rules.malformed(error.message))
      this.#wake()
    })
    return zlib
  }

  /** Returns the first failure. */
  #fail(failure: Error): Error {
    this.#zlib?.destroy()
    return (this.#failure ??= failure)
  }
}
