import { negotiateCoding, type OfferedCoding } from '../../http1/negotiate.js'

/** A content coding of files that were compressed beforehand. */
export interface SiblingCoding extends OfferedCoding {
  /** What the name of the compressed file has more than that of the file. */
  readonly extension: string
}

/** The best first. */
const siblingCodings: readonly SiblingCoding[] = [
  { name: 'zstd', aliases: [], extension: '.zst' },
  { name: 'br', aliases: [], extension: '.br' },
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
