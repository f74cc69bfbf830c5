import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { waitForThreadPool, type Op } from '../../../lev/index.js'
import { mergeVary } from '../../coding/compression.js'
import { headerOf, namesOf, type ResponseHeaders } from '../../http1/response-headers.js'
import type { Handler, ResponseParts } from '../../request/handler.js'
import { FileCache, type CachedFile } from './file-cache.js'
import { fileResponse, type FileRequest } from './file-response.js'
import { closeFile, openFile, type NoFile, type OpenFile } from './open-file.js'
import type { FilesRules } from './options.js'
import { filePath } from './path.js'
import { represent, type Representation } from './representation.js'
import { acceptedCodings, type SiblingCoding } from './siblings.js'

/** A file to send: in memory, or open. */
interface Found {
  readonly representation: Representation
  readonly source: Buffer | FileHandle
}

const noFile: Readonly<Record<Exclude<NoFile, 'folder'>, ResponseParts>> = { missing: ['Not Found\n', 404], forbidden: ['Forbidden\n', 403] }
const notAllowed: ResponseParts = ['Method Not Allowed\n', 405, { Allow: 'GET, HEAD' }]
const never = 'public, max-age=31536000, immutable'

/** Serves the files of one folder. */
export class Folder {
  readonly #root: string
  readonly #rules: FilesRules
  readonly #cache: FileCache
  /** The user's headers, for files that change and for those that do not. */
  readonly #headers: ResponseHeaders
  readonly #immutableHeaders: ResponseHeaders

  /** @param root an absolute path */
  constructor(root: string, rules: FilesRules) {
    this.#root = root
    this.#rules = rules
    this.#cache = new FileCache(rules.cache_size)
    this.#headers = rules.precompressed ? varied(rules.headers) : rules.headers
    this.#immutableHeaders = { ...without(this.#headers, 'cache-control'), 'Cache-Control': never }
  }

  /** The handler. A file in memory is sent without waiting. */
  handle(method: string, query: string, args: string, request: FileRequest): ReturnType<Handler> {
    if (method !== 'GET' && method !== 'HEAD') return notAllowed
    const codings = this.#rules.precompressed ? acceptedCodings(request.headers['accept-encoding']) : []
    // Without escapes, what is in memory under a path was found by this very path.
    const path = query.includes('%') ? filePath(query, this.#rules.dot_files) : query
    const cached = path === null ? undefined : this.#cache.fresh(keyOf(path, codings))
    if (cached !== undefined) return fileResponse(cached.representation, cached.content, request)
    return this.#respond(query, args, codings, request)
  }

  *#respond(query: string, args: string, codings: readonly SiblingCoding[], request: FileRequest): Op<ResponseParts> {
    const path = filePath(query, this.#rules.dot_files)
    let found = path === null ? 'missing' : yield* this.#find(path, codings)
    const { fallback } = this.#rules
    if (found === 'missing' && path !== null && fallback !== null && !/\.[^/]*$/.test(path)) found = yield* this.#find(fallback, codings)
    if (found === 'folder') return [null, 301, { Location: folderLocation(query, args) }]
    return typeof found === 'string' ? noFile[found] : fileResponse(found.representation, found.source, request)
  }

  *#find(path: string, codings: readonly SiblingCoding[]): Op<Found | NoFile> {
    const key = keyOf(path, codings)
    const fresh = this.#cache.fresh(key)
    if (fresh !== undefined) return { representation: fresh.representation, source: fresh.content }
    const cached = this.#cache.checking(key)
    const isFolder = path.endsWith('/')
    const name = isFolder ? path + this.#rules.index : path
    const opened = yield* this.#open(name, codings)
    if (typeof opened === 'string') {
      this.#cache.drop(key)
      return opened === 'folder' && isFolder ? 'missing' : opened
    }
    return yield* this.#load(key, name, opened, cached)
  }

  /** Opens a file, or that beside it in the first coding for which there is one. */
  *#open(name: string, codings: readonly SiblingCoding[]): Op<(OpenFile & { coding: string }) | NoFile> {
    const path = join(this.#root, name)
    const file = yield* openFile(path, this.#root)
    if (typeof file === 'string') return file
    let kept = false
    try {
      for (const { name: coding, extension } of codings) {
        const sibling = yield* openFile(path + extension, this.#root)
        if (typeof sibling !== 'string') return { ...sibling, coding }
      }
      kept = true
      return { ...file, coding: '' }
    } finally {
      if (!kept) closeFile(file.handle)
    }
  }

  /** Reads a small file into memory, unless it is there. Closes the file if it is. */
  *#load(key: string, name: string, { handle, path, stats, coding }: OpenFile & { coding: string }, cached: CachedFile | undefined): Op<Found> {
    const identity = `${path}\0${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`
    let file = cached?.identity === identity ? cached : null
    let kept = false
    try {
      if (file === null) {
        this.#cache.drop(key)
        const isImmutable = this.#rules.immutable !== null && name.search(this.#rules.immutable) >= 0
        const representation = represent(name, stats, coding, isImmutable ? this.#immutableHeaders : this.#headers)
        const isSmall = stats.size <= Math.min(this.#rules.cache_file_size, this.#rules.cache_size)
        // A fresh file could change without a trace.
        if (!isSmall || representation.isFresh) {
          kept = true
          return { representation, source: handle }
        }
        file = { representation, content: yield* readAll(handle, stats.size), identity }
      }
      this.#cache.keep(key, file)
      return { representation: file.representation, source: file.content }
    } finally {
      if (!kept) closeFile(handle)
    }
  }
}

function keyOf(path: string, codings: readonly SiblingCoding[]): string {
  let key = path
  // No path has NUL.
  for (const { extension } of codings) key += `\0${extension}`
  return key
}

/**
 * The location of a folder, relative to the request: a proxy or a router may have taken a part of the path away, and it cannot lead to
 * another host.
 */
function folderLocation(query: string, args: string): string {
  return `./${query.slice(query.lastIndexOf('/') + 1)}/${args === '' ? '' : `?${args}`}`
}

function varied(headers: ResponseHeaders): ResponseHeaders {
  const vary = headerOf(headers, 'vary')
  return { ...without(headers, 'vary'), Vary: mergeVary(vary === undefined || vary === null ? undefined : String(vary)) }
}

function without(headers: ResponseHeaders, lowerName: string): ResponseHeaders {
  return Object.fromEntries(namesOf(headers).filter((name) => name.toLowerCase() !== lowerName).map((name) => [name, headers[name]]))
}

/** @throws if the file has become shorter */
function* readAll(handle: FileHandle, size: number): Op<Buffer> {
  const content = Buffer.allocUnsafeSlow(size)
  for (let read = 0; read < size;) {
    const { bytesRead } = yield* waitForThreadPool(handle.read(content, read, size - read, read))
    if (bytesRead === 0) throw new Error('the file became shorter while it was read')
    read += bytesRead
  }
  return content
}
