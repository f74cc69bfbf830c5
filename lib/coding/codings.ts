import { promisify } from 'node:util'
import {
  brotliCompress, brotliCompressSync, brotliDecompressSync, constants, createBrotliCompress, createBrotliDecompress, createDeflate,
  createGunzip, createGzip, createInflate, createInflateRaw, deflate, deflateSync, gunzipSync, gzip, gzipSync, inflateRawSync, inflateSync,
  type ZlibOptions,
} from 'node:zlib'
import { reusedZlib } from '../../lev/internal.js'
import { listMembers } from '../http1/grammar.js'
import { zstd } from './node-zstd.js'
import { ZstdFrames, zstdWindowLimit } from './zstd-frames.js'

/** A compressor or decoder for content that streams. */
export type ZlibStream = ReturnType<typeof createGzip>

/** How content is compressed. */
interface Compression {
  readonly sync: (bytes: Buffer) => Buffer
  /** Largest content, in bytes, that is compressed by `sync`, which takes 0.1 to 0.3 milliseconds for so much. */
  readonly syncLimit: number
  /** On the thread pool. */
  readonly pooled: (bytes: Buffer) => Promise<Buffer>
  readonly stream: () => ZlibStream
  /** The kind of flush after which the client can decode everything up to there. */
  readonly flush: number
}

type DecodingOptions = Pick<ZlibOptions, 'chunkSize' | 'finishFlush' | 'info' | 'maxOutputLength'>

/** How one format of compressed content is decoded. */
export interface Format {
  /** @returns the content; with the option `info` an object, as in node:zlib */
  readonly sync: (bytes: Buffer, options: DecodingOptions) => unknown
  /** Whether the limit of its output bounds the time that `sync` takes. */
  readonly isBounded: boolean
  readonly stream: (options: DecodingOptions) => ZlibStream
  /** The option `finishFlush` for content that may be cut off. */
  readonly lenient: number
}

/** A content coding (RFC 9110 section 8.4.1). */
export interface Coding {
  /** The name in Accept-Encoding and Content-Encoding, in lower case. */
  readonly name: string
  readonly aliases: readonly string[]
  /** Null: responses are not compressed in it. */
  readonly compression: Compression | null
  /** The format of content whose first byte is `first`. Null: it cannot be decoded. */
  readonly formatOf: ((first: number) => Format) | null
  /** Finds the frames of content, for a decoder that must be given them one by one. Null: it need not. */
  readonly frames: (() => ZstdFrames) | null
  /** Whether content in it may begin with `start`. Null: it has no signature, so only decoding shows whether content is in it. */
  readonly signature: ((start: Buffer) => boolean) | null
}

/** A coding that responses are compressed in. */
export type ResponseCoding = Coding & { readonly compression: Compression }
/** A coding that can be decoded. */
export type DecodableCoding = Coding & { readonly formatOf: (first: number) => Format }

const KiB = 1024

/**
 * What the codings cost: microseconds of CPU time and percent of the size, of gzip, zstd and br as they are set below, on Node.js
 * 26. Node.js 20 and 24 differ by less than a tenth.
 *
 *                      gzip 4         zstd 3         br 5
 *     JSON, 2 KB       11, 40.9       21, 41.0       40, 37.1
 *     JSON, 20 KB      80, 29.5       50, 28.7      240, 27.1
 *     JSON, 200 KB   1600, 27.5      480, 26.9     3000, 25.6
 *     HTML, 20 KB      80, 30.6       50, 32.0      250, 28.3
 *     HTML, 100 KB    850, 28.2      220, 28.9     1500, 25.7
 *     scripts, 200 KB 1750, 28.2     580, 29.2     3000, 26.0
 *
 * A piece of a stream, with a flush after each, and the memory of the stream:
 *
 *     of 100 bytes     41, 47.0       34, 53.0       43, 50.1
 *     of 1 KB          56, 31.3       45, 32.2       77, 30.3
 *     of 16 KB        227, 27.7      146, 26.2      426, 26.0
 *     memory         240-390 KB     290-430 KB     410-840 KB
 *
 * So zstd is the first of those that a client likes equally, and br, which costs two to four times as much for a twelfth less, comes
 * after gzip.
 *
 * gzip's level 4 compresses nearly as well as its default level 6 in about half the time; below 4, prose compresses worse.
 */
const level = 4

/** Compression by zlib: its functions for one format. */
function byZlib(
  create: (options: ZlibOptions) => ZlibStream,
  once: (bytes: Buffer, options: ZlibOptions) => Buffer,
  pooled: (bytes: Buffer, options: ZlibOptions) => Promise<Buffer>,
): Compression {
  let sync: ((bytes: Buffer) => Buffer) | null = null
  return {
    sync: (bytes) => (sync ??= reusedZlib(() => create({ level })) ?? ((all) => once(all, { level })))(bytes),
    syncLimit: 32 * KiB,
    pooled: (bytes) => pooled(bytes, { level }),
    stream: () => create({ level }),
    flush: constants.Z_SYNC_FLUSH,
  }
}

/** Quality 4 costs 1.5 times of gzip and compresses no better. A window of 128 KiB or more would double a stream's memory. */
const brotliParams = { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 16 }
const brotliPooled = promisify(brotliCompress)

const brotliCompression: Compression = {
  sync: (bytes) => brotliCompressSync(bytes, { params: brotliParams }),
  syncLimit: 16 * KiB,
  pooled: (bytes) => brotliPooled(bytes, { params: brotliParams }),
  stream: () => createBrotliCompress({ params: brotliParams }),
  flush: constants.BROTLI_OPERATION_FLUSH,
}

