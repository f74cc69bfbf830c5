import type { SecureFacts, Transport, TransportEvents } from '../drivers/driver.js'
import type { Loop } from '../core/loop.js'
import { Stream } from './stream.js'
import { Timer } from '../core/timers.js'

/** Called with a new stream for the parked connection; `late`: the deadline has passed and nothing has arrived. */
type Wake = (stream: Stream, late: boolean) => void

/**
 * An idle connection: the rest of a stream after everything that can be recreated was released. The first event on the
 * connection unparks it.
 */
export class ParkedConnection implements TransportEvents {
  readonly #loop: Loop
  readonly #transport: Transport
  readonly #wake: Wake
  readonly #timer: Timer
  #awake = false

  /**
   * @param deadline when it unparks by itself, in `lev.now()` seconds
   * @param keeps whether it keeps the process alive while it is parked
   */
  constructor(loop: Loop, transport: Transport, deadline: number, wake: Wake, keeps: boolean) {
    this.#loop = loop
    this.#transport = transport
    this.#wake = wake
    this.#timer = new Timer(() => void this.#unpark(true), keeps)
    loop.timers.set(this.#timer, deadline)
    transport.start(this)
    if (!keeps) transport.keep?.(false)
  }

  /** Moves the deadline to `time`, if that is earlier. */
  hurry(time: number): void {
    if (!this.#awake && time < this.#timer.deadline) this.#loop.timers.set(this.#timer, time)
  }

  /** Unparks it and returns the new stream. Must not be called twice, or after an event has unparked it. */
  unpark(): Stream {
    return this.#unpark(false, () => {})
  }

  /** Closes the connection. Does nothing if it was unparked already. */
  close(): void {
    if (!this.#awake) this.unpark().close()
  }

  onChunk(bytes: Buffer): void {
    this.#unpark(false).onChunk(bytes)
  }

  onBorrowedChunk(buffer: Buffer, size: number): void {
    this.#unpark(false).onBorrowedChunk(buffer, size)
  }

  onEnd(): void {
    this.#unpark(false).onEnd()
  }

  onClose(error: Error | null): void {
    this.#unpark(false).onClose(error)
  }

  onProgress(): void {}
  onSecure(_facts: SecureFacts): void {}

  /** From here on, events go to the new stream. */
  #unpark(late: boolean, wake = this.#wake): Stream {
    this.#awake = true
    this.#loop.timers.remove(this.#timer)
    if (!this.#timer.keeps) this.#transport.keep?.(true)
    const stream = new Stream(this.#loop, this.#transport)
    wake(stream, late)
    return stream
  }
}

/**
 * Parks the connection of `stream`, and closes the stream itself. Returns null if the connection is not idle.
 * @param keeps whether it keeps the process alive while it is parked
 */
export function park(stream: Stream, deadline: number, wake: Wake, keeps = true): ParkedConnection | null {
  const parts = stream.leave()
  return parts === null ? null : new ParkedConnection(parts.loop, parts.transport, deadline, wake, keeps)
}
