import { promisify } from 'node:util'
import { createDeflate, createGzip, deflate, deflateSync, gzip, gzipSync } from 'node:zlib'
import { waitForWork, type Op } from '../../lev/index.js'
import { reusedZlib } from '../../lev/internal.js'
import type { CompressionSettings } from '../config/settings.js'
import { negotiateEncoding, type Encoding } from '../http1/negotiate.js'

export type { Encoding } from '../http1/negotiate.js'

/** What decides about compressing an answer. Header values are those of the answer, as the handler gave them. */
export interface Compressible {
  /** Bytes of content; Infinity if that is not known before it is sent. */
  readonly size: number
  readonly status: number
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly contentRange: string | undefined
  readonly cacheControl: string | undefined
}

/** Best first: both compress alike, and gzip has one meaning everywhere. */
const offered: readonly Encoding[] = ['gzip', 'deflate']

/**
 * zlib's levels, in microseconds and in percent of the size, for JSON and for prose:
 *
 *     16 KiB  level 1: 28, 22 %   38, 36 %    4: 43, 21 %   56, 33 %    6: 62, 20 %   76, 33 %
 *     64 KiB  level 1: 124, 22 %  371, 34 %   4: 275, 21 %  562, 30 %   6: 602, 19 %  960, 29 %
 *
 * Level 4 gives nearly what the usual level 6 gives in about half its time; below 4 it is prose that suffers.
 */
export const compressionLevel = 4

/**
 * Largest content, in bytes, that is compressed on the spot: in a tenth of a millisecond or two. A trip to the thread
 * pool costs this thread 20 to 50 microseconds and the answer as much delay again, and pays only for more.
 */
export const onTheSpotLimit = 32 * 1024

type Pooled = (bytes: Buffer, options: { readonly level: number }) => Promise<Buffer>
const pooledGzip: Pooled = promisify(gzip)
const pooledDeflate: Pooled = promisify(deflate)

/**
 * Whether an answer is compressed for clients that accept it: one with content of a listed type and of `min_size` at
 * least, which is not encoded yet, is no part of something, and may be transformed. Then it varies by Accept-Encoding,
 * for all clients (`mergeVary`), those that get it as it is included. A HEAD is to be asked about as its GET would be.
 */
export function isCompressible(settings: CompressionSettings, answer: Compressible): boolean {
  const { size, status, contentType } = answer
  return (
    settings.enabled &&
    size >= settings.min_size &&
    size > 0 &&
    contentType !== undefined &&
    status >= 200 && status !== 204 && status !== 205 && status !== 206 && status !== 304 &&
    isListed(settings.types, contentType) &&
    (answer.contentEncoding === undefined || answer.contentEncoding.trim() === '') &&
    answer.contentRange === undefined &&
    !forbidsTransform(answer.cacheControl)
  )
}

/** The coding to send a compressible answer in, or null to send it as it is. `acceptEncoding` is the request's field. */
export function chooseEncoding(acceptEncoding: string | undefined): Encoding | null {
  return negotiateEncoding(acceptEncoding, offered)
}

/** Where text becomes bytes that are compressed on the spot: memory of its own for each makes 20 KB of text cost 5 % more. */
const scratch = Buffer.allocUnsafeSlow(onTheSpotLimit)

/**
 * Compresses bytes, or latin1 text: at once if they are few, else on the thread pool, while other tasks go on. `deflate` is the zlib
 * format of RFC 1950 (RFC 9110 8.4.1.2). Data that does not compress comes out a little larger.
 */
export function* compress(encoding: Encoding, content: Buffer | string): Op<Buffer> {
  if (content.length > onTheSpotLimit) {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
    return yield* waitForWork(encoding === 'gzip' ? pooledGzip(bytes, { level: compressionLevel }) : pooledDeflate(bytes, { level: compressionLevel }))
  }
  compressors[encoding] ??= compressorOf(encoding)
  return compressors[encoding](typeof content === 'string' ? scratch.subarray(0, scratch.write(content, 'latin1')) : content)
}

type Compressor = (bytes: Buffer) => Buffer
const compressors: { [E in Encoding]?: Compressor } = {}

function compressorOf(encoding: Encoding): Compressor {
  const [make, once] = encoding === 'gzip' ? [createGzip, gzipSync] : [createDeflate, deflateSync]
  return reusedZlib(() => make({ level: compressionLevel })) ?? ((bytes) => once(bytes, { level: compressionLevel }))
}

/** The Vary field of an answer that depends on Accept-Encoding too (RFC 9110 12.5.5). */
export function mergeVary(vary: string | undefined): string {
  if (vary === undefined || vary.trim() === '') return 'Accept-Encoding'
  const names = vary.split(',').map((name) => name.trim().toLowerCase())
  return names.includes('*') || names.includes('accept-encoding') ? vary : `${vary}, Accept-Encoding`
}

/** The ETag of a compressed answer: other bytes than it was made for, so no longer a strong one (RFC 9110 8.8.1). */
export function weakenEtag(etag: string): string {
  const tag = etag.trim()
  return tag.startsWith('"') ? `W/${tag}` : tag
}

function isListed(types: readonly string[], contentType: string): boolean {
  const end = contentType.indexOf(';')
  return types.includes((end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase())
}

/** Whether `no-transform` is among the directives, and not just inside of another one's text (RFC 9111 5.2.2.6). */
function forbidsTransform(cacheControl: string | undefined): boolean {
  if (cacheControl === undefined || !/no-transform/i.test(cacheControl)) return false
  const directives = cacheControl.replace(/"(?:[^"\\]|\\.)*"/g, '').split(',')
  return directives.some((directive) => directive.split('=')[0].trim().toLowerCase() === 'no-transform')
}
