import t from 'tap'
import { HeadReader, NEED_MORE } from '../../../lib/http1/head.js'
import { MemoizingHeadReader } from '../../../lib/http1/memoizing-head-reader.js'
import { randomFrom, seed } from '../../support/seed.js'
import { facts, limits, randomCuts } from './support.js'

const long = `X-Long: ${'y'.repeat(80)}\r\n`
const lines = [
  'GET / HTTP/1.1', 'GET /a?b HTTP/1.1', '\r\nGET / HTTP/1.1', 'GET / HTTP/1.0', 'POST / HTTP/1.1', 'CONNECT a:1 HTTP/1.1', 'GET http://c/d HTTP/1.1',
  'GET * HTTP/1.1', 'G@T / HTTP/1.1', 'GET / HTTP/2.0', `GET /${'x'.repeat(90)} HTTP/1.1`,
]
const sections = [
  '', 'Host: a\r\n', 'Host: b\r\nConnection: close\r\n', 'Host: a\r\nContent-Length: 3\r\n', 'Host: a\r\n a\r\n', 'Host: a\r\nHost: b\r\n', 'a b',
  'Host: a\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n', 'Host: a\r\nTransfer-Encoding: chunked\r\n', 'Connection: keep-alive\r\n',
  long, `Host: a\r\n${long}`, `Host: b\r\n${long}`, `Host: a\r\n${long}${long}`, `Host: a\r\nX: ${'y'.repeat(5000)}\r\n`,
]

/** Reads a head that comes in pieces, each time from another place in another buffer, and says all there is to say. */
function read(reader: HeadReader, bytes: Buffer, cuts: readonly number[]): string {
  const steps: unknown[] = []
  for (const end of [...cuts, bytes.length]) {
    const start = end % 7
    const moved = Buffer.alloc(start + end, 'x')
    bytes.copy(moved, start, 0, end)
    const next = reader.read(moved, start, start + end)
    steps.push(next < 0 ? next : next - start, reader.begun, reader.rejection)
    if (next !== NEED_MORE) break
  }
  return JSON.stringify([steps, facts(reader.head)])
}

t.test(`any heads in any pieces are read as without memory (LEV_SEED=${seed})`, async (t) => {
  const { below } = randomFrom(seed)
  let [sameHead, sameFields, others] = [0, 0, 0]
  for (let run = 0; run < 2000; run++) {
    const within = below(3) === 0 ? { lineLimit: 130, countLimit: 3, sizeLimit: 200 } : limits
    const [plain, memoizing] = [new HeadReader(within), new MemoizingHeadReader(within)]
    // Few of each, so that they come again.
    const someLines = [lines[below(lines.length)], lines[below(lines.length)], 'GET / HTTP/1.1']
    const someSections = [sections[below(sections.length)], sections[below(sections.length)]]
    for (let request = 0; request < 12; request++) {
      const bytes = Buffer.from(`${someLines[below(3)]}\r\n${someSections[below(2)]}\r\nGET `, 'latin1')
      const cuts = below(3) === 0 ? randomCuts(below, bytes.length) : []
      const before = memoizing.head
      const expected = read(plain, bytes, cuts)
      const found = read(memoizing, bytes, cuts)
      if (found !== expected) {
        t.equal(found, expected, `run ${run}: ${JSON.stringify(bytes.toString('latin1'))} cut at ${cuts.join()}`)
        return
      }
      if (memoizing.rejection === null) {
        if (memoizing.head === before) sameHead++
        else if (memoizing.head.fields === before.fields) sameFields++
        else others++
      }
      // Also an incomplete head may be given up.
      if (plain.rejection !== null || below(4) === 0) {
        plain.reset()
        memoizing.reset()
      }
    }
  }
  t.ok(sameHead > 500 && sameFields > 500 && others > 500, `${sameHead} known heads, ${sameFields} with known fields, ${others} others`)
})

t.test('the same bytes give the same head, and the same fields after another line the same fields', async (t) => {
  const reader = new MemoizingHeadReader(limits)
  const get = (path: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const heads = [get('/1'), get('/1'), get('/2'), get('/2'), get('/1')].map((bytes) => {
    t.equal(reader.read(bytes, 0, bytes.length), bytes.length)
    return reader.head
  })
  t.equal(heads[1], heads[0])
  t.not(heads[2], heads[1])
  t.equal(heads[3], heads[2])
  t.same(heads.map(({ query }) => query), ['/1', '/1', '/2', '/2', '/1'])
  t.equal(new Set(heads.map(({ fields }) => fields)).size, 1)
})

t.test('a head that was rejected is rejected again', async (t) => {
  const reader = new MemoizingHeadReader(limits)
  const [good, bad] = ['GET /good HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /bad HTTP/1.1\r\nA: b\r\n\r\n'].map((text) => Buffer.from(text))
  reader.read(good, 0, good.length)
  for (let time = 0; time < 3; time++) {
    t.ok(reader.read(bad, 0, bad.length) < 0)
    t.equal(reader.rejection?.reason, 'no Host header')
    reader.reset()
  }
  t.equal(reader.read(good, 0, good.length), good.length)
  t.equal(reader.head.query, '/good')
})
