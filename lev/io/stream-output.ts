import type { Transport } from '../drivers/driver.js'
import { ClosedError } from '../core/errors.js'
import type { ErrorFactory } from '../core/failure.js'
import type { Flushable, Loop } from '../core/loop.js'
import { suspend, type Op } from '../core/op.js'
import { Hook } from './hook.js'
import { OutputQueue } from './output-queue.js'
import { yieldNow } from '../core/time.js'
import { Timer } from '../core/timers.js'

/** A writer waits while more bytes than this are unsent: a higher limit makes nothing faster. */
export const unsentLimitBytes = 128 * 1024
/** A waiting writer goes on when at most this many bytes are unsent. */
const low = 64 * 1024

/**
 * The sending half of a stream: gathers output, passes it to the transport as far as that takes it, makes writers wait, and
 * checks that the output leaves in time.
 */
export class StreamOutput implements Flushable {
  transport: Transport
  /** Total bytes put in so far. */
  bytesPut = 0
  ended = false
  /** Called before output is sent, so that its user can put in data that it has held back. */
  readonly beforeSend = new Hook<() => void>('stream.beforeSend')
  readonly #loop: Loop
  readonly #queue = new OutputQueue()
  #failure: ErrorFactory | null = null
  #gathered = false
  /** Waiting writers: how to resume each, and the number of unsent bytes at which it goes on. */
  #writers: Map<(value: null) => void, number> | null = null
  /** The largest bound in `#writers`: while more is unsent, none of them needs checking. */
  #widest = 0
  #deadline = Infinity
  #stallTimeout = Infinity
  #minRate = 0
  /** When output last left, or began to wait, and how many bytes were pending in the transport then. */
  #progressAt = 0
  #pendingThen = 0
  /** Since when there has always been some unsent output; Infinity if there is none. */
  #waitsSince = Infinity
  /** `bytesPut` when no output was unsent last. */
  #leftBefore = 0
  /** `bytesPut` when a writer last paused. */
  #pausedAt = 0
  readonly #timer: Timer

  /** @param cut called when output takes too long to leave */
  constructor(loop: Loop, transport: Transport, cut: () => void) {
    this.#loop = loop
    this.transport = transport
    this.#timer = new Timer(() => this.#onTimer(cut))
  }

  get unsent(): number {
    return this.#queue.size + this.transport.pending
  }

  get deadline(): number {
    return this.#deadline
  }

  set deadline(time: number) {
    this.#deadline = time
    this.#watch()
  }

  get stallTimeout(): number {
    return this.#stallTimeout
  }

  set stallTimeout(seconds: number) {
    this.#stallTimeout = seconds
    this.#watch()
  }

  get minRate(): number {
    return this.#minRate
  }

  set minRate(bytesPerSecond: number) {
    this.#minRate = bytesPerSecond
    this.#watch()
  }

  put(data: Buffer | string): void {
    if (this.#failure !== null) throw this.#failure()
    if (this.ended) throw new ClosedError('the stream was ended: nothing more can be written')
    this.bytesPut += data.length
    this.#queue.push(data)
    if (this.#gathered) return
    this.#gathered = true
    this.#loop.gather(this)
  }

  flushGathered(): void {
    if (this.#failure === null) this.send()
    this.#gathered = false
  }

  /** Passes output to the transport as far as that takes it. */
  send(): void {
    // After the end nothing can be put in, and no caller here could receive the error.
    if (!this.ended) this.beforeSend.attached?.()
    const { transport } = this
    // The clock is read only if needed: outside of a tick, that costs 1 % of a small request.
    if (this.#queue.size > 0 && transport.pending === 0) this.#progressAt = this.#loop.now
    while (this.#queue.size > 0 && transport.pending < low) transport.write(this.#queue.take(transport.writeSize))
    this.#pendingThen = transport.pending
    this.#watch()
  }

  /** Called when output has left the transport. */
  progress(): void {
    if (this.#failure !== null) return
    if (this.unsent > 0) this.#progressAt = this.#loop.now
    this.send()
    this.#wakeWriters()
  }

  /** True when a writer must `yield* waitForDrain()` before its next write. */
  get needsDrain(): boolean {
    return this.unsent > unsentLimitBytes
  }

  /** Waits until at most `low` bytes are unsent. */
  waitForDrain(): Op<void> {
    return this.untilUnsent(low)
  }

  /** Waits until at most `bound` bytes are unsent. */
  *untilUnsent(bound: number): Op<void> {
    if (this.#failure === null) this.send()
    while (this.#failure === null && this.unsent > bound) {
      this.#pausedAt = this.bytesPut
      yield* suspend<null>((resume) => {
        const writers = (this.#writers ??= new Map())
        writers.set(resume, bound)
        this.#widest = Math.max(this.#widest, bound)
        return () => writers.delete(resume)
      })
    }
    if (this.#failure !== null) throw this.#failure()
    if (this.bytesPut - this.#pausedAt <= unsentLimitBytes) return
    // The peer takes everything at once, so this writer never had to wait: let other tasks run too.
    this.#pausedAt = this.bytesPut
    yield* yieldNow()
  }

  /** Makes all writers fail, and drops unsent output. */
  fail(failure: ErrorFactory): void {
    this.#failure = failure
    this.#loop.timers.remove(this.#timer)
    this.#wakeWriters()
    this.#queue.clear()
  }

  #onTimer(cut: () => void): void {
    const { pending } = this.transport
    // The transport reports progress only when a whole write has left; part of a large one may have left before.
    if (pending < this.#pendingThen) this.#progressAt = this.#loop.now
    this.#pendingThen = pending
    if (this.#loop.now >= this.#end) cut()
    else this.#watch()
  }

  /** When output is too late: no byte has left for `stallTimeout`, or the output since `#waitsSince` was slower than `minRate`. */
  get #end(): number {
    const stalled = this.#progressAt + this.#stallTimeout
    if (this.#minRate === 0) return Math.min(stalled, this.#deadline)
    const late = this.#waitsSince + this.#stallTimeout + (this.bytesPut - this.#leftBefore) / this.#minRate
    return Math.min(stalled, late, this.#deadline)
  }

  /** Sets the timer while output is unsent; it also checks for partial progress, four times per `stallTimeout`. */
  #watch(): void {
    if (this.#failure !== null) return
    const { timers } = this.#loop
    if (this.unsent > 0) {
      if (this.#waitsSince === Infinity) this.#waitsSince = this.#progressAt
      timers.set(this.#timer, Math.min(this.#end, this.#loop.now + this.#stallTimeout / 4))
      return
    }
    this.#waitsSince = Infinity
    this.#leftBefore = this.bytesPut
    if (this.#timer.deadline !== Infinity) timers.set(this.#timer, Infinity)
  }

  #wakeWriters(): void {
    const writers = this.#writers
    if (writers === null || (this.unsent > this.#widest && this.#failure === null)) return
    this.#widest = 0
    for (const [resume, bound] of writers) {
      if (this.unsent > bound && this.#failure === null) {
        this.#widest = Math.max(this.#widest, bound)
        continue
      }
      writers.delete(resume)
      resume(null)
    }
  }
}
