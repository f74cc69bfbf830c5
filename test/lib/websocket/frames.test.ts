import fc from 'fast-check'
import t from 'tap'
import { closeContent, FAILED, frameHead, isCloseCode, maskedFrame, NEED_MORE, xor } from '../../../lib/websocket/frames.js'
import { CLOSED, MESSAGE, MessageReader, PINGED, PONGED } from '../../../lib/websocket/messages.js'
import { randomFrom, seed } from '../../support/seed.js'
import { closeFrame, frame, frames, opcodes } from './wire.js'
import { bytewise } from '../../support/bytewise.js'

const { continuation, text, binary, close, ping, pong } = opcodes

/** What a reader finds in pieces of bytes, one event a line. Pieces are moved in memory, as a stream may do. */
function read(pieces: readonly Buffer[], { masked = true, limit = 1 << 20 } = {}): string[] {
  const reader = new MessageReader({ masked, limit }, null)
  const events: string[] = []
  let rest: Buffer = Buffer.alloc(0)
  for (const piece of pieces) {
    const offset = events.length & 7
    const bytes = Buffer.concat([Buffer.alloc(offset), rest, piece])
    const before = Buffer.from(bytes)
    let at = offset
    for (;;) {
      const event = reader.next(bytes, at, bytes.length)
      at = reader.position
      if (event === NEED_MORE) break
      const { message, content, code, reason, failure } = reader
      if (event === MESSAGE) events.push(typeof message === 'string' ? `text ${message}` : `binary ${message.toString('hex')}`)
      else if (event === PINGED) events.push(`ping ${content.toString('hex')}`)
      else if (event === PONGED) events.push(`pong ${content.toString('hex')}`)
      else if (event === CLOSED) events.push(`close ${code} ${reason}`)
      else if (event === FAILED) return [...events, `failed ${failure?.code} ${failure?.reason}`]
    }
    if (!bytes.equals(before)) throw new Error('the input was changed')
    rest = bytes.subarray(at)
  }
  return events
}

function hex(bytes: string): Buffer {
  return Buffer.from(bytes.replaceAll(' ', ''), 'hex')
}

t.test('the examples of RFC 6455 section 5.7', async (t) => {
  t.strictSame(read([hex('81 05 48 65 6c 6c 6f')], { masked: false }), ['text Hello'])
  t.strictSame(read([hex('81 85 37 fa 21 3d 7f 9f 4d 51 58')]), ['text Hello'])
  t.strictSame(read([hex('01 03 48 65 6c 80 02 6c 6f')], { masked: false }), ['text Hello'])
  t.strictSame(read([hex('89 05 48 65 6c 6c 6f')], { masked: false }), ['ping 48656c6c6f'])
  t.strictSame(read([hex('8a 85 37 fa 21 3d 7f 9f 4d 51 58')]), ['pong 48656c6c6f'])
  const long = Buffer.alloc(65536, 7)
  t.strictSame(read([hex('82 7e 01 00'), long.subarray(0, 256)], { masked: false }), [`binary ${long.toString('hex', 0, 256)}`])
  t.strictSame(read([hex('82 7f 00 00 00 00 00 01 00 00'), long], { masked: false }), [`binary ${long.toString('hex')}`])
})

t.test('what a server writes is what those examples say', async (t) => {
  const written = (head: number, content: string): string => Buffer.from(frameHead(head, content.length) + content, 'latin1').toString('hex')
  t.equal(written(0x81, 'Hello'), '810548656c6c6f')
  t.equal(Buffer.from(frameHead(0x82, 256), 'latin1').toString('hex'), '827e0100')
  t.equal(Buffer.from(frameHead(0x82, 65536), 'latin1').toString('hex'), '827f0000000000010000')
  t.equal(Buffer.from(frameHead(0x82, 2 ** 40 + 5), 'latin1').toString('hex'), '827f0000010000000005')
  t.equal(maskedFrame(0x81, Buffer.from('Hello'), 0x3d21fa37).toString('hex'), '818537fa213d7f9f4d5158')
  t.equal(closeContent(1000, 'bye').toString('hex'), '03e8627965')
})

