import type { Address, SecureFacts, Security, Transport, TransportEvents } from './drivers/driver.js'
import { ClosedError, HandshakeError, TimeoutError, UsageError } from './errors.js'
import type { Flushable, Loop } from './loop.js'
import { suspend, type Op, type Suspension, type Waker } from './op.js'
import { OutputQueue } from './output-queue.js'
import { Timer } from './timers.js'

/** Bytes of unread input at which the transport is paused: the other side then feels backpressure. */
const readWindow = 64 * 1024

/** Bytes waiting to be sent above which a writer waits, and below which it goes on. */
const writeHigh = 128 * 1024
const writeLow = 64 * 1024

const nothing = Buffer.alloc(0)

/** Waits for more input; made once for each stream, not once for each wait. */
class MoreInput implements Suspension {
  readonly #keep: (waker: Waker | null) => void

  constructor(keep: (waker: Waker | null) => void) {
    this.#keep = keep
  }

  arm(waker: Waker): void {
    this.#keep(waker)
  }

  disarm(): void {
    this.#keep(null)
  }
}

/**
 * A buffered stream of bytes, both ways, on top of a driver's transport.
 *
 * Input stands in `input[inputStart, inputEnd)` until it is consumed, so a parser can look at it without copying. The
 * bytes there never change once they have arrived, also after they were consumed: a view of them may be kept.
 *
 * Output gathers until the running task pauses and then leaves in one write. When the other side is slow, `write` waits.
 */
export class Stream implements TransportEvents, Flushable {
  /** Bytes that arrived; the unread ones are those from `inputStart` up to `inputEnd`. */
  input: Buffer = nothing
  inputStart = 0
  inputEnd = 0
  /** Bytes of output that were ever put in, sent or not. */
  bytesPut = 0
  /** Called once, when the other side ends its sending (`end`) or the connection is lost (`close`). Null: nobody cares. */
  onGone: ((how: 'end' | 'close') => void) | null = null

  readonly #loop: Loop
  #transport: Transport
  readonly #output = new OutputQueue()
  /** Whether `input` was allocated here, so that its room behind `inputEnd` may be filled. */
  #ownsInput = false
  #paused = false
  #inputEnded = false
  #outputEnded = false
  #gathered = false
  /** Why nothing works any more; null while the stream is open. */
  #failure: Error | null = null
  #reader: Waker | null = null
  readonly #more = new MoreInput((waker) => (this.#reader = waker))
  /** Who waits for output to leave, and until how much of it is left. */
  readonly #writers = new Map<() => void, number>()
  #readDeadline = Infinity
  readonly #readTimer = new Timer(() => this.#onReadDeadline())
  #writeDeadline = Infinity
  #stallTimeout = Infinity
  readonly #writeTimer = new Timer(() => this.#onWriteDeadline())
  #secured: ((facts: SecureFacts) => void) | null = null

  constructor(loop: Loop, transport: Transport) {
    this.#loop = loop
    this.#transport = transport
    transport.start(this)
    transport.resume()
  }

  get local(): Address {
    return this.#transport.local
  }

  get remote(): Address {
    return this.#transport.remote
  }

  /** Whether the stream can be used still: not closed by this side, not lost. */
  get isOpen(): boolean {
    return this.#failure === null
  }

  /** Whether the other side has ended its sending; unread input may be left. */
  get inputEnded(): boolean {
    return this.#inputEnded
  }

  /** Bytes given to `put` and `write` that have not left yet. */
  get unsent(): number {
    return this.#output.size + this.#transport.pending
  }

  /** When waiting for input fails with TimeoutError, in `lev.now()` seconds; Infinity: never. The stream stays open. */
  get readDeadline(): number {
    return this.#readDeadline
  }

  set readDeadline(time: number) {
    this.#readDeadline = time
    this.#loop.timers.set(this.#readTimer, time)
  }

  /** When the stream is cut, with TimeoutError, if output is still unsent then, in `lev.now()` seconds; Infinity: never. */
  get writeDeadline(): number {
    return this.#writeDeadline
  }

  set writeDeadline(time: number) {
    this.#writeDeadline = time
    this.#watchOutput(false)
  }

  /** Seconds without one byte of unsent output leaving after which the stream is cut, with TimeoutError; Infinity: never. */
  get stallTimeout(): number {
    return this.#stallTimeout
  }

  set stallTimeout(seconds: number) {
    this.#stallTimeout = seconds
    this.#watchOutput(true)
  }

