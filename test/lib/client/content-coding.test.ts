import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { zstd } from '../../../lib/coding/node-zstd.js'
import { decoded } from '../../../lib/client/content-coding.js'
import { request } from '../../../lib/index.js'
import { version } from '../../../lib/version.js'
import { projectRoot } from '../../house-rules.js'
import { serve } from '../../support/serving.js'

const text = 'some content, some more content'
const bytes = Buffer.from(text)
const gzip = gzipSync(bytes)

function compressed(content: Buffer): Buffer {
  return zstd?.zstdCompressSync(content, { params: {} }) ?? Buffer.alloc(0)
}

function decode(coding: string, content: Buffer, limit: number): Promise<Buffer | null> {
  return lev.run(() => decoded(coding, content, limit))
}

t.test('content is decoded as its codings say', async (t) => {
  const cases: [coding: string, content: Buffer][] = [
    ['gzip', gzip], ['x-gzip', gzip], ['GZIP', gzip], ['gzip,', gzip], [', identity , gzip', gzip], ['deflate', deflateSync(bytes)],
    ['br', brotliCompressSync(bytes)], ['deflate', deflateRawSync(bytes)], ['gzip', gzip.subarray(0, -8)], ['gzip', gzip.subarray(0, -1)],
    ['deflate', deflateSync(bytes).subarray(0, -4)], ['gzip', Buffer.concat([gzipSync('some content'), gzipSync(', some more content')])],
    ['gzip, deflate', deflateSync(gzip)], ['deflate, gzip, br', brotliCompressSync(gzipSync(deflateSync(bytes)))],
  ]
  if (zstd !== null) {
    const frame = compressed(bytes)
    const skippable = Buffer.from('502a4d1803000000616263', 'hex')
    cases.push(
      ['zstd', frame], ['ZSTD', Buffer.concat([skippable, frame, skippable])], ['zstd', Buffer.concat([frame, Buffer.from('behind')])],
      ['zstd', Buffer.concat(Array.from(text, (one) => compressed(Buffer.from(one))))], ['gzip, zstd', compressed(gzip)],
      // What follows the first frame is cut off.
      ['zstd', Buffer.concat([frame, compressed(bytes).subarray(0, 3)])],
    )
  }
  for (const [coding, content] of cases) t.equal((await decode(coding, content, 1000))?.toString(), text, `${coding} ${content.length}`)
  t.same(await decode('gzip', Buffer.alloc(0), 10), Buffer.alloc(0))
  for (const coding of ['', 'identity', ',', 'unknown', 'gzip, unknown', 'constructor', 'gzip;q=1']) t.equal(await decode(coding, gzip, 1000), null, coding)
})

t.test('what cannot be decoded, and what becomes too large', async (t) => {
  await t.rejects(decode('gzip', bytes, 1000))
  await t.rejects(decode('br', bytes, 1000))
  await t.rejects(decode('gzip', gzip, text.length - 1), /more than 30 bytes/)
  await t.rejects(decode('br', brotliCompressSync(bytes), text.length - 1), /more than 30 bytes/)
  if (zstd !== null) {
    await t.rejects(decode('zstd', bytes, 1000), /not a frame/)
    await t.rejects(decode('zstd', Buffer.concat([compressed(bytes), compressed(bytes)]), 2 * text.length - 1), /more than 61 bytes/)
  }
  await t.rejects(decode('gzip,'.repeat(6), gzip, 1000), /more than 5 codings/)
})

t.test('on the wire: lists, also on two lines; set-cookie as a list', async (t) => {
  const { port } = await serve(t, { compression: { enabled: false } }, (_method, query) => {
    if (query === '/raw') return [deflateRawSync(bytes), 200, { 'Content-Encoding': 'deflate' }]
    if (query === '/unknown') return [bytes, 200, { 'Content-Encoding': 'x' }]
    return [deflateSync(gzip), 200, { 'Content-Encoding': ['gzip', 'deflate'], 'Set-Cookie': query === '/one' ? 'a=1' : ['a=1; x, y', 'b=2'] }]
  })
  await lev.run(function* () {
    const two = yield* request(`http://127.0.0.1:${port}/`)
    t.equal(two.body.toString(), text)
    t.same([two.headers['content-encoding'], two.headers['content-length'], two.setCookie], [undefined, undefined, ['a=1; x, y', 'b=2']])
    t.same((yield* request(`http://127.0.0.1:${port}/one`)).setCookie, ['a=1'])
    const raw = yield* request(`http://127.0.0.1:${port}/raw`)
    t.same([raw.body.toString(), raw.setCookie], [text, []])
    t.match(yield* request(`http://127.0.0.1:${port}/unknown`), { body: bytes, headers: { 'content-encoding': 'x' } })
  })
})

t.test('the version is that of the package', async (t) => {
  const file = join(projectRoot(fileURLToPath(new URL('.', import.meta.url))), 'package.json')
  t.equal((JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version, version)
})
