import t from 'tap'
import { KeyedHash } from '../../../lib/limits/keyed-hash.js'

/** The message 00 01 02 ... with its hash under the key 00 01 ... 07: vectors of the reference implementation. */
const vectors: readonly [bytes: number, hash: string][] = [
  [0, '218d1f59b9b83cc8'],
  [2, '064f39ef7c50eb57'],
  [4, 'd5e78a175be52ea1'],
  [6, 'ce3e91358aa2bc25'],
  [8, 'edfee820bce4858c'],
  [10, '95b0469f06a6f2ee'],
  [14, '3bb1a870eae8e658'],
]

t.test('published vectors', async (t) => {
  const hash = new KeyedHash(0x03020100, 0x07060504)
  for (const [length, expected] of vectors) {
    hash.update(Buffer.from(Array.from({ length }, (_, index) => index)).toString('utf16le'))
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(hash.low, 0)
    bytes.writeUInt32LE(hash.high, 4)
    t.equal(bytes.toString('hex'), expected, `${length} bytes`)
  }
})

t.test('similar keys differ, and the same key under another one', async (t) => {
  const [one, other] = [new KeyedHash(1, 2), new KeyedHash(1, 3)]
  const hashes = new Set<number>()
  for (let index = 0; index < 20_000; index++) {
    for (const hash of [one, other]) {
      hash.update(`192.0.${index >> 8}.${index & 255}`)
      hashes.add((hash.high & 0xfffff) * 2 ** 32 + hash.low)
    }
  }
  t.equal(hashes.size, 40_000)
})
