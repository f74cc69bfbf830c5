import type { Address, SecureFacts, Security, Transport } from '../drivers/driver.js'
import { ClosedError, HandshakeError, TimeoutError } from '../core/errors.js'
import type { ErrorFactory } from '../core/failure.js'
import { watchMethods } from '../core/forgotten.js'
import type { Loop } from '../core/loop.js'
import type { Op } from '../core/op.js'
import { sendable } from './as-buffer.js'
import { StreamInput } from './stream-input.js'
import { StreamOutput } from './stream-output.js'

const closed: ErrorFactory = () => new ClosedError('the stream is closed')
const connectionClosed: ErrorFactory = () => new ClosedError('the connection is closed')
const tooSlow: ErrorFactory = () => new TimeoutError('the other side took too long to read what was sent')

/**
 * A buffered stream of bytes, both ways, on top of a driver's transport.
 *
 * Input stands in `input[inputStart, inputEnd)` until it is consumed. Output gathers until the running task pauses and
 * then leaves in one write. When the other side is slow, `write` waits.
 */
export class Stream extends StreamInput {
  /**
   * Called when the other side ends its sending (`end`), and when the connection is lost (`close`): each at most once, and
   * never after this side has closed. Null: it is not called.
   */
  onGone: ((how: 'end' | 'close') => void) | null = null

  /** @internal Called with each piece of output that was put in. */
  onPut: ((data: Buffer | string) => void) | null = null

  readonly #output: StreamOutput
  #secured: ((facts: SecureFacts) => void) | null = null

  /** @internal */
  constructor(loop: Loop, transport: Transport) {
    super(loop, transport)
    this.#output = new StreamOutput(loop, transport, () => this.#onWriteDeadline())
    transport.start(this)
    transport.resume()
  }

  /** Address of this end of the connection. */
  get local(): Address {
    return this.transport.local
  }

  /** Address of the peer. */
  get remote(): Address {
    return this.transport.remote
  }

  /** Whether the stream can be used still: not closed by this side, not lost. */
  get isOpen(): boolean {
    return this.failure === null
  }

  /** @internal Seconds on the clock of its world, exactly: also outside of tasks. */
  get now(): number {
    return this.loop.driver.now()
  }

  /** Bytes given to `put` and `write` that have not left yet. */
  get unsent(): number {
    return this.#output.unsent
  }

  /** Bytes of output that were ever put in, sent or not. */
  get bytesPut(): number {
    return this.#output.bytesPut
  }

  /** When the stream is cut, with TimeoutError, if output is still unsent then, in `lev.now()` seconds; Infinity: never. */
  get writeDeadline(): number {
    return this.#output.deadline
  }

  set writeDeadline(time: number) {
    this.#output.deadline = time
  }

  /** @internal Whether this side has ended its output: nothing more can be written. */
  get outputEnded(): boolean {
    return this.#output.ended
  }

  /** @internal Called before output is sent, which follows each `put`: so that what was held back can be put in. */
  set beforeSend(call: (() => void) | null) {
    this.#output.beforeSend = call
  }

  /** Seconds without one byte of unsent output leaving after which the stream is cut, with TimeoutError; Infinity: never. */
  get stallTimeout(): number {
    return this.#output.stallTimeout
  }

  set stallTimeout(seconds: number) {
    this.#output.stallTimeout = seconds
  }

  /**
   * Bytes a second that output must leave at while some is unsent, from when that began, with `stallTimeout` on top; slower, and
   * the stream is cut, with TimeoutError. 0: any.
   */
  get minSendRate(): number {
    return this.#output.minRate
  }

  set minSendRate(bytesPerSecond: number) {
    this.#output.minRate = bytesPerSecond
  }

  /**
   * Adds to the output without waiting. A string is taken as latin1: one byte a character. Bytes are not copied and must
   * not be changed afterwards.
   * @throws ClosedError when the stream is closed, lost, or its output was ended
   */
  put(data: Buffer | string): void {
    this.#output.put(data)
    if (this.onPut !== null) this.onPut(data)
  }

