import fc from 'fast-check'
import t from 'tap'
import { zstdWindowLimit, ZstdFrames } from '../../../lib/coding/zstd-frames.js'
import { seed } from '../../support/seed.js'

// By hand, so that Node.js need not have Zstandard. RFC 8878 section 3.1.

const mark = [0x28, 0xb5, 0x2f, 0xfd]

/** The parts of a frame. */
interface Parts {
  /** Bytes of the dictionary's id, and of the content's size. */
  readonly id: number
  readonly size: number
  readonly single: boolean
  readonly checksum: boolean
  readonly blocks: readonly { readonly type: number; readonly size: number }[]
}

function frame({ id, size, single, checksum, blocks }: Parts): number[] {
  const sizeFlag = size === 8 ? 3 : size === 4 ? 2 : size === 2 ? 1 : 0
  const descriptor = sizeFlag << 6 | (single ? 0x20 : 0) | (checksum ? 4 : 0) | (id === 4 ? 3 : id)
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : size
  const content = blocks.flatMap((block, at) => {
    const header = block.size << 3 | block.type << 1 | (at === blocks.length - 1 ? 1 : 0)
    return [header & 0xff, header >> 8 & 0xff, header >> 16, ...Array<number>(block.type === 1 ? 1 : block.size).fill(0x28)]
  })
  return [...mark, descriptor, ...(single ? [] : [0]), ...Array<number>(id + sizeBytes).fill(0), ...content, ...Array<number>(checksum ? 4 : 0).fill(0x28)]
}

function skippable(first: number, size: number): number[] {
  return [first, 0x2a, 0x4d, 0x18, size, 0, 0, 0, ...Array<number>(size).fill(0x28)]
}

/** Where the frames end, as found in these pieces. */
function ends(frames: ZstdFrames, pieces: readonly Buffer[]): number[] {
  const found: number[] = []
  let before = 0
  for (const piece of pieces) {
    for (let rest = piece; rest.length > 0 && frames.fault === null;) {
      const size = frames.read(rest)
      before += size
      rest = rest.subarray(size)
      if (frames.isComplete) found.push(before)
    }
  }
  return found
}

t.test('frames end where they were made to, wherever the bytes are cut', async () => {
  const block = fc.record({ type: fc.constantFrom(0, 1, 2), size: fc.nat(300) })
  const parts = fc.record({
    id: fc.constantFrom(0, 1, 2, 4), size: fc.constantFrom(0, 2, 4, 8), single: fc.boolean(), checksum: fc.boolean(),
    blocks: fc.array(block, { minLength: 1, maxLength: 4 }),
  })
  const one = fc.oneof(parts.map(frame), fc.tuple(fc.integer({ min: 0x50, max: 0x5f }), fc.nat(20)).map(([first, size]) => skippable(first, size)))
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 })
  fc.assert(fc.property(fc.array(one, { minLength: 1, maxLength: 5 }), cuts, (all, cuts) => {
    const bytes = Buffer.from(all.flat())
    const places = [0, ...cuts.map((part) => Math.floor(part * bytes.length)).sort((one, other) => one - other), bytes.length]
    const frames = new ZstdFrames()
    const found = ends(frames, places.slice(1).map((to, at) => bytes.subarray(places[at], to)))
    let end = 0
    const expected = all.map(({ length }) => (end += length))
    return frames.fault === null && frames.count === all.length && JSON.stringify(found) === JSON.stringify(expected)
  }), { seed, numRuns: 500 })
})

t.test('what forbids to decode a frame, and is found at its byte', async (t) => {
  const windowAt = 5
  const rows: [name: string, bytes: number[], fault: RegExp | null, read: number][] = [
    ['no mark', [0x27], /not a frame/, 1],
    ['half a mark', [0x28, 0xb5, 0x2f, 0xfe, 0], /not a frame/, 4],
    ['half a mark of a skippable frame', [0x5a, 0x2a, 0x4d, 0x19, 0], /not a frame/, 4],
    ['a reserved bit', [...mark, 0x08, 0], /reserved bit/, windowAt],
    ['a reserved block', [...mark, 0, 0, 7, 0, 0], /reserved type/, windowAt + 4],
    ['a dictionary', [...mark, 0x21, 1, 0], /dictionary/, windowAt + 2],
    ['a dictionary of four bytes', [...mark, 0x23, 0, 0, 0, 1, 0], /dictionary/, windowAt + 5],
    ['the dictionary 0, which is none', [...mark, 0x21, 0, 0], null, windowAt + 2],
    ['the smallest window', [...mark, 0, 0], null, windowAt + 1],
    ['the largest window', [...mark, 0, 13 << 3], null, windowAt + 1],
    ['a larger one', [...mark, 0, 13 << 3 | 1], /window/, windowAt + 1],
    ['the largest there is', [...mark, 0, 0xff], /window/, windowAt + 1],
    ['one segment', [...mark, 0x20, 255], null, windowAt + 1],
    ['one segment of two bytes', [...mark, 0x60, 0xff, 0xff], null, windowAt + 2],
    ['one segment, the largest', [...mark, 0xa0, 0, 0, 0x80, 0], null, windowAt + 4],
    ['one segment that is larger', [...mark, 0xa0, 1, 0, 0x80, 0], /window/, windowAt + 4],
    ['one segment of eight bytes', [...mark, 0xe0, 0, 0, 0x80, 0, 0, 0, 0, 0], null, windowAt + 8],
    ['one segment of more bytes than there are', [...mark, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0xff], /window/, windowAt + 8],
  ]
  t.equal(zstdWindowLimit, 0x80_00_00)
  for (const [name, bytes, fault, read] of rows) {
    for (const pieces of [[Buffer.from(bytes)], bytes.map((byte) => Buffer.from([byte]))]) {
      const frames = new ZstdFrames()
      let size = 0
      for (const piece of pieces) if (frames.fault === null) size += frames.read(piece)
      if (fault === null) t.equal(frames.fault, null, name)
      else t.match(frames.fault, fault, name)
      t.equal(size, read, name)
      t.notOk(frames.isComplete, name)
      t.equal(frames.count, 0)
    }
  }
})

t.test('nothing is not complete, and neither is a part of a frame', async (t) => {
  const bytes = Buffer.from(frame({ id: 1, size: 2, single: true, checksum: true, blocks: [{ type: 0, size: 3 }, { type: 1, size: 9 }] }))
  for (let size = 0; size <= bytes.length; size++) {
    const frames = new ZstdFrames()
    t.equal(frames.read(bytes.subarray(0, size)), size)
    t.equal(frames.isComplete, size === bytes.length, `${size} of ${bytes.length} bytes`)
  }
})
