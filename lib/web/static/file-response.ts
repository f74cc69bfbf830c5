import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { wallClock } from '../../../lev/index.js'
import type { RequestHeaders } from '../../http1/headers.js'
import { evaluatePreconditions, ifRangeHolds } from '../../http1/preconditions.js'
import { parseRanges, type ByteRange } from '../../http1/ranges.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import type { ResponseParts } from '../../request/handler.js'
import { FileContent } from './file-content.js'
import { closeFile } from './open-file.js'
import type { Representation } from './representation.js'

/** What a request asks of a file. */
export interface FileRequest {
  /** As sent. Preconditions are for GET and HEAD, ranges for GET alone. */
  readonly method: string
  /** By lower-case name. */
  readonly headers: RequestHeaders
}

/**
 * The response that sends a file, or says that the client has it already, or sends parts of it.
 *
 * @param source the bytes of the file, or the open file, which is closed on every path
 */
export function fileResponse(file: Representation, source: Buffer | FileHandle, { method, headers }: FileRequest): ResponseParts {
  const isRead = method === 'GET' || method === 'HEAD'
  const status = isRead ? evaluatePreconditions(headers, file, wallClock) : 200
  if (status !== 200) {
    release(source)
    return status === 304 ? [null, 304, headersOf304(file, headers)] : ['Precondition Failed\n', 412]
  }
  const range = method === 'GET' ? headers['range'] : undefined
  if (range !== undefined && ifRangeHolds(headers, file, wallClock)) {
    const ranges = parseRanges(range, file.size)
    if (ranges !== null) return partialResponse(file, source, ranges)
  }
  if (method === 'HEAD' || file.size === 0) {
    release(source)
    return [null, 200, { ...file.headers, 'Content-Length': file.size }]
  }
  return [Buffer.isBuffer(source) ? source : new FileContent(source, [{ first: 0, last: file.size - 1 }]), 200, file.headers]
}

function partialResponse(file: Representation, source: Buffer | FileHandle, ranges: readonly ByteRange[]): ResponseParts {
  if (ranges.length === 0) {
    release(source)
    return ['Range Not Satisfiable\n', 416, { 'Content-Range': `bytes */${file.size}` }]
  }
  if (ranges.length === 1) {
    return [content(source, [ranges[0]]), 206, { ...file.headers, 'Content-Range': contentRange(ranges[0], file) }]
  }
  // The content cannot have a boundary that is made after it.
  const boundary = `leveret-${randomUUID()}`
  const parts: (ByteRange | Buffer)[] = ranges.flatMap((range) => {
    return [Buffer.from(`\r\n--${boundary}\r\nContent-Type: ${file.type}\r\nContent-Range: ${contentRange(range, file)}\r\n\r\n`, 'latin1'), range]
  })
  parts.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'))
  return [content(source, parts), 206, { ...file.headers, 'Content-Type': `multipart/byteranges; boundary=${boundary}` }]
}

function content(source: Buffer | FileHandle, parts: (ByteRange | Buffer)[]): Buffer | FileContent {
  if (!Buffer.isBuffer(source)) return new FileContent(source, parts)
  const pieces = parts.map((part) => Buffer.isBuffer(part) ? part : source.subarray(part.first, part.last + 1))
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
}

function contentRange({ first, last }: ByteRange, { size }: Representation): string {
  return `bytes ${first}-${last}/${size}`
}

/** The headers of the 200 that guide a cache (RFC 9110 15.4.5), and the user's. */
function headersOf304({ headers, etag }: Representation, asked: RequestHeaders): ResponseHeaders {
  const { 'Content-Type': _type, 'Content-Encoding': _coding, 'Accept-Ranges': _ranges, ...kept } = headers
  // The server weakens the tag of content that it compresses: a cache looks for the tag that it has.
  const weak = `W/${etag}`
  return asked['if-none-match']?.includes(weak) === true ? { ...kept, 'ETag': weak } : kept
}

function release(source: Buffer | FileHandle): void {
  if (!Buffer.isBuffer(source)) closeFile(source)
}
