import type { Address, SecureFacts, Security, Transport } from '../drivers/driver.js'
import { ClosedError, HandshakeError, TimeoutError } from '../core/errors.js'
import type { ErrorFactory } from '../core/failure.js'
import type { Awaitable } from '../core/operation.js'
import { opMethods } from '../core/forgotten.js'
import type { Loop } from '../core/loop.js'
import type { Op } from '../core/op.js'
import { sendable } from './as-buffer.js'
import { Hook } from './hook.js'
import { StreamInput } from './stream-input.js'
import { StreamOutput } from './stream-output.js'

const closed: ErrorFactory = () => new ClosedError('the stream is closed')
const connectionClosed: ErrorFactory = () => new ClosedError('the connection is closed')
const tooSlow: ErrorFactory = () => new TimeoutError('the peer took too long to read the output')

/**
 * A buffered, bidirectional stream of bytes on a driver's transport.
 *
 * Input stays in `input[inputStart, inputEnd)` until it is consumed. Output is gathered until the running task pauses and
 * then leaves in one write. If the peer reads slowly, `write` waits.
 */
export class Stream extends StreamInput {
  /** @internal Called with the data of each `put`. */
  readonly onPut = new Hook<(data: Buffer | string) => void>('stream.onPut')

  readonly #onGone = new Hook<(how: 'end' | 'close') => void>('stream.onGone')
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

  /**
   * Called when the peer ends its output (`end`), and when the connection is lost (`close`): each at most once, and never
   * after this side has closed the stream. An assignment throws TypeError: it would take the place of the hook.
   */
  get onGone(): Hook<(how: 'end' | 'close') => void> {
    return this.#onGone
  }

  /** Whether the stream is still usable: neither closed by this side nor lost. */
  get isOpen(): boolean {
    return this.failure === null
  }

  /** @internal The exact time of its world, in seconds; may be read outside of tasks. */
  get now(): number {
    return this.loop.driver.now()
  }

  /** Bytes passed to `put` and `write` that have not left yet. */
  get unsent(): number {
    return this.#output.unsent
  }

  /** @internal True when the caller of `put` must `yield* waitForDrain()` before it puts more. */
  get needsDrain(): boolean {
    return this.#output.needsDrain
  }

  /** Total bytes put into the output so far, sent or not. */
  get bytesPut(): number {
    return this.#output.bytesPut
  }

  /** When the stream is reset, with TimeoutError, if output is still unsent, in `lev.now()` seconds; Infinity for never. */
  get writeDeadline(): number {
    return this.#output.deadline
  }

  set writeDeadline(time: number) {
    this.#output.deadline = time
  }

  /** @internal Whether this side has ended its output, so that nothing more can be written. */
  get outputEnded(): boolean {
    return this.#output.ended
  }

  /** @internal Called before output is sent, which follows each `put`, so that its user can put in data that it has held back. */
  get beforeSend(): Hook<() => void> {
    return this.#output.beforeSend
  }

  /** Seconds after which the stream is reset, with TimeoutError, if none of the unsent output has left; Infinity for never. */
  get stallTimeout(): number {
    return this.#output.stallTimeout
  }

  set stallTimeout(seconds: number) {
    this.#output.stallTimeout = seconds
  }

  /**
   * Minimum rate, in bytes per second, at which output must leave while some is unsent, counted from when that began, with
   * `stallTimeout` on top. Below it the stream is reset, with TimeoutError. 0 for no minimum.
   */
  get minSendRate(): number {
    return this.#output.minRate
  }

  set minSendRate(bytesPerSecond: number) {
    this.#output.minRate = bytesPerSecond
  }

  /**
   * Adds to the output without waiting. A string is sent as latin1, one byte per character. Bytes are not copied and must
   * not be changed afterwards.
   * @throws ClosedError if the stream is closed or lost, or its output was ended
   */
  put(data: Buffer | string): void {
    this.#output.put(data)
    this.onPut.attached?.(data)
  }

  /**
   * Adds to the output, and waits while too much of it is unsent. A string is sent as UTF-8. Bytes are not copied and must
   * not be changed afterwards.
   * @throws ClosedError if the stream is closed or lost, or its output was ended; TimeoutError if the peer was too slow
   */
  write(data: Uint8Array | string): Awaitable<void>
  *write(data: Uint8Array | string): Op<void> {
    this.put(sendable(data))
    if (this.#output.needsDrain) yield* this.#output.waitForDrain()
  }

  /** @internal Waits until a slow peer has taken most of the output. @throws as `write` */
  waitForDrain(): Op<void> {
    return this.#output.waitForDrain()
  }

  /** Waits until all output, or all but `rest` bytes of it, has left. @throws as `write` */
  flush(rest?: number): Awaitable<void>
  *flush(rest = 0): Op<void> {
    yield* this.#output.untilUnsent(rest)
  }

  /** Sends all output, then ends it (FIN); the input stays open. @throws as `write` */
  end(): Awaitable<void>
  *end(): Op<void> {
    if (this.#output.ended) return
    yield* this.#output.untilUnsent(0)
    if (this.#output.ended) return
    this.#output.ended = true
    this.transport.end()
  }

  /**
   * Ends the output and closes in a way that lets the peer read all of it: input that still arrives is read and discarded
   * first, for at most `seconds` and `limit` bytes. Closing with unread input would make the system send a reset, which
   * destroys output that the peer has not read yet (RFC 9112 section 9.6).
   */
  linger(seconds: number, limit: number): Awaitable<void>
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

  /** Closes both directions at once and releases everything; unsent output may be lost. Repeated calls do nothing. */
  close(): void {
    this.#shut(closed, false)
  }

  /** Like `close`, but with a reset, so that the peer knows that the stream was cut off. */
  reset(): void {
    this.#shut(closed, true)
  }

  /**
   * Switches the stream to TLS. Unread input is the beginning of the handshake. `readDeadline` applies to the handshake.
   * @throws HandshakeError (the stream is then closed); TimeoutError; ClosedError; UsageError while another task reads
   */
  secure(security: Security): Awaitable<SecureFacts>
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
        if (!(yield* this.fill())) throw new HandshakeError('the peer left during the handshake')
      }
      return facts
    } catch (error) {
      this.close()
      throw error instanceof ClosedError ? new HandshakeError(handshakeFault(error), { cause: error.cause }) : error
    } finally {
      this.#secured = null
    }
  }

  /** @internal Closes the stream but not its transport, which it returns. Null if the stream is not idle. */
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
      this.#onGone.attached?.(how)
    } catch (error) {
      this.loop.report(error)
    }
  }

  /** Closes the stream and its transport. */
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

opMethods(Stream.prototype, 'write', 'flush', 'end', 'linger', 'secure')

function handshakeFault(error: ClosedError): string {
  return error.cause instanceof Error ? `the TLS handshake failed: ${error.cause.message}` : 'the peer left during the handshake'
}