/** The default level. Its default tables would make a stream take 1 MB, for a hundredth less. */
function zstdCompression({ constants, zstdCompressSync, zstdCompress, createZstdCompress }: NonNullable<typeof zstd>): Compression {
  const { ZSTD_c_compressionLevel, ZSTD_c_windowLog, ZSTD_c_hashLog, ZSTD_c_chainLog, ZSTD_e_flush } = constants
  const params = { [ZSTD_c_compressionLevel]: 3, [ZSTD_c_windowLog]: 17, [ZSTD_c_hashLog]: 14, [ZSTD_c_chainLog]: 14 }
  const pooled = promisify(zstdCompress)
  return {
    sync: (bytes) => zstdCompressSync(bytes, { params }),
    syncLimit: 64 * KiB,
    pooled: (bytes) => pooled(bytes, { params }),
    stream: () => createZstdCompress({ params }),
    flush: ZSTD_e_flush,
  }
}

function zstdFormat({ constants, zstdDecompressSync, createZstdDecompress }: NonNullable<typeof zstd>): Format {
  const params = { [constants.ZSTD_d_windowLogMax]: Math.log2(zstdWindowLimit) }
  return {
    sync: (bytes, options) => zstdDecompressSync(bytes, { ...options, params }),
    isBounded: true,
    stream: (options) => createZstdDecompress({ ...options, params }),
    lenient: constants.ZSTD_e_flush,
  }
}

/** Any number of members (RFC 1952 section 2.2). */
const gzipFormat: Format = { sync: gunzipSync, isBounded: true, stream: createGunzip, lenient: constants.Z_SYNC_FLUSH }
const zlibFormat: Format = { sync: inflateSync, isBounded: true, stream: createInflate, lenient: constants.Z_SYNC_FLUSH }
const rawFormat: Format = { sync: inflateRawSync, isBounded: true, stream: createInflateRaw, lenient: constants.Z_SYNC_FLUSH }
/**
 * Its windows have at most 16 MiB: those of "large window brotli" are an error. It fills the window before it gives any of it, so that
 * 300 bytes may take 20 milliseconds.
 */
const brotliFormat: Format = { sync: brotliDecompressSync, isBounded: false, stream: createBrotliDecompress, lenient: constants.BROTLI_OPERATION_FLUSH }
const zstandardFormat = zstd === null ? null : zstdFormat(zstd)

/**
 * All content codings, the best first. All that compresses, decodes, offers or recognises a coding follows this table; to add a
 * coding, add a row.
 */
export const codings: readonly Coding[] = [
  {
    name: 'zstd',
    aliases: [],
    compression: zstd === null ? null : zstdCompression(zstd),
    formatOf: zstandardFormat === null ? null : () => zstandardFormat,
    // Given several frames at once, Node.js 22 and 24 decode only the first; given part of one, Node.js 22 sees nothing wrong.
    frames: () => new ZstdFrames(),
    // A frame, or a skippable one (RFC 8878 section 3.1).
    signature: (start) => beginsWith(start, [0x28, 0xb5, 0x2f, 0xfd]) || (start[0] >> 4 === 5 && beginsWith(start.subarray(1), [0x2a, 0x4d, 0x18])),
  },
  {
    name: 'gzip',
    aliases: ['x-gzip'],
    compression: byZlib(createGzip, gzipSync, promisify(gzip)),
    formatOf: () => gzipFormat,
    frames: null,
    signature: (start) => beginsWith(start, [0x1f, 0x8b, 0x08]),
  },
  {
    name: 'br',
    aliases: [],
    compression: brotliCompression,
    formatOf: () => brotliFormat,
    frames: null,
    // Of 28 texts that are not in it, decoding takes one for it.
    signature: null,
  },
  // It compresses as well as gzip, which, unlike deflate, means the same format everywhere.
  {
    name: 'deflate',
    aliases: [],
    // The zlib format (RFC 1950).
    compression: byZlib(createDeflate, deflateSync, promisify(deflate)),
    // Some senders use raw deflate under this name (RFC 9110 section 8.4.1.2). A zlib header has 8 in the low half of its first
    // byte (RFC 1950 section 2.2), which no raw deflate encoder writes.
    formatOf: (first) => ((first & 0x0f) === 8 ? zlibFormat : rawFormat),
    frames: null,
    signature: null,
  },
]

/** Those that responses are compressed in. */
export const responseCodings = codings.filter((coding): coding is ResponseCoding => coding.compression !== null)

/** Those that can be decoded: of request bodies, and what the client accepts. */
export const decodableCodings = codings.filter((coding): coding is DecodableCoding => coding.formatOf !== null)

/** The member of `table` with this name or alias, in lower case. */
export function codingNamed<T extends Coding>(table: readonly T[], name: string): T | undefined {
  return table.find((coding) => coding.name === name || coding.aliases.includes(name))
}

/** The value of Accept-Encoding that names `table`. */
export function acceptEncodingOf(table: readonly Coding[]): string {
  return table.map(({ name }) => name).join(', ')
}

/** The names in Content-Encoding, in lower case and in order; `identity` is none. */
export function namesIn(contentEncoding: string | undefined): string[] {
  return listMembers((contentEncoding ?? '').toLowerCase()).filter((name) => name !== 'identity')
}

/** Whether `start`, which may be cut off, begins with these bytes. */
function beginsWith(start: Buffer, mark: readonly number[]): boolean {
  return mark.every((byte, at) => at >= start.length || start[at] === byte)
}
