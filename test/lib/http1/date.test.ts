import fc from 'fast-check'
import t from 'tap'
import { dateLine, parseDate } from '../../../lib/http1/date.js'
import { seed } from '../../support/seed.js'

const now = Date.UTC(2026, 5, 1) / 1000
const parse = (text: string): number => parseDate(text, () => now)

t.test('the three forms of RFC 9110 5.6.7', async (t) => {
  const example = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000
  t.equal(parse('Sun, 06 Nov 1994 08:49:37 GMT'), example)
  t.equal(parse('Sunday, 06-Nov-94 08:49:37 GMT'), example)
  t.equal(parse('Sun Nov  6 08:49:37 1994'), example)
  t.equal(parse('Wed, 31 Dec 1969 23:59:59 GMT'), -1)
  t.equal(parse('Sat, 31 Dec 2016 23:59:60 GMT'), Date.UTC(2016, 11, 31, 23, 59, 59) / 1000, 'a leap second')
})

t.test('a year of two digits is at most 50 years later', async (t) => {
  t.equal(parse('Sunday, 01-Jan-76 00:00:00 GMT'), Date.UTC(2076, 0, 1) / 1000)
  t.equal(parse('Sunday, 01-Jan-77 00:00:00 GMT'), Date.UTC(1977, 0, 1) / 1000)
})

t.test('other texts are no dates', async (t) => {
  const others = [
    '', 'x', '0', 'Sun, 6 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:37', 'Sun, 06 Nov 1994 08:49:37 UTC', 'Sun, 06 nov 1994 08:49:37 GMT',
    'Sun, 31 Feb 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 24:00:00 GMT', 'Sun, 06 Nov 1994 08:60:00 GMT', 'Sun, 06 Nov 1994 08:49:61 GMT',
    'Sun, 00 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 94 08:49:37 GMT', ' Sun, 06 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37Z',
  ]
  for (const text of others) t.ok(Number.isNaN(parse(text)), JSON.stringify(text))
})

t.test('what a server sends as Date is read again', async () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 200_000_000_00 }), (seconds) => {
    return parse(dateLine(seconds).slice('Date: '.length, -2)) === seconds
  }), { seed })
})
