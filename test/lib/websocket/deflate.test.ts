import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { PerMessageDeflate, type Agreement } from '../../../lib/websocket/deflate.js'
import { FAILED, FIN, maskedFrame, NEED_MORE, RSV1 } from '../../../lib/websocket/frames.js'
import { InflateBudget } from '../../../lib/websocket/inflate-budget.js'
import { ending, MESSAGE, MessageReader } from '../../../lib/websocket/messages.js'
import { randomFrom, seed, type Random } from '../../support/seed.js'

const effort = { level: 4, min_size: 0 }
const tail = Buffer.from([0, 0, 255, 255])
const lean: Agreement = {
  server_no_context_takeover: true, client_no_context_takeover: true, server_max_window_bits: 15, client_max_window_bits: 15,
}

function sideOf(agreement: Agreement, client: boolean, budget = new InflateBudget(), clock = { now: 0 }): PerMessageDeflate {
  return new PerMessageDeflate(agreement, effort, client, budget, clock)
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
    const server = sideOf(agreement, false)
    const client = sideOf(agreement, true)
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
  inflate.setMaxListeners(0)
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
    const side = sideOf({ ...lean, server_no_context_takeover: false, server_max_window_bits: bits }, false)
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
    const side = sideOf({ ...lean, client_no_context_takeover: false, client_max_window_bits: bits }, false)
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
  const keeping = sideOf({ ...lean, server_no_context_takeover: false }, false)
  const first = keeping.compress(text).length
  t.ok(keeping.compress(text).length < first / 4)
  const forgetting = sideOf(lean, false)
  t.equal(forgetting.compress(text).length, forgetting.compress(text).length)
})

t.test('no message can refer to another one\'s bytes without context takeover', async (t) => {
  const secret = Buffer.from('the secret of another client, told before')
  const packed = deflateRawSync(secret, { dictionary: secret, finishFlush: constants.Z_SYNC_FLUSH })
  t.ok(packed.length < 20, 'it is nothing but references')
  const side = sideOf(lean, false)
  unpack(side, side.compress(secret))
  t.match(side.decompress(Buffer.concat([packed.subarray(0, -4), ending]), 1000), { code: 1007 })
})

