import fc from 'fast-check'
import t from 'tap'
import { mostRanges, parseRanges } from '../../../lib/http1/ranges.js'
import { seed } from '../../support/seed.js'

/** The ranges as text; null: the field is ignored. */
function parsed(value: string, size = 1000): string | null {
  return parseRanges(value, size)?.map(({ first, last }) => `${first}-${last}`).join(' ') ?? null
}

t.test('a table of fields', async (t) => {
  const table: [field: string, ranges: string | null, size?: number][] = [
    ['bytes=0-499', '0-499'],
    ['bytes=500-999', '500-999'],
    ['bytes=-500', '500-999'],
    ['bytes=9500-', ''],
    ['bytes=0-', '0-999'],
    ['bytes=0-0', '0-0'],
    ['bytes=-1', '999-999'],
    ['bytes=-2000', '0-999'],
    ['bytes=0-0,-1', '0-0 999-999'],
    ['Bytes=0-0', '0-0'],
    ['bytes=999-', '999-999'],
    ['bytes=1000-', ''],
    ['bytes=999-1000', '999-999'],
    ['bytes=0-99999999999999999999999', '0-999'],
    ['bytes=99999999999999999999999-', ''],
    [`bytes=0-${'9'.repeat(400)}`, '0-999'],
    ['bytes=-0', ''],
    ['bytes=-0,0-1', '0-1'],
    ['bytes=2000-,0-1', '0-1'],
    ['bytes= 0-1 ,\t5-6', '0-6'],
    ['bytes=,0-1,,', '0-1'],
    ['bytes=500-600,0-100', '500-600 0-100'],
    ['bytes=0-499,500-999', '0-999'],
    ['bytes=0-600,400-999', '0-999'],
    ['bytes=0-99,150-200', '0-200'],
    ['bytes=0-99,180-200', '0-99 180-200'],
    ['bytes=900-999,0-9,850-950', '850-999 0-9'],
    ['bytes=500-509,0-9,300-309,4-8', '500-509 0-9 300-309'],
    ['bytes=0-0', '', 0],
    ['bytes=0-', '', 0],
    ['bytes=-5', null, 0],
    ['', null],
    ['bytes', null],
    ['bytes=', null],
    ['bytes=,', null],
    ['bytes=1', null],
    ['bytes=-', null],
    ['bytes=2-1', null],
    ['bytes=0-1,2-1', null],
    ['bytes=a-b', null],
    ['bytes=0-1;2-3', null],
    ['bytes=0 -1', null],
    ['bytes=--1', null],
    ['bytes=+1-2', null],
    ['bytes=1-2-3', null],
    ['bytes=0x1-2', null],
    ['bytes =0-1', null],
    ['items=0-1', null],
    [' bytes=0-1', null],
  ]
  for (const [field, ranges, size] of table) t.equal(parsed(field, size), ranges, `${field} of ${size ?? 1000}`)
})

t.test('the number of ranges is bounded', async (t) => {
  const field = (count: number): string => `bytes=${Array.from({ length: count }, (_, at) => `${at * 200}-${at * 200}`).join()}`
  t.equal(parseRanges(field(mostRanges), 1e6)?.length, mostRanges)
  t.equal(parseRanges(field(mostRanges + 1), 1e6), null)
})

const specifier = fc.oneof(
  fc.tuple(fc.nat(700), fc.nat(200)).map(([first, length]) => ({ first, last: first + length, text: `${first}-${first + length}` })),
  fc.nat(700).map((first) => ({ first, last: Infinity, text: `${first}-` })),
  fc.nat(700).map((suffix) => ({ first: -suffix, last: Infinity, text: `-${suffix}` })),
)

t.test('every byte that was asked for is sent once, and little else', async () => {
  fc.assert(fc.property(fc.array(specifier, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 600 }), (specifiers, size) => {
    const ranges = parseRanges(`bytes=${specifiers.map(({ text }) => text).join(', ')}`, size)
    if (ranges === null) return false
    const sent = Array.from({ length: size }, () => 0)
    for (const { first, last } of ranges) for (let at = first; at <= last; at++) sent[at]++
    const asked = sent.map((_, at) => specifiers.some(({ first, last, text }) => {
      return text.startsWith('-') ? at >= size + first && first < 0 : at >= first && at <= last
    }))
    const inside = ranges.every(({ first, last }) => first >= 0 && first <= last && last < size && asked[first] && asked[last])
    return inside && sent.every((count, at) => count === (asked[at] ? 1 : count) && count <= 1)
  }), { seed, numRuns: 2000 })
})

t.test('any text gives ranges within the content, or none', async () => {
  const text = fc.stringMatching(/^bytes=[0-9,\- \t]{0,40}$/)
  fc.assert(fc.property(fc.oneof(text, fc.string()), fc.nat(100), (field, size) => {
    const ranges = parseRanges(field, size)
    return ranges === null || ranges.every(({ first, last }) => first >= 0 && first <= last && last < size)
  }), { seed, numRuns: 2000 })
})
