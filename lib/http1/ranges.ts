import { listMembers } from './grammar.js'

/** Positions of the first and the last byte of a part of the content. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** A Range with more members is ignored. A client that fills in a document asks for a few at once. */
export const mostRanges = 64

/** Ranges with a smaller gap become one: the head of a part is about as long. */
const smallestGap = 80

const RANGES = /^bytes=(.*)$/i
const RANGE = /^(?:([0-9]+)-([0-9]*)|-([0-9]+))$/

/**
 * Reads a Range (RFC 9110 14.2): the parts to send, each byte in one part at most, in the order in which the client asked for
 * them. Parts that overlap, or lie close together, are one (RFC 9110 15.3.7.2).
 *
 * @param value the field's value
 * @param size bytes of the whole content
 * @returns null to ignore the field: another unit, a syntax error, too many ranges; none if none of them can be satisfied: 416
 */
export function parseRanges(value: string, size: number): readonly ByteRange[] | null {
  const specifiers = listMembers(RANGES.exec(value)?.[1] ?? '')
  if (specifiers.length === 0 || specifiers.length > mostRanges) return null
  const ranges: ByteRange[] = []
  for (const specifier of specifiers) {
    const match = RANGE.exec(specifier)
    if (match === null) return null
    const [, first, last, suffix] = match
    if (first !== undefined && last !== '' && Number(last) < Number(first)) return null
    // A suffix of empty content can be satisfied, but no Content-Range can say how: the whole content is sent.
    if (suffix !== undefined && Number(suffix) > 0 && size === 0) return null
    const range = first === undefined
      ? { first: Math.max(0, size - Number(suffix)), last: size - 1 }
      : { first: Number(first), last: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
    if (range.first <= range.last) ranges.push(range)
  }
  return coalesced(ranges)
}

function coalesced(ranges: readonly ByteRange[]): readonly ByteRange[] {
  if (ranges.length < 2) return ranges
  const parts: { first: number; last: number; order: number }[] = []
  for (const { range, order } of ranges.map((range, order) => ({ range, order })).sort((a, b) => a.range.first - b.range.first)) {
    const before = parts.at(-1)
    if (before === undefined || range.first - before.last > smallestGap) {
      parts.push({ ...range, order })
    } else {
      before.last = Math.max(before.last, range.last)
      before.order = Math.min(before.order, order)
    }
  }
  return parts.sort((a, b) => a.order - b.order).map(({ first, last }) => ({ first, last }))
}
