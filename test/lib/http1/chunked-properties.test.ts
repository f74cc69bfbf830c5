import fc from 'fast-check'
import t from 'tap'
import { DONE, NEED_MORE } from '../../../lib/http1/chunked.js'
import type { HeadLimits } from '../../../lib/http1/field-lines.js'
import { randomFrom, seed } from '../../support/seed.js'
import { changeAtRandom, limits, mutated, readBody } from './support.js'
import type { BodyOutcome } from './support.js'

const tight: HeadLimits = { lineLimit: 20, countLimit: 2, sizeLimit: 40 }

const bodies = [
  '0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  '1;a=b\r\nx\r\n00a \t;c="d"\r\n0123456789\r\n0;e\r\n\r\n',
  '3\r\nabc\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n',
  '1\r\nx\r\n'.repeat(20) + '0\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'))

const fragments = [
  '\r\n', '\r', '\n', '\r\n\r\n', '0\r\n', '0\r\n\r\n', '1\r\n', 'f', 'F', '0', '5',
  '00000000000000000', 'ffffffffffffffff',
  ';', ';a=b', '"', '=', '\\', ' ', '\t', '\0', '\x7f', '\xff', ':', 'A: b\r\n', 'Host: a\r\n', '0x', '-', '+', 'g',
  'x'.repeat(30), ';' + 'x'.repeat(1100),
  ('1;' + 'x'.repeat(500) + '\r\na\r\n').repeat(20),
]

const token = '[!#$%&\'*+\\-.^_`|~0-9A-Za-z]+'
const quoted = '"(?:[\\t\\x20\\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"'
const extension = `[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|${quoted}))?`
const sizeLine = new RegExp(`^([0-9A-Fa-f]{1,16})(?:${extension})*\\r\\n`)

// A second reading of the same grammar: chunk by chunk, with patterns over the whole text. Null: not a body.
function model(text: string, maxBody: number): { content: string; used: number } | null {
  let content = ''
  let at = 0
  for (;;) {
    const line = sizeLine.exec(text.slice(at))
    if (line === null) return null
    at += line[0].length
    const size = parseInt(line[1], 16)
    if (content.length + size > maxBody) return null
    if (size === 0) break
    if (text.slice(at + size, at + size + 2) !== '\r\n') return null
    content += text.slice(at, at + size)
    at += size + 2
  }
  const trailers = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/.exec(text.slice(at))
  return trailers === null ? null : { content, used: at + trailers[0].length }
}

const shown = (outcome: BodyOutcome): string => JSON.stringify(outcome)

function fault(bytes: Buffer, cuts: readonly number[]): string | null {
  const whole = readBody(bytes)
  if (shown(readBody(bytes, cuts)) !== shown(whole)) return 'differs in pieces'
  const limited = shown(readBody(bytes, [], 12, tight))
  if (shown(readBody(bytes, cuts, 12, tight)) !== limited) return 'differs in pieces, under tight limits'
  const expected = model(bytes.toString('latin1'), 1000)
  if (whole.result === DONE) {
    if (expected === null) return 'a body that the patterns do not know'
    if (expected.content !== whole.body || expected.used !== whole.used) return 'another body'
    return shown(readBody(bytes.subarray(0, whole.used))) === shown(whole) ? null : 'depends on what follows'
  }
  if (expected === null) return null
  const bounds = /too long|too many|limit|not allowed/
  return whole.result !== NEED_MORE && bounds.test(whole.rejection?.reason ?? '') ? null : 'a good body is not read'
}

t.test(`random changes to good bodies (LEV_SEED=${seed})`, async (t) => {
  changeAtRandom(t, 20_000, bodies, fragments, { fault, isGood: (bytes) => readBody(bytes).result === DONE, least: 1000 })
})

t.test('byte by byte', async (t) => {
  const pick = randomFrom(seed + 1).below
  for (let run = 0; run < 300; run++) {
    const bytes = mutated(pick, bodies[pick(bodies.length)], fragments).subarray(0, 400)
    if (fault(bytes, [...bytes.keys()]) !== null) t.fail(JSON.stringify(bytes.toString('latin1')), { seed, run })
  }
})

t.test('what was written is what is read', async () => {
  const extension = fc.constantFrom('', ';a', ';a=b', ' ; a="b;c"')
  const chunk = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), extension, fc.nat(3), fc.boolean())
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 20 }), fc.array(fc.nat(600), { maxLength: 5 }), (chunks, places) => {
      const parts = chunks.flatMap(([content, after, zeros, upper]) => {
        const digits = '0'.repeat(zeros) + content.length.toString(16)
        return [Buffer.from((upper ? digits.toUpperCase() : digits) + after + '\r\n'), content, Buffer.from('\r\n')]
      })
      const bytes = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
      const cuts = places.filter((place) => place < bytes.length).sort((a, b) => a - b)
      const { result, used, body } = readBody(bytes, cuts)
      const content = Buffer.concat(chunks.map(([one]) => one)).toString('latin1')
      return result === DONE && used === bytes.length && body === content
    }),
    { seed, numRuns: 500 },
  )
})

t.test('endless framing is cut early, in linear time', async (t) => {
  const n = 1 << 20
  for (const text of ['0'.repeat(n), '1;' + 'x'.repeat(n), '1' + ' '.repeat(n), '1;x\r\na\r\n0;' + '"'.repeat(n)]) {
    t.equal(readBody(text).rejection?.status, 400)
  }
  const many = Buffer.from(`1;${'x'.repeat(50)}\r\na\r\n`.repeat(n >> 6))
  const { rejection, used } = readBody(many, [], Infinity)
  t.equal(rejection?.reason, 'too many chunk framing bytes for the body')
  t.ok(used < 20_000, `after ${used} bytes`)
  t.equal(readBody('0\r\n' + 'a:b\r\n'.repeat(n)).rejection?.reason, `header count limit violation: ${limits.countLimit + 1}`)
})
