import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { PerMessageDeflate, type Agreement } from '../../../lib/websocket/deflate.js'
import { FAILED, FIN, maskedFrame, NEED_MORE, RSV1 } from '../../../lib/websocket/frames.js'
import { ending, MESSAGE, MessageReader } from '../../../lib/websocket/messages.js'
import { randomFrom, seed, type Random } from '../../support/seed.js'

const effort = { level: 4, min_size: 0 }
const tail = Buffer.from([0, 0, 255, 255])
const lean: Agreement = {
  server_no_context_takeover: true, client_no_context_takeover: true, server_max_window_bits: 15, client_max_window_bits: 15,
}

function unpack(side: PerMessageDeflate, packed: Buffer, limit = 1 << 24): Buffer {
  const bytes = side.decompress(Buffer.concat([packed, ending]), limit)
  if ('code' in bytes) throw new Error(bytes.reason)
  return bytes
}

/** Text that compresses, random bytes that do not, or both, with repeats from far back. */
function someBytes(random: Random): Buffer {
  const size = random.pick([0, 1, 5, 100, 1000, 5000, 40_000, 100_000])
  const word = (): string => random.pick(['alpha', 'beta', 'gamma', '{"id":', ',', ' ', '12345', 'ä€😀'])
  const kind = random.below(3)
  if (kind === 0) return Buffer.from(Array.from({ length: size }, () => random.below(256)))
  const text = Buffer.from(Array.from({ length: Math.ceil(size / 4) }, word).join('')).subarray(0, size)
  return kind === 1 ? text : Buffer.concat([text.subarray(0, size / 2), Buffer.from(Array.from({ length: 300 }, () => random.below(256))), text])
}

const agreements: Agreement[] = []
for (const takeover of [true, false]) {
  for (const other of [true, false]) {
    for (const bits of [8, 9, 10, 11, 12, 13, 14, 15]) {
      agreements.push({ server_no_context_takeover: takeover, client_no_context_takeover: other, server_max_window_bits: bits, client_max_window_bits: 23 - bits })
    }
  }
}

t.test('what one side packs the other unpacks, whatever was agreed on', async (t) => {
  for (const agreement of agreements) {
    const random = randomFrom(seed)
    const server = new PerMessageDeflate(agreement, effort, false)
    const client = new PerMessageDeflate(agreement, effort, true)
    let good = true
    for (let round = 0; round < 25; round++) {
      const [down, up] = [someBytes(random), someBytes(random)]
      good &&= unpack(client, server.compress(down)).equals(down) && unpack(server, client.compress(up)).equals(up)
    }
    t.ok(good, JSON.stringify(agreement))
  }
})

/** A decompressor that lives as long as its connection, with a window of just the size agreed on: another's client. */
function peerInflate(bits: number): (packed: Buffer) => Promise<Buffer> {
  const inflate = createInflateRaw({ windowBits: bits })
  return (packed) => new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    const take = (part: Buffer): void => void parts.push(part)
    inflate.on('data', take)
    inflate.once('error', reject)
    inflate.write(Buffer.concat([packed, tail]))
    inflate.flush(() => {
      inflate.off('data', take)
      resolve(Buffer.concat(parts))
    })
  })
}

t.test('another\'s decompressor, of no more window than was agreed on, unpacks it', async (t) => {
  for (const bits of [8, 9, 10, 11, 12, 13, 14, 15]) {
    const random = randomFrom(seed + bits)
    const side = new PerMessageDeflate({ ...lean, server_no_context_takeover: false, server_max_window_bits: bits }, effort, false)
    const inflate = peerInflate(bits)
    let good = true
    for (let round = 0; round < 20; round++) {
      const bytes = someBytes(random)
      good &&= (await inflate(side.compress(bytes))).equals(bytes)
    }
    t.ok(good, `${bits} bits`)
  }
})

