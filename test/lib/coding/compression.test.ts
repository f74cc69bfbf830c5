import assert from 'node:assert/strict'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { run } from '../../../lev/index.js'
import {
  chooseCoding, compress, isCompressible, mergeVary, weakenEtag, type Compressible,
} from '../../../lib/coding/compression.js'
import { codingNamed, responseCodings, type ResponseCoding } from '../../../lib/coding/codings.js'
import { zstd } from '../../../lib/coding/node-zstd.js'
import { defaults, mergeSettings } from '../../../lib/config/settings.js'

function named(name: string): ResponseCoding {
  const coding = codingNamed(responseCodings, name)
  if (coding === undefined) throw new Error(`no ${name}`)
  return coding
}

const settings = defaults.compression
const page: Compressible = {
  size: 10_000, status: 200, contentType: 'text/html',
  contentEncoding: undefined, contentRange: undefined, cacheControl: undefined,
}

t.test('what is compressed', async (t) => {
  const cases: readonly (readonly [boolean, Partial<Compressible>])[] = [
    [true, {}],
    ...settings.types.map((contentType) => [true, { contentType }] as const),
    [true, { contentType: 'text/html; charset=utf-8' }],
    [true, { contentType: 'text/html;charset=utf-8' }],
    [true, { contentType: 'Text/HTML ; Charset="a;b"' }],
    [true, { contentType: ' application/json\t' }],
    [false, { contentType: undefined }],
    [false, { contentType: '' }],
    [false, { contentType: ';' }],
    [false, { contentType: 'text/htmlx' }],
    [false, { contentType: 'text' }],
    [false, { contentType: 'image/png' }],
    [false, { contentType: 'text/event-stream' }],
    [true, { size: 4096 }],
    [false, { size: 4095 }],
    [false, { size: 0 }],
    [false, { size: -1 }],
    [true, { status: 404 }],
    [true, { status: 500 }],
    [false, { status: 101 }],
    [false, { status: 204 }],
    [false, { status: 205 }],
    [false, { status: 206 }],
    [false, { status: 304 }],
    [false, { contentEncoding: 'br' }],
    [false, { contentEncoding: 'gzip' }],
    [false, { contentEncoding: 'identity' }],
    [true, { contentEncoding: '' }],
    [false, { contentRange: 'bytes 0-1/2' }],
    [false, { cacheControl: 'no-transform' }],
    [false, { cacheControl: 'max-age=5, No-Transform' }],
    [false, { cacheControl: 'public,no-transform,max-age=5' }],
    [false, { cacheControl: 'private="x, y" ,no-transform' }],
    [false, { cacheControl: 'no-transform=1' }],
    [true, { cacheControl: 'no-store, max-age=5' }],
    [true, { cacheControl: 'x-no-transform, no-transformers' }],
    [true, { cacheControl: 'private="no-transform"' }],
    [true, { cacheControl: 'a="\\", no-transform, "' }],
  ]
  for (const [expected, change] of cases) {
    t.equal(isCompressible(settings, { ...page, ...change }), expected, JSON.stringify(change))
  }
  const { compression: off } = mergeSettings(defaults, { compression: { enabled: false } })
  t.notOk(isCompressible(off, page))
  const { compression: all } = mergeSettings(defaults, { compression: { min_size: 0, types: ['Image/PNG'] } })
  t.ok(isCompressible(all, { ...page, size: 1, contentType: 'image/png' }))
  t.notOk(isCompressible(all, { ...page, size: 0, contentType: 'image/png' }))
  t.notOk(isCompressible(all, page))
})

t.test('what the client accepts', async (t) => {
  const best = zstd === null ? 'gzip' : 'zstd'
  const cases: readonly (readonly [string | undefined, string | null])[] = [
    [undefined, null], ['', null], ['gzip', 'gzip'], ['deflate', 'deflate'], ['deflate, gzip', 'gzip'], ['br', 'br'],
    ['deflate, br', 'br'], ['br, gzip', 'gzip'], ['br;q=1.0, gzip;q=0.8, *;q=0.1', 'br'],
    ['gzip;q=0.5, deflate', 'deflate'], ['gzip;q=0', null], ['*', best], ['identity', null],
    ['zstd', zstd === null ? null : 'zstd'], ['gzip, deflate, br, zstd', best], ['zstd;q=0.9, gzip', 'gzip'], ['zstd;q=0, *', 'gzip'], ['zstd;q=0, br', 'br'],
    ['identity;q=0', null], ['*;q=0', null], ['identity;q=0, *;q=0', null], ['gzip;q=0.5, identity;q=0.6', null], ['compress, x-compress', null],
  ]
  for (const [accepted, expected] of cases) t.equal(chooseCoding(settings, accepted)?.name ?? null, expected, `${accepted}`)
})

