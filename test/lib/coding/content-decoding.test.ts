import { brotliCompressSync, brotliDecompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Pieces } from '../../../lib/pieces.js'
import { bodyCoding, bodyDecoder, decodeWhole } from '../../../lib/coding/content-decoding.js'
import { codingNamed, decodableCodings, type DecodableCoding } from '../../../lib/coding/codings.js'
import { zstd } from '../../../lib/coding/node-zstd.js'
import { BodyError } from '../../../lib/index.js'
import { seed } from '../../support/seed.js'

const gzip = named('gzip')
const deflate = named('deflate')
const br = named('br')

function named(name: string): DecodableCoding {
  const coding = codingNamed(decodableCodings, name)
  if (coding === undefined) throw new Error(`no ${name}`)
  return coding
}

const limit = 300_000
const text = 'some text, '.repeat(20)
const large = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at * 31 + (at >> 3)) & 0xff))
const many = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, (_, at) => gzipSync(`${at};`)))

/** A gzip member with every optional part of its header (RFC 1952 section 2.3), and a checksum of that. */
function withHeader(content: string): Buffer {
  const member = gzipSync(content)
  const head = Buffer.from([0x1f, 0x8b, 8, 0x1d, 1, 2, 3, 4, 0, 255, 3, 0, 0x61, 0x62, 0x63, ...Buffer.from('name\0comment\0')])
  return Buffer.concat([head, member.subarray(10)])
}

