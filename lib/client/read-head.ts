import type { Op, Stream } from '../../lev/index.js'
import { RequestError } from '../errors.js'
import type { HeadLimits } from '../http1/field-lines.js'
import { NEED_MORE, REJECTED } from '../http1/rejection.js'
import { ResponseHeadReader, type ResponseHead } from '../http1/response-head-reader.js'

/** Limits for the head of a response; one line may take up all of it. */
export const headLimits: HeadLimits = { lineLimit: 65536, countLimit: 500, sizeLimit: 65536 }

/** Maximum number of interim responses (1xx) before the final one. */
const interimLimit = 16

/**
 * Reads the head of a final response: 101, or 200 and above. The bytes after it are left in the stream. Null if the server
 * closed the connection without sending one byte of a response.
 * @throws RequestError if the bytes are not a response; ClosedError if the connection is lost
 */
export function* readHead(stream: Stream, limits = headLimits): Op<ResponseHead | null> {
  const reader = new ResponseHeadReader(limits)
  for (let interim = 0; interim <= interimLimit; interim++) {
    let next = reader.read(stream.input, stream.inputStart, stream.inputEnd)
    while (next === NEED_MORE) {
      if (!(yield* stream.fill())) {
        if (interim === 0 && stream.inputStart === stream.inputEnd) return null
        throw new RequestError('the server closed the connection within the head of its response')
      }
      next = reader.read(stream.input, stream.inputStart, stream.inputEnd)
    }
    if (next === REJECTED) throw new RequestError(`the response cannot be read: ${reader.rejection?.reason}`)
    stream.consume(next - stream.inputStart)
    const { status } = reader.head
    if (status === 101 || status >= 200) return reader.head
  }
  throw new RequestError(`more than ${interimLimit} interim responses`)
}
