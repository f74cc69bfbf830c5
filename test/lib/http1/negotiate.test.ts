import fc from 'fast-check'
import t from 'tap'
import { negotiateCoding, type OfferedCoding } from '../../../lib/http1/negotiate.js'
import { seed } from '../../support/seed.js'

const [gzip, deflate]: OfferedCoding[] = [{ name: 'gzip', aliases: ['x-gzip'] }, { name: 'deflate', aliases: [] }]
const both = [gzip, deflate]

/** The name of the chosen coding. */
const chosen = (field: string | undefined, offered: readonly OfferedCoding[]): string | null => negotiateCoding(field, offered)?.name ?? null

t.test('what browsers and others send', async (t) => {
  const table: [string | undefined, string | null][] = [
    [undefined, null],
    ['', null],
    ['gzip, deflate, br, zstd', 'gzip'],
    ['deflate, gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['br', null],
    ['*', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip;q=0.5, deflate', 'deflate'],
    ['gzip;q=0.5, deflate;q=0.50', 'gzip'],
    ['gzip;q=0', null],
    ['gzip;q=0.000, deflate;q=0.001', 'deflate'],
    ['gzip;q=0, *', 'deflate'],
    ['*;q=0', null],
    ['*;q=0, deflate', 'deflate'],
    ['*;q=0.5, gzip;q=0.2', 'deflate'],
    ['identity', null],
    ['identity, gzip', 'gzip'],
    ['identity, gzip;q=0.9', null],
    ['identity;q=0.5, gzip;q=0.6', 'gzip'],
    ['identity;q=0', null],
    ['identity;q=0, *', 'gzip'],
    ['gzip;q=1.000', 'gzip'],
    ['gzip ; q=1', 'gzip'],
    ['\tgzip\t;\tq=0.3\t,', 'gzip'],
    [',, ,gzip,,', 'gzip'],
    ['gzip;Q=0.5, deflate;q=0.4', 'gzip'],
    ['gzip, gzip;q=0', null],
    ['x-gzip;q=0, gzip', null],
  ]
  for (const [field, expected] of table) t.equal(chosen(field, both), expected, String(field))
  t.equal(chosen('gzip, deflate', [deflate, gzip]), 'deflate', 'the server\'s order')
  t.equal(chosen('gzip', [deflate]), null)
  t.equal(chosen('gzip', []), null)
})

t.test('malformed: none', async (t) => {
  const table = [
    'gzip deflate', 'gzip;', 'gzip;q', 'gzip;q=', 'gzip;q=2', 'gzip;q=1.001', 'gzip;q=0.1234', 'gzip;q=-1', 'gzip;q=.5',
    'gzip;q=1;q=1', 'gzip;level=9', 'gzip;q="1"', 'gzip, @', ';q=1', 'gzip;q= 1', 'gzip\xa0', '\xa0', 'gzip\0',
  ]
  for (const field of table) t.equal(chosen(field, both), null, field)
})

t.test('never throws, in linear time', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'gzip*;q=01., \t') }), (field) => {
      const coding = negotiateCoding(field, both)
      return coding === null || both.includes(coding)
    }),
    { seed, numRuns: 1000 },
  )
  const n = 1 << 20
  const long = [
    'gzip' + ' '.repeat(n) + 'x', ' '.repeat(n), ','.repeat(n), 'a,'.repeat(n), 'gzip;q=0.' + '0'.repeat(n),
  ]
  for (const field of long) t.equal(chosen(field, both), null)
})
