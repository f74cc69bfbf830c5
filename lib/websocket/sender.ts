import { randomFillSync } from 'node:crypto'
import { ClosedError, TimeoutError, type Op, type Stream } from '../../lev/index.js'
import { bytesOf, unsentLimitBytes } from '../../lev/internal.js'
import type { PerMessageDeflate } from './deflate.js'
import { BINARY, FIN, frameHead, maskedFrame, RSV1, TEXT } from './frames.js'

/** Puts messages and control frames on a stream, whole: two of them never mix. */
export class Sender {
  readonly #stream: Stream
  readonly #client: boolean
  readonly #deflate: PerMessageDeflate | null
  /** Bytes that may be queued. */
  readonly #limit: number

  constructor(stream: Stream, client: boolean, deflate: PerMessageDeflate | null, limit: number) {
    this.#stream = stream
    this.#client = client
    this.#deflate = deflate
    this.#limit = limit
  }

  /** Whether `size` bytes more may be queued. */
  hasRoom(size: number): boolean {
    const { unsent } = this.#stream
    return unsent === 0 || unsent + size <= this.#limit
  }

  /** Whether so much is queued that nobody may make the answers to pings add to it. */
  get piled(): boolean {
    return this.#stream.unsent > this.#limit + unsentLimitBytes
  }

  /** Waits until at most `rest` bytes are queued. @throws ClosedError when the connection is lost meanwhile */
  *waitForDrain(rest: number): Op<void> {
    try {
      yield* this.#stream.flush(rest)
    } catch (error) {
      if (error instanceof TimeoutError) throw new ClosedError('the WebSocket is closed', { cause: error })
      throw error
    }
  }

  /** Puts a message; `size`: its bytes. Gives the bytes put. */
  put(data: string | Uint8Array, size: number): number {
    const head = FIN | (typeof data === 'string' ? TEXT : BINARY)
    const deflate = this.#deflate
    if (deflate !== null && size >= deflate.min_size) return this.frame(head | RSV1, deflate.compress(bytesOf(data)))
    // ASCII joins the text before it: many small messages become one string, and one write.
    if (typeof data !== 'string' || size > data.length || this.#client) return this.frame(head, bytesOf(data))
    const start = frameHead(head, size)
    this.#stream.put(start + data)
    return start.length + size
  }

  /** Puts one frame, unless the connection is lost. Gives the bytes put. */
  frame(head: number, content: Buffer): number {
    const stream = this.#stream
    if (!stream.isOpen) return 0
    if (this.#client) {
      const frame = maskedFrame(head, content, randomMask())
      stream.put(frame)
      return frame.length
    }
    const start = frameHead(head, content.length)
    stream.put(start)
    stream.put(content)
    return start.length + content.length
  }
}

/** How many bytes a message has. @throws TypeError for what is none */
export function sizeOf(where: string, data: string | Uint8Array): number {
  if (typeof data === 'string') return Buffer.byteLength(data)
  if (data instanceof Uint8Array) return data.length
  throw new TypeError(`${where}: data must be a string or bytes (a Uint8Array), got ${data === null ? 'null' : typeof data}`)
}

/** Random words for masks, a thousand at a time: each call of the generator is dear. */
const masks = new Int32Array(1024)
let masksUsed = masks.length

function randomMask(): number {
  if (masksUsed === masks.length) {
    randomFillSync(masks)
    masksUsed = 0
  }
  return masks[masksUsed++]
}
