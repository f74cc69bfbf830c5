import { constants, createDeflate, createGzip } from 'node:zlib'
import { waitForWork, type Op } from '../../lev/index.js'
import { compressionLevel, type Encoding } from './compression.js'

/**
 * Compresses content that comes in pieces, on the thread pool, with one memory of what came before. What `compress`
 * returned holds all that it was given until then, so that the client can read it: it ends with a sync flush.
 *
 * It holds some 270 KB outside of JavaScript's heap until `release`, which must be called on every path.
 */
export class StreamCompressor {
  readonly #zlib: ReturnType<typeof createGzip> | ReturnType<typeof createDeflate>
  #compressed: Buffer[] = []
  #fail: (error: Error) => void = () => {}

  constructor(encoding: Encoding) {
    const options = { level: compressionLevel }
    this.#zlib = encoding === 'gzip' ? createGzip(options) : createDeflate(options)
    this.#zlib.on('data', (bytes: Buffer) => this.#compressed.push(bytes))
    this.#zlib.on('error', (error) => this.#fail(error))
  }

  /** Compresses `bytes`; with `last`, ends what is compressed. One call at a time. */
  *compress(bytes: Buffer, last: boolean): Op<Buffer[]> {
    const zlib = this.#zlib
    yield* waitForWork(new Promise<void>((resolve, reject) => {
      this.#fail = reject
      if (last) {
        zlib.once('end', resolve)
        zlib.end(bytes)
      } else {
        zlib.write(bytes)
        zlib.flush(constants.Z_SYNC_FLUSH, () => resolve())
      }
    }))
    const compressed = this.#compressed
    this.#compressed = []
    return compressed
  }

  /** Gives the memory back. Harmless when repeated. */
  release(): void {
    this.#fail = () => {}
    this.#zlib.destroy()
  }
}
