import { createHook } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { responseCodings } from '../../../lib/coding/codings.js'
import { zstd } from '../../../lib/coding/node-zstd.js'
import { request as ask, websocket, type Handler } from '../../../lib/index.js'
import { bytesInUse } from '../../support/memory.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'
import { scripted } from '../client/scripted.js'

/** What zlib has allocated outside of JavaScript's memory, by the ids of its async resources. */
const handles = new Set<number>()
let made = 0
createHook({
  init(id, type) {
    if (type !== 'ZLIB') return
    made++
    handles.add(id)
  },
  destroy: (id) => void handles.delete(id),
}).enable()

const times = 40
/** Compressors that live as long as the process, and what the last turn of the event loop may still hold. */
const few = 10

/** Runs something that makes handles, and says how many of them are there once all garbage is collected. */
async function left(run: () => Promise<void>): Promise<number> {
  made = 0
  await run()
  for (let turn = 0; turn < 20 && handles.size > few; turn++) await bytesInUse()
  return handles.size
}

const small = 'hello'
const noise = randomBytes(65_536)
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const large = Buffer.alloc(300_000, 'x')
const limit = 1_000_000

const bodies: Record<string, [coding: string, body: Buffer, status: number]> = {
  'gzip': ['gzip', gzipSync(small), 200],
  'deflate': ['deflate', deflateSync(small), 200],
  'raw deflate': ['deflate', deflateRawSync(small), 200],
  'large': ['gzip', gzipSync(large), 200],
  'too large': ['gzip', gzipSync(Buffer.alloc(limit + 1)), 413],
  'malformed': ['gzip', Buffer.from('no gzip'), 400],
  'cut off': ['deflate', deflateSync(small).subarray(0, -3), 400],
  'br': ['br', brotliCompressSync(large), 200],
  'br, too large': ['br', brotliCompressSync(Buffer.alloc(limit + 1)), 413],
  'br, malformed': ['br', Buffer.from('no brotli'), 400],
}

if (zstd !== null) {
  const frame = zstd.zstdCompressSync(Buffer.from(small), { params: {} })
  bodies['zstd'] = ['zstd', frame, 200]
  bodies['zstd, frames'] = ['zstd', Buffer.concat([frame, frame, frame]), 200]
  bodies['zstd, too large'] = ['zstd', zstd.zstdCompressSync(Buffer.alloc(limit + 1), { params: {} }), 413]
  bodies['zstd, cut off'] = ['zstd', frame.subarray(0, -3), 400]
  bodies['zstd and garbage'] = ['zstd', Buffer.concat([frame, Buffer.from('garbage')]), 400]
}

const read: Handler = function* (_method, query, _args, _headers, body, ctx) {
  if (query === '/unread') return ''
  if (query === '/some') yield* ctx.body.read()
  else return String(body?.length ?? (yield* ctx.body.bytes()).length)
  return ''
}

t.test('a compressed body leaves nothing of zlib behind, whatever it is and however it is read', async (t) => {
  for (const [name, [coding, body, status]] of Object.entries(bodies)) {
    for (const path of ['/buffered', '/whole', '/some', '/unread']) {
      const config = { decode_body: true, max_body_size: limit, buffer_body: path === '/buffered' }
      const found = await left(() => virtually(config, read, function* ({ connect }: World) {
        for (let count = 0; count < times; count++) {
          const client = yield* connect(request(`POST ${path}`, { 'Content-Encoding': coding }, body.toString('latin1')))
          const [response] = yield* client.responses(1)
          if (path === '/buffered' || path === '/whole') t.equal(response.status, status)
          client.stream.close()
        }
      }, { segment: 65_536 }))
      t.ok(path === '/unread' || made >= times, `${name}, ${path}: ${made} were made`)
      t.ok(found <= few, `${name}, ${path}: ${found} are left`)
    }
  }
})

