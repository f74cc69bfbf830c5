import type { Op } from '../../lev/index.js'
import { acceptEncodingOf, codingNamed, decodableCodings, namesIn, type DecodableCoding } from '../coding/codings.js'
import { Decoder, type DecodingRules } from '../coding/decoder.js'
import { RequestError } from '../errors.js'
import { OnePiece, readAll, type Pieces } from '../pieces.js'

/** The value of Accept-Encoding: everything that `decoded` can decode. */
export const acceptEncoding = acceptEncodingOf(decodableCodings)

/** Maximum number of codings of one content: each multiplies the work that a few bytes can cause. */
const mostCodings = 5

/** A truncated trailer is no reason to lose the content: browsers and fetch accept it too. */
const leniently: DecodingRules = {
  lenient: true,
  malformed: (reason) => new RequestError(reason),
  tooLarge: (limit) => new RequestError(`the response has more than ${limit} bytes`),
}

/**
 * The codings in Content-Encoding, in the order in which they must be decoded. Null if there are none, or if one of them is
 * unknown: the content then stays as it is.
 * @throws RequestError if there are too many
 */
export function codingsOf(contentEncoding: string): readonly DecodableCoding[] | null {
  const names = namesIn(contentEncoding)
  const codings = names.map((name) => codingNamed(decodableCodings, name)).filter((coding) => coding !== undefined)
  if (codings.length === 0 || codings.length < names.length) return null
  if (codings.length > mostCodings) throw new RequestError(`the content has more than ${mostCodings} codings`)
  return codings.reverse()
}

/**
 * Decodes content by its Content-Encoding; null if it stays as it is.
 * @throws RequestError if the content cannot be decoded, or exceeds `limit` bytes
 */
export function* decoded(contentEncoding: string, bytes: Buffer, limit: number): Op<Buffer | null> {
  const codings = codingsOf(contentEncoding)
  if (codings === null) return null
  const pieces = decodedPieces(codings, new OnePiece(bytes), limit)
  return yield* readAll(() => pieces.next())
}

/** Decodes content as it arrives; `next` throws RequestError if it cannot be decoded, or exceeds `limit` bytes. */
export function decodedPieces(codings: readonly DecodableCoding[], source: Pieces, limit: number): Pieces {
  return codings.reduce((pieces, coding) => new Decoder(pieces, coding, limit, leniently), source)
}
