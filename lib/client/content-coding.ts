import { promisify } from 'node:util'
import { brotliDecompress, constants, gunzip, inflate, inflateRaw } from 'node:zlib'

/** What is asked for: all that `decoded` decodes. */
export const acceptEncoding = 'gzip, deflate, br'

/** Codings of one content: each multiplies the work that a few bytes can cause. */
const mostCodings = 5

type Decode = (bytes: Buffer, limit: number) => Promise<Buffer>

// A trailer that was cut off is no reason to lose the content: browsers and fetch take it as well.
const lenient = { finishFlush: constants.Z_SYNC_FLUSH }
const [asGzip, asZlib, asRaw, asBrotli] = [promisify(gunzip), promisify(inflate), promisify(inflateRaw), promisify(brotliDecompress)]
const fromGzip: Decode = async (bytes, maxOutputLength) => await asGzip(bytes, { ...lenient, maxOutputLength })

const decoders: Readonly<Record<string, Decode>> = {
  gzip: fromGzip,
  'x-gzip': fromGzip,
  // Some servers send the bare format. In the one with a header the first byte ends in 8 (RFC 1950 section 2.2).
  deflate: async (bytes, maxOutputLength) => await ((bytes[0] & 0x0f) === 8 ? asZlib : asRaw)(bytes, { ...lenient, maxOutputLength }),
  br: async (bytes, maxOutputLength) => await asBrotli(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength }),
}

/**
 * Decodes content by its Content-Encoding, a list of codings in the order in which they were applied. Null: there is none, or
 * one among them is unknown, so that the content stays as it is.
 * @throws Error for content that cannot be decoded, or becomes more than `limit` bytes
 */
export async function decoded(contentEncoding: string, bytes: Buffer, limit: number): Promise<Buffer | null> {
  const codings = contentEncoding.split(',').map((one) => one.trim().toLowerCase()).filter((one) => one !== '' && one !== 'identity')
  if (codings.length === 0 || !codings.every((coding) => Object.hasOwn(decoders, coding))) return null
  if (codings.length > mostCodings) throw new Error(`the content has more than ${mostCodings} codings`)
  let content = bytes
  for (const coding of codings.reverse()) if (content.length > 0) content = await decoders[coding](content, Math.max(1, limit))
  return content
}
