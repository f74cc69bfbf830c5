import fc from 'fast-check'
import t from 'tap'
import { NEED_MORE, REJECTED } from '../../../lib/http1/rejection.js'
import { ResponseHeadReader } from '../../../lib/http1/response-head-reader.js'
import type { HeadLimits } from '../../../lib/http1/field-lines.js'
import { seed } from '../../support/seed.js'
import { changeAtRandom, limits, readInPieces } from './support.js'

interface Outcome {
  readonly next: number
  readonly reason: string | null
  readonly head: readonly [number, string, number, readonly [string, string][]] | null
}

/** Reads one head that comes in pieces, which end at the `cuts`. */
function read(text: string | Buffer, within: HeadLimits = limits, cuts: readonly number[] = []): Outcome {
  const bytes = Buffer.from(text as string, 'latin1')
  const reader = new ResponseHeadReader(within)
  const next = readInPieces(reader, bytes, cuts)
  const { status, reason, minorVersion, fields } = reader.head
  return {
    next,
    reason: next === REJECTED ? reader.rejection?.reason ?? null : null,
    head: next >= 0 ? [status, reason, minorVersion, fields.lines()] : null,
  }
}

t.test('heads that are good', async (t) => {
  const cases: [string, Outcome['head']][] = [
    ['HTTP/1.2 200 OK\r\n\r\n', [200, 'OK', 1, []]],
    ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection:Upgrade\r\n\r\n',
      [101, 'Switching Protocols', 1, [['Upgrade', 'websocket'], ['Connection', 'Upgrade']]]],
    ['HTTP/1.1 200 \r\n\r\n', [200, '', 1, []]],
    ['HTTP/1.0 404 Not  Found \r\na:\r\nA: b \t\r\n\r\n', [404, 'Not  Found ', 0, [['a', ''], ['A', 'b']]]],
    ['HTTP/1.1 999 \xe9\t!\r\n\r\n', [999, '\xe9\t!', 1, []]],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', [100, 'Continue', 1, []]],
  ]
  for (const [text, head] of cases) t.same(read(text), { next: text.indexOf('\r\n\r\n') + 4, reason: null, head }, text)
})

t.test('heads that are not', async (t) => {
  const cases: [string, string][] = [
    ['HTTP/1.1 200\r\n', 'malformed status line'],
    ['HTTP/1.1  200 OK\r\n', 'malformed status line'],
    ['HTTP/1.1 20 OK\r\n', 'malformed status line'],
    ['HTTP/1.1 099 OK\r\n', 'malformed status line'],
    ['HTTP/1.1 2000 OK\r\n', 'malformed status line'],
    ['http/1.1 200 OK\r\n', 'malformed status line'],
    ['HTTP/11 200 OK\r\n', 'malformed status line'],
    ['\r\nHTTP/1.1 200 OK\r\n', 'malformed status line'],
    ['SSH-2.0-OpenSSH_9.2\r\n', 'malformed status line'],
    ['\x15\x03\x01\x00', 'malformed status line'],
    ['HTTP/1.1 200 O\0K\r\n', 'malformed status line'],
    ['HTTP/2.0 200 OK\r\n', 'unsupported HTTP version'],
    ['HTTP/1.1 200 OK\n', 'line ended by a bare LF'],
    ['HTTP/1.1 200 OK\rX', 'bare CR'],
    ['HTTP/1.1 200 OK\r\nA b\r\n', 'whitespace before the colon of a field'],
    ['HTTP/1.1 200 OK\r\n a: b\r\n', 'folded field line'],
    ['HTTP/1.1 200 OK\r\nA: b\n', 'line ended by a bare LF'],
    ['HTTP/1.1 200 OK\r\nab\r\n', 'field line without a colon'],
  ]
  for (const [text, reason] of cases) t.equal(read(text).reason, reason, text)
  for (const text of ['', 'HTTP/1.1 200 OK', 'HTTP/1.1 200 OK\r', 'HTTP/1.1 200 OK\r\nA: b\r\n\r']) t.equal(read(text).next, NEED_MORE, text)
  const reader = new ResponseHeadReader(limits)
  t.equal(reader.read(Buffer.from('x\r\n'), 0, 3), REJECTED)
  t.equal(reader.read(Buffer.from('HTTP/1.1 200 \r\n\r\n'), 0, 17), REJECTED, 'it stays that')
})

