import fc from 'fast-check'
import t from 'tap'
import { HeadReader, NEED_MORE } from '../../../lib/http1/head.js'
import type { HeadLimits } from '../../../lib/http1/field-lines.js'
import type { RequestHead } from '../../../lib/http1/request-head.js'
import { MemoizingHeadReader } from '../../../lib/http1/memoizing-head-reader.js'
import { randomFrom, seed } from '../../support/seed.js'
import { changeAtRandom, facts, limits, mutated, readHead, readHeadInPieces } from './support.js'
import type { Outcome } from './support.js'

const tight: HeadLimits = { lineLimit: 60, countLimit: 6, sizeLimit: 180 }

const heads = [
  'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
  '\r\nGET /a/b?c=d HTTP/1.1\r\nHost: a.test:80\r\nAccept: */*\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n',
  'POST http://b.test/x?y HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nConnection: close, x\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n',
  'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n',
  'OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'GET /w HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'))

const fragments = [
  '\r\n', '\r', '\n', '\r\n\r\n', ' ', '\t', ':', ': ', ',', ';', '\0', '\x7f', '\xff', '/', '@', '?', '#', '\\',
  '[', ']', '%', '*', 'a', '0', '05', '99999999999999999999', 'HTTP/1.1', 'HTTP/1.0', ' HTTP/2.0',
  'http://', 'chunked', 'gzip, ',
  'GET / HTTP/1.1\r\n', 'x: y\r\n', ' a: b\r\n', 'Host: a.test\r\n', 'Host: b.test\r\n',
  'Content-Length: 5\r\n', 'Content-Length: 6\r\n', 'content-length:5, 5\r\n',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip\r\n', 'transfer-encoding : chunked\r\n',
  'Connection: close\r\n', 'Connection: keep-alive\r\n', 'Expect: 100-continue\r\n',
  'A'.repeat(33), ' '.repeat(70), 'x'.repeat(70), 'a: b\r\n'.repeat(7),
]

const same = (a: RequestHead | null, b: RequestHead | null): boolean =>
  JSON.stringify(facts(a)) === JSON.stringify(facts(b))
const shown = (outcome: Outcome): string => JSON.stringify([outcome.next, outcome.rejection, facts(outcome.head)])

// What a head says must not depend on the pieces that it came in.
function differs(bytes: Buffer, cuts: readonly number[], within: HeadLimits, whole: Outcome): boolean {
  const pieces = readHeadInPieces(bytes, cuts, within)
  return shown(pieces) !== shown(whole)
}

// A second reading of the same grammar, as one pattern over the whole text.
const HEAD = new RegExp(
  '^(?:\\r\\n){0,4}' +
    "([!#$%&'*+\\-.^_`|~0-9A-Za-z]{1,32}) ([!-;=?-~]+) HTTP/1\\.([01])\\r\\n" +
    "((?:[!#$%&'*+\\-.^_`|~0-9A-Za-z]+:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n)*)\\r\\n",
)

function disagreement(bytes: Buffer, { next, head, rejection }: Outcome): string | null {
  const match = HEAD.exec(bytes.toString('latin1'))
  if (head === null) return rejection === null && match !== null ? 'a whole head is not found' : null
  if (match === null) return 'a head is found that the pattern does not know'
  const lines = match[4].split('\r\n').slice(0, -1).map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
  })
  const named = (name: string): string[] =>
    lines.filter(([written]) => written.toLowerCase() === name).map(([, value]) => value)
  const lengths = named('content-length').flatMap((value) => value.split(',').map(Number))
  if (next !== match[0].length) return 'ends elsewhere'
  const requestLine = `${head.method} ${head.target} ${head.minorVersion}`
  if (requestLine !== match.slice(1, 4).join(' ')) return 'another request line'
  if (head.minorVersion === 1 && named('host').length !== 1) return 'Host'
  if (new Set(lengths).size > 1 || (lengths[0] ?? -1) !== head.contentLength) return 'Content-Length'
  if (named('transfer-encoding').length !== (head.chunked ? 1 : 0)) return 'Transfer-Encoding'
  if (head.chunked && (head.minorVersion === 0 || head.contentLength >= 0)) return 'framed in two ways'
  if (lengths.length <= 1 && JSON.stringify(head.fields.lines()) !== JSON.stringify(lines)) return 'other fields'
  return null
}

function rendered(head: RequestHead): Buffer {
  const lines = head.fields.lines().map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`${head.method} ${head.target} HTTP/1.${head.minorVersion}\r\n${lines.join('')}\r\n`, 'latin1')
}

function fault(bytes: Buffer, cuts: readonly number[]): string | null {
  const whole = readHead(bytes)
  const limited = readHead(bytes, tight)
  if (differs(bytes, cuts, limits, whole)) return 'differs in pieces'
  if (differs(bytes, cuts, tight, limited)) return 'differs in pieces, under tight limits'
  if (limited.head !== null && !same(limited.head, whole.head)) return 'limits change a head'
  const { head } = whole
  if (head !== null && !same(readHead(rendered(head)).head, head)) return 'differs when written out again'
  if (head !== null && readHead(bytes.subarray(0, whole.next)).next !== whole.next) return 'depends on what follows'
  return disagreement(bytes, whole)
}

