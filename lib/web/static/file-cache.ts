import { now } from '../../../lev/index.js'
import type { Representation } from './representation.js'

/** A file in memory. */
export interface CachedFile {
  readonly representation: Representation
  readonly content: Buffer
  /** Changes with the file: its real path, and what the system says about it. */
  readonly identity: string
}

interface Entry {
  readonly file: CachedFile
  /** When the file was last compared with that on disk, in seconds of `now`. */
  checkedAt: number
}

/** Seconds that a file is served without a look at the disk. */
const trustSeconds = 1

/** Bytes that a file takes besides its content: key, headers, objects. */
const overheadBytes = 1024

/** Small files in memory, up to a number of bytes; the one whose last look at the disk is longest ago goes first. */
export class FileCache {
  readonly #entries = new Map<string, Entry>()
  readonly #limit: number
  #bytes = 0

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The file if it may be served as it is; undefined if not, or if the disk has to be looked at. */
  fresh(key: string): CachedFile | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    const age = now() - entry.checkedAt
    // Another loop has another clock.
    return age >= 0 && age < trustSeconds ? entry.file : undefined
  }

  /** The file, to be compared with that on disk. Others may use it for another second: a change costs one look, not one for each request. */
  checking(key: string): CachedFile | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.checkedAt = now()
    return entry?.file
  }

  /** Keeps a file that was just read or compared, if there is room for it. */
  keep(key: string, file: CachedFile): void {
    this.drop(key)
    if (sizeOf(file) > this.#limit) return
    this.#entries.set(key, { file, checkedAt: now() })
    this.#bytes += sizeOf(file)
    for (const [oldest] of this.#entries) {
      if (this.#bytes <= this.#limit) return
      this.drop(oldest)
    }
  }

  drop(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= sizeOf(entry.file)
  }
}

function sizeOf({ content }: CachedFile): number {
  return content.length + overheadBytes
}