t.test('the examples of RFC 7692 section 7.2.3', async (t) => {
  const side = (): PerMessageDeflate => sideOf({ ...lean, client_no_context_takeover: false }, false)
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

t.test('blocks behind a final block belong to the message (RFC 7692 section 7.2.1)', async (t) => {
  const final = (text: string): Buffer => deflateRawSync(text)
  const open = (text: string): Buffer => deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  const rows: [string, Buffer, string][] = [
    ['final, open', Buffer.from('f348cdc9c90700f248cdc9c90700', 'hex'), 'HelloHello'],
    ['final, final, nothing', Buffer.concat([final('a'), final('b'), Buffer.alloc(1)]), 'ab'],
    ['final and no more', final('ab'), 'ab'],
    ['final, final and no more', Buffer.concat([final('a'), final('b')]), 'ab'],
    ['final, of nothing, open', Buffer.concat([final('a'), final(''), final(''), open('b')]), 'ab'],
    ['open, final, open', Buffer.concat([open('a'), Buffer.from([0, 0, 255, 255]), final('b'), open('c')]), 'abc'],
    ['large', Buffer.concat([final('x'.repeat(50_000)), open('y'.repeat(50_000))]), 'x'.repeat(50_000) + 'y'.repeat(50_000)],
    ['1000 times final', Buffer.concat(Array.from({ length: 1000 }, () => final('z'))), 'z'.repeat(1000)],
  ]
  for (const agreement of [lean, { ...lean, client_no_context_takeover: false }]) {
    for (const [name, packed, text] of rows) {
      const side = sideOf(agreement, false)
      t.ok(unpack(side, packed).toString() === text, name)
      t.ok(unpack(side, packed, text.length).toString() === text, `${name}, as long as may be`)
      if (text.length > 1) t.match(side.decompress(Buffer.concat([packed, ending]), text.length - 1), { code: 1009 }, `${name}, too long`)
    }
  }
  const taking = sideOf({ ...lean, client_no_context_takeover: false }, false)
  const past = Buffer.from('what was said before')
  unpack(taking, Buffer.concat([final('what was said '), final('before')]))
  const referring = deflateRawSync(past, { dictionary: past, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  t.ok(referring.length < 10)
  t.equal(unpack(taking, referring).toString(), String(past), 'the context goes on over final blocks')
  const bad = (packed: Buffer): unknown => sideOf(lean, false).decompress(Buffer.concat([packed, ending]), 1 << 20)
  t.match(bad(Buffer.concat([final('a'), Buffer.from('garbage')])), { code: 1007 })
  t.match(bad(Buffer.concat([final('a'), open('some text that is cut').subarray(0, 8)])), { code: 1007 })
  t.match(bad(Buffer.from('010200fdff', 'hex')), { code: 1007 }, 'a final block that takes the end for its own')
  t.match(bad(Buffer.concat(Array.from({ length: 100_000 }, () => final('')))), { code: 1008 }, 'each takes its time')
})

t.test('bombs, and other bad data', async (t) => {
  const side = sideOf(lean, false)
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

const MiB = 1024 * 1024

/** Compressed messages that cost much more than their bytes, and what they end in where no limit applies. */
const costly: Record<string, [packed: Buffer, code: number | null]> = (() => {
  const side = sideOf(lean, true)
  const bomb = side.compress(Buffer.alloc(MiB))
  const final = deflateRawSync('')
  return {
    'a bomb': [bomb, null],
    'a bomb that is damaged at its end': [Buffer.concat([side.compress(Buffer.alloc(MiB - 1000)), Buffer.from('ffffffff', 'hex')]), 1007],
    'a bomb that is too big': [side.compress(Buffer.alloc(MiB + 1)), 1009],
    'final blocks': [Buffer.concat([...Array.from({ length: 1000 }, () => final), Buffer.alloc(1)]), null],
    'final blocks and garbage': [Buffer.concat([...Array.from({ length: 1000 }, () => final), Buffer.alloc(9, 0xff)]), 1007],
    'too many final blocks': [Buffer.concat(Array.from({ length: 2000 }, () => final)), 1008],
  }
})()

function outcome(side: PerMessageDeflate, packed: Buffer): number | null {
  const result = side.decompress(Buffer.concat([packed, ending]), MiB)
  return 'code' in result ? result.code : null
}

t.test('what inflating costs is bounded by what was sent, whatever ends it, however many connections there are', async (t) => {
  for (const [name, [packed, code]] of Object.entries(costly)) {
    for (const reconnecting of [false, true]) {
      const budget = new InflateBudget()
      const clock = { now: 1000 }
      let side = sideOf(lean, false, budget, clock)
      /** How many are inflated until the budget is spent; then none is. */
      const attack = (): number => {
        let count = 0
        for (; !budget.isSpent(clock.now) && count < 1000; count++) {
          if (reconnecting) side = sideOf(lean, false, budget, clock)
          if (outcome(side, packed) !== code) t.fail(`${name}, ${count}`)
        }
        t.equal(outcome(side, packed), 1008, name)
        t.equal(outcome(sideOf(lean, false, budget, clock), packed), 1008, 'on a new connection, too')
        return count
      }
      const first = attack()
      t.ok(first < 25, `${name}: ${first} times at first`)
      clock.now += 0.5
      const later = attack()
      t.ok(later > 0 && later <= first / 2 + 1, `${name}: ${later} times after half a second`)
      clock.now += 3600
      t.ok(attack() <= first, `${name}: nothing is saved up`)
    }
  }
})

t.test('what compresses well, as data does, is never rejected, whichever peer has spent the budget', async (t) => {
  const spent = new InflateBudget()
  spent.spend(1024 * MiB)
  const random = randomFrom(seed)
  const chat = (count: number): string => JSON.stringify(Array.from({ length: count }, (_, i) => ({
    id: i, from: random.pick(['anna', 'bert', 'carla']), room: 'general', text: random.pick(['hello', 'how are you?', 'fine, thanks']), read: false,
  })))
  const table = `<table>${'<tr><td class="number">1</td><td class="number">2</td></tr>'.repeat(20)}</table>`
  for (const agreement of [lean, { ...lean, client_no_context_takeover: false }]) {
    const sender = sideOf(agreement, true)
    const side = sideOf(agreement, false, spent)
    let [sent, inflated] = [0, 0]
    for (let round = 0; round < 300; round++) {
      const text = random.pick([table, '', 'ok', chat(1), chat(10), chat(200), chat(1000), 'a'.repeat(500)])
      const packed = sender.compress(Buffer.from(text))
      if (unpack(side, packed).toString() !== text) t.fail(`round ${round}`)
      sent += packed.length
      inflated += text.length
    }
    t.ok(inflated / sent > 15, `${Math.round(inflated / sent)} times`)
  }
  const side = sideOf(lean, false, spent)
  const bomb = side.compress(Buffer.alloc(MiB))
  const noise = side.compress(Buffer.from(Array.from({ length: 12_000 }, () => random.below(256))))
  t.equal(outcome(sideOf(lean, false, spent), bomb), 1008)
  for (let round = 0; round < 3; round++) {
    unpack(side, noise)
    unpack(side, bomb)
  }
  t.equal(outcome(side, bomb), 1008, 'on average it counts, up to a bound')
  for (let round = 0; round < 20; round++) unpack(side, noise)
  t.strictSame([outcome(side, bomb), outcome(side, bomb)], [null, 1008])
})

t.test('no bytes make it throw', async (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    for (const agreement of [lean, { ...lean, client_no_context_takeover: false }]) {
      const side = sideOf(agreement, false)
      const result = side.decompress(Buffer.concat([bytes, ending]), 4096)
      if ('code' in result ? result.code !== 1007 && result.code !== 1009 : result.length > 4096) throw new Error('neither')
    }
  }), { seed, numRuns: 1000 })
  // Damage in the midst of good data gets further.
  const random = randomFrom(seed)
  let broken = 0
  for (let round = 0; round < 500; round++) {
    const side = sideOf(lean, false)
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
  const side = sideOf(lean, true)
  const read = (bytes: Buffer, limit = 1 << 20): unknown => {
    const reader = new MessageReader({ masked: true, limit }, sideOf(lean, false))
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
  for (const limit of [0, 100, 1000, 100_000]) {
    const whole = (size: number): Buffer => maskedFrame(FIN | 2, Buffer.alloc(size), 9)
    const parts = (size: number): Buffer => Buffer.concat([maskedFrame(2, Buffer.alloc(size >> 1), 9), maskedFrame(FIN, Buffer.alloc(size - (size >> 1)), 9)])
    const packedOf = (size: number): Buffer => maskedFrame(FIN | RSV1 | 2, side.compress(Buffer.alloc(size)), 9)
    const packedParts = (size: number): Buffer => {
      const bytes = side.compress(Buffer.alloc(size))
      return Buffer.concat([maskedFrame(RSV1 | 2, bytes.subarray(0, 1), 9), maskedFrame(FIN, bytes.subarray(1), 9)])
    }
    for (const [how, make] of Object.entries({ whole, parts, packedOf, packedParts })) {
      t.same(read(make(limit), limit), Buffer.alloc(limit), `${how}: ${limit} bytes`)
      t.equal(read(make(limit + 1), limit), 1009, `${how}: one byte more`)
    }
  }
  const noise = Buffer.from(Array.from({ length: 10_000 }, () => random.below(256)))
  t.same(read(maskedFrame(FIN | RSV1 | 2, side.compress(noise), 5), 10_000), noise, 'what grows by compression may be as long as the limit')
})
