import type { Stats } from 'node:fs'
import { constants, open, realpath, type FileHandle } from 'node:fs/promises'
import { sep } from 'node:path'
import { waitForThreadPool, type Op } from '../../../lev/index.js'

/** A file that is open for reading, and what the system says about it. */
export interface OpenFile {
  readonly handle: FileHandle
  /** Its path without symbolic links. */
  readonly path: string
  readonly stats: Stats
}

/** Why there is no file to send. */
export type NoFile = 'missing' | 'forbidden' | 'folder'

/** Errors of the system that say so. ENXIO: a socket. EINVAL: a name that this system does not allow. */
const missing = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO', 'EINVAL'])
const forbidden = new Set(['EACCES', 'EPERM'])

// A FIFO opens without waiting for its writer. The real path ends in no link, unless it was replaced just now.
const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/**
 * Opens a regular file, which the caller closes.
 *
 * @param root a folder that the file must be in after all symbolic links were followed; null: anywhere
 * @throws errors of the system other than those that `NoFile` stands for
 */
export function* openFile(path: string, root: string | null): Op<OpenFile | NoFile> {
  let handle: FileHandle | null = null
  try {
    const real = yield* waitForThreadPool(realpath(path))
    if (root !== null && !isInside(real, yield* waitForThreadPool(realpath(root)))) return 'missing'
    const opened = yield* opening(real)
    handle = opened
    const stats = yield* waitForThreadPool(opened.stat())
    if (!stats.isFile()) return stats.isDirectory() ? 'folder' : 'missing'
    handle = null
    return { handle: opened, path: real, stats }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (missing.has(code)) return 'missing'
    if (forbidden.has(code)) return 'forbidden'
    // Windows does not open folders.
    if (code === 'EISDIR') return 'folder'
    throw error
  } finally {
    if (handle !== null) closeFile(handle)
  }
}

/** Closes a file in the background, after reads that are in progress. */
export function closeFile(handle: FileHandle): void {
  // The bytes were read: an error on closing has no consequence.
  handle.close().catch(() => {})
}

function isInside(path: string, root: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep) || path === root
}

function* opening(path: string): Op<FileHandle> {
  const promise = open(path, flags)
  let taken = false
  try {
    const handle = yield* waitForThreadPool(promise)
    taken = true
    return handle
  } finally {
    // Cancelled: the file opens nevertheless.
    if (!taken) promise.then(closeFile, () => {})
  }
}