t.test('another\'s compressor that takes its context over is understood', async (t) => {
  for (const bits of [9, 10, 11, 12, 13, 14, 15]) {
    const random = randomFrom(seed + bits)
    const side = new PerMessageDeflate({ ...lean, client_no_context_takeover: false, client_max_window_bits: bits }, effort, false)
    const deflate = createDeflateRaw({ windowBits: bits })
    let good = true
    for (let round = 0; round < 20; round++) {
      const bytes = someBytes(random)
      const packed = await new Promise<Buffer>((resolve) => {
        const parts: Buffer[] = []
        const take = (part: Buffer): void => void parts.push(part)
        deflate.on('data', take)
        deflate.write(bytes)
        deflate.flush(constants.Z_SYNC_FLUSH, () => {
          deflate.off('data', take)
          resolve(Buffer.concat(parts))
        })
      })
      if (packed.length >= 4) good &&= unpack(side, packed.subarray(0, -4)).equals(bytes)
    }
    t.ok(good, `${bits} bits`)
  }
})

t.test('context that is taken over makes repeats small', async (t) => {
  const text = Buffer.from(JSON.stringify(Array.from({ length: 30 }, (_, i) => ({ id: i * 7919, name: `user ${i}` }))))
  const keeping = new PerMessageDeflate({ ...lean, server_no_context_takeover: false }, effort, false)
  const first = keeping.compress(text).length
  t.ok(keeping.compress(text).length < first / 4)
  const forgetting = new PerMessageDeflate(lean, effort, false)
  t.equal(forgetting.compress(text).length, forgetting.compress(text).length)
})

t.test('no message can refer to another one\'s bytes without context takeover', async (t) => {
  const secret = Buffer.from('the secret of somebody else, told before')
  const packed = deflateRawSync(secret, { dictionary: secret, finishFlush: constants.Z_SYNC_FLUSH })
  t.ok(packed.length < 20, 'it is nothing but references')
  const side = new PerMessageDeflate(lean, effort, false)
  unpack(side, side.compress(secret))
  t.match(side.decompress(Buffer.concat([packed.subarray(0, -4), ending]), 1000), { code: 1007 })
})

t.test('the examples of RFC 7692 section 7.2.3', async (t) => {
  const side = (): PerMessageDeflate => new PerMessageDeflate({ ...lean, client_no_context_takeover: false }, effort, false)
  const hello = (hex: string, by = side()): string => unpack(by, Buffer.from(hex.replaceAll(' ', ''), 'hex')).toString()
  t.equal(hello('f2 48 cd c9 c9 07 00'), 'Hello')
  const taking = side()
  t.equal(hello('f2 48 cd c9 c9 07 00', taking), 'Hello')
  t.equal(hello('f2 00 11 00 00', taking), 'Hello', '7.2.3.2: with the context of the message before')
  t.equal(hello('00 05 00 fa ff 48 65 6c 6c 6f 00'), 'Hello', '7.2.3.3: not compressed')
  t.equal(hello('f3 48 cd c9 c9 07 00 00'), 'Hello', '7.2.3.4: a final block')
  t.equal(hello('f2 48 05 00 00 00 ff ff ca c9 c9 07 00'), 'Hello', '7.2.3.5: two blocks')
  t.equal(hello('00'), '', '7.2.3.6: empty')
  t.same([...side().compress(Buffer.alloc(0))], [0])
})

t.test('bombs, and other bad data', async (t) => {
  const side = new PerMessageDeflate(lean, effort, false)
  const bomb = side.compress(Buffer.alloc(50 * 1024 * 1024))
  t.ok(bomb.length < 64 * 1024)
  const before = process.memoryUsage().arrayBuffers
  t.match(side.decompress(Buffer.concat([bomb, ending]), 1 << 20), { code: 1009 })
  t.ok(process.memoryUsage().arrayBuffers - before < 8 << 20, 'the bomb is not unpacked first')
  const exact = side.compress(Buffer.alloc(1000))
  t.equal(unpack(side, exact, 1000).length, 1000)
  t.match(side.decompress(Buffer.concat([exact, ending]), 999), { code: 1009 })
  t.match(side.decompress(Buffer.concat([exact, ending]), 0), { code: 1009 })
  t.equal(unpack(side, side.compress(Buffer.alloc(0)), 0).length, 0)
  t.match(side.decompress(Buffer.concat([side.compress(Buffer.alloc(1)), ending]), 0), { code: 1009 })
  t.match(side.decompress(Buffer.concat([Buffer.from('ffffffff', 'hex'), ending]), 1000), { code: 1007 })
})

