import { negotiateCoding, type OfferedCoding } from '../../http1/negotiate.js'

/** A content coding of files that were compressed beforehand. */
export interface SiblingCoding extends OfferedCoding {
  /** What the name of the compressed file has more than that of the file. */
  readonly extension: string
}

/**
 * The best first. Sizes at the highest levels, in percent: of a script of 200 KB 22.6 with br, 23.9 with zstd, 27.0 with gzip; of HTML
 * of 100 KB 22.7, 24.5 and 26.5; zstd's default level would be the largest.
 */
const siblingCodings: readonly SiblingCoding[] = [
  { name: 'br', aliases: [], extension: '.br' },
  { name: 'zstd', aliases: [], extension: '.zst' },
  { name: 'gzip', aliases: ['x-gzip'], extension: '.gz' },
]

// Clients send few different values; those that are made up must not fill the memory.
const memo = new Map<string, readonly SiblingCoding[]>()
const longestMemo = 64

/** The codings that a client accepts, by its preference, then by ours, up to that of the file itself. `acceptEncoding` is the request's field. */
export function acceptedCodings(acceptEncoding: string | undefined): readonly SiblingCoding[] {
  if (acceptEncoding === undefined) return []
  const known = memo.get(acceptEncoding)
  if (known !== undefined) return known
  const accepted: SiblingCoding[] = []
  for (let offered = siblingCodings; offered.length > 0; offered = siblingCodings.filter((coding) => !accepted.includes(coding))) {
    const coding = negotiateCoding(acceptEncoding, offered)
    if (coding === null) break
    accepted.push(coding)
  }
  if (memo.size >= longestMemo) memo.clear()
  memo.set(acceptEncoding, accepted)
  return accepted
}
