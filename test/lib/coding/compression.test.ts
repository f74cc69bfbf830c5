import assert from 'node:assert/strict'
import { gunzipSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { run } from '../../../lev/index.js'
import {
  chooseCoding, compress, isCompressible, mergeVary, onTheSpotLimit, weakenEtag, type Compressible,
} from '../../../lib/coding/compression.js'
import { responseCodings } from '../../../lib/coding/codings.js'
import { defaults, mergeSettings } from '../../../lib/config/settings.js'

const [gzip, deflate] = responseCodings

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
  const cases: readonly (readonly [string | undefined, string | null])[] = [
    [undefined, null], ['', null], ['gzip', 'gzip'], ['deflate', 'deflate'], ['deflate, gzip', 'gzip'], ['br', null],
    ['gzip;q=0.5, deflate', 'deflate'], ['gzip;q=0', null], ['*', 'gzip'], ['identity', null],
  ]
  for (const [accepted, expected] of cases) t.equal(chooseCoding(accepted)?.name ?? null, expected, `${accepted}`)
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

const decode: Record<string, (bytes: Buffer) => Buffer> = { gzip: gunzipSync, deflate: inflateSync }

t.test('what was compressed is what is decoded, on the spot and on the thread pool', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 4000 }))
      .map(([piece, times]) => Buffer.concat(Array<Uint8Array>(times).fill(piece))),
    fc.constantFrom(onTheSpotLimit - 1, onTheSpotLimit, onTheSpotLimit + 1, 300_000)
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
  const packed = await run(() => compress(deflate, Buffer.from('abc')))
  t.equal(packed[0] & 15, 8)
  t.equal(packed.readUInt16BE(0) % 31, 0)
})

t.test('small content never suspends, large content lets others go on', async (t) => {
  const small = compress(gzip, Buffer.alloc(onTheSpotLimit)).next()
  t.equal(small.done, true)
  const large = compress(gzip, Buffer.alloc(onTheSpotLimit + 1)).next()
  t.equal(large.done, false)
})