/** What a body is, and what it becomes: its content, or the status of its rejection. */
const table: readonly [name: string, coding: DecodableCoding, body: Buffer, outcome: string | Buffer | number][] = [
  ['gzip', gzip, gzipSync(text), text],
  ['of nothing', gzip, gzipSync(''), ''],
  ['two members', gzip, Buffer.concat([gzipSync('Hello, '), gzipSync('world')]), 'Hello, world'],
  ['members of nothing', gzip, Buffer.concat([gzipSync(''), gzipSync('a'), gzipSync(''), gzipSync('b'), gzipSync('')]), 'ab'],
  ['50 members', gzip, many(50), Array.from({ length: 50 }, (_, at) => `${at};`).join('')],
  ['2000 members', gzip, many(2000), Array.from({ length: 2000 }, (_, at) => `${at};`).join('')],
  ['a header with all its parts', gzip, Buffer.concat([withHeader('a'), withHeader('b')]), 'ab'],
  ['large', gzip, gzipSync(large), large],
  ['as large as may be', gzip, gzipSync(Buffer.alloc(limit)), Buffer.alloc(limit)],
  ['too large', gzip, gzipSync(Buffer.alloc(limit + 1)), 413],
  ['members that are too large together', gzip, Buffer.concat([gzipSync(Buffer.alloc(limit)), gzipSync('x')]), 413],
  ['a bomb', gzip, gzipSync(Buffer.alloc(50e6)), 413],
  ['a header with a wrong checksum', gzip, Buffer.from(withHeader('a').map((byte, at) => (at === 3 ? byte | 2 : byte))), 400],
  ['zeros behind', gzip, Buffer.concat([gzipSync(text), Buffer.alloc(8)]), 400],
  ['one zero behind', gzip, Buffer.concat([gzipSync(text), Buffer.alloc(1)]), 400],
  ['garbage behind', gzip, Buffer.concat([gzipSync(text), Buffer.from('garbage')]), 400],
  ['half a header behind', gzip, Buffer.concat([gzipSync(text), gzipSync(text).subarray(0, 5)]), 400],
  ['the first byte of a header behind', gzip, Buffer.concat([gzipSync(text), Buffer.from([0x1f])]), 400],
  ['a second member that is cut off', gzip, Buffer.concat([gzipSync(text), gzipSync(text).subarray(0, -1)]), 400],
  ['garbage behind much', gzip, Buffer.concat([gzipSync(large), Buffer.from('garbage')]), 400],
  ['zeros behind much', gzip, Buffer.concat([gzipSync(large), Buffer.alloc(100)]), 400],
  ['no trailer', gzip, gzipSync(text).subarray(0, -8), 400],
  ['half a trailer', gzip, gzipSync(text).subarray(0, -4), 400],
  ['a wrong checksum', gzip, Buffer.from(gzipSync(text).map((byte, at, all) => (at === all.length - 8 ? byte ^ 1 : byte))), 400],
  ['a wrong length', gzip, Buffer.from(gzipSync(text).map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte))), 400],
  ['no gzip', gzip, Buffer.from('no gzip, but some text'), 400],
  ['zlib for gzip', gzip, deflateSync(text), 400],
  ['nothing', gzip, Buffer.alloc(0), 400],
  ['zlib', deflate, deflateSync(text), text],
  ['zlib of nothing', deflate, deflateSync(''), ''],
  ['zlib, the smallest window', deflate, deflateSync(text, { windowBits: 9 }), text],
  ['large zlib', deflate, deflateSync(large), large],
  ['two of zlib', deflate, Buffer.concat([deflateSync(text), deflateSync(text)]), 400],
  ['garbage behind zlib', deflate, Buffer.concat([deflateSync(text), Buffer.from('x')]), 400],
  ['zlib without its checksum', deflate, deflateSync(text).subarray(0, -4), 400],
  ['zlib with a dictionary', deflate, deflateSync(text, { dictionary: Buffer.from(text) }), 400],
  ['raw deflate', deflate, deflateRawSync(text), text],
  ['raw deflate of nothing', deflate, deflateRawSync(''), ''],
  ['raw deflate, stored', deflate, deflateRawSync(text, { level: 0 }), text],
  ['raw deflate in several blocks', deflate, Buffer.concat([deflateRawSync('a', { finishFlush: 2 }), deflateRawSync('b')]), 'ab'],
  ['large raw deflate', deflate, deflateRawSync(large), large],
  ['raw deflate, cut off', deflate, deflateRawSync(text).subarray(0, -1), 400],
  ['raw deflate and garbage', deflate, Buffer.concat([deflateRawSync(text), Buffer.from('x')]), 400],
  ['zlib bomb', deflate, deflateSync(Buffer.alloc(50e6)), 413],
  ['gzip for deflate', deflate, gzipSync(text), 400],
  ['no deflate', deflate, Buffer.from('xxx'), 400],
  ['br', br, brotliCompressSync(text), text],
  ['br of nothing', br, brotliCompressSync(''), ''],
  ['br, the smallest window', br, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_LGWIN]: 10 } }), text],
  ['large br', br, brotliCompressSync(large), large],
  ['br, as large as may be', br, brotliCompressSync(Buffer.alloc(limit)), Buffer.alloc(limit)],
  ['br, too large', br, brotliCompressSync(Buffer.alloc(limit + 1)), 413],
  ['br bomb', br, brotliCompressSync(Buffer.alloc(50e6), { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }), 413],
  ['two of br', br, Buffer.concat([brotliCompressSync(text), brotliCompressSync(text)]), 400],
  ['garbage behind br', br, Buffer.concat([brotliCompressSync(text), Buffer.from('x')]), 400],
  ['zeros behind much of br', br, Buffer.concat([brotliCompressSync(large), Buffer.alloc(100)]), 400],
  ['br, cut off', br, brotliCompressSync(text).subarray(0, -1), 400],
  ['a window of br that only "large window brotli" has', br, brotliCompressSync(text, {
    params: { [constants.BROTLI_PARAM_LARGE_WINDOW]: 1, [constants.BROTLI_PARAM_LGWIN]: 26 },
  }), 400],
  ['no br', br, Buffer.from('no brotli'), 400],
  ['nothing for br', br, Buffer.alloc(0), 400],
  ...zstdRows(),
]

/** A frame of Zstandard. */
function frame(content: string | Buffer, params: Record<number, number> = {}): Buffer {
  return zstd?.zstdCompressSync(Buffer.from(content), { params }) ?? Buffer.alloc(0)
}

/** A skippable frame (RFC 8878 section 3.1.2). */
function skippable(first: number, content: string): Buffer {
  return Buffer.concat([Buffer.from([first, 0x2a, 0x4d, 0x18, content.length, 0, 0, 0]), Buffer.from(content)])
}

