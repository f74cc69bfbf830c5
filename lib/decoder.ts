import { createRequire } from 'node:module'
import { constants, createGunzip, createInflate, type Gunzip, type Inflate } from 'node:zlib'
import { waitForWork, type Op } from '../lev/index.js'
import { BodyError } from './errors.js'
import { bodyTooLarge, type Refusal } from './http1/refusal.js'
import type { Pieces } from './body-source.js'

export type BodyCoding = 'gzip' | 'deflate'

const malformed: Refusal = { status: 400, reason: 'malformed compressed body' }

/** Bytes that are decoded at a time: they become a thousand times as many at the most, and the limit is looked at in between. */
const slice = 1024

/** What zlib-sync offers, as far as it is used here. */
interface SyncZlib {
  readonly Inflate: new (options: { windowBits: number; chunkSize: number }) => SyncInflate
  readonly Z_SYNC_FLUSH: number
  readonly Z_STREAM_END: number
  readonly Z_BUF_ERROR: number
}

interface SyncInflate {
  readonly result: Buffer | string | null
  readonly err: number
  push(bytes: Buffer, flush: number): void
}

const syncZlib = load()

/** zlib-sync compiles at its installation, which may have failed: then node:zlib takes its place. */
function load(): SyncZlib | null {
  try {
    return createRequire(import.meta.url)('zlib-sync') as SyncZlib
  } catch {
    return null
  }
}

/** A coding that is unknown, or several. Which are not is said in the way that requests say it (RFC 9110 section 12.5.3). */
export const unsupportedCoding: Refusal = { status: 415, reason: 'unsupported content coding', headers: { 'Accept-Encoding': 'gzip, deflate' } }

/** How a body is encoded, by its Content-Encoding: null for not at all, undefined for what cannot be decoded. */
export function bodyCoding(contentEncoding: string | undefined): BodyCoding | null | undefined {
  const codings = (contentEncoding ?? '').split(',').map((one) => one.trim().toLowerCase()).filter((one) => one !== '' && one !== 'identity')
  if (codings.length === 0) return null
  const [coding] = codings
  if (codings.length === 1 && (coding === 'gzip' || coding === 'x-gzip')) return 'gzip'
  if (codings.length === 1 && coding === 'deflate') return 'deflate'
  return undefined
}

/** Decodes the pieces of a body, to `limit` bytes at the most; `native: false` does without zlib-sync. */
export function decoded(source: Pieces, coding: BodyCoding, limit: number, native = true): Pieces & { close(): void } {
  return native && syncZlib !== null ? new SyncDecoder(source, syncZlib, coding, limit) : new PooledDecoder(source, coding, limit)
}

/** Decodes on the spot, with zlib-sync. */
class SyncDecoder implements Pieces {
  readonly #source: Pieces
  readonly #zlib: SyncZlib
  readonly #inflate: SyncInflate
  readonly #limit: number
  #total = 0
  #left: Buffer | null = null
  #ended = false

  constructor(source: Pieces, zlib: SyncZlib, coding: BodyCoding, limit: number) {
    this.#source = source
    this.#zlib = zlib
    this.#limit = limit
    this.#inflate = new zlib.Inflate({ windowBits: coding === 'gzip' ? 31 : 15, chunkSize: 64 * 1024 })
  }

  *next(): Op<Buffer | null> {
    for (;;) {
      if (this.#left === null || this.#left.length === 0) this.#left = yield* this.#source.next()
      if (this.#left === null) {
        if (!this.#ended) throw new BodyError(malformed.status, malformed.reason)
        return null
      }
      // Bytes behind the end are not the body's.
      if (this.#ended) throw new BodyError(malformed.status, malformed.reason)
      const part = this.#left.subarray(0, slice)
      this.#left = this.#left.subarray(part.length)
      const bytes = this.#push(part)
      if (bytes !== null) return bytes
    }
  }

  close(): void {
    this.#left = null
  }

  #push(part: Buffer): Buffer | null {
    const inflate = this.#inflate
    inflate.push(part, this.#zlib.Z_SYNC_FLUSH)
    if (inflate.err < 0 && inflate.err !== this.#zlib.Z_BUF_ERROR) throw new BodyError(malformed.status, malformed.reason)
    this.#ended = inflate.err === this.#zlib.Z_STREAM_END
    const { result } = inflate
    if (!(result instanceof Uint8Array) || result.length === 0) return null
    this.#total += result.length
    if (this.#total > this.#limit) throw tooLarge(this.#limit)
    return result
  }
}

/** Decodes on the thread pool, with node:zlib. */
class PooledDecoder implements Pieces {
  readonly #source: Pieces
  readonly #zlib: Gunzip | Inflate
  #total = 0
  #parts: Buffer[] = []
  #fail: (error: Error) => void = () => {}
  #failure: Error | null = null
  #ended = false

  constructor(source: Pieces, coding: BodyCoding, limit: number) {
    this.#source = source
    this.#zlib = coding === 'gzip' ? createGunzip() : createInflate()
    this.#zlib.on('error', () => this.#refuse(new BodyError(malformed.status, malformed.reason)))
    this.#zlib.on('data', (bytes: Buffer) => {
      this.#total += bytes.length
      if (this.#total > limit) this.#refuse(tooLarge(limit))
      else this.#parts.push(bytes)
    })
  }

  *next(): Op<Buffer | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const part = this.#parts.shift()
      if (part !== undefined) return part
      if (this.#ended) return null
      const piece = yield* this.#source.next()
      yield* waitForWork(this.#decode(piece))
    }
  }

  close(): void {
    this.#fail = () => {}
    this.#parts = []
    this.#zlib.destroy()
  }

  #decode(piece: Buffer | null): Promise<void> {
    const zlib = this.#zlib
    return new Promise((resolve, reject) => {
      this.#fail = reject
      if (piece === null) {
        this.#ended = true
        zlib.once('end', resolve)
        zlib.end()
      } else if (zlib.readableEnded) {
        this.#refuse(new BodyError(malformed.status, malformed.reason))
      } else {
        zlib.write(piece)
        zlib.flush(constants.Z_SYNC_FLUSH, () => resolve())
      }
    })
  }

  #refuse(error: Error): void {
    this.#failure ??= error
    this.#zlib.destroy()
    this.#fail(error)
  }
}

function tooLarge(limit: number): BodyError {
  const { status, reason } = bodyTooLarge(limit)
  return new BodyError(status, reason)
}