t.test('lengths at the edges', async (t) => {
  for (const length of [0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 200_000]) {
    const content = Buffer.alloc(length, 'x')
    for (const chop of [1, 997, 16384, Infinity]) {
      const bytes = frame(text, content)
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; at += chop) pieces.push(bytes.subarray(at, at + chop))
      if (pieces.length > 70_000) continue
      t.ok(read(pieces)[0] === `text ${content.toString()}`, `${length} bytes in pieces of ${chop}`)
    }
    const mine = maskedFrame(0x82, content, 0x01020304)
    t.ok(mine.equals(frame(binary, content, { mask: '\x04\x03\x02\x01' })), `${length} bytes masked`)
  }
})

const refusedCases: readonly [what: string, bytes: Buffer, code: number, masked?: boolean][] = [
  ['reserved bit 1 without an extension', frame(text, 'a', { rsv: 4 }), 1002],
  ['reserved bit 2', frame(text, 'a', { rsv: 2 }), 1002],
  ['reserved bit 3', frame(text, 'a', { rsv: 1 }), 1002],
  ['reserved bit of a ping', frame(ping, 'a', { rsv: 4 }), 1002],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer, number] => [`opcode ${opcode}`, frame(opcode), 1002]),
  ['no mask', frame(text, 'a', { mask: null }), 1002],
  ['a mask from a server', frame(text, 'a'), 1002, false],
  ['a fragmented ping', frame(ping, 'a', { fin: false }), 1002],
  ['a fragmented close', frame(close, '', { fin: false }), 1002],
  ['a ping of 126 bytes', frame(ping, Buffer.alloc(126)), 1002],
  ['a close of 126 bytes', frame(close, Buffer.alloc(126, 3)), 1002],
  ['a continuation of nothing', frame(continuation, 'a'), 1002],
  ['a continuation after a whole message', Buffer.concat([frame(text), frame(continuation, 'a')]), 1002],
  ['a message inside of another', Buffer.concat([frame(text, 'a', { fin: false }), frame(text, 'b')]), 1002],
  ['125 in 16 bits', hex('81 fe 00 7d'), 1002],
  ['65535 in 64 bits', hex('81 ff 00 00 00 00 00 00 ff ff'), 1002],
  ['a length with its highest bit', hex('81 ff 80 00 00 00 00 01 00 00'), 1002],
  ['a length of 2^62', hex('81 ff 40 00 00 00 00 00 00 00'), 1009],
  ['a length above the limit', hex('81 ff 00 00 00 00 00 10 00 01'), 1009],
  ['fragments above the limit', Buffer.concat([frame(binary, Buffer.alloc(1 << 19), { fin: false }), frame(continuation, Buffer.alloc((1 << 19) + 1))]), 1009],
  ['half a close code', frame(close, 'a'), 1002],
  ['half a close code, where the rest of one stood before', Buffer.concat([frame(ping, hex('03 e8')), frame(close, hex('03'))]), 1002],
  ['a close reason that is no text', frame(close, hex('03 e8 ff')), 1007],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map((code): [string, Buffer, number] => [`close code ${code}`, closeFrame(code), 1002]),
]

t.test('what must not be', async (t) => {
  for (const [what, bytes, code, masked = true] of refusedCases) {
    t.match(read([bytes], { masked }).at(-1), new RegExp(`^failed ${code} `), what)
    t.match(read(bytewise(bytes.subarray(0, 200)), { masked }).at(-1) ?? 'failed later', /^failed/, `${what}, byte by byte`)
  }
})

t.test('close frames', async (t) => {
  t.strictSame(read([frame(close)]), ['close 1005 '])
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
    t.ok(isCloseCode(code))
    t.strictSame(read([closeFrame(code, 'gründe')]), [`close ${code} gründe`])
  }
  t.strictSame(read([closeFrame(1000, 'x'.repeat(123))]), [`close 1000 ${'x'.repeat(123)}`])
})