function zstdRows(): [name: string, coding: DecodableCoding, body: Buffer, outcome: string | Buffer | number][] {
  if (zstd === null) return []
  const coding = named('zstd')
  const { ZSTD_c_windowLog } = zstd.constants
  const checksum = { 201: 1 }
  // A frame of one block as it is, in a window of 2 to the power of 10 plus `exponent`, or with a dictionary.
  const raw = (header: number[], content: string): Buffer =>
    Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...header, content.length << 3 | 1, 0, 0]), Buffer.from(content)])
  const windowed = (exponent: number): Buffer => raw([0, exponent << 3], 'abc')
  return [
    ['zstd', coding, frame(text), text],
    ['zstd of nothing', coding, frame(''), ''],
    ['zstd with a checksum', coding, frame(text, checksum), text],
    ['zstd with a wrong checksum', coding, Buffer.from(frame(text, checksum).map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte))), 400],
    ['zstd, two frames', coding, Buffer.concat([frame('Hello, ', checksum), frame('world')]), 'Hello, world'],
    ['zstd, frames of nothing', coding, Buffer.concat([frame(''), frame('a'), frame(''), frame('b'), frame('')]), 'ab'],
    ['zstd, 50 frames', coding, Buffer.concat(Array.from({ length: 50 }, (_, at) => frame(`${at};`))), Array.from({ length: 50 }, (_, at) => `${at};`).join('')],
    ['zstd, 1000 frames', coding, Buffer.concat(Array<Buffer>(1000).fill(frame('a'))), 'a'.repeat(1000)],
    ['zstd, 1001 frames', coding, Buffer.concat(Array<Buffer>(1001).fill(frame('a'))), 400],
    ['zstd, skippable frames', coding, Buffer.concat([skippable(0x50, 'x'), frame('a'), skippable(0x5f, ''), frame('b'), skippable(0x57, 'xyz')]), 'ab'],
    ['zstd, nothing but a skippable frame', coding, skippable(0x50, 'abc'), ''],
    ['zstd, half a skippable frame', coding, Buffer.concat([frame('a'), skippable(0x50, 'abc').subarray(0, -1)]), 400],
    ['large zstd', coding, frame(large), large],
    ['zstd, two large frames', coding, Buffer.concat([frame(large.subarray(0, 150_000)), frame(large.subarray(150_000))]), large],
    ['zstd, as large as may be', coding, frame(Buffer.alloc(limit)), Buffer.alloc(limit)],
    ['zstd, too large', coding, frame(Buffer.alloc(limit + 1)), 413],
    ['zstd, frames that are too large together', coding, Buffer.concat([frame(Buffer.alloc(limit)), frame('x')]), 413],
    ['zstd bomb', coding, frame(Buffer.alloc(50e6), { [ZSTD_c_windowLog]: 20 }), 413],
    ['zstd, a block as it is', coding, windowed(0), 'abc'],
    ['zstd, the largest window', coding, windowed(13), 'abc'],
    ['zstd, a window that is too large', coding, raw([0, 13 << 3 | 1], 'abc'), 400],
    ['zstd, a window of 16 MiB', coding, windowed(14), 400],
    ['zstd, the largest window there is', coding, windowed(31), 400],
    ['zstd, one segment that is too large', coding, frame(Buffer.alloc(9 * 2 ** 20), { [ZSTD_c_windowLog]: 24 }), 400],
    ['zstd with a dictionary', coding, raw([0x21, 7, 3], 'abc'), 400],
    ['zstd with the dictionary 0, which is none', coding, raw([0x21, 0, 3], 'abc'), 'abc'],
    ['zstd with a reserved bit', coding, raw([0x28, 3], 'abc'), 400],
    ['zeros behind zstd', coding, Buffer.concat([frame(text), Buffer.alloc(8)]), 400],
    ['garbage behind zstd', coding, Buffer.concat([frame(text), Buffer.from('garbage')]), 400],
    ['the first byte of a frame behind zstd', coding, Buffer.concat([frame(text), Buffer.from([0x28])]), 400],
    ['garbage behind much of zstd', coding, Buffer.concat([frame(large), Buffer.from('garbage')]), 400],
    ['zstd, a second frame that is cut off', coding, Buffer.concat([frame(text), frame(text).subarray(0, -1)]), 400],
    ['zstd, cut off', coding, frame(text).subarray(0, -1), 400],
    ['zstd without its checksum', coding, frame(text, checksum).subarray(0, -4), 400],
    ['zstd, only its mark', coding, frame(text).subarray(0, 4), 400],
    ['no zstd', coding, Buffer.from('no zstd'), 400],
    ['gzip for zstd', coding, gzipSync(text), 400],
    ['nothing for zstd', coding, Buffer.alloc(0), 400],
  ]
}

/** The content, or the status of the rejection. */
async function outcome(decode: () => lev.Op<Buffer>): Promise<Buffer | number> {
  try {
    return await lev.run(decode)
  } catch (error) {
    if (error instanceof BodyError) return error.status
    throw error
  }
}

