import { createDeflate, createGzip, gunzipSync, inflateSync } from 'node:zlib'
import t from 'tap'
import fc from 'fast-check'
import { isOpen } from '../../../../../lev/drivers/node/internals/gate.js'
import { reusedZlib } from '../../../../../lev/drivers/node/internals/reused-zlib.js'

const kinds = [
  ['gzip', reusedZlib(() => createGzip({ level: 4 })), gunzipSync],
  ['deflate', reusedZlib(() => createDeflate({ level: 4 })), inflateSync],
] as const

for (const [name, compress, decompress] of kinds) {
  t.test(name, { skip: isOpen('reusedZlib') ? false : 'the gate is closed' }, async (t) => {
    if (compress === null) throw new Error('this Node.js keeps its compressors differently')
    const contents = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.string({ minLength: 1, maxLength: 30 }), fc.nat(5000)).map(([text, times]) => Buffer.from(text.repeat(times))),
    )
    fc.assert(fc.property(contents, (content) => decompress(compress(content)).equals(content)))
    const noise = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * index * 31 + (index >> 3)) & 0xff))
    for (let times = 0; times < 2; times++) t.ok(decompress(compress(noise)).equals(noise), 'more than there is room for at once')
    const secret = Buffer.from('a secret of one client, '.repeat(20))
    t.equal(compress(secret).length, compress(secret).length, 'nothing is known of the content before')
  })
}

t.test('something else than a compressor of Node\'s', async (t) => {
  const other = createGzip()
  Reflect.set(other, '_writeState', null)
  t.equal(reusedZlib(() => other), null)
  const forgetful = createGzip()
  Reflect.set(Reflect.get(forgetful, '_handle') as object, 'reset', () => {})
  t.equal(reusedZlib(() => forgetful), null, 'one that works once')
})
