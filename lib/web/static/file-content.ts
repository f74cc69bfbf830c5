import type { FileHandle } from 'node:fs/promises'
import { waitForThreadPool, type Op } from '../../../lev/index.js'
import type { ByteRange } from '../../http1/ranges.js'
import { contentSource, handOver, type ContentSink, type ContentSource } from '../../response/content-source.js'
import { closeFile } from './open-file.js'

/** Bytes of a file read at once. */
const chunkBytes = 128 * 1024

/** Parts of an open file, and bytes between them, as streaming content. It owns the file, and closes it on every path. */
export class FileContent implements AsyncIterable<Buffer> {
  /** Bytes of all the parts. */
  readonly length: number
  readonly #handle: FileHandle
  readonly #parts: (ByteRange | Buffer)[]
  #part = 0
  /** Bytes of the current part that were read. */
  #read = 0

  constructor(handle: FileHandle, parts: (ByteRange | Buffer)[]) {
    this.#handle = handle
    this.#parts = parts
    this.length = parts.reduce((sum, part) => sum + (Buffer.isBuffer(part) ? part.length : part.last - part.first + 1), 0)
  }

  /** Iterates over the content, for wrappers that read it. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return {
      next: async () => {
        try {
          const bytes = await this.#next()
          if (bytes !== null) return { done: false, value: bytes }
        } catch (error) {
          closeFile(this.#handle)
          throw error
        }
        closeFile(this.#handle)
        return { done: true, value: undefined }
      },
      return: async () => {
        closeFile(this.#handle)
        return { done: true, value: undefined }
      },
    }
  }

  /** @internal */
  [handOver](): void {}

  /** @internal */
  [contentSource](): ContentSource {
    return {
      length: this.length,
      type: '',
      writeTo: (sink) => this.#writeTo(sink),
      cancel: () => closeFile(this.#handle),
    }
  }

  *#writeTo(sink: ContentSink): Op<void> {
    try {
      for (;;) {
        const bytes = yield* waitForThreadPool(this.#next())
        if (bytes === null) return
        sink.put(bytes)
        if (sink.needsDrain) yield* sink.waitForDrain()
      }
    } finally {
      closeFile(this.#handle)
    }
  }

  /** The next bytes; null at the end. A file that has grown gives no more than was promised. @throws if it has shrunk */
  async #next(): Promise<Buffer | null> {
    if (this.#part === this.#parts.length) return null
    const part = this.#parts[this.#part]
    if (Buffer.isBuffer(part)) {
      this.#part++
      return part
    }
    const left = part.last - part.first + 1 - this.#read
    const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafeSlow(Math.min(left, chunkBytes)), 0, undefined, part.first + this.#read)
    if (bytesRead === 0) throw new Error('the file became shorter while it was sent')
    this.#read += bytesRead
    if (bytesRead === left) {
      this.#part++
      this.#read = 0
    }
    return buffer.subarray(0, bytesRead)
  }
}
