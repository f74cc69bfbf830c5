import { randomFillSync } from 'node:crypto'
import { CancelledError, ClosedError, TimeoutError, type Op, type Stream, type Task } from '../../lev/index.js'
import { bytesOf, Child, given, instanceOf, runningTask, unsentLimitBytes } from '../../lev/internal.js'
import { webSocketMessage } from '../observe/events.js'
import { publishMessage } from '../observe/websocket-record.js'
import type { PerMessageDeflate } from './deflate.js'
import { BINARY, FIN, frameHead, maskedFrame, PONG, RSV1, TEXT } from './frames.js'

/** Puts whole messages and control frames on a stream; frames never interleave. */
export class Sender {
  readonly #stream: Stream
  readonly #client: boolean
  readonly #deflate: PerMessageDeflate | null
  /** Maximum number of queued bytes. */
  readonly #limit: number
  readonly #connection: number | null
  #waits: Set<Task<void>> | null = null
  /** Sends the last pong, once less is queued. */
  #latePong: (() => void) | null = null

  /** @param connection as in `Agreed` */
  constructor(stream: Stream, client: boolean, deflate: PerMessageDeflate | null, limit: number, connection: number | null) {
    this.#connection = connection
    this.#stream = stream
    this.#client = client
    this.#deflate = deflate
    this.#limit = limit
  }

  /** Whether `size` more bytes may be queued. */
  hasRoom(size: number): boolean {
    const { unsent } = this.#stream
    return unsent === 0 || unsent + size <= this.#limit
  }

  /** Whether so much is queued that pongs must not add to it. */
  get #overloaded(): boolean {
    return this.#stream.unsent > this.#limit + unsentLimitBytes
  }

  /** Answers a ping, at once or when less is queued; in that case only the last of several, as RFC 6455 5.5.3 allows. */
  pong(content: Buffer): void {
    if (!this.#overloaded) return void this.frame(FIN | PONG, content)
    this.#setLatePong(() => {
      if (this.#overloaded) return
      this.#setLatePong(null)
      this.frame(FIN | PONG, content)
    })
  }

  #setLatePong(send: (() => void) | null): void {
    const { beforeSend } = this.#stream
    beforeSend.detach(this.#latePong)
    this.#latePong = send
    if (send !== null) beforeSend.attach(send)
  }

  /** Ends the waits in `waitForDrain`: nothing more is sent. */
  close(): void {
    this.#setLatePong(null)
    for (const task of this.#waits ?? []) task.cancel()
  }

  /** Waits until at most `most` bytes are queued, or until `close`. @throws ClosedError if the connection is lost meanwhile */
  *waitForDrain(most: number): Op<void> {
    const caller = runningTask('WebSocket')
    const child = new Child(caller, this.#stream.flush(most))
    const waits = (this.#waits ??= new Set())
    waits.add(child.task)
    if (child.start()) yield child
    waits.delete(child.task)
    try {
      yield* given(caller, child.task)
    } catch (error) {
      if (instanceOf(error, CancelledError)) return
      if (error instanceof TimeoutError) throw new ClosedError('the WebSocket is closed', { cause: error })
      throw error
    }
  }

  /** Puts a message of `size` bytes on the stream. Returns the number of bytes put. */
  put(data: string | Uint8Array, size: number): number {
    if (webSocketMessage.hasSubscribers) publishMessage(this.#connection, 'sent', data)
    const head = FIN | (typeof data === 'string' ? TEXT : BINARY)
    const deflate = this.#deflate
    if (deflate !== null && size >= deflate.min_size) return this.frame(head | RSV1, deflate.compress(bytesOf(data)))
    // ASCII text is joined to preceding text: many small messages become one string, and one write.
    if (typeof data !== 'string' || size > data.length || this.#client) return this.frame(head, bytesOf(data))
    const start = frameHead(head, size)
    this.#stream.put(start + data)
    return start.length + size
  }

  /** Puts one frame on the stream, unless the connection is lost. Returns the number of bytes put. */
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

/** The size of a message in bytes. @throws TypeError if `data` is not a message */
export function sizeOf(where: string, data: string | Uint8Array): number {
  if (typeof data === 'string') return Buffer.byteLength(data)
  if (data instanceof Uint8Array) return data.length
  throw new TypeError(`${where}: data must be a string or bytes (a Uint8Array), got ${data === null ? 'null' : typeof data}`)
}

/** Random words for masks, 1024 at a time, because each call of the generator is expensive. */
const masks = new Int32Array(1024)
let masksUsed = masks.length

function randomMask(): number {
  if (masksUsed === masks.length) {
    randomFillSync(masks)
    masksUsed = 0
  }
  return masks[masksUsed++]
}
