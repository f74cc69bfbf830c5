import type { Op } from '../lev/index.js'
import { chooseEncoding, compress, isCompressible, mergeVary, weakenEtag, type Compressible, type Encoding } from './compression.js'
import type { Exchange } from './exchange.js'
import { headerOf, NO_LENGTH, type ResponseHeaders } from './http1/response.js'

/** An answer's content and headers once its content coding is chosen. */
export interface Encoded {
  readonly headers: ResponseHeaders
  readonly bytes: Buffer | string
  /** What Content-Length is to say. */
  readonly length: number
}

/** Whether an answer varies by Accept-Encoding: its content is worth compressing and may be. */
export function isEncodable(exchange: Exchange, status: number, headers: ResponseHeaders | undefined, size: number): boolean {
  return isCompressible(exchange.connection.settings.compression, compressible(status, headers, size))
}

/** Compresses an encodable answer's content if its client accepts that, and says in the headers how it varies. */
export function* encode(exchange: Exchange, headers: ResponseHeaders | undefined, bytes: Buffer | string): Op<Encoded> {
  const encoding = chooseEncoding(exchange.head.fields.get('accept-encoding'))
  const varied = encodedHeaders(headers, encoding)
  if (encoding === null) return { headers: varied, bytes, length: bytes.length }
  // The length of what GET would send is known only by compressing it: HEAD does without.
  if (exchange.head.method === 'HEAD') return { headers: varied, bytes: '', length: NO_LENGTH }
  const packed = yield* compress(encoding, bytes)
  return { headers: varied, bytes: packed, length: packed.length }
}

/** How content that streams is encoded: in which coding, null for none, and with which headers. */
export interface StreamEncoding {
  readonly encoding: Encoding | null
  readonly headers: ResponseHeaders | undefined
}

/** Chooses the coding of content of `size` bytes (Infinity: nobody knows) that is compressed while it is sent. */
export function streamEncoding(exchange: Exchange, status: number, headers: ResponseHeaders | undefined, size: number): StreamEncoding {
  if (!isEncodable(exchange, status, headers, size)) return { encoding: null, headers }
  const encoding = chooseEncoding(exchange.head.fields.get('accept-encoding'))
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

/** The headers of content that varies by Accept-Encoding, and is encoded unless `encoding` is null. */
function encodedHeaders(headers: ResponseHeaders | undefined, encoding: Encoding | null): ResponseHeaders {
  const result: Record<string, ResponseHeaders[string]> = {}
  for (const [name, value] of Object.entries(headers ?? {})) {
    const lower = name.toLowerCase()
    if (lower === 'vary' || (encoding !== null && (lower === 'content-length' || lower === 'content-encoding'))) continue
    result[name] = encoding !== null && lower === 'etag' && typeof value === 'string' ? weakenEtag(value) : value
  }
  if (encoding !== null) result['Content-Encoding'] = encoding
  result['Vary'] = mergeVary(textOf(headers, 'vary'))
  return result
}
