import { waitForThreadPool, type Op } from '../../lev/index.js'
import { scratchBuffer } from '../../lev/internal.js'
import type { CompressionSettings } from '../config/settings.js'
import { listMembers } from '../http1/grammar.js'
import { negotiateCoding } from '../http1/negotiate.js'
import { codingNamed, responseCodings, type ResponseCoding } from './codings.js'

/** The properties of a response that decide whether it is compressed. Header values are as the handler set them. */
export interface Compressible {
  /** Bytes of content; Infinity if unknown before it is sent. */
  readonly size: number
  readonly status: number
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly contentRange: string | undefined
  readonly cacheControl: string | undefined
}

/**
 * Whether a response is compressed for clients that accept it: its content has a listed type and at least `min_size` bytes, is
 * neither encoded nor partial, and may be transformed. Such a response varies by Accept-Encoding (`mergeVary`) for all clients,
 * also uncompressed. For HEAD pass the properties of the response to GET.
 */
export function isCompressible(settings: CompressionSettings, response: Compressible): boolean {
  const { size, status, contentType } = response
  return (
    settings.enabled &&
    size >= settings.min_size &&
    size > 0 &&
    contentType !== undefined &&
    status >= 200 && status !== 204 && status !== 205 && status !== 206 && status !== 304 &&
    isListed(settings.types, contentType) &&
    (response.contentEncoding === undefined || response.contentEncoding.trim() === '') &&
    response.contentRange === undefined &&
    !forbidsTransform(response.cacheControl)
  )
}

/** The coding for a compressible response; null: none. `acceptEncoding` is the request's field. */
export function chooseCoding(settings: CompressionSettings, acceptEncoding: string | undefined): ResponseCoding | null {
  return negotiateCoding(acceptEncoding, offeredBy(settings.codings))
}

/** What a server offers, by its setting. */
const offers = new WeakMap<readonly string[], readonly ResponseCoding[]>()

/** The codings of these names that this Node.js has. */
function offeredBy(names: readonly string[]): readonly ResponseCoding[] {
  let offered = offers.get(names)
  if (offered === undefined) {
    offered = names.map((name) => codingNamed(responseCodings, name)).filter((coding) => coding !== undefined)
    offers.set(names, offered)
  }
  return offered
}

/** For text that is compressed synchronously; a new buffer for each makes 20 KB of text cost 5 % more. */
const scratch = scratchBuffer(Math.max(...responseCodings.map(({ compression }) => compression.syncLimit)))

/**
 * Compresses bytes, or latin1 text: synchronously up to the coding's limit, else on the thread pool while other tasks run. The pool
 * costs this thread 20 to 50 microseconds and delays the response by as much again, which pays only for larger content.
 * Incompressible data grows a little.
 */
export function* compress({ compression }: ResponseCoding, content: Buffer | string): Op<Buffer> {
  if (content.length > compression.syncLimit) {
    return yield* waitForThreadPool(compression.pooled(typeof content === 'string' ? Buffer.from(content, 'latin1') : content))
  }
  return compression.sync(typeof content === 'string' ? scratch.subarray(0, scratch.write(content, 'latin1')) : content)
}

/** The Vary field of a response that depends on Accept-Encoding too (RFC 9110 12.5.5). */
export function mergeVary(vary: string | undefined): string {
  if (vary === undefined || vary.trim() === '') return 'Accept-Encoding'
  const names = listMembers(vary.toLowerCase())
  return names.includes('*') || names.includes('accept-encoding') ? vary : `${vary}, Accept-Encoding`
}

/** The ETag of a compressed response: its bytes differ from those it was made for, so it must be weak (RFC 9110 8.8.1). */
export function weakenEtag(etag: string): string {
  const tag = etag.trim()
  return tag.startsWith('"') ? `W/${tag}` : tag
}

function isListed(types: readonly string[], contentType: string): boolean {
  const end = contentType.indexOf(';')
  return types.includes((end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase())
}

/** Whether `no-transform` is one of the directives, and not only part of a quoted string (RFC 9111 5.2.2.6). */
function forbidsTransform(cacheControl: string | undefined): boolean {
  if (cacheControl === undefined || !/no-transform/i.test(cacheControl)) return false
  const directives = cacheControl.replace(/"(?:[^"\\]|\\.)*"/g, '').split(',')
  return directives.some((directive) => directive.split('=')[0].trim().toLowerCase() === 'no-transform')
}