t.test('limits hold on the byte that breaks them', async (t) => {
  const within: HeadLimits = { lineLimit: 20, countLimit: 2, sizeLimit: 60 }
  t.equal(read('HTTP/1.1 200 12345678', within).reason, 'header line limit violation: 21')
  t.equal(read('HTTP/1.1 200 1234567\r\n\r\n', within).next, 24)
  t.equal(read('HTTP/1.1 200 \r\na: b\r\nc: d\r\ne:', within).reason, 'header count limit violation: 3')
  t.equal(read(`HTTP/1.1 200 \r\na: ${'x'.repeat(16)}\r\nc: ${'x'.repeat(16)}\r\n\r\n`, within).next, 59)
  t.equal(read(`HTTP/1.1 200 1\r\na: ${'x'.repeat(17)}\r\nc: ${'x'.repeat(17)}\r\n`, within).reason, 'header size limit violation: 61')
  t.equal(read('HTTP/1.1 200 1234567', { ...within, sizeLimit: 15 }).reason, 'header size limit violation: 16')
})

const heads = [
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x=\r\n\r\n',
  'HTTP/1.0 200 \r\nA: b\r\na: c\r\n\r\nbody',
  'HTTP/1.1 100 Continue\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'))

const fragments = [
  '\r\n', '\r', '\n', ' ', '\t', ':', '\0', '\x7f', '\xff', '0', '101', '1000', 'HTTP/1.1', 'HTTP/1.0 ', 'x: y\r\n', ' x: y\r\n',
  'x'.repeat(70), 'a: b\r\n'.repeat(7),
]

// A second reading of the same grammar, as one pattern over the whole text.
const HEAD = /^HTTP\/1\.([01]) ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n/

function fault(bytes: Buffer, cuts: readonly number[], within: HeadLimits): string | null {
  const whole = read(bytes, within)
  if (JSON.stringify(read(bytes, within, cuts)) !== JSON.stringify(whole)) return 'differs in pieces'
  if (within !== limits) return null
  const match = HEAD.exec(bytes.toString('latin1'))
  if (whole.head === null) return whole.reason === null && match !== null ? 'a whole head is not found' : null
  if (match === null) return 'a head is found that the pattern does not know'
  const lines = match[4].split('\r\n').slice(0, -1).map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
  })
  if (whole.next !== match[0].length) return 'ends elsewhere'
  return JSON.stringify(whole.head) === JSON.stringify([Number(match[2]), match[3], Number(match[1]), lines]) ? null : 'says something else'
}

t.test(`random changes to good heads (LEV_SEED=${seed})`, async (t) => {
  const tight: HeadLimits = { lineLimit: 40, countLimit: 3, sizeLimit: 110 }
  changeAtRandom(t, 10_000, heads, fragments, {
    fault: (bytes, cuts) => fault(bytes, cuts, limits) ?? fault(bytes, cuts, tight), isGood: (bytes) => read(bytes).head !== null, least: 300,
  })
})

t.test('any bytes at all', async () => {
  const bytes = fc.tuple(fc.constantFrom(...heads), fc.nat(80), fc.uint8Array({ maxLength: 80 }))
    .map(([head, at, tail]) => Buffer.concat([head.subarray(0, at), tail]))
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(160), { maxLength: 4 }), (text, cuts) =>
      fault(text, cuts.filter((cut) => cut <= text.length).sort((a, b) => a - b), limits) === null),
    { seed, numRuns: 2000 },
  )
})