t.test('fragments with control frames between them', async (t) => {
  const bytes = Buffer.concat([
    frame(text, 'f1 ', { fin: false }), frame(ping, 'a'), frame(continuation, '', { fin: false }), frame(pong, 'b'),
    frame(continuation, 'f2', { fin: false }), frame(continuation), frame(binary, '', { fin: false }), frame(continuation, 'z'),
  ])
  const expected = ['ping 61', 'pong 62', 'text f1 f2', 'binary 7a']
  t.strictSame(read([bytes]), expected)
  t.strictSame(read(bytewise(bytes)), expected)
})

// Autobahn's sections 6.3 to 6.23, in short: bad bytes, by the index of the first that shows it.
const badText: readonly [bytes: string, at: number][] = [
  ['ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65', 12], ['c0 af', 0], ['c1 bf', 0], ['e0 9f bf', 1], ['e0 80 af', 1], ['ed a0 80', 1],
  ['ed bf bf', 1], ['f0 8f bf bf', 1], ['f4 90 80 80', 1], ['f5 80 80 80', 0], ['f8 88 80 80 80', 0], ['fc 84 80 80 80 80', 0],
  ['fe', 0], ['ff', 0], ['80', 0], ['bf', 0], ['61 80', 1], ['e2 82 61', 2], ['f0 9f 98 20', 3], ['c3 28', 1], ['61 62 63 ff', 3],
]
const goodText = ['ce ba e1 bd b9 cf 83 ce bc ce b5', 'c2 80', 'df bf', 'e0 a0 80', 'ed 9f bf', 'ee 80 80', 'ef bf bf', 'f0 90 80 80', 'f4 8f bf bf', '00', '7f']

t.test('text that is not UTF-8 is noticed at the first byte that shows it', async (t) => {
  for (const [bytes, bad] of badText) {
    const content = hex(bytes)
    t.match(read([frame(text, content)]), [/^failed 1007/], bytes)
    // In a message that never ends, within one frame and over several.
    const endless = Buffer.concat([frame(text, content), Buffer.alloc(0)])
    const inFrame = bytewise(Buffer.concat([frame(text, Buffer.concat([content, Buffer.alloc(50)]), { fin: false })]))
    const head = 6
    t.strictSame(read(inFrame.slice(0, head + bad)), [], `${bytes}: good up to there`)
    t.match(read(inFrame.slice(0, head + bad + 1)), [/^failed 1007/], `${bytes}: at once`)
    const fragments = [...content].map((byte, i) => frame(i === 0 ? text : continuation, Buffer.from([byte]), { fin: false }))
    t.match(read(fragments.slice(0, bad + 1)), [/^failed 1007/], `${bytes}: in fragments`)
    t.ok(endless.length > 0)
  }
  for (const bytes of goodText) {
    const content = hex(bytes)
    t.strictSame(read([frame(text, content)]), [`text ${content.toString()}`])
    t.strictSame(read(bytewise(frame(text, content))), [`text ${content.toString()}`])
    if (content.length > 1 && content[0] >= 0x80) t.match(read([frame(text, content.subarray(0, -1))]), [/^failed 1007/], 'cut off')
  }
  // A short text in one piece, and a long one in several, go different ways.
  const long = 'ä€😀'.repeat(20_000)
  t.ok(read([frame(text, long)])[0] === `text ${long}`)
  t.match(read([frame(text, Buffer.concat([Buffer.from(long), hex('ed a0 80')]))])[0], /^failed 1007/)
})

const someFrames = fc.array(
  fc.record({
    opcode: fc.constantFrom(continuation, text, text, binary, ping, pong),
    content: fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'binary', maxLength: 60 })),
    fin: fc.boolean(),
    mask: fc.string({ unit: fc.constantFrom('\0', '\x01', 'a', '\xff'), minLength: 4, maxLength: 4 }),
  }),
  { maxLength: 12 },
)

