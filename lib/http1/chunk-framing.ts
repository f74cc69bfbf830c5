import { headerLines, ORDINARY, type ResponseHeaders } from './response-headers.js'
import { FORBIDDEN_TRAILERS } from './trailers.js'

/** The size line of a chunk of `bytes` bytes (not 0, which would end the body). The chunk's data must be followed by CRLF. */
function chunkSize(bytes: number): string {
  return bytes < SMALL ? smallSizes[bytes] : bytes.toString(16) + '\r\n'
}

const SMALL = 1024
const smallSizes = Array.from({ length: SMALL }, (_, bytes) => bytes.toString(16) + '\r\n')

/** Puts content, not empty, as one chunk. A string is latin1. */
export function putChunk(output: { put(data: Buffer | string): void }, content: Buffer | string): void {
  if (typeof content === 'string') return output.put(chunkSize(content.length) + content + '\r\n')
  output.put(chunkSize(content.length))
  output.put(content)
  output.put('\r\n')
}

/** The end of a chunked body, with no trailers. */
export const LAST_CHUNK = '0\r\n\r\n'

/**
 * The end of a chunked body, with trailers.
 *
 * @throws ResponseError as `responseHead`, and for a field that is not allowed in trailers: those for framing, routing,
 *   authentication, and the format of the content (RFC 9110 6.5.1)
 */
export function lastChunk(trailers: ResponseHeaders): string {
  return `0\r\n${headerLines(trailers, trailerFault)}\r\n`
}

function trailerFault(name: string, kind: number): string | null {
  return kind !== ORDINARY || FORBIDDEN_TRAILERS.has(name.toLowerCase()) ? 'not allowed in a trailer' : null
}
