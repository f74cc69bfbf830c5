import fc from 'fast-check'
import t from 'tap'
import { CONTENT, FORM_END, MultipartReader, PART, PART_END } from '../../../lib/http1/multipart.js'
import { NEED_MORE, REJECTED } from '../../../lib/http1/rejection.js'
import { seed } from '../../support/seed.js'
import { bytewise } from '../../support/bytewise.js'

/** What a reader makes of a body in these pieces: each part's head and content, then how it ends. */
function read(pieces: readonly Buffer[], boundary: string | undefined = 'b'): string[] {
  const reader = new MultipartReader(boundary)
  const told: string[] = []
  let content: string | null = null
  let next = 0
  for (;;) {
    const event = reader.next()
    if (event === PART) {
      told.push(`(${reader.fields.lines().map((line) => line.join('=')).join(' ')})`)
      content = ''
    } else if (event === CONTENT) {
      if (content === null || reader.data.length === 0) return [...told, 'content without a part']
      content += reader.data.toString('latin1')
    } else if (event === PART_END) {
      if (content === null) return [...told, 'an end without a part']
      told.push(content)
      content = null
    } else if (event === NEED_MORE && next < pieces.length) {
      reader.push(Buffer.from(pieces[next++]))
    } else {
      return [...told, event === FORM_END ? 'end' : event === REJECTED ? `${reader.rejection?.status} ${reader.rejection?.reason}` : 'unfinished']
    }
  }
}

const malformed = '400 malformed form'
const long = 'y'.repeat(9000)

const cases: [body: string, told: string[]][] = [
  ['', ['unfinished']],
  ['--b--', ['end']],
  ['--b--\r\n', ['end']],
  ['--b-- \r\nepilogue\r\n--b\r\n', ['end']],
  ['preamble\r\n--b\r\nA: 1\r\n\r\nx\r\n--b--', ['(A=1)', 'x', 'end']],
  ['\r\n--b\r\nA: 1\r\n\r\nx\r\n--b--', ['(A=1)', 'x', 'end']],
  ['x--b\r\nA: 1\r\n\r\nx\r\n--b--', ['end']],
  ['--b \t\r\nA: 1\r\nB:2 \r\n\r\nx\r\n--b\t\r\n\r\ny\r\n--b--', ['(A=1 B=2)', 'x', '()', 'y', 'end']],
  ['--b\r\nA: 1\r\n\r\n\r\n--b--', ['(A=1)', '', 'end']],
  ['--b\r\nA: 1\r\n\r\n--b--', ['(A=1)', '', 'end']],
  ['--b\r\n\r\n--b\r\n\r\n\r\n\r\n--b--', ['()', '', '()', '\r\n', 'end']],
  ['--b\r\nA: 1\r\n\r\n\r\r\n-\r\n--\r\n--a\r\n\r\n--b--', ['(A=1)', '\r\r\n-\r\n--\r\n--a\r\n', 'end']],
  ['--b\r\nA: 1\r\n\r\nx\n--b\n\r\n--b--', ['(A=1)', 'x\n--b\n', 'end']],
  ['--b\r\nA: 1\r\n\r\nx\r\n--bc\r\n--b--', ['(A=1)', 'x', malformed]],
  ['--b\r\nA: 1\r\n\r\nx\r\n--b-\r\n--b--', ['(A=1)', 'x', malformed]],
  ['--b\r\nA: 1\r\n\r\nx\r\n--b\rA: 1\r\n', ['(A=1)', 'x', malformed]],
  ['--b\nA: 1\r\n', [malformed]],
  ['--b\r\nA: 1\n\n', [malformed]],
  ['--b\r\nA 1\r\n\r\n', [malformed]],
  ['--b\r\nA: 1\r\n folded\r\n\r\n', [malformed]],
  ['--b\r\nA: \0\r\n\r\n', [malformed]],
  ['--b\r\nA: \xff\r\n\r\n', [malformed]],
  ['--b\r\nA: \xc3\xbc\r\n\r\n\r\n--b--', ['(A=\xc3\xbc)', '', 'end']],
  ['--b\r\nA: 1\r\n--b--', ['unfinished']],
  ['--b\r\nA: 1\r\n--b--\r\n', [malformed]],
  ['--b\r\nA: 1\r\n\r\nx', ['(A=1)', 'unfinished']],
  ['--b\r\nA: 1\r\n\r\nx\r\n--b', ['(A=1)', 'x', 'unfinished']],
  [`--b\r\nA: ${long}\r\n\r\n`, ['413 form header line limit violation: 8193']],
  [`--b\r\n${'A: 1\r\n'.repeat(101)}\r\n`, ['413 form header count limit violation: 101']],
  [`--b\r\n${`A: ${long.slice(0, 6000)}\r\n`.repeat(3)}\r\n`, ['413 form header size limit violation: 16385']],
]

t.test('parts, however the body is cut', async (t) => {
  for (const [body, told] of cases) {
    const bytes = Buffer.from(body, 'latin1')
    const name = JSON.stringify(body.slice(0, 80))
    t.strictSame(read([bytes]), told, name)
    t.strictSame(read(bytewise(bytes)), told, `${name}, byte by byte`)
    for (let cut = 1; cut < Math.min(bytes.length, 200); cut++) {
      const found = read([bytes.subarray(0, cut), bytes.subarray(cut)])
      if (JSON.stringify(found) !== JSON.stringify(told)) t.strictSame(found, told, `${name}, cut at ${cut}`)
    }
  }
})