function pieces(all: readonly Buffer[]): Pieces {
  const parts = all.filter(({ length }) => length > 0)
  return { *next() { return parts.shift() ?? null } }
}

/** Decodes what comes in pieces. */
function* piecewise(all: readonly Buffer[], coding: DecodableCoding, most = limit): lev.Op<Buffer> {
  const decoder = bodyDecoder(pieces(all), coding, most)
  const parts: Buffer[] = []
  try {
    for (let piece = yield* decoder.next(); piece !== null; piece = yield* decoder.next()) {
      if (piece.length === 0) throw new Error('an empty piece')
      parts.push(piece)
    }
    if ((yield* decoder.next()) !== null) throw new Error('something behind the end')
    return Buffer.concat(parts)
  } finally {
    decoder.close()
  }
}

function cutAt(body: Buffer, ...places: readonly number[]): Buffer[] {
  const cuts = [0, ...places, body.length]
  return cuts.slice(1).map((to, at) => body.subarray(cuts[at], to))
}

for (const [name, coding, body, expected] of table) {
  t.test(`${coding.name}: ${name}`, async (t) => {
    const same = (found: Buffer | number): boolean =>
      typeof found === 'number' || typeof expected === 'number' ? found === expected : found.equals(Buffer.from(expected))
    const check = async (how: string, decode: () => lev.Op<Buffer>): Promise<void> => {
      const found = await outcome(decode)
      t.ok(same(found), `${how}: ${typeof found === 'number' ? found : `${found.length} bytes`}`)
    }
    await check('as a whole', () => decodeWhole(body, coding, limit))
    await check('in one piece', () => piecewise([body], coding))
    const places = body.length < 300 ? Array.from(body.keys()) : [1, 9, 10, 18, body.length >> 1, body.length - 9, body.length - 8, body.length - 7, body.length - 1]
    for (const place of places) await check(`cut at ${place}`, () => piecewise(cutAt(body, place), coding))
    if (body.length < 300) await check('byte by byte', () => piecewise(cutAt(body, ...places), coding))
  })
}

t.test('any members and anything behind them: no way of decoding and no cut makes a difference', async (t) => {
  const content = fc.oneof(fc.string({ maxLength: 30 }), fc.nat(40_000).map((size) => 'x'.repeat(size)))
  const member = fc.tuple(content, fc.constantFrom(0, 1, 9)).map(([one, level]) => gzipSync(one, { level }))
  const level = fc.record({ 100: fc.constantFrom(1, 3, 9), 201: fc.constantFrom(0, 1) })
  const zstdFrame = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(content, level).map(([one, params]) => frame(one, params)) },
    { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 0x50, max: 0x5f }), fc.string({ maxLength: 9, unit: 'grapheme-ascii' })).map(([first, one]) => skippable(first, one)) },
  )
  const noise = fc.oneof(fc.constant([]), fc.array(fc.constantFrom(0, 0x1f, 0x8b, 8, 0x28, 0xb5, 0x50, 0xff), { maxLength: 4 }))
  const inGzip = fc.record({ coding: fc.constant(gzip), members: fc.array(member, { maxLength: 5 }) })
  const inBr = fc.record({ coding: fc.constant(br), members: fc.array(content.map((one) => brotliCompressSync(one)), { maxLength: 2 }) })
  const inZstd = zstd === null ? inGzip : fc.record({ coding: fc.constant(named('zstd')), members: fc.array(zstdFrame, { maxLength: 5 }) })
  const cases = fc.record({
    coded: fc.oneof(inGzip, inBr, inZstd),
    behind: noise,
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
    flipped: fc.option(fc.double({ min: 0, max: 0.999, noNaN: true }), { freq: 5 }),
  })
  for (const { coded: { coding, members }, behind, cuts, flipped } of fc.sample(cases, { numRuns: 500, seed })) {
    const body = Buffer.concat([...members, Buffer.from(behind)])
    if (flipped !== null && body.length > 0) body[Math.floor(flipped * body.length)] ^= 0x10
    const whole = await outcome(() => decodeWhole(body, coding, 100_000))
    const places = cuts.map((part) => Math.floor(part * body.length)).sort((one, other) => one - other)
    for (const parts of [[body], cutAt(body, ...places)]) {
      const found = await outcome(() => piecewise(parts, coding, 100_000))
      const agree = typeof whole === 'number' || typeof found === 'number' ? whole === found : whole.equals(found)
      t.ok(agree, `seed ${seed}, ${coding.name}: ${String(typeof whole)} and ${String(typeof found)}: ${body.toString('hex').slice(0, 300)} cut at ${places.join()}`)
    }
  }
})

