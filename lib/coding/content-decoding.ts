import type { Op } from '../../lev/index.js'
import { bodyError } from '../errors.js'
import { rejections } from '../http1/rejection.js'
import { OnePiece, readAll, type Pieces } from '../pieces.js'
import { codingNamed, namesIn, decodableCodings, type DecodableCoding } from './codings.js'
import type { ZstdFrames } from './zstd-frames.js'
import { chunkSize, Decoder, type DecodingRules } from './decoder.js'

/**
 * Largest compressed body, and largest content, that are decoded synchronously. A body of 2 KB takes 25 microseconds so and 100
 * on the thread pool; a larger one would block all other tasks.
 */
const spotInput = 16 * 1024
const spotOutput = 128 * 1024

const strictly: DecodingRules = {
  lenient: false,
  malformed: () => bodyError(rejections.compressedBody),
  tooLarge: (limit) => bodyError(rejections.bodyTooLarge(limit + 1)),
}

/** The coding of a body by its Content-Encoding: null for none, undefined for one that is not decoded. */
export function bodyCoding(contentEncoding: string | undefined): DecodableCoding | null | undefined {
  const names = namesIn(contentEncoding)
  if (names.length === 0) return null
  return names.length === 1 ? codingNamed(decodableCodings, names[0]) : undefined
}

/** Decodes a whole body. @throws BodyError: 400 for a malformed one, 413 for more than `limit` decoded bytes */
export function* decodeWhole(bytes: Buffer, coding: DecodableCoding, limit: number): Op<Buffer> {
  const spot = bytes.length > 0 && bytes.length <= spotInput ? decodeOnTheSpot(bytes, coding, Math.min(limit, spotOutput)) : null
  if (spot !== null) return spot
  const decoder = bodyDecoder(new OnePiece(bytes), coding, limit)
  try {
    return yield* readAll(() => decoder.next())
  } finally {
    decoder.close()
  }
}

/** Decodes a body synchronously; null: that may take long, the content has more than `limit` bytes, or the body is not one frame. */
function decodeOnTheSpot(bytes: Buffer, coding: DecodableCoding, limit: number): Buffer | null {
  const { sync, isBounded } = coding.formatOf(bytes[0])
  if (!isBounded) return null
  if (coding.frames !== null && !isOneFrame(coding.frames(), bytes)) return null
  try {
    // zlib does not accept a limit of 0.
    const options = { info: true, maxOutputLength: Math.max(limit, 1), chunkSize: Math.min(4 * bytes.length + 1024, chunkSize) }
    const { buffer, engine } = sync(bytes, options) as { buffer: Buffer; engine: { bytesWritten: number } }
    // zlib leaves bytes after the end unread.
    if (engine.bytesWritten !== bytes.length) throw bodyError(rejections.compressedBody)
    return buffer.length > limit ? null : buffer
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    if (error.code === 'ERR_BUFFER_TOO_LARGE') return null
    // Only the errors of zlib, brotli and zstd have an `errno`.
    throw 'errno' in error ? bodyError(rejections.compressedBody) : error
  }
}

function isOneFrame(frames: ZstdFrames, bytes: Buffer): boolean {
  return frames.read(bytes) === bytes.length && frames.isComplete
}

/** Decodes a body piece by piece; `next` throws BodyError as `decodeWhole`. */
export function bodyDecoder(source: Pieces, coding: DecodableCoding, limit: number): Decoder {
  return new Decoder(source, coding, limit, strictly)
}
