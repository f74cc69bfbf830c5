import { waitForThreadPool, type Op } from '../../lev/index.js'
import type { ResponseCoding, ZlibStream } from './codings.js'

/**
 * Compresses streaming content on the thread pool, as one compressed stream. Each call of `compress` ends with a flush, so
 * that the client can decode everything up to there.
 *
 * It holds some 300 KB outside the JavaScript heap (with br up to 800 KB) until `release`, which must be called on every path.
 */
export class StreamCompressor {
  readonly #zlib: ZlibStream
  readonly #flush: number
  #compressed: Buffer[] = []
  #fail: (error: Error) => void = () => {}

  constructor({ compression }: ResponseCoding) {
    this.#zlib = compression.stream()
    this.#flush = compression.flush
    this.#zlib.on('data', (bytes: Buffer) => this.#compressed.push(bytes))
    this.#zlib.on('error', (error) => this.#fail(error))
  }

  /** Compresses `bytes`; with `last`, ends the compressed stream. One call at a time. */
  *compress(bytes: Buffer, last: boolean): Op<Buffer[]> {
    const zlib = this.#zlib
    yield* waitForThreadPool(new Promise<void>((resolve, reject) => {
      this.#fail = reject
      if (last) {
        zlib.once('end', resolve)
        zlib.end(bytes)
      } else {
        zlib.write(bytes)
        zlib.flush(this.#flush, () => resolve())
      }
    }))
    const compressed = this.#compressed
    this.#compressed = []
    return compressed
  }

  /** Frees the memory. Harmless when repeated. */
  release(): void {
    this.#fail = () => {}
    this.#zlib.destroy()
  }
}