/** A frame of 32 KB that holds 1 GiB of zeros: blocks of 128 KiB, of which each is one byte that repeats. */
function gigabyte(): Buffer {
  const blocks = 8192
  const block = (last: boolean): number[] => {
    const header = 128 * 1024 << 3 | 1 << 1 | (last ? 1 : 0)
    return [header & 0xff, header >> 8 & 0xff, header >> 16, 0]
  }
  return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3, ...Array.from({ length: blocks }, (_, at) => block(at === blocks - 1)).flat()])
}

t.test('a gigabyte in 32 KB of zstd', { skip: zstd === null }, async (t) => {
  const coding = named('zstd')
  t.equal(await outcome(() => decodeWhole(gigabyte(), coding, limit)), 413)
  t.equal(await outcome(() => piecewise(cutAt(gigabyte(), 1, 100, 10_000), coding)), 413)
})

t.test('a few bytes of br do not hold up the program, whatever they become', async (t) => {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN } = constants
  const bomb = brotliCompressSync(Buffer.alloc(50e6), { params: { [BROTLI_PARAM_QUALITY]: 3, [BROTLI_PARAM_LGWIN]: 24 } })
  t.ok(bomb.length < 1000)
  const best = (work: () => void): number => Math.min(...[1, 2, 3].map(() => {
    const began = performance.now()
    work()
    return performance.now() - began
  }))
  const blocking = best(() => t.throws(() => brotliDecompressSync(bomb, { maxOutputLength: limit }), { code: 'ERR_BUFFER_TOO_LARGE' }))
  // What runs before the first wait, for the thread pool.
  const step = best(() => {
    const work = decodeWhole(bomb, br, limit)
    work.next()
    work.return(bomb)
  })
  t.ok(step < blocking / 2, `${step} of ${blocking} ms`)
})

t.test('a limit of nothing', async (t) => {
  t.equal(String(await outcome(() => decodeWhole(gzipSync(''), gzip, 0))), '')
  t.equal(await outcome(() => decodeWhole(gzipSync('x'), gzip, 0)), 413)
  t.equal(String(await outcome(() => piecewise([gzipSync('')], gzip, 0))), '')
  t.equal(await outcome(() => piecewise([gzipSync('x')], gzip, 0)), 413)
})

t.test('content leaves as soon as it can, and little is decoded ahead of its reader', async (t) => {
  const flushed = gzipSync('first', { finishFlush: 2 })
  await lev.run(function* () {
    let asked = 0
    const decoder = bodyDecoder({ *next() { return ++asked === 1 ? flushed : null } }, gzip, limit)
    t.equal(String(yield* decoder.next()), 'first')
    t.equal(asked, 1)
    decoder.close()
    const bombs: [DecodableCoding, Buffer][] = [
      [gzip, gzipSync(Buffer.alloc(50e6))],
      [br, brotliCompressSync(Buffer.alloc(50e6), { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } })],
      ...(zstd === null ? [] : [[named('zstd'), gigabyte()] as [DecodableCoding, Buffer]]),
    ]
    for (const [coding, body] of bombs) {
      const bomb = bodyDecoder(pieces([body]), coding, 2 ** 31)
      for (let times = 0; times < 10; times++) {
        const piece = yield* bomb.next()
        t.ok(piece !== null && piece.length <= 256 * 1024, `${coding.name}: ${piece?.length} bytes at a time`)
      }
      bomb.close()
      bomb.close()
    }
  })
})

t.test('the coding of a body', async (t) => {
  const rows = [
    [undefined, null], ['', null], ['identity', null], ['gzip', 'gzip'], ['X-GZip', 'gzip'], ['deflate', 'deflate'], [' , gzip ,', 'gzip'],
    ['identity, gzip', 'gzip'], ['br', 'br'], ['compress', undefined], ['gzip, gzip', undefined], ['gzip, br', undefined], ['gzip;q=1', undefined],
  ] as const
  for (const [field, coding] of rows) {
    const found = bodyCoding(field)
    t.equal(found ? found.name : found, coding, String(field))
  }
})
