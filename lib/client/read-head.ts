import type { Op, Stream } from '../../lev/index.js'
import { RequestError } from '../errors.js'
import type { HeadLimits } from '../http1/field-lines.js'
import { NEED_MORE, REJECTED } from '../http1/rejection.js'
import { ResponseHeadReader, type ResponseHead } from '../http1/response-head.js'

/** What the head of a response may have; a line may be as long as all of it. */
export const headLimits: HeadLimits = { lineLimit: 65536, countLimit: 500, sizeLimit: 65536 }

/** Responses that only announce the real one (1xx) at which a server is given up. */
const interimLimit = 16

/**
 * Reads the head of a final response: 101, or 200 and above. What stands behind it is left in the stream. Null: the
 * server closed the connection without one byte of a response.
 * @throws RequestError for what is no response; ClosedError when the connection is lost
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