t.test('boundaries', async (t) => {
  const body = (boundary: string): Buffer[] => [Buffer.from(`--${boundary}\r\n\r\nx\r\n--${boundary}--`, 'latin1')]
  for (const boundary of ['b', '-', '--', '----WebKitFormBoundary0', "a'()+_,-./:=?", 'x'.repeat(70), '\xfc']) {
    t.strictSame(read(body(boundary), boundary), ['()', 'x', 'end'], boundary)
  }
  for (const boundary of ['', 'x'.repeat(71)]) t.strictSame(read(body(boundary), boundary), [malformed], boundary)
  t.strictSame(new MultipartReader(undefined).next(), REJECTED, 'none')
})

t.test('1000 parts, and no more', async (t) => {
  const form = (parts: number): Buffer => Buffer.from(`${'--b\r\n\r\n\r\n'.repeat(parts)}--b--`)
  t.equal(read([form(1000)]).at(-1), 'end')
  t.equal(read([form(1001)]).at(-1), '413 form parts limit violation: 1001')
})

t.test('any parts, in any pieces, come out as they went in', async (t) => {
  const boundaries = fc.constantFrom('b', '--', '-b-', '----boundary')
  const made = boundaries.chain((boundary) => {
    const fragment = fc.constantFrom('\r\n', '\r', '\n', '-', '--', `--${boundary}`, `\r\n--${boundary.slice(0, -1)}`, `\r\n-${boundary}`, 'x', 'yy'.repeat(60), '\xff')
    const content = fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join('')).filter((text) => !`\r\n${text}`.includes(`\r\n--${boundary}`))
    return fc.record({
      boundary: fc.constant(boundary),
      preamble: fc.constantFrom('', '\r\n', 'to be ignored\r\n'),
      parts: fc.array(content, { maxLength: 5 }),
      epilogue: fc.constantFrom('', '\r\n', 'x', `\r\n--${boundary}\r\n`),
      sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
    })
  })
  fc.assert(fc.property(made, ({ boundary, preamble, parts, epilogue, sizes }) => {
    const body = Buffer.from(`${preamble}${parts.map((content, at) => `--${boundary}\r\nN: ${at}\r\n\r\n${content}\r\n`).join('')}--${boundary}--${epilogue}`, 'latin1')
    const pieces: Buffer[] = []
    for (let from = 0, turn = 0; from < body.length; turn++) {
      const size = sizes[turn % sizes.length]
      pieces.push(body.subarray(from, from + size))
      from += size
    }
    const told = [...parts.flatMap((content, at) => [`(N=${at})`, content]), 'end']
    for (const given of [[body], pieces, bytewise(body)]) {
      const found = read(given, boundary)
      if (JSON.stringify(found) !== JSON.stringify(told)) t.strictSame(found, told, `seed ${seed}: ${JSON.stringify(body.toString('latin1'))}`)
    }
    t.pass()
  }), { seed, numRuns: 500 })
})

t.test('any bytes, in any pieces: the same result', async (t) => {
  const body = fc.array(fc.oneof(fc.constantFrom('--b', '--b--', '\r\n', '\r\n\r\n', '\r\n--b', 'A: 1', ':', ' ', '-', '\r', '\n', 'x', '\xff'), fc.string({ maxLength: 4 })), { maxLength: 24 })
  fc.assert(fc.property(body, (parts) => {
    const bytes = Buffer.from(parts.join(''), 'latin1')
    const whole = read([bytes])
    const cuts = [bytewise(bytes), ...Array.from({ length: bytes.length }, (_, cut) => [bytes.subarray(0, cut), bytes.subarray(cut)])]
    for (const pieces of cuts) {
      const found = read(pieces)
      if (JSON.stringify(found) !== JSON.stringify(whole)) t.strictSame(found, whole, `seed ${seed}: ${JSON.stringify(bytes.toString('latin1'))}`)
    }
    t.pass()
  }), { seed, numRuns: 300 })
})

t.test('memory is taken by the byte, not by the piece', async (t) => {
  const head = `--b\r\n${`A: ${'x'.repeat(7000)}\r\n`.repeat(2)}\r\n`
  const body = Buffer.from(`${head}${'\r\n--a'.repeat(2000)}\r\n--b--`, 'latin1')
  const { allocUnsafe } = Buffer
  t.teardown(() => (Buffer.allocUnsafe = allocUnsafe))
  let taken = 0
  Buffer.allocUnsafe = (size) => {
    taken += size
    return allocUnsafe(size)
  }
  const reader = new MultipartReader('b')
  let pushed = 0
  let content = 0
  for (let event = reader.next(); event !== FORM_END; event = reader.next()) {
    if (event === CONTENT) content += reader.data.length
    if (event === NEED_MORE) reader.push(body.subarray(pushed, ++pushed))
    if (event === REJECTED) break
  }
  t.equal(content, 10_000)
  t.ok(taken < 8 * body.length, `${taken} bytes for ${body.length}`)
})
