import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { closeReasons, type CloseReason } from './close-reasons.js'
import type { InflateBudget } from './inflate-budget.js'
import { ending, type Decompressor } from './messages.js'

/** The negotiated parameters of permessage-deflate (RFC 7692 section 7.1). */
export interface Agreement {
  /** Whether the server compresses each message by itself, without the context of earlier ones. Default: true. */
  readonly server_no_context_takeover: boolean
  /** Whether the client compresses each message by itself. Default: true. */
  readonly client_no_context_takeover: boolean
  /** Window size of the server's compression, as a power of 2: 8 to 15. Default: 15. */
  readonly server_max_window_bits: number
  /** Window size of the client's compression, as a power of 2: 8 to 15. Default: 15. */
  readonly client_max_window_bits: number
}

/** How this side compresses. */
export interface Effort {
  /** zlib's compression level, 1 to 9. */
  readonly level: number
  /** Minimum size of a message to be compressed, in bytes. */
  readonly min_size: number
}

/**
 * Maximum number of deflate streams, each ended by a final block, in one message. They may be as short as two bytes, and each
 * takes about 8 microseconds: 1 MiB of them would block everything else for 4 s.
 */
const streamLimit = 1024

/** The cost of one more stream, in inflated bytes that take as long. */
const streamCost = 4096

/**
 * Inflated bytes that each received byte earns. JSON compresses 5 to 40 times, and deflate can reach 1032. At 100, a byte costs
 * at most 400 ns, as in the shortest compressed messages, which consist of overhead alone.
 */
const earnedRatio = 100

/** Maximum number of inflated bytes that a peer can save up. */
const savingsLimit = 1024 * 1024

/** The highest compression ratio of deflate. */
const deflateRatio = 1032

const nothing = Buffer.alloc(0)

/** Bytes that are removed from the end of each message: those of an empty stored block (RFC 7692 section 7.2.1). */
const tailSize = 4

/** Smallest output buffer for zlib, in bytes: its default of 16 KiB is more than most messages need. */
const smallChunk = 4096

/**
 * permessage-deflate on one connection. It keeps no compressor: each message creates one and drops it, which takes zlib a few
 * microseconds. With context takeover the connection keeps the last bytes sent in each direction, at most 32 KiB, and passes
 * them to zlib as a preset dictionary: the output is the same as that of a compressor that is kept.
 *
 * Measured (200 bytes of JSON / 1 KiB): inflating 4 / 4.3 microseconds, deflating 8 / 11.
 *
 * The peer's bytes earn an amount of inflated bytes; beyond that its messages use up `budget`, and once that is spent, a message
 * that needs more than was earned is rejected.
 */
export class PerMessageDeflate implements Decompressor {
  readonly min_size: number
  readonly #level: number
  readonly #outBits: number
  /** The last bytes sent and received; null without context takeover. */
  readonly #sent: History | null
  readonly #received: History | null
  readonly #budget: InflateBudget
  readonly #clock: { readonly now: number }
  /** Inflated bytes that were earned but not used. */
  #saved = 0

  /**
   * @param client whether this side is the client
   * @param clock the clock for `budget`, in seconds
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

  /** Compresses a message. With context takeover, messages must be sent in the order in which they were compressed. */
  compress(content: Buffer): Buffer {
    // An empty message is an empty stored block without its tail (RFC 7692 section 7.2.3.6).
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
    // After a failure it is unknown how much was inflated: assume the maximum.
    const size = failure === null ? message.length : Math.min(limit, allowed, deflateRatio * content.length)
    const left = earned - size - streamCost * Math.max(0, parts.length - 1)
    this.#saved = Math.min(Math.max(left, 0), savingsLimit)
    if (left < 0) this.#budget.spend(-left)
    if (failure !== null) return failure
    this.#received?.add(message)
    return message
  }

  /**
   * Inflates all streams of a message: data after a block marked as final is part of it (RFC 7692 section 7.2.1), as a new stream.
   * @param allowed maximum number of inflated bytes, including the cost of streams
   * @param parts receives the inflated streams
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
      rest = rest.subarray(stream.consumed)
      // The last final block is the one in `ending`, or the sender's own just before it.
      if (rest.length === 0 || rest.length === ending.length) return null
      if (rest.length < ending.length) return closeReasons.badData
      if (parts.length === streamLimit) return closeReasons.manyStreams
      size += stream.bytes.length
      past = lastOf(past, stream.bytes, 32 * 1024)
    }
  }
}

/** Inflates up to the end of a final block. `consumed`: number of bytes up to there. */
function inflate(content: Buffer, past: Buffer, limit: number): { readonly bytes: Buffer; readonly consumed: number } | CloseReason {
  try {
    const found: unknown = inflateRawSync(content, {
      info: true,
      // zlib does not accept 0 as a limit.
      maxOutputLength: Math.max(limit, 1),
      chunkSize: Math.min(Math.max(smallChunk, 4 * content.length), 64 * 1024),
      dictionary: past.length > 0 ? past : undefined,
    })
    const { buffer, engine } = found as { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } }
    return buffer.length > limit ? closeReasons.tooBig : { bytes: buffer, consumed: engine.bytesWritten }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    if (error.code === 'ERR_BUFFER_TOO_LARGE') return closeReasons.tooBig
    if (String(error.code).startsWith('Z_')) return closeReasons.badData
    throw error
  }
}

/**
 * The smallest allowed window that covers `size` bytes. zlib has no window of 8 bits for raw deflate; with 9 it looks back
 * at most 250 bytes (MAX_DIST), which a window of 8 bits has too.
 */
function windowFor(size: number, allowed: number): number {
  let bits = 9
  // zlib looks back 262 bytes less than the size of its window.
  while (bits < allowed && 2 ** bits < size + 262) bits++
  return bits
}

/** The last bytes of all messages in one direction. */
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

/** A copy of the last `size` bytes of two buffers. */
function lastOf(first: Buffer, second: Buffer, size: number): Buffer {
  if (second.length >= size) return Buffer.from(second.subarray(second.length - size))
  return Buffer.concat([first.subarray(Math.max(0, first.length + second.length - size)), second])
}
