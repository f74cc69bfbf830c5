import { chmodSync, lchownSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import type { ListenOptions } from '../driver.js'

/** The permissions of the file of a Unix socket, from before it is made. */
interface HeldPermissions {
  /** To be called once the bind has been tried, in the same turn: files of this process are made as before again. */
  release(): void
  /** Gives the file its owner and mode. @throws Error */
  set(): void
}

/**
 * Has the file that is bound next belong to the user of this process alone, until it gets its owner and mode: a connection that
 * another user makes in between would stay. That is done by the umask, which only the main thread can change.
 * @returns null if nothing was asked for
 */
export function holdPermissions(options: ListenOptions): HeldPermissions | null {
  if (options.path === undefined) return null
  const { path, mode, uid, gid } = options
  const isOwned = typeof uid === 'number' || typeof gid === 'number'
  if (!isOwned && typeof mode !== 'number') return null
  const umask = isMainThread ? process.umask(0o077) : null
  const wanted = mode ?? (umask === null ? null : 0o777 & ~umask)
  return {
    release: () => void (umask !== null && process.umask(umask)),
    set() {
      if (isOwned) chown(path, uid ?? unchanged, gid ?? unchanged)
      if (wanted !== null) chmodSync(path, wanted)
    },
  }
}

/** The number that leaves an owner or a group as it is. */
const unchanged = -1

function chown(path: string, uid: number, gid: number): void {
  try {
    // The file itself, in case that a link has replaced it.
    lchownSync(path, uid, gid)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`its file cannot be given to ${uid === unchanged ? '' : `uid ${uid} `}${gid === unchanged ? '' : `gid ${gid} `}(${reason})`)
  }
}
