import { brotliDecompressSync, constants, inflateRawSync, inflateSync } from 'node:zlib'
import { headerOf, type ResponseHeaders } from '../http1/response-headers.js'

// fetch decodes content, but its headers still describe the bytes that it received: Content-Encoding and Content-Length are
// stale when a handler forwards both. Only the first bytes of the content show whether it is decoded.

/** Bytes of content examined, and the most that decoding them may give. */
const startSize = 512
const outputSize = 16 * 1024

type Test = (start: Buffer) => boolean

const isGzip: Test = (start) => beginsWith(start, [0x1f, 0x8b, 0x08])

/** Tests whether content that begins with these bytes may be in a coding. None is false for content that is. */
const tests: Readonly<Record<string, Test>> = {
  'gzip': isGzip,
  'x-gzip': isGzip,
  // Some servers send raw deflate (RFC 9110 section 8.4.1.2). zlib has 8 in the low half of its first byte (RFC 1950 2.2).
  'deflate': (start) => {
    const decode = (start[0] & 0x0f) === 8 ? inflateSync : inflateRawSync
    return isDecoded(() => decode(start, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: outputSize }))
  },
  // Brotli has no signature: of 28 texts that are not in it, one begins as if it were.
  'br': (start) => isDecoded(() => brotliDecompressSync(start, { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength: outputSize })),
  'zstd': (start) => beginsWith(start, [0x28, 0xb5, 0x2f, 0xfd]) || (start[0] >> 4 === 5 && beginsWith(start.subarray(1), [0x2a, 0x4d, 0x18])),
}

/** The headers of content that begins with `start`, without stale ones. */
export function currentHeaders(headers: ResponseHeaders, status: number, start: Buffer | string): ResponseHeaders {
  const coding = testableCoding(headers, status)
  return coding === null || mayBeIn(coding, start) ? headers : decodedHeaders(headers)
}

/** The coding that the headers name (the last of several), if it can be tested on the content; else null. */
export function testableCoding(headers: ResponseHeaders | null | undefined, status: number): string | null {
  const value = headerOf(headers, 'content-encoding')
  // Partial content need not begin like the whole.
  if (value === undefined || value === null || status === 206) return null
  const coding = String(value).split(',').at(-1)?.trim().toLowerCase() ?? ''
  return Object.hasOwn(tests, coding) ? coding : null
}

/** Whether content that begins with `start` (latin1 text, or bytes) may be in `coding`. Empty content is not. */
export function mayBeIn(coding: string, start: Buffer | string): boolean {
  if (start.length === 0) return false
  return tests[coding](typeof start === 'string' ? Buffer.from(start.slice(0, startSize), 'latin1') : start.subarray(0, startSize))
}

/** The headers without those that describe the encoded content. */
export function decodedHeaders(headers: ResponseHeaders | undefined): ResponseHeaders {
  const stale = ['content-encoding', 'content-length']
  return Object.fromEntries(Object.entries(headers ?? {}).filter(([name]) => !stale.includes(name.toLowerCase())))
}

function beginsWith(start: Buffer, mark: readonly number[]): boolean {
  return mark.every((byte, at) => at >= start.length || start[at] === byte)
}

function isDecoded(decode: () => unknown): boolean {
  try {
    decode()
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
  }
}