t.test('no bytes make it throw', async (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    for (const agreement of [lean, { ...lean, client_no_context_takeover: false }]) {
      const side = new PerMessageDeflate(agreement, effort, false)
      const result = side.decompress(Buffer.concat([bytes, ending]), 4096)
      if ('code' in result ? result.code !== 1007 && result.code !== 1009 : result.length > 4096) throw new Error('neither')
    }
  }), { seed, numRuns: 1000 })
  // Damage in the midst of good data gets further.
  const random = randomFrom(seed)
  let broken = 0
  for (let round = 0; round < 500; round++) {
    const side = new PerMessageDeflate(lean, effort, false)
    const packed = side.compress(someBytes(random))
    for (let i = 0; i < 3; i++) packed[random.below(packed.length)] = random.below(256)
    const result = side.decompress(Buffer.concat([packed, tail]), 1 << 20)
    const cut = side.decompress(Buffer.concat([packed.subarray(0, random.below(packed.length)), ending]), 1 << 20)
    if (packed.length > 20 && !('code' in cut)) broken++
    if ('code' in result && result.code !== 1007 && result.code !== 1009) t.fail(`seed ${seed}, round ${round}`)
  }
  t.ok(broken < 50, `${broken} of 500 messages that break off pass for whole`)
})

t.test('compressed messages, in frames', async (t) => {
  const side = new PerMessageDeflate(lean, effort, true)
  const read = (bytes: Buffer, limit = 1 << 20): unknown => {
    const reader = new MessageReader({ masked: true, limit }, new PerMessageDeflate(lean, effort, false))
    for (let at = 0; ;) {
      const event = reader.next(bytes, at, bytes.length)
      at = reader.position
      if (event === MESSAGE) return reader.message
      if (event === FAILED) return reader.failure?.code
      if (event === NEED_MORE) return null
    }
  }
  const text = 'größer '.repeat(1000)
  const packed = side.compress(Buffer.from(text))
  t.equal(read(maskedFrame(FIN | RSV1 | 1, packed, 77)), text)
  t.same(read(maskedFrame(FIN | RSV1 | 2, packed, 77)), Buffer.from(text))
  const parts = [maskedFrame(RSV1 | 1, packed.subarray(0, 10), 1), maskedFrame(0, packed.subarray(10, 20), 2), maskedFrame(FIN, packed.subarray(20), 3)]
  t.equal(read(Buffer.concat(parts)), text)
  t.equal(read(Buffer.concat([parts[0], maskedFrame(RSV1, packed.subarray(10), 2)])), 1002, 'only the first frame says so')
  t.equal(read(maskedFrame(FIN | 1, Buffer.from('plain'), 3)), 'plain', 'messages need not be compressed')
  t.equal(read(maskedFrame(FIN | RSV1 | 1, side.compress(Buffer.from([0xff])), 3)), 1007)
  t.equal(read(maskedFrame(FIN | RSV1 | 1, packed, 77), 7999), 1009)
  t.equal(read(maskedFrame(FIN | RSV1 | 1, packed, 77), 9000), text)
  const random = randomFrom(seed)
  const noise = Buffer.from(Array.from({ length: 10_000 }, () => random.below(256)))
  t.same(read(maskedFrame(FIN | RSV1 | 2, side.compress(noise), 5), 10_000), noise, 'what grows by compression may be as long as the limit')
})
