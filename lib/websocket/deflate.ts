import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { closeReasons, type CloseReason } from './close-reasons.js'
import type { InflateBudget } from './inflate-budget.js'
import { ending, type Decompressor } from './messages.js'

/** What both sides agreed on for permessage-deflate (RFC 7692 section 7.1), and how this side goes about it. */
export interface Agreement {
  /** Whether each message of the server stands for itself, so that it keeps nothing of those before. Default: true. */
  readonly server_no_context_takeover: boolean
  /** Whether each message of the client stands for itself. Default: true. */
  readonly client_no_context_takeover: boolean
  /** 8 to 15. */
  readonly server_max_window_bits: number
  /** The same for the client. Default: 15. */
  readonly client_max_window_bits: number
}

/** How this side compresses. */
export interface Effort {
  /** zlib's level, 1 to 9. */
  readonly level: number
  /** Shortest message worth compressing, in bytes. */
  readonly min_size: number
}

/**
 * Most streams of compressed data, each ended by a final block, in one message. They may be as short as two bytes, and each takes some 8
 * microseconds: 1 MiB of them would hold up everything else for 4 s.
 */
const streamLimit = 1024

/** As many inflated bytes as take as long as one more stream. */
const streamCost = 4096

/**
 * Inflated bytes that each received byte earns. JSON is compressed 5 to 40 times, and deflate can do 1032. At 100 a byte takes 400 ns at
 * most, as it does in the shortest compressed messages, which are all head.
 */
const earnedRatio = 100

/** Most inflated bytes that a peer earns for later. */
const savingsLimit = 1024 * 1024

/** The most that a byte of deflate can become. */
const deflateRatio = 1032

const nothing = Buffer.alloc(0)

/** Bytes that no message carries at its end: those of an empty stored block (RFC 7692 section 7.2.1). */
const tailSize = 4

/** Bytes that zlib is given to write into at first: its usual 16 KiB are more than most messages need. */
const smallChunk = 4096

/**
 * permessage-deflate on one connection. It holds no compressor: each message makes one and drops it, which takes zlib a
 * few microseconds. With context takeover the connection keeps the last bytes of what went each way, at most 32 KiB, and
 * hands them to zlib as a preset dictionary: the same stream of bytes comes out as of a compressor that lived on.
 *
 * Measured (200 bytes of JSON / 1 KiB): inflating 4 / 4.3 microseconds, deflating 8 / 11.
 *
 * What the peer sends earns what it may become; beyond that its messages draw on `budget`, and when that is spent, one that does not
 * come out with what was earned is rejected.
 */
export class PerMessageDeflate implements Decompressor {
  readonly min_size: number
  readonly #level: number
  readonly #outBits: number
  /** What the other side has been sent, and what it has sent; null: no context is taken over. */
  readonly #sent: History | null
  readonly #received: History | null
  readonly #budget: InflateBudget
  readonly #clock: { readonly now: number }
  /** Inflated bytes that were earned and not used. */
  #saved = 0

  /**
   * @param client whether this side is the client
   * @param clock of `budget`, in seconds
   */
  constructor(agreement: Agreement, effort: Effort, client: boolean, budget: InflateBudget, clock: { readonly now: number }) {
    const { server_no_context_takeover, client_no_context_takeover, server_max_window_bits, client_max_window_bits } = agreement
    this.min_size = effort.min_size
    this.#budget = budget
    this.#clock = clock
    this.#level = effort.level
    this.#outBits = client ? client_max_window_bits : server_max_window_bits
    const inBits = client ? server_max_window_bits : client_max_window_bits
    this.#sent = (client ? client_no_context_takeover : server_no_context_takeover) ? null : new History(this.#outBits)
    this.#received = (client ? server_no_context_takeover : client_no_context_takeover) ? null : new History(inBits)
  }

