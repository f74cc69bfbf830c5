import type { Transport } from '../drivers/driver.js'
import { TimeoutError, UsageError } from '../core/errors.js'
import type { ErrorFactory } from '../core/failure.js'
import type { Awaitable } from '../core/operation.js'
import { opMethods } from '../core/forgotten.js'
import type { Loop } from '../core/loop.js'
import type { Op, Suspension, Waker } from '../core/op.js'
import { allocBuffer } from './alloc-buffer.js'
import { Hook } from './hook.js'
import { Timer } from '../core/timers.js'

/**
 * Bytes of unread input at which the transport is paused, so that the peer feels backpressure. More than one read brings:
 * otherwise a pause would follow each read, which doubles the CPU time of an upload. Reading resumes a little lower, at
 * `readOn`: the peer sees free space in steps only.
 */
export const unreadLimitBytes = 96 * 1024
const readOn = 64 * 1024

/** Chunks up to this size, in bytes, are joined to the unread input; larger ones are queued behind it without a copy. */
const joinedSize = 4 * 1024
/** Maximum number of queued chunks; with more, all are joined. */
const mostPieces = 64

const nothing = Buffer.alloc(0)

/** Given the first `size` bytes of `buffer`, which arrived at `now` and are valid until it returns. Returns how many it took. */
type Tap = (buffer: Buffer, size: number, now: number) => number

/** Waits for more input; one object per stream, not per wait. */
class MoreInput implements Suspension {
  waker: Waker | null = null

  arm(waker: Waker): void {
    this.waker = waker
  }

  disarm(): void {
    this.waker = null
  }

  /** Removes and returns the waker; null if no task waits. */
  take(): Waker | null {
    const { waker } = this
    this.waker = null
    return waker
  }
}

/**
 * The receiving half of a stream. Input stays in `input[inputStart, inputEnd)` until it is consumed, in one piece, so
 * that a parser can read it without copying. These bytes never change once they have arrived, even after they were
 * consumed: a view of them may be kept.
 */
export abstract class StreamInput {
  /** Received bytes; those from `inputStart` up to `inputEnd` are unread. */
  input: Buffer = nothing
  /** Start of the unread bytes in `input`. */
  inputStart = 0
  /** End of the unread bytes in `input`, exclusive. */
  inputEnd = 0
  /**
   * @internal Called with input that arrives while nothing is unread, before any of it is copied. The reader is woken only
   * if some of it is left.
   */
  readonly tap = new Hook<Tap>('stream.tap')
  /** @internal */
  readonly loop: Loop
  /** @internal */
  protected transport: Transport
  /** @internal Creates the error with which all operations fail; null while the stream is open. */
  protected failure: ErrorFactory | null = null
  /** @internal Whether this side closed it. */
  protected closed = false
  /** Whether `input` was allocated here, so that the space after `inputEnd` may be filled. */
  #ownsInput = false
  /** Chunks that follow `input`, and their total size: `fill` moves them into the input. */
  #waiting: Buffer[] = []
  #waitingSize = 0
  /** The buffer that arriving input is copied into, from `#sinkEnd` on. */
  #sink: Buffer | null = null
  #sinkEnd = 0
  #ended = false
  #paused = false
  readonly #more = new MoreInput()
  /** Whether a task is waiting for input, or was woken and has not resumed yet. */
  #reading = false
  #deadline = Infinity
  readonly #timer = new Timer(() => this.#more.take()?.fail(readTimeout()))

  /** @internal */
  constructor(loop: Loop, transport: Transport) {
    this.loop = loop
    this.transport = transport
  }

  /** Whether the peer has ended its output; unread input may be left. */
  get inputEnded(): boolean {
    return this.#ended
  }

  /**
   * When waiting for input fails with TimeoutError, in `lev.now()` seconds; Infinity for never. The stream stays open. Input
   * that has arrived by then is never missed, even if the process was busy and reads it late.
   */
  get readDeadline(): number {
    return this.#deadline
  }

