import t from 'tap'
import { evaluatePreconditions, ifRangeHolds } from '../../../lib/http1/preconditions.js'

const modified = Date.UTC(2020, 0, 1) / 1000
const now = (): number => Date.UTC(2026, 0, 1) / 1000
const before = 'Tue, 31 Dec 2019 23:59:59 GMT'
const same = 'Wed, 01 Jan 2020 00:00:00 GMT'
const after = 'Wed, 01 Jan 2020 00:00:01 GMT'
const strong = { etag: '"a"', modified }
const weak = { etag: 'W/"a"', modified }

t.test('preconditions, in their order', async (t) => {
  const table: [headers: Record<string, string>, ofStrong: number, ofWeak?: number][] = [
    [{}, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': '"a"' }, 200, 412],
    [{ 'if-match': 'W/"a"' }, 412],
    [{ 'if-match': '"b"' }, 412],
    [{ 'if-match': '"b", "a"' }, 200, 412],
    [{ 'if-match': '"b,", "a"' }, 200, 412],
    [{ 'if-match': '"x"a"' }, 412],
    [{ 'if-match': 'a' }, 412],
    [{ 'if-match': '' }, 412],
    [{ 'if-match': '"b"', 'if-unmodified-since': after }, 412],
    [{ 'if-match': '*', 'if-unmodified-since': before }, 200],
    [{ 'if-unmodified-since': before }, 412],
    [{ 'if-unmodified-since': same }, 200],
    [{ 'if-unmodified-since': after }, 200],
    [{ 'if-unmodified-since': 'yesterday' }, 200],
    [{ 'if-unmodified-since': before, 'if-none-match': '"a"' }, 412],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"a"' }, 304],
    [{ 'if-none-match': 'W/"a"' }, 304],
    [{ 'if-none-match': '"b"' }, 200],
    [{ 'if-none-match': '"b" , W/"a"' }, 304],
    [{ 'if-none-match': '"a" "b"' }, 304],
    [{ 'if-none-match': '"b"', 'if-modified-since': after }, 200],
    [{ 'if-none-match': '"a"', 'if-modified-since': before }, 304],
    [{ 'if-modified-since': before }, 200],
    [{ 'if-modified-since': same }, 304],
    [{ 'if-modified-since': after }, 304],
    [{ 'if-modified-since': 'Wednesday, 01-Jan-20 00:00:00 GMT' }, 304],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-match': '*', 'if-none-match': '"a"' }, 304],
  ]
  for (const [headers, ofStrong, ofWeak = ofStrong] of table) {
    t.equal(evaluatePreconditions(headers, strong, now), ofStrong, JSON.stringify(headers))
    t.equal(evaluatePreconditions(headers, weak, now), ofWeak, `${JSON.stringify(headers)}, weak`)
  }
})

t.test('If-Range needs a strong validator', async (t) => {
  const table: [ifRange: string | undefined, ofStrong: boolean, ofWeak: boolean][] = [
    [undefined, true, true], ['"a"', true, false], ['W/"a"', false, false], ['"b"', false, false],
    [before, false, false], [same, true, false], [after, false, false], ['yesterday', false, false], ['', false, false],
  ]
  for (const [ifRange, ofStrong, ofWeak] of table) {
    const headers = { 'if-range': ifRange }
    t.equal(ifRangeHolds(headers, strong, now), ofStrong, `${ifRange}, strong`)
    t.equal(ifRangeHolds(headers, weak, now), ofWeak, `${ifRange}, weak`)
  }
})
