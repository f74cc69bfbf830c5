import type { Stats } from 'node:fs'
import { lookup } from 'mrmime'
import { wallClock } from '../../../lev/index.js'
import type { Validators } from '../../http1/preconditions.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'

/** What a response says about a file. */
export interface Representation extends Validators {
  /** Bytes of the file. */
  readonly size: number
  readonly type: string
  /** Headers of a 200. */
  readonly headers: ResponseHeaders
  /** Whether the file may still change without a change of its validators. */
  readonly isFresh: boolean
}

/** Seconds after a change within which another one may have the same time. */
const freshSeconds = 1

/**
 * Describes a file.
 *
 * The entity-tag is made of size and time of modification, in microseconds, as nginx makes it, so that all servers with the same
 * files have the same. It is strong: the same tag means the same bytes unless a program sets the time back. Only a file that was
 * changed within the last second may change again without a trace, where the file system counts time in seconds. Its tag is weak.
 *
 * @param name of the file, or its path; it decides the media type
 * @param coding its content coding; "" for none
 * @param added headers of the user's
 */
export function represent(name: string, { size, mtimeMs }: Stats, coding: string, added: ResponseHeaders): Representation {
  const time = wallClock()
  const isFresh = time - mtimeMs / 1000 < freshSeconds
  const tag = `"${Math.floor(mtimeMs * 1000).toString(16)}-${size.toString(16)}${coding === '' ? '' : `-${coding}`}"`
  const etag = isFresh ? `W/${tag}` : tag
  // Not in the future (RFC 9110 8.8.2.1).
  const modified = Math.floor(Math.min(mtimeMs / 1000, time))
  const type = mediaType(name)
  const headers = {
    'Content-Type': type,
    'Last-Modified': new Date(modified * 1000).toUTCString(),
    'ETag': etag,
    'Accept-Ranges': 'bytes',
    ...(coding === '' ? {} : { 'Content-Encoding': coding }),
    ...added,
  }
  return { etag, modified, size, type, headers, isFresh }
}

/** Text without a charset would be decoded as browsers guess. */
function mediaType(name: string): string {
  const type = lookup(name) ?? 'application/octet-stream'
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type
}