  set readDeadline(time: number) {
    this.#deadline = time
    if (this.failure === null) this.loop.timers.set(this.#timer, time)
  }

  /** Marks `count` bytes of the input as read. */
  consume(count: number): void {
    this.inputStart += count
    if (this.#paused && this.#unread < readOn) this.#resume()
  }

  /**
   * Waits until there is more unread input than now. Returns false if the peer has ended its output.
   * @throws TimeoutError after `readDeadline`; ClosedError if the stream is closed or lost; UsageError while another task waits
   */
  *fill(): Op<boolean> {
    this.refuseSecondReader()
    if (this.#waiting.length > 0 && !this.closed) return this.#take()
    // The peer's end counts even if the connection was closed or lost after it.
    if (this.#ended && !this.closed) return false
    if (this.failure !== null) throw this.failure()
    if (this.loop.heardUntil >= this.#deadline) throw readTimeout()
    if (this.#paused) this.#resume()
    this.#reading = true
    try {
      return (yield this.#more) as boolean
    } finally {
      this.#reading = false
    }
  }

  /** @internal To be called before changing what a waiting reader relies on. @throws UsageError while a task waits for input */
  refuseSecondReader(): void {
    if (this.#reading) throw new UsageError('two tasks read from one stream at the same time')
  }

  /**
   * Returns available input, at most `max` bytes of it; waits if there is none. Null at the end of the input.
   * @throws as `fill`; UsageError if `max` is not a whole number from 0 on
   */
  read(max?: number): Awaitable<Buffer | null>
  *read(max = Infinity): Op<Buffer | null> {
    this.refuseSecondReader()
    if (max !== Infinity && !(Number.isInteger(max) && max >= 0)) throw new UsageError(`read takes a whole number of bytes, got ${max}`)
    if (this.inputStart === this.inputEnd && !(yield* this.fill())) return null
    const start = this.inputStart
    const size = Math.min(max, this.inputEnd - start)
    const bytes = this.input.subarray(start, start + size)
    this.consume(size)
    return bytes
  }

  /**
   * Reads into `target`, from `start` on: available input, or else the next input, which is then copied only once. Returns
   * the number of bytes; 0 if the peer has ended its output.
   * @throws as `fill`; UsageError if `start` is not an offset in `target`
   */
  readInto(target: Buffer, start: number): Awaitable<number>
  *readInto(target: Buffer, start: number): Op<number> {
    this.refuseSecondReader()
    if (!Number.isInteger(start) || start < 0 || start > target.length) {
      throw new UsageError(`readInto takes a place in its buffer, from 0 to ${target.length}, to start from; got ${start}`)
    }
    if (this.inputStart === this.inputEnd && this.#waiting.length === 0) {
      this.#sink = target
      this.#sinkEnd = start
      try {
        if (!(yield* this.fill()) && this.#sinkEnd === start) return 0
      } finally {
        this.#sink = null
      }
      if (this.#sinkEnd > start) return this.#sinkEnd - start
    }
    if (this.inputStart === this.inputEnd) this.#take()
    const size = Math.min(this.inputEnd - this.inputStart, target.length - start)
    this.input.copy(target, start, this.inputStart, this.inputStart + size)
    this.consume(size)
    return size
  }

  /** @internal Switches to another transport, and passes all unread input to `make`, in one piece. */
  protected changeTransport(make: (unread: Buffer) => Transport): void {
    while (this.#waiting.length > 0) this.#take()
    this.transport = make(this.input.subarray(this.inputStart, this.inputEnd))
    this.#paused = false
    this.inputStart = this.inputEnd
  }

  /** @internal Takes bytes that have arrived; they belong to the stream from now on. */
  protected receive(bytes: Buffer): void {
    const taken = this.#accept(bytes, bytes.length)
    if (taken < 0) return
    if (taken < bytes.length) this.#keep(taken === 0 ? bytes : bytes.subarray(taken))
    this.wakeReader(true)
  }

  /** @internal Takes the first `size` bytes of `buffer`, which are valid only until this returns. */
  protected receiveBorrowed(buffer: Buffer, size: number): void {
    const taken = this.#accept(buffer, size)
    if (taken < 0) return
    if (taken < size) {
      const bytes = allocBuffer(size - taken)
      buffer.copy(bytes, 0, taken, size)
      this.#keep(bytes)
    }
    this.wakeReader(true)
  }

  /** @internal */
  protected endInput(): void {
    this.#ended = true
    this.wakeReader(false)
  }

  /** @internal */
  protected failInput(failure: ErrorFactory): void {
    this.loop.timers.remove(this.#timer)
    this.#more.take()?.fail(failure())
  }

  /** @internal Makes a waiting `fill` return `more`. */
  wakeReader(more: boolean): void {
    this.#more.take()?.resume(more)
  }

  /** @internal Whether there is unread input. */
  protected get hasUnread(): boolean {
    return this.#unread > 0
  }

  get #unread(): number {
    return this.inputEnd - this.inputStart + this.#waitingSize
  }

  /** Offers bytes to the sink or the tap. Returns how many were taken; -1 if the tap took all, so that no reader is woken. */
  #accept(buffer: Buffer, size: number): number {
    const tap = this.tap.attached
    if (this.#sink !== null || tap === null) return this.#sinkIn(buffer, size)
    if (this.#unread > 0) return 0
    const taken = tap(buffer, size, this.loop.now)
    return taken === size ? -1 : taken
  }

  /** Copies arrived bytes into the sink of a waiting reader, as far as they fit. Returns how many bytes it copied. */
  #sinkIn(buffer: Buffer, size: number): number {
    const sink = this.#sink
    if (sink === null) return 0
    const sunk = Math.min(size, sink.length - this.#sinkEnd)
    buffer.copy(sink, this.#sinkEnd, 0, sunk)
    this.#sinkEnd += sunk
    return sunk
  }

  #keep(bytes: Buffer): void {
    if (this.inputStart === this.inputEnd && this.#waiting.length === 0) {
      this.input = bytes
      this.inputStart = 0
      this.inputEnd = bytes.length
      this.#ownsInput = false
    } else if (this.#waiting.length === 0 && bytes.length <= joinedSize) {
      this.#join(bytes)
    } else {
      this.#waiting.push(bytes)
      this.#waitingSize += bytes.length
      if (this.#waiting.length > mostPieces) while (this.#waiting.length > 0) this.#take()
    }
    if (this.#paused || this.#unread < unreadLimitBytes) return
    this.#paused = true
    this.transport.pause()
  }

  /** Moves the next queued chunk into the input, in one piece with the unread bytes. */
  #take(): boolean {
    const bytes = this.#waiting.shift()
    if (bytes === undefined) return false
    this.#waitingSize -= bytes.length
    if (this.inputStart < this.inputEnd) this.#join(bytes)
    else {
      this.input = bytes
      this.inputStart = 0
      this.inputEnd = bytes.length
      this.#ownsInput = false
    }
    return true
  }

  /** Appends to the unread input by copying. */
  #join(bytes: Buffer): void {
    const unread = this.inputEnd - this.inputStart
    if (!this.#ownsInput || this.input.length - this.inputEnd < bytes.length) {
      // Doubling keeps the cost of input that arrives in tiny chunks linear.
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, 2 * (unread + bytes.length)))
      this.input.copy(larger, 0, this.inputStart, this.inputEnd)
      this.input = larger
      this.inputStart = 0
      this.inputEnd = unread
      this.#ownsInput = true
    }
    bytes.copy(this.input, this.inputEnd)
    this.inputEnd += bytes.length
  }

  #resume(): void {
    this.#paused = false
    this.transport.resume()
  }
}

opMethods(StreamInput.prototype, 'read', 'readInto')

function readTimeout(): TimeoutError {
  return new TimeoutError('nothing arrived in time')
}