  /** Marks `count` bytes of the input as read. */
  consume(count: number): void {
    this.inputStart += count
    if (this.#paused && this.inputEnd - this.inputStart < readWindow / 2) this.#resume()
  }

  /**
   * Waits until there is more unread input than now. False: the other side has ended its sending.
   * @throws TimeoutError past `readDeadline`; ClosedError when the stream is closed or lost
   */
  *fill(): Op<boolean> {
    if (this.#failure !== null) throw this.#failure
    if (this.#inputEnded) return false
    if (this.#reader !== null) throw new UsageError('two tasks read from one stream at the same time')
    if (this.#loop.now >= this.#readDeadline) throw readTimeout()
    if (this.#paused) this.#resume()
    return (yield this.#more) as boolean
  }

  /**
   * The input that is there, at most `max` bytes of it; waits if there is none. Null at its end.
   * @throws TimeoutError past `readDeadline`; ClosedError when the stream is closed or lost
   */
  *read(max = Infinity): Op<Buffer | null> {
    if (this.inputStart === this.inputEnd && !(yield* this.fill())) return null
    const start = this.inputStart
    const size = Math.min(max, this.inputEnd - start)
    const bytes = this.input.subarray(start, start + size)
    this.consume(size)
    return bytes
  }

  /**
   * Adds to the output without waiting. A string is taken as latin1: one byte a character. Bytes are not copied and must
   * not be changed afterwards.
   * @throws ClosedError when the stream is closed, lost, or its output was ended
   */
  put(data: Buffer | string): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#outputEnded) throw new ClosedError('the stream was ended: nothing more can be written')
    this.#output.push(data)
    this.bytesPut += data.length
    if (!this.#gathered) {
      this.#gathered = true
      this.#loop.gather(this)
    }
  }

  /**
   * Adds to the output, and waits while too much of it is unsent. A string is sent as UTF-8.
   * @throws ClosedError when the stream is closed, lost, or its output was ended; TimeoutError when the peer was too slow
   */
  *write(data: Uint8Array | string): Op<void> {
    if (typeof data === 'string') this.put(Buffer.byteLength(data) === data.length ? data : Buffer.from(data))
    else this.put(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    if (this.unsent > writeHigh) yield* this.#untilUnsent(writeLow)
  }

  /** Waits until all output has left. @throws as `write` */
  *flush(): Op<void> {
    yield* this.#untilUnsent(0)
  }

  /** Sends all output, then ends it (FIN); the input stays open. @throws as `write` */
  *end(): Op<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#outputEnded) return
    yield* this.#untilUnsent(0)
    this.#outputEnded = true
    this.#transport.end()
  }

  /**
   * Ends the output and closes, in the way that lets the other side read all of it: what it still sends is read and
   * thrown away first, for at most `seconds` and `limit` bytes. Closing over unread input would make the system answer with a reset,
   * which destroys what the other side has not read yet (RFC 9112 section 9.6).
   */
  *linger(seconds: number, limit: number): Op<void> {
    try {
      yield* this.end()
      this.readDeadline = this.#loop.now + seconds
      for (let dropped = 0; dropped <= limit; ) {
        dropped += this.inputEnd - this.inputStart
        this.consume(this.inputEnd - this.inputStart)
        if (!(yield* this.fill())) break
      }
    } catch (error) {
      if (!(error instanceof TimeoutError || error instanceof ClosedError)) throw error
    } finally {
      this.close()
    }
  }

  /** Closes both ways at once and releases everything; output that has not left may be lost. Harmless when repeated. */
  close(): void {
    this.#shut(new ClosedError('the stream is closed'), false)
  }

  /** Like `close`, and tells the other side by a reset that something was cut off. */
  reset(): void {
    this.#shut(new ClosedError('the stream is closed'), true)
  }

  /**
   * Makes the stream an encrypted one. Unread input is taken as the beginning of the handshake. `readDeadline` holds.
   * @throws HandshakeError (the stream is closed then); TimeoutError; ClosedError
   */
  *secure(security: Security): Op<SecureFacts> {
    if (this.#failure !== null) throw this.#failure
    const received = this.input.subarray(this.inputStart, this.inputEnd)
    this.inputStart = this.inputEnd
    const plain = this.#transport
    this.#transport = plain.secure(security, received)
    this.#transport.start(this)
    this.#transport.resume()
    this.#paused = false
    let facts: SecureFacts | null = null
    this.#secured = (agreed) => (facts = agreed)
    try {
      while (facts === null) {
        if (!(yield* this.fill())) throw new HandshakeError('the other side left during the handshake')
      }
      return facts
    } catch (error) {
      this.close()
      throw error instanceof ClosedError ? new HandshakeError(handshakeFault(error), { cause: error.cause }) : error
    } finally {
      this.#secured = null
    }
  }

  flushGathered(): void {
    this.#gathered = false
    if (this.#failure === null) this.#send()
  }

  onData(bytes: Buffer): void {
    this.#append(bytes)
    if (this.inputEnd - this.inputStart >= readWindow && !this.#paused) {
      this.#paused = true
      this.#transport.pause()
    }
    this.#wakeReader(true)
  }

  onEnd(): void {
    this.#inputEnded = true
    this.#wakeReader(false)
    this.onGone?.('end')
  }

  onProgress(): void {
    if (this.#failure !== null) return
    this.#send()
    this.#wakeWriters()
  }

  onSecure(facts: SecureFacts): void {
    this.#secured?.(facts)
    this.#wakeReader(true)
  }

  onClose(error: Error | null): void {
    this.#fail(new ClosedError(error === null ? 'the connection is closed' : `the connection was lost: ${error.message}`, { cause: error }))
    this.onGone?.('close')
  }

  #append(bytes: Buffer): void {
    const unread = this.inputEnd - this.inputStart
    if (unread === 0) {
      this.input = bytes
      this.inputStart = 0
      this.inputEnd = bytes.length
      this.#ownsInput = false
      return
    }
    if (!this.#ownsInput || this.input.length - this.inputEnd < bytes.length) {
      // Doubling keeps input that arrives in tiny pieces linear.
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
    this.#transport.resume()
  }

  #wakeReader(more: boolean): void {
    const reader = this.#reader
    this.#reader = null
    reader?.resume(more)
  }

  #onReadDeadline(): void {
    const reader = this.#reader
    this.#reader = null
    reader?.fail(readTimeout())
  }

  #onWriteDeadline(): void {
    this.#shut(new TimeoutError('the other side took too long to read what was sent'), true)
    this.onGone?.('close')
  }

  /** Hands output to the transport as far as that takes it. */
  #send(): void {
    const before = this.#transport.pending
    while (this.#output.size > 0 && this.#transport.pending < writeLow) this.#transport.write(this.#output.take(writeLow))
    this.#watchOutput(before === 0)
  }

  /** Keeps the write timer: it runs while output is unsent, from the last progress. */
  #watchOutput(progress: boolean): void {
    const timers = this.#loop.timers
    if (this.unsent === 0) {
      if (this.#writeTimer.deadline !== Infinity) timers.set(this.#writeTimer, Infinity)
      return
    }
    if (!progress && this.#writeTimer.deadline <= this.#writeDeadline) return
    timers.set(this.#writeTimer, Math.min(this.#loop.now + this.#stallTimeout, this.#writeDeadline))
  }

  *#untilUnsent(bound: number): Op<void> {
    this.#send()
    while (this.unsent > bound) {
      if (this.#failure !== null) throw this.#failure
      yield* suspend<void>((resume) => {
        this.#writers.set(resume, bound)
        return () => this.#writers.delete(resume)
      })
    }
    if (this.#failure !== null) throw this.#failure
  }

  #wakeWriters(): void {
    for (const [resume, bound] of this.#writers) {
      if (this.unsent > bound && this.#failure === null) continue
      this.#writers.delete(resume)
      resume()
    }
  }

  /** Closes the transport, for good. */
  #shut(failure: Error, reset: boolean): void {
    if (this.#failure !== null) return
    if (this.#output.size > 0 && !reset) this.#send()
    this.#fail(failure)
    this.#transport.destroy(reset)
  }

  #fail(failure: Error): void {
    if (this.#failure !== null) return
    this.#failure = failure
    this.#loop.timers.remove(this.#readTimer)
    this.#loop.timers.remove(this.#writeTimer)
    const reader = this.#reader
    this.#reader = null
    reader?.fail(failure)
    this.#wakeWriters()
    this.#output.clear()
  }
}

function readTimeout(): TimeoutError {
  return new TimeoutError('nothing arrived in time')
}

function handshakeFault(error: ClosedError): string {
  return error.cause instanceof Error ? `the TLS handshake failed: ${error.cause.message}` : 'the other side left during the handshake'
}
