import { parseDate } from './date.js'
import type { RequestHeaders } from './headers.js'

/** The validators of a representation (RFC 9110 8.8). */
export interface Validators {
  /** An entity-tag, with its quotes; a weak one begins with `W/`. */
  readonly etag: string
  /** Last-Modified, in whole seconds since 1970. */
  readonly modified: number
}

const ENTITY_TAG = /(?:W\/)?"[^"]*"/g

/**
 * Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 13.2.2: 412 if one failed, 304 if the client has the
 * representation, else 200. A field with an invalid date is ignored.
 *
 * @param now gives the seconds since 1970
 */
export function evaluatePreconditions(headers: RequestHeaders, validators: Validators, now: () => number): 200 | 304 | 412 {
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, validators.etag, isSameStrong)) return 412
  } else {
    const ifUnmodifiedSince = headers['if-unmodified-since']
    if (ifUnmodifiedSince !== undefined && validators.modified > parseDate(ifUnmodifiedSince, now)) return 412
  }
  const ifNoneMatch = headers['if-none-match']
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, validators.etag, isSameWeak) ? 304 : 200
  const ifModifiedSince = headers['if-modified-since']
  return ifModifiedSince !== undefined && validators.modified <= parseDate(ifModifiedSince, now) ? 304 : 200
}

/**
 * Whether If-Range allows a partial response (RFC 9110 13.1.5): it is missing, or has the strong validator of the representation.
 * Last-Modified counts as strong where the entity-tag is.
 *
 * @param now gives the seconds since 1970
 */
export function ifRangeHolds(headers: RequestHeaders, { etag, modified }: Validators, now: () => number): boolean {
  const ifRange = headers['if-range']
  if (ifRange === undefined) return true
  return isSameStrong(ifRange, etag) || (!etag.startsWith('W/') && parseDate(ifRange, now) === modified)
}

function matches(list: string, etag: string, isSame: (one: string, other: string) => boolean): boolean {
  if (list === '*') return true
  return list.match(ENTITY_TAG)?.some((tag) => isSame(tag, etag)) ?? false
}

/** The strong comparison (RFC 9110 8.8.3.2). */
function isSameStrong(one: string, other: string): boolean {
  return one === other && !one.startsWith('W/')
}

/** The weak comparison (RFC 9110 8.8.3.2). */
function isSameWeak(one: string, other: string): boolean {
  return opaqueTag(one) === opaqueTag(other)
}

function opaqueTag(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag
}