t.test('any split of the bytes gives the same events', async (t) => {
  fc.assert(
    fc.property(someFrames, fc.array(fc.nat(300)), (list, cuts) => {
      const bytes = Buffer.concat(list.map(({ opcode, content, fin, mask }) =>
        frame(opcode, typeof content === 'string' ? content : Buffer.from(content), { fin: fin || opcode > 7, mask })))
      const whole = read([bytes])
      const pieces: Buffer[] = []
      let at = 0
      for (const cut of cuts) {
        pieces.push(bytes.subarray(at, at + cut))
        at = Math.min(bytes.length, at + cut)
      }
      pieces.push(bytes.subarray(at))
      for (const split of [pieces, bytewise(bytes)]) {
        const events = read(split)
        // A failure may be seen before the whole frame is there; it is the same one.
        if (JSON.stringify(events) !== JSON.stringify(whole)) throw new Error(`${JSON.stringify(events)} for ${JSON.stringify(whole)}`)
      }
    }),
    { seed, numRuns: 300 },
  )
  t.pass()
})

t.test('no bytes make it throw or stand still', async (t) => {
  const random = randomFrom(seed)
  for (let round = 0; round < 3000; round++) {
    const size = random.below(300)
    // Mostly plausible heads, so that it gets somewhere.
    const bytes = Buffer.from(Array.from({ length: size }, (_, i) => (i % 7 < 2 && random() < 0.5 ? random.pick([0x81, 0x82, 0x80, 0x01, 0x89, 0x88, 0xc1]) : random.below(256))))
    const whole = read([bytes])
    t.ok(JSON.stringify(whole) === JSON.stringify(read(bytewise(bytes))), `seed ${seed}, round ${round}: ${bytes.toString('hex')}`)
    read([bytes], { masked: false })
  }
})

t.test('masks, in words and in bytes', async (t) => {
  const random = randomFrom(seed)
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(Array.from({ length: random.below(400) }, () => random.below(256)))
    const from = random.below(bytes.length + 1)
    const to = from + random.below(bytes.length - from + 1)
    const mask = Math.floor(random() * 2 ** 32) | 0
    const expected = Buffer.from(bytes)
    for (let i = from; i < to; i++) expected[i] ^= (mask >>> (8 * ((i - from) & 3))) & 255
    xor(bytes, from, to, mask)
    if (!bytes.equals(expected)) t.fail(`seed ${seed}, round ${round}`)
  }
  t.pass()
})

t.test('a message grows with its bytes, not with what its frame promises', async (t) => {
  const reader = new MessageReader({ masked: true, limit: 2 ** 40 }, null)
  const start = hex('82 ff 00 00 00 ff 00 00 00 00 00 00 00 00 01')
  const before = process.memoryUsage().arrayBuffers
  t.equal(reader.next(start, 0, start.length), NEED_MORE)
  t.ok(process.memoryUsage().arrayBuffers - before < 1 << 20)
})

t.test('many small fragments cost linear time', async (t) => {
  // 300,000 of them, each cut in two, would take minutes if each made the buffer anew.
  const one = frame(continuation, 'ab', { fin: false })
  const reader = new MessageReader({ masked: true, limit: 1 << 20 }, null)
  const first = frame(text, '', { fin: false })
  reader.next(first, 0, first.length)
  for (let i = 0; i < 300_000; i++) {
    if (reader.next(one, 0, 7) !== NEED_MORE || reader.next(one, 7, 8) !== NEED_MORE) t.fail('failed early')
  }
  const last = frame(continuation, '!')
  t.equal(reader.next(last, 0, last.length), MESSAGE)
  t.equal(reader.message.length, 600_001)
})

t.test('the wire of these tests reads what it writes', async (t) => {
  t.strictSame(frames(frame(text, 'abc')).frames.map(({ content }) => content.toString()), ['abc'])
})