t.test('the setting chooses among those that a client likes equally', async (t) => {
  const browser = 'gzip, deflate, br, zstd'
  const best = zstd === null ? 'gzip' : 'zstd'
  const cases: readonly (readonly [codings: string[] | null, accepted: string, string | null])[] = [
    [null, browser, best], [['br', 'gzip'], browser, 'br'], [['br', 'gzip'], 'gzip, br;q=0.9', 'gzip'], [['deflate'], browser, 'deflate'],
    [['deflate'], 'gzip, br', null], [['zstd'], browser, zstd === null ? null : 'zstd'], [['zstd', 'br'], '*', zstd === null ? 'br' : 'zstd'],
    [['gzip'], 'x-gzip', 'gzip'], [['gzip'], 'br, *;q=0', null], [['gzip', 'br'], '*, gzip;q=0', 'br'],
  ]
  for (const [codings, accepted, expected] of cases) {
    const { compression } = mergeSettings(defaults, { compression: { codings } })
    t.equal(chooseCoding(compression, accepted)?.name ?? null, expected, `${String(codings)}: ${accepted}`)
    t.equal(chooseCoding(compression, accepted)?.name ?? null, expected, 'again')
  }
})

t.test('Vary', async (t) => {
  const cases: readonly (readonly [string | undefined, string])[] = [
    [undefined, 'Accept-Encoding'],
    ['', 'Accept-Encoding'],
    ['Origin', 'Origin, Accept-Encoding'],
    ['Origin, Cookie', 'Origin, Cookie, Accept-Encoding'],
    ['accept-encoding', 'accept-encoding'],
    ['Origin ,\tACCEPT-ENCODING', 'Origin ,\tACCEPT-ENCODING'],
    ['X-Accept-Encoding', 'X-Accept-Encoding, Accept-Encoding'],
    ['*', '*'],
    ['Origin, *', 'Origin, *'],
  ]
  for (const [vary, expected] of cases) {
    t.equal(mergeVary(vary), expected)
    t.equal(mergeVary(expected), expected, 'once is enough')
  }
})

t.test('ETag', async (t) => {
  const cases = { '"a"': 'W/"a"', 'W/"a"': 'W/"a"', '""': 'W/""', ' "a" ': 'W/"a"', a: 'a' }
  for (const [etag, expected] of Object.entries(cases)) t.equal(weakenEtag(etag), expected)
})

const decode: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: (bytes) => zstd?.zstdDecompressSync(bytes, { params: {} }) as Buffer,
}

t.test('what was compressed is what is decoded, on the spot and on the thread pool', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 4000 }))
      .map(([piece, times]) => Buffer.concat(Array<Uint8Array>(times).fill(piece))),
    fc.constantFrom(...responseCodings.flatMap(({ compression: { syncLimit } }) => [syncLimit, syncLimit + 1]), 300_000)
      .map((size) => Buffer.alloc(size, 'leveret ')),
  )
  await fc.assert(fc.asyncProperty(bytes, fc.constantFrom(...responseCodings), async (content, coding) => {
    const before = Buffer.from(content)
    const given = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
    const packed = await run(() => compress(coding, given))
    assert.deepEqual(decode[coding.name](packed), before)
    const ofText = await run(() => compress(coding, before.toString('latin1')))
    assert.deepEqual(decode[coding.name](ofText), before)
  }), { numRuns: 150 })
})

t.test('deflate is the zlib format, not the raw one', async (t) => {
  const packed = await run(() => compress(named('deflate'), Buffer.from('abc')))
  t.equal(packed[0] & 15, 8)
  t.equal(packed.readUInt16BE(0) % 31, 0)
})

t.test('small content never suspends, large content lets others go on', async (t) => {
  for (const coding of responseCodings) {
    const { syncLimit } = coding.compression
    t.equal(compress(coding, Buffer.alloc(syncLimit)).next().done, true, coding.name)
    t.equal(compress(coding, 'x'.repeat(syncLimit)).next().done, true, `${coding.name}, text`)
    t.equal(compress(coding, Buffer.alloc(syncLimit + 1)).next().done, false, coding.name)
  }
})