  /** What to send for a message. With context takeover messages must leave in the order in which they were compressed. */
  compress(content: Buffer): Buffer {
    // An empty message is an empty stored block without its end (RFC 7692 section 7.2.3.6).
    if (content.length === 0) return Buffer.alloc(1)
    const past = this.#sent?.bytes ?? nothing
    const bits = windowFor(content.length + past.length, this.#outBits)
    const compressed = deflateRawSync(content, {
      level: this.#level,
      windowBits: bits,
      memLevel: bits - 7,
      chunkSize: Math.min(Math.max(smallChunk, content.length), 64 * 1024),
      finishFlush: constants.Z_SYNC_FLUSH,
      dictionary: past.length > 0 ? past : undefined,
    })
    this.#sent?.add(content)
    return compressed.subarray(0, compressed.length - tailSize)
  }

  decompress(content: Buffer, limit: number): Buffer | CloseReason {
    const earned = this.#saved + earnedRatio * content.length
    const allowed = this.#budget.isSpent(this.#clock.now) ? earned : Infinity
    const parts: Buffer[] = []
    const failure = this.#inflate(content, limit, allowed, parts)
    const message = failure !== null ? nothing : parts.length === 1 ? parts[0] : Buffer.concat(parts)
    // How much was inflated before a failure is not known.
    const size = failure === null ? message.length : Math.min(limit, allowed, deflateRatio * content.length)
    const left = earned - size - streamCost * Math.max(0, parts.length - 1)
    this.#saved = Math.min(Math.max(left, 0), savingsLimit)
    if (left < 0) this.#budget.spend(-left)
    if (failure !== null) return failure
    this.#received?.add(message)
    return message
  }

  /**
   * What stands behind a block that is marked as final belongs to the message (RFC 7692 section 7.2.1), in a stream of its own.
   * @param allowed most inflated bytes, what streams cost among them
   * @param parts takes what each stream becomes
   */
  #inflate(content: Buffer, limit: number, allowed: number, parts: Buffer[]): CloseReason | null {
    let past = this.#received?.bytes ?? nothing
    let rest = content
    let size = 0
    for (;;) {
      const most = Math.min(limit, allowed - streamCost * parts.length)
      if (most < size) return closeReasons.overBudget
      const stream = inflate(rest, past, most - size)
      if ('code' in stream) return stream === closeReasons.tooBig && most < limit ? closeReasons.overBudget : stream
      parts.push(stream.bytes)
      rest = rest.subarray(stream.taken)
      // The sender's last block is the final one in `ending`, or one of its own just before.
      if (rest.length === 0 || rest.length === ending.length) return null
      if (rest.length < ending.length) return closeReasons.badData
      if (parts.length === streamLimit) return closeReasons.manyStreams
      size += stream.bytes.length
      past = lastOf(past, stream.bytes, 32 * 1024)
    }
  }
}

/** Inflates to the end of a final block. `taken`: bytes up to there. */
function inflate(content: Buffer, past: Buffer, limit: number): { readonly bytes: Buffer; readonly taken: number } | CloseReason {
  try {
    const found: unknown = inflateRawSync(content, {
      info: true,
      // zlib does not take 0 for a limit.
      maxOutputLength: Math.max(limit, 1),
      chunkSize: Math.min(Math.max(smallChunk, 4 * content.length), 64 * 1024),
      dictionary: past.length > 0 ? past : undefined,
    })
    const { buffer, engine } = found as { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } }
    return buffer.length > limit ? closeReasons.tooBig : { bytes: buffer, taken: engine.bytesWritten }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    if (error.code === 'ERR_BUFFER_TOO_LARGE') return closeReasons.tooBig
    if (String(error.code).startsWith('Z_')) return closeReasons.badData
    throw error
  }
}

/**
 * The smallest window that reaches over `size` bytes, and is allowed. zlib knows no window of 8 bits for raw deflate; with
 * 9 it looks back no further than 250 bytes (MAX_DIST), which a window of 8 bits has.
 */
function windowFor(size: number, allowed: number): number {
  let bits = 9
  // zlib looks back 262 bytes less than its window has.
  while (bits < allowed && 2 ** bits < size + 262) bits++
  return bits
}

/** The last bytes of all messages that went one way. */
class History {
  bytes: Buffer = nothing
  readonly #size: number

  constructor(bits: number) {
    this.#size = 2 ** bits
  }

  add(message: Buffer): void {
    this.bytes = lastOf(this.bytes, message, this.#size)
  }
}

/** The last `size` bytes of two buffers, in memory of their own. */
function lastOf(first: Buffer, second: Buffer, size: number): Buffer {
  if (second.length >= size) return Buffer.from(second.subarray(second.length - size))
  return Buffer.concat([first.subarray(Math.max(0, first.length + second.length - size)), second])
}