t.test('a response that a client decodes leaves nothing of zlib behind', async (t) => {
  const contents: [coding: string, content: Buffer][] = [
    ['gzip', gzipSync(small)], ['deflate', deflateRawSync(small)], ['br', brotliCompressSync(small)], ['gzip, br', brotliCompressSync(gzipSync(large))],
    ['gzip', Buffer.from('no gzip')],
  ]
  const ways: Record<string, (url: string) => Op<unknown>> = {
    whole: (url) => ask(url),
    *'as a stream'(url) { return yield* (yield* ask({ url, stream: true })).body.bytes() },
    *'some of a stream'(url) { return yield* (yield* ask({ url, stream: true })).body.read() },
  }
  for (const [coding, content] of contents) {
    for (const [name, way] of Object.entries(ways)) {
      const respond = function* (stream: lev.Stream): Op<void> {
        stream.put(`HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${content.length}\r\n\r\n`)
        yield* stream.write(content)
      }
      const found = await left(() => lev.run(() => scripted(respond, function* ({ port }) {
        for (let count = 0; count < times; count++) {
          try {
            yield* lev.scope(() => way(`http://127.0.0.1:${port}/`))
          } catch (error) {
            t.match(error, { code: 'LEVERET_REQUEST' })
          }
        }
      }), { driver: lev.memory({ segment: 65_536 }) }))
      t.ok(made >= times, `${coding}, ${name}: ${made} were made`)
      t.ok(found <= few, `${coding}, ${name}: ${found} are left`)
    }
  }
})

t.test('compressed messages of WebSockets, and compressed responses, leave nothing of zlib behind', async (t) => {
  const echo: Handler = (_method, query, _args, _headers, _body, ctx) => {
    if (query === '/small') return [large.toString('latin1').slice(0, 10_000), 200, { 'Content-Type': 'text/html' }]
    if (query === '/large') return [large.toString('latin1'), 200, { 'Content-Type': 'text/html' }]
    if (query === '/stream') return [function* (out) { yield* out.write(large) }, 200, { 'Content-Type': 'text/html' }]
    if (query === '/failing') {
      return [function* (out) {
        yield* out.write(large)
        yield* out.flush()
        throw new Error('for the test')
      }, 200, { 'Content-Type': 'text/html' }]
    }
    if (query === '/endless') return [function* (out) { for (;;) yield* out.write(noise) }, 200, { 'Content-Type': 'text/html' }]
    return ctx.upgrade(function* (ws) {
      for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
    }, { compression: { min_size: 0 } })
  }
  const responses = ['/small', '/large', '/stream', '/failing', '/endless'].flatMap((path) => responseCodings.map(({ name }) => [path, name]))
  for (const [path, coding] of [...responses, ['/socket', '']]) {
    const found = await left(() => virtually({ logger: quiet }, echo, function* ({ server }: World) {
      const { port } = yield* lev.wait(server.listening)
      if (path === '/socket') {
        const ws = yield* websocket(`ws://127.0.0.1:${port}${path}`, { compression: { min_size: 0 } })
        for (let count = 0; count < times; count++) {
          yield* ws.send('hello, hello, hello')
          t.equal(yield* ws.next(), 'hello, hello, hello')
        }
        ws.close()
        return
      }
      for (let count = 0; count < times; count++) {
        yield* lev.scope(function* () {
          const url = `http://127.0.0.1:${port}${path}`
          const { status, body } = yield* ask({ url, stream: true, headers: { 'Accept-Encoding': coding }, decompress: false })
          t.equal(status, 200)
          try {
            // Of endless content only the beginning: the client leaves.
            for (let piece = yield* body.read(); piece !== null && path !== '/endless'; piece = yield* body.read());
          } catch (error) {
            t.equal(path, '/failing', String(error))
          }
        })
      }
    }, { segment: 65_536 }))
    t.ok(found <= few, `${path}, ${coding}: ${found} of ${made} are left`)
    t.ok(coding === 'gzip' || coding === 'deflate' || made >= times, `${path}, ${coding}: ${made} were made`)
  }
})
