import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Content, Handler, ResponseHeaders, ResponseParts } from '../../../lib/index.js'
import { valueOf } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'
import { listen } from '../../support/listen.js'

// Handlers that hand on what fetch gave them: its content is decoded, its headers still tell of the bytes that came.

const text = '<p>All work and no play makes Jack a dull boy.</p>\n'.repeat(40)

const codings: Record<string, (bytes: string) => Buffer> = {
  gzip: gzipSync, 'x-gzip': gzipSync, deflate: deflateSync, 'Deflate': deflateRawSync, br: brotliCompressSync,
  'gzip, br': (bytes) => brotliCompressSync(gzipSync(bytes)),
}

/** An upstream whose path names the coding of its content. */
async function upstream(t: Test): Promise<string> {
  const server = createServer((asked, response) => {
    const coding = decodeURIComponent(String(asked.url).slice(1))
    const bytes = coding === 'empty' ? gzipSync('') : codings[coding](text)
    response.writeHead(200, {
      'Content-Type': 'text/html', 'Content-Encoding': coding === 'empty' ? 'gzip' : coding, 'Content-Length': bytes.length,
      'Keep-Alive': 'timeout=60', 'X-Of': 'upstream',
    })
    response.end(bytes)
  })
  const port = await listen(server)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${port}`
}

const ways: Record<string, (response: Response) => Content | Promise<Content>> = {
  'its web stream': (response) => response.body as Content,
  'a Readable': (response) => Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
  async *'an async iterable'(response) { yield* response.body as AsyncIterable<Uint8Array> },
  'a writer': (response) => function* (out) {
    yield* out.write(Buffer.from(yield* lev.wait(response.arrayBuffer())))
  },
  text: async (response) => await response.text(),
  bytes: async (response) => Buffer.from(await response.arrayBuffer()),
}

t.test('a response of fetch may be handed on with its headers, however it was encoded', async (t) => {
  const origin = await upstream(t)
  for (const [way, contentOf] of Object.entries(ways)) {
    const { connect, log } = await serve(t, { compression: { enabled: false } }, async (_method, query) => {
      const response = await fetch(origin + query)
      return [await contentOf(response), response.status, Object.fromEntries(response.headers)]
    })
    for (const coding of Object.keys(codings)) {
      for (const version of ['1.1', '1.0']) {
        const client = await connect(request(`GET /${encodeURIComponent(coding)} HTTP/${version}`))
        const [response] = await client.responses(1)
        const what = `${way}, ${coding}, HTTP/${version}`
        t.equal(response.status, 200, what)
        t.equal(response.body.toString(), text, what)
        t.equal(valueOf(response, 'content-encoding'), undefined, what)
        t.equal(valueOf(response, 'x-of'), 'upstream')
        t.equal(valueOf(response, 'content-type'), 'text/html')
      }
    }
    const client = await connect(request('GET /empty').repeat(2))
    for (const { status, body } of await client.responses(2)) {
      t.equal(status, 200, `${way}, nothing`)
      t.equal(body.length, 0)
    }
    t.same(log.of('error'), [], way)
  }
})

t.test('content that is in the coding that its headers name keeps them', async (t) => {
  const { ask, log } = await serve(t, {}, ((_method, query) => {
    const [how, coding] = decodeURIComponent(query.slice(1)).split(':')
    const bytes = codings[coding](text)
    const headers: ResponseHeaders = { 'Content-Encoding': coding, 'Content-Length': bytes.length }
    if (how === 'whole') return [bytes, 200, headers]
    // A piece may be as short as one byte.
    const pieces = [bytes.subarray(0, 1), bytes.subarray(1)]
    return how === 'stream' ? [Readable.from(pieces), 200, headers] : [function* (out) {
      for (const piece of pieces) yield* out.write(piece)
    }, 200, headers]
  }) satisfies Handler)
  for (const coding of Object.keys(codings)) {
    for (const how of ['whole', 'stream', 'writer']) {
      const response = await ask(request(`GET /${how}:${encodeURIComponent(coding)}`))
      t.equal(valueOf(response, 'content-encoding'), coding, `${how}, ${coding}`)
      t.equal(response.framing, 'length')
      t.same(response.body, codings[coding](text))
    }
  }
  t.same(log.of('error'), [])
})

t.test('short content as a whole: what is not all of an encoded one is decoded', async (t) => {
  const { ask } = await serve(t, {}, (_method, query) => {
    const [coding, how, content] = decodeURIComponent(query.slice(1)).split(':')
    return [how === 'encoded' ? codings[coding](content) : Buffer.from(content), 200, { 'Content-Encoding': coding }]
  })
  for (const coding of Object.keys(codings)) {
    for (const content of ['1', 'x', 'ok', '[]', '{}', '42', '"x"', 'true', '[1,2]', '{"a";1}', ' ', 'hello', 'a'.repeat(10), text]) {
      for (const how of ['encoded', 'decoded']) {
        const path = encodeURIComponent(`${coding}:${how}:${content}`)
        const response = await ask(request(`GET /${path}`))
        t.equal(valueOf(response, 'content-encoding'), how === 'encoded' ? coding : undefined, `${coding}, ${how}: ${content}`)
      }
    }
  }
})

t.test('a coding that is not known here, parts, and responses without content are left alone', async (t) => {
  const responses: Record<string, ResponseParts> = {
    unknown: ['content', 200, { 'Content-Encoding': 'aes128gcm' }],
    stream: [Readable.from(['content']), 200, { 'Content-Encoding': 'aes128gcm', 'Content-Length': 7 }],
    part: ['content', 206, { 'Content-Encoding': 'gzip', 'Content-Range': 'bytes 9-15/100' }],
    head: [null, 200, { 'Content-Encoding': 'gzip', 'Content-Length': 7 }],
    same: [null, 304, { 'Content-Encoding': 'gzip' }],
  }
  const { ask } = await serve(t, {}, (_method, query) => responses[query.slice(1)])
  for (const path of Object.keys(responses)) {
    const response = await ask(request(`${path === 'head' ? 'HEAD' : 'GET'} /${path}`))
    t.ok(valueOf(response, 'content-encoding'), path)
    if (path !== 'same') t.equal(valueOf(response, 'content-length'), '7', path)
  }
})
