import { codingNamed, codings, type Coding, type Format } from '../coding/codings.js'
import { headerOf, type ResponseHeaders } from '../http1/response-headers.js'

// fetch decodes content, but its headers still describe the bytes that it received: Content-Encoding and Content-Length are
// stale when a handler forwards both. Only the first bytes of the content show whether it is decoded.

/** Bytes of content examined, and the most that decoding them may give. */
const startSize = 512
const outputSize = 16 * 1024

/** The headers of `content`, all of it, without stale ones. */
export function currentHeaders(headers: ResponseHeaders, status: number, content: Buffer | string): ResponseHeaders {
  const coding = testableCoding(headers, status)
  return coding === null || mayBeIn(coding, content, true) ? headers : decodedHeaders(headers)
}

/** The coding that the headers name (the last of several), if it can be tested on the content; else null. */
export function testableCoding(headers: ResponseHeaders | null | undefined, status: number): Coding | null {
  const value = headerOf(headers, 'content-encoding')
  // Partial content need not begin like the whole.
  if (value === undefined || value === null || status === 206) return null
  return codingNamed(codings, String(value).split(',').at(-1)?.trim().toLowerCase() ?? '') ?? null
}

/**
 * Whether content that begins with `start` (latin1 text, or bytes) may be in a coding: true for all that is, except empty content.
 * @param isWhole whether there is no more of it: few short texts are whole content of a coding, many could be the start of one
 */
export function mayBeIn({ signature, formatOf }: Coding, start: Buffer | string, isWhole = false): boolean {
  if (start.length === 0) return false
  const bytes = typeof start === 'string' ? Buffer.from(start.slice(0, startSize), 'latin1') : start.subarray(0, startSize)
  if (signature !== null) return signature(bytes)
  return formatOf === null || canDecode(formatOf(bytes[0]), bytes, isWhole && start.length <= startSize)
}

/** The headers without those that describe the encoded content. */
export function decodedHeaders(headers: ResponseHeaders | undefined): ResponseHeaders {
  const stale = ['content-encoding', 'content-length']
  return Object.fromEntries(Object.entries(headers ?? {}).filter(([name]) => !stale.includes(name.toLowerCase())))
}

function canDecode({ sync, lenient }: Format, start: Buffer, isWhole: boolean): boolean {
  try {
    sync(start, { finishFlush: isWhole ? undefined : lenient, maxOutputLength: outputSize })
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
  }
}
