import t from 'tap'
import * as lev from '../../../lev/index.js'
import { codings, decodableCodings, responseCodings } from '../../../lib/coding/codings.js'
import { zstd } from '../../../lib/coding/node-zstd.js'
import { mayBeIn } from '../../../lib/response/stale-headers.js'
import { request as ask, type Handler } from '../../../lib/index.js'
import { valueOf } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'

// Nothing here names a coding but the first test: a new row of the table is tested by all that follows.

const names = (table: readonly { readonly name: string }[]): string => table.map(({ name }) => name).join(', ')
const text = 'All work and no play makes Jack a dull boy. '
const contents = { small: text.repeat(200), large: text.repeat(5000) }

t.test('which codings there are', async (t) => {
  t.equal(names(codings), 'zstd, gzip, br, deflate')
  const [major, minor] = process.versions.node.split('.').map(Number)
  t.equal(zstd !== null, major > 23 || (major === 23 && minor >= 8) || (major === 22 && minor >= 15), 'zstd where Node.js has it')
  const here = zstd === null ? 'gzip, br, deflate' : 'zstd, gzip, br, deflate'
  t.equal(names(responseCodings), here)
  t.equal(names(decodableCodings), here)
  const all = codings.flatMap(({ name, aliases }) => [name, ...aliases])
  t.same(all, [...new Set(all.map((name) => name.toLowerCase()))], 'each name once, in lower case')
})

t.test('responses are compressed in each that can compress, and the client decodes each', async (t) => {
  for (const { compression: { syncLimit } } of responseCodings) {
    t.ok(contents.small.length < syncLimit && contents.large.length > syncLimit, 'small ones are compressed at once, large ones on the thread pool')
  }
  const handler: Handler = (_method, query) => {
    const content = query.endsWith('large') ? contents.large : contents.small
    if (!query.startsWith('/stream')) return content
    return [function* (out) { for (const half of [content.slice(0, 999), content.slice(999)]) yield* out.write(half) }, 200, { 'Content-Type': 'text/plain' }]
  }
  const { port } = await serve(t, {}, handler)
  for (const coding of responseCodings) {
    for (const name of [coding.name, ...coding.aliases]) {
      for (const path of ['whole-small', 'whole-large', 'stream-small', 'stream-large']) {
        const get = (decompress: boolean): lev.Op<{ headers: Record<string, string>; body: Buffer }> =>
          ask({ url: `http://127.0.0.1:${port}/${path}`, headers: { 'Accept-Encoding': name }, decompress })
        const expected = path.endsWith('large') ? contents.large : contents.small
        await lev.run(function* () {
          const coded = yield* get(false)
          t.equal(coded.headers['content-encoding'], coding.name, `${path}, ${name}`)
          t.ok(coded.body.length < expected.length / 2)
          t.ok(mayBeIn(coding, coded.body), 'its headers are not taken for stale')
          t.equal(String((yield* get(true)).body), expected)
        })
      }
    }
  }
})

t.test('a forwarded header that names a coding stays only with content that is in it', async (t) => {
  const plain = contents.small
  for (const coding of codings) t.notOk(mayBeIn(coding, plain), coding.name)
})

t.test('request bodies are decoded in each that can be decoded, and a 415 names these', async (t) => {
  const config = { decode_body: true, max_body_size: 1e6 }
  const { ask: send } = await serve(t, config, (_method, _query, _args, _headers, body) => String(body))
  for (const { name, aliases, compression } of decodableCodings) {
    if (compression === null) continue
    for (const written of [name, name.toUpperCase(), ...aliases]) {
      for (const content of Object.values(contents)) {
        const body = compression.sync(Buffer.from(content)).toString('latin1')
        t.equal(String((await send(request('POST', { 'Content-Encoding': written }, body))).body), content, written)
      }
      for (const size of [1, 1000, 100_000]) {
        t.equal((await send(request('POST', { 'Content-Encoding': written }, 'x'.repeat(size)))).status, 400, `${written}: ${size} times x`)
      }
    }
  }
  for (const { name } of [...codings.filter((coding) => !decodableCodings.some((one) => one === coding)), { name: 'unknown' }]) {
    const response = await send(request('POST', { 'Content-Encoding': name }, 'x'))
    t.equal(response.status, 415, name)
    t.equal(valueOf(response, 'accept-encoding'), names(decodableCodings))
  }
})

t.test('the client accepts each that it can decode', async (t) => {
  const { port } = await serve(t, {}, (_method, _query, _args, headers) => String(headers['accept-encoding']))
  t.equal(String((await lev.run(() => ask(`http://127.0.0.1:${port}/`))).body), names(decodableCodings))
})