  /**
   * Adds to the output, and waits while too much of it is unsent. A string is sent as UTF-8. Bytes are not copied and must
   * not be changed afterwards.
   * @throws ClosedError when the stream is closed, lost, or its output was ended; TimeoutError when the peer was too slow
   */
  *write(data: Uint8Array | string): Op<void> {
    this.put(sendable(data))
    if (this.#output.needsDrain) yield* this.#output.waitForDrain()
  }

  /** Waits until all output has left, or all but `rest` bytes of it. @throws as `write` */
  *flush(rest = 0): Op<void> {
    yield* this.#output.untilUnsent(rest)
  }

  /** Sends all output, then ends it (FIN); the input stays open. @throws as `write` */
  *end(): Op<void> {
    if (this.#output.ended) return
    yield* this.#output.untilUnsent(0)
    if (this.#output.ended) return
    this.#output.ended = true
    this.transport.end()
  }

  /**
   * Ends the output and closes, in the way that lets the other side read all of it: what it still sends is read and
   * thrown away first, for at most `seconds` and `limit` bytes. Closing over unread input would make the system answer
   * with a reset, which destroys what the other side has not read yet (RFC 9112 section 9.6).
   */
  *linger(seconds: number, limit: number): Op<void> {
    this.refuseSecondReader()
    try {
      yield* this.end()
      this.readDeadline = this.loop.now + seconds
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
    this.#shut(closed, false)
  }

  /** Like `close`, and tells the other side by a reset that something was cut off. */
  reset(): void {
    this.#shut(closed, true)
  }

  /**
   * Makes the stream an encrypted one. Unread input is taken as the beginning of the handshake. `readDeadline` holds.
   * @throws HandshakeError (the stream is closed then); TimeoutError; ClosedError; UsageError while another task reads
   */
  *secure(security: Security): Op<SecureFacts> {
    this.refuseSecondReader()
    yield* this.flush()
    this.refuseSecondReader()
    this.changeTransport((unread) => this.transport.secure(security, unread))
    this.#output.transport = this.transport
    this.transport.start(this)
    this.transport.resume()
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

  /** @internal Closes the stream, but not what it stands on, which it gives. Null: something is under way. */
  leave(): { readonly loop: Loop; readonly transport: Transport } | null {
    if (this.failure !== null || this.inputEnded || this.hasUnread || this.unsent > 0 || this.#output.ended) return null
    this.closed = true
    this.#fail(closed)
    return { loop: this.loop, transport: this.transport }
  }

  /** @internal */
  onChunk(bytes: Buffer): void {
    this.receive(bytes)
  }

  /** @internal */
  onBorrowedChunk(buffer: Buffer, size: number): void {
    this.receiveBorrowed(buffer, size)
  }

  /** @internal */
  onEnd(): void {
    this.endInput()
    this.#tellGone('end')
  }

  /** @internal */
  onProgress(): void {
    this.#output.progress()
  }

  /** @internal */
  onSecure(facts: SecureFacts): void {
    this.#secured?.(facts)
    this.wakeReader(true)
  }

  /** @internal */
  onClose(error: Error | null): void {
    if (this.failure !== null) return
    this.#fail(error === null ? connectionClosed : () => new ClosedError(`the connection was lost: ${error.message}`, { cause: error }))
    if (error !== null || !this.inputEnded || !this.#output.ended) this.#tellGone('close')
  }

  #onWriteDeadline(): void {
    this.#shut(tooSlow, true)
    this.#tellGone('close')
  }

  #tellGone(how: 'end' | 'close'): void {
    try {
      this.onGone?.(how)
    } catch (error) {
      this.loop.report(error)
    }
  }

  /** Closes the transport, for good. */
  #shut(failure: ErrorFactory, reset: boolean): void {
    this.closed = true
    if (this.failure !== null) return
    if (!reset) this.#output.send()
    this.#fail(failure)
    this.transport.destroy(reset)
  }

  #fail(failure: ErrorFactory): void {
    this.failure = failure
    this.failInput(failure)
    this.#output.fail(failure)
  }
}

watchMethods(Stream.prototype, 'write', 'flush', 'end', 'linger', 'secure')

function handshakeFault(error: ClosedError): string {
  return error.cause instanceof Error ? `the TLS handshake failed: ${error.cause.message}` : 'the other side left during the handshake'
}
