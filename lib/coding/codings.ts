import { promisify } from 'node:util'
import {
  brotliDecompress, brotliDecompressSync, constants, createBrotliDecompress, createDeflate, createGunzip, createGzip, createInflate,
  createInflateRaw, deflate, deflateSync, gunzip, gunzipSync, gzip, gzipSync, inflate, inflateRaw, inflateRawSync, inflateSync,
  type ZlibOptions,
} from 'node:zlib'
import { reusedZlib } from '../../lev/internal.js'
import { listMembers } from '../http1/grammar.js'

/** A compressor or decoder for content that streams. */
export type ZlibStream = ReturnType<typeof createGzip>

/** How content is compressed. */
interface Compression {
  readonly sync: (bytes: Buffer) => Buffer
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
  /** On the thread pool. */
  readonly pooled: (bytes: Buffer, options: DecodingOptions) => Promise<Buffer>
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
  /** Whether request bodies in it are decoded. */
  readonly inRequests: boolean
  /** Whether content in it may begin with `start`. Null: it has no signature, so only decoding shows whether content is in it. */
  readonly signature: ((start: Buffer) => boolean) | null
}

/** A coding that responses are compressed in. */
export type ResponseCoding = Coding & { readonly compression: Compression }
/** A coding that can be decoded. */
export type DecodableCoding = Coding & { readonly formatOf: (first: number) => Format }

/**
 * Cost of zlib's levels, in microseconds and in percent of the size, for JSON and for prose:
 *
 *     16 KiB  level 1: 28, 22 %   38, 36 %    4: 43, 21 %   56, 33 %    6: 62, 20 %   76, 33 %
 *     64 KiB  level 1: 124, 22 %  371, 34 %   4: 275, 21 %  562, 30 %   6: 602, 19 %  960, 29 %
 *
 * Level 4 compresses nearly as well as the default level 6 in about half the time; below 4, prose compresses worse.
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
    pooled: (bytes) => pooled(bytes, { level }),
    stream: () => create({ level }),
    flush: constants.Z_SYNC_FLUSH,
  }
}

/** Any number of members (RFC 1952 section 2.2). */
const gzipFormat: Format = { sync: gunzipSync, pooled: promisify(gunzip), stream: createGunzip, lenient: constants.Z_SYNC_FLUSH }
const zlibFormat: Format = { sync: inflateSync, pooled: promisify(inflate), stream: createInflate, lenient: constants.Z_SYNC_FLUSH }
const rawFormat: Format = { sync: inflateRawSync, pooled: promisify(inflateRaw), stream: createInflateRaw, lenient: constants.Z_SYNC_FLUSH }
const brotliFormat: Format = {
  sync: brotliDecompressSync,
  pooled: promisify(brotliDecompress),
  stream: createBrotliDecompress,
  lenient: constants.BROTLI_OPERATION_FLUSH,
}

/**
 * All content codings, the best first. All that compresses, decodes, offers or recognises a coding follows this table; to add a
 * coding, add a row.
 */
export const codings: readonly Coding[] = [
  // gzip and deflate compress equally well, and gzip, unlike deflate, means the same format everywhere.
  {
    name: 'gzip',
    aliases: ['x-gzip'],
    compression: byZlib(createGzip, gzipSync, promisify(gzip)),
    formatOf: () => gzipFormat,
    inRequests: true,
    signature: (start) => beginsWith(start, [0x1f, 0x8b, 0x08]),
  },
  {
    name: 'deflate',
    aliases: [],
    // The zlib format (RFC 1950).
    compression: byZlib(createDeflate, deflateSync, promisify(deflate)),
    // Some senders use raw deflate under this name (RFC 9110 section 8.4.1.2). A zlib header has 8 in the low half of its first
    // byte (RFC 1950 section 2.2), which no raw deflate encoder writes.
    formatOf: (first) => ((first & 0x0f) === 8 ? zlibFormat : rawFormat),
    inRequests: true,
    signature: null,
  },
  {
    name: 'br',
    aliases: [],
    compression: null,
    formatOf: () => brotliFormat,
    inRequests: false,
    // Of 28 texts that are not in it, decoding takes one for it.
    signature: null,
  },
  {
    name: 'zstd',
    aliases: [],
    compression: null,
    formatOf: null,
    inRequests: false,
    // A frame, or a skippable one (RFC 8878 section 3.1).
    signature: (start) => beginsWith(start, [0x28, 0xb5, 0x2f, 0xfd]) || (start[0] >> 4 === 5 && beginsWith(start.subarray(1), [0x2a, 0x4d, 0x18])),
  },
]

/** Those that responses are compressed in. */
export const responseCodings = codings.filter((coding): coding is ResponseCoding => coding.compression !== null)

/** Those that can be decoded: what the client accepts. */
export const decodableCodings = codings.filter((coding): coding is DecodableCoding => coding.formatOf !== null)

/** Those of request bodies that are decoded. */
export const requestCodings = decodableCodings.filter(({ inRequests }) => inRequests)

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
