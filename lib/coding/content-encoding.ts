import type { Op } from '../../lev/index.js'
import type { ResponseCoding } from './codings.js'
import { chooseCoding, compress, isCompressible, mergeVary, weakenEtag, type Compressible } from './compression.js'
import type { Exchange } from '../request/exchange.js'
import { NO_LENGTH } from '../http1/response-framing.js'
import { declaredLength, headerOf, namesOf, type ResponseHeaders } from '../http1/response-headers.js'
import { opensTunnel } from '../http1/status.js'

/** A response's content and headers after the choice of a content-coding. */
export interface Encoded {
  readonly headers: ResponseHeaders
  readonly bytes: Buffer | string
  /** The length for Content-Length. */
  readonly length: number
}

/** Whether a response varies by Accept-Encoding: compressing its content is allowed and worthwhile. */
export function isEncodable(exchange: Exchange, status: number, headers: ResponseHeaders | undefined, size: number): boolean {
  return !opensTunnel(exchange.head.method, status) && isCompressible(exchange.connection.settings.compression, compressible(status, headers, size))
}

/** Compresses an encodable response's content if its client accepts that, and adds Vary to the headers. */
export function* encode(exchange: Exchange, headers: ResponseHeaders | undefined, bytes: Buffer | string): Op<Encoded> {
  const coding = chooseCoding(exchange.connection.settings.compression, exchange.head.fields.get('accept-encoding'))
  const varied = encodedHeaders(headers, coding)
  if (coding === null) return { headers: varied, bytes, length: bytes.length }
  // Only compressing would give the length of GET's content, so the response to HEAD has none.
  if (exchange.head.method === 'HEAD') return { headers: varied, bytes: '', length: NO_LENGTH }
  const compressed = yield* compress(coding, bytes)
  return { headers: varied, bytes: compressed, length: compressed.length }
}

/**
 * The headers of a 304 or 206 with the Vary of the corresponding 200 (RFC 9110 15.4.5 and 15.3.7); those of other responses
 * unchanged. Where the headers do not give the type or size of the whole content, it counts as compressible.
 */
export function variedHeaders(exchange: Exchange, status: number, headers: ResponseHeaders | undefined, size: number): ResponseHeaders | undefined {
  if (status !== 304 && status !== 206) return headers
  const { compression } = exchange.connection.settings
  const part = compressible(200, headers, size)
  const type = part.contentType?.startsWith('multipart/byteranges') === true ? undefined : part.contentType
  const whole = { ...part, size: wholeSize(status, headers, size), contentType: type ?? compression.types[0], contentRange: undefined }
  return isCompressible(compression, whole) ? encodedHeaders(headers, null) : headers
}

/** Bytes of the whole content according to a 304 or 206; Infinity if unknown. */
function wholeSize(status: number, headers: ResponseHeaders | undefined, size: number): number {
  if (status === 206) return Number(textOf(headers, 'content-range')?.match(/\/([0-9]+)$/)?.[1] ?? Infinity)
  const declared = declaredLength(headers)
  return size > 0 ? size : declared >= 0 ? declared : Infinity
}

/** The coding of streaming content, null for none, and the headers to match. */
interface StreamEncoding {
  readonly encoding: ResponseCoding | null
  readonly headers: ResponseHeaders | undefined
}

/** Chooses the coding of streaming content of `size` bytes; Infinity if unknown. */
export function streamEncoding(exchange: Exchange, status: number, headers: ResponseHeaders | undefined, size: number): StreamEncoding {
  if (!isEncodable(exchange, status, headers, size)) return { encoding: null, headers: variedHeaders(exchange, status, headers, size) }
  const encoding = chooseCoding(exchange.connection.settings.compression, exchange.head.fields.get('accept-encoding'))
  return { encoding, headers: encodedHeaders(headers, encoding) }
}

function compressible(status: number, headers: ResponseHeaders | undefined, size: number): Compressible {
  return {
    size,
    status,
    contentType: textOf(headers, 'content-type'),
    contentEncoding: textOf(headers, 'content-encoding'),
    contentRange: textOf(headers, 'content-range'),
    cacheControl: textOf(headers, 'cache-control'),
  }
}

function textOf(headers: ResponseHeaders | undefined, name: string): string | undefined {
  const value = headerOf(headers, name)
  if (value === undefined || value === null) return undefined
  return Array.isArray(value) ? value.join(', ') : String(value)
}

/** The headers for content that varies by Accept-Encoding, in `coding`; null: not encoded. */
function encodedHeaders(headers: ResponseHeaders | undefined, coding: ResponseCoding | null): ResponseHeaders {
  const result: Record<string, ResponseHeaders[string]> = {}
  for (const name of headers === undefined || headers === null ? [] : namesOf(headers)) {
    const value = headers?.[name]
    const lower = name.toLowerCase()
    if (lower === 'vary' || (coding !== null && (lower === 'content-length' || lower === 'content-encoding'))) continue
    result[name] = coding !== null && lower === 'etag' && typeof value === 'string' ? weakenEtag(value) : value
  }
  if (coding !== null) result['Content-Encoding'] = coding.name
  result['Vary'] = mergeVary(textOf(headers, 'vary'))
  return result
}