t.test(`random changes to good heads (LEV_SEED=${seed})`, async (t) => {
  changeAtRandom(t, 30_000, heads, fragments, { fault, isGood: (bytes) => readHead(bytes).head !== null, least: 1000 })
})

t.test('any bytes at all', async () => {
  const bytes = fc.uint8Array({ maxLength: 80 })
  const prefixed = fc
    .tuple(fc.constantFrom(...heads), fc.nat(80), bytes)
    .map(([head, at, tail]) => Buffer.concat([head.subarray(0, at), tail]))
  fc.assert(
    fc.property(prefixed, fc.array(fc.nat(160), { maxLength: 4 }), (text, cuts) => {
      const inside = cuts.filter((cut) => cut <= text.length).sort((a, b) => a - b)
      return fault(text, inside) === null
    }),
    { seed, numRuns: 3000 },
  )
})

for (const Reader of [HeadReader, MemoizingHeadReader]) t.test(`a ${Reader.name} used before reads like a new one`, async (t) => {
  const pick = randomFrom(seed + 2).below
  const reader = new Reader(limits)
  for (let run = 0; run < 20_000; run++) {
    const bytes = mutated(pick, heads[pick(heads.length)], fragments)
    const cut = pick(bytes.length + 1)
    let next = reader.read(bytes, 0, cut)
    if (next === NEED_MORE) next = reader.read(bytes, 0, bytes.length)
    const { rejection } = reader
    const found = shown({ next, rejection, head: next >= 0 ? reader.head : null })
    if (next < 0) reader.reset()
    if (found === shown(readHead(bytes))) continue
    t.fail(JSON.stringify(bytes.toString('latin1')), { seed, run })
    return
  }
})

t.test('byte by byte', async (t) => {
  const pick = randomFrom(seed + 1).below
  for (let run = 0; run < 500; run++) {
    const bytes = mutated(pick, heads[pick(heads.length)], fragments)
    const cuts = [...bytes.keys()]
    if (fault(bytes, cuts) !== null) t.fail(JSON.stringify(bytes.toString('latin1')), { seed, run })
  }
})

const token = fc.string({ unit: fc.constantFrom(...'aZ09-_.!~|'), minLength: 1, maxLength: 12 })
const value = fc
  .string({ unit: fc.constantFrom(...'aZ0 \t",;=\x80\xff:()'), maxLength: 30 })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''))
const space = fc.constantFrom('', ' ', '\t', ' \t ')

t.test('what was written is what is read', async () => {
  const line = fc.record({ name: token.map((name) => `x-${name}`), before: space, value, after: space })
  fc.assert(
    fc.property(token, token, fc.option(token), fc.array(line, { maxLength: 20 }), (method, path, args, lines) => {
      const target = `/${path}${args === null ? '' : `?${args}`}`
      const text = lines.map((one) => `${one.name}:${one.before}${one.value}${one.after}\r\n`).join('')
      const { head } = readHead(`${method} ${target} HTTP/1.1\r\nHost: a.test\r\n${text}\r\n`)
      if (head === null) return method === 'CONNECT'
      const read = JSON.stringify([head.method, head.target, head.query, head.args, head.fields.lines().slice(1)])
      const pairs = lines.map((one) => [one.name, one.value])
      return read === JSON.stringify([method, target, `/${path}`, args ?? '', pairs])
    }),
    { seed, numRuns: 500 },
  )
})

t.test('long runs of one byte take linear time', async (t) => {
  const within = { lineLimit: 1 << 22, countLimit: 1 << 20, sizeLimit: 1 << 23 }
  const post = 'POST / HTTP/1.1\r\nHost: a.test\r\n'
  const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`
  const n = 1 << 20
  // Quadratic time in any of these would be hours.
  const long = [
    'GET /' + '/'.repeat(n),
    get('http://' + ':'.repeat(n) + '/'),
    get('http://[' + '1:'.repeat(n) + ']/'),
    'CONNECT ' + 'a:1'.repeat(n) + ' HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: [' + ':'.repeat(n) + ']\r\n\r\n',
    post + 'a'.repeat(n),
    post + 'a:' + ' '.repeat(n) + 'b',
    post + 'a: b' + ' '.repeat(n) + '\r\n\r\n',
    post + 'a:b\r\n'.repeat(n) + '\r\n',
    ...[
      'Content-Length: 5' + ' '.repeat(n) + '5',
      'Content-Length: ' + '5,'.repeat(n) + '5',
      'Content-Length: ' + '0'.repeat(n),
      'Transfer-Encoding: ' + 'a ,'.repeat(n) + 'chunked',
      'Transfer-Encoding: a' + ' '.repeat(n) + 'b',
      'Transfer-Encoding: a' + ' ;a=b'.repeat(n),
      'Transfer-Encoding: a;b="' + '\\a'.repeat(n),
      'Connection: ' + ', '.repeat(n),
      'Connection: ' + 'close '.repeat(n >> 3),
    ].map((line) => `${post}${line}\r\n\r\n`),
  ]
  for (const text of long) t.not(readHead(text, within).next, undefined, JSON.stringify(text.slice(0, 60)))
  t.equal(readHead(long[0], within).next, NEED_MORE)
})
