import type { SecureFacts, Transport, TransportEvents } from '../drivers/driver.js'
import type { Loop } from '../core/loop.js'
import { Stream } from './stream.js'
import { Timer } from '../core/timers.js'

/** Called with a stream in place of the parked one; `late`: since its time is over, and nothing has come. */
export type Wake = (stream: Stream, late: boolean) => void

/**
 * A connection on which nothing happens: what is left of a stream when everything is given up that can be made again. The
 * first thing that happens wakes it.
 */
export class ParkedConnection implements TransportEvents {
  readonly #loop: Loop
  readonly #transport: Transport
  readonly #wake: Wake
  readonly #timer: Timer
  #awake = false

  /**
   * @param deadline when it wakes by itself, in `lev.now()` seconds
   * @param keeps whether it keeps the process while it is parked
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

  /** Has it wake by itself at `time`, if that is earlier. */
  hurry(time: number): void {
    if (!this.#awake && time < this.#timer.deadline) this.#loop.timers.set(this.#timer, time)
  }

  /** Wakes it for the caller: the stream in its place. Not to be called when it is awake. */
  unpark(): Stream {
    return this.#unpark(false, () => {})
  }

  /** Closes the connection. Harmless when it is awake. */
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

  /** From here on, what happens is the new stream's. */
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
 * Parks the connection of `stream`; the stream itself is closed by that. Null: something is under way on it.
 * @param keeps whether it keeps the process while it is parked
 */
export function park(stream: Stream, deadline: number, wake: Wake, keeps = true): ParkedConnection | null {
  const parts = stream.leave()
  return parts === null ? null : new ParkedConnection(parts.loop, parts.transport, deadline, wake, keeps)
}
