import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { request as ask, type RequestBody } from '../../lib/index.js'
import { request } from '../support/serving.js'
import { virtually, type World } from '../support/virtual.js'
import { scripted } from './client/scripted.js'

const size = 64 * 1024
const text = Buffer.alloc(size, 'x')
/** Enough for the pool that short buffers share not to count. */
const large = Buffer.alloc(8 * size, 'x')
const noise = gzipSync(randomBytes(size))

/** Content in chunks of one byte each. */
function bytewise(content: Buffer): string {
  return `${Array.from(content.toString('latin1'), (byte) => `1\r\n${byte}\r\n`).join('')}0\r\n\r\n`
}

const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded' }
const multipart = { 'Content-Type': 'multipart/form-data; boundary=b' }
const file = Buffer.concat([Buffer.from('--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'), text, Buffer.from('\r\n--b--')])

interface Way {
  readonly content: Buffer
  readonly headers?: Record<string, string>
  /** Gives how many bytes came. */
  read(body: RequestBody): Op<number>
}

/** Every way in which a handler may read a body. */
const ways: Record<string, Way> = {
  'bytes': { content: text, *read(body) { return (yield* body.bytes()).length } },
  'text': { content: text, *read(body) { return (yield* body.text()).length } },
  'json': { content: Buffer.from(JSON.stringify(text.toString())), *read(body) { return JSON.stringify(yield* body.json()).length - 2 } },
  'an urlencoded form': {
    content: Buffer.from(`f=${text.toString()}`), headers: urlencoded, *read(body) { return (yield* body.form()).fields.f.length },
  },
  'a multipart form': { content: file, headers: multipart, *read(body) { return (yield* body.form()).files[0].bytes.length } },
  'the parts of a form': {
    content: file,
    headers: multipart,
    *read(body) {
      const part = yield* body.parts().next()
      return part === null ? 0 : (yield* part.bytes()).length
    },
  },
  'async iteration': {
    content: text,
    *read(body) {
      return yield* lev.wait((async () => {
        let length = 0
        for await (const piece of body) length += piece.length
        return length
      })())
    },
  },
  'compressed': { content: noise, headers: { 'Content-Encoding': 'gzip' }, *read(body) { return (yield* body.bytes()).length } },
}

/** Times the CPU time of another operation that one takes, in the best of some rounds: what slows both does not count. */
function* timesCpu(one: () => Op<void>, other: () => Op<void>): Op<number> {
  let least = Infinity
  for (let round = 0; round < 5; round++) {
    const of = yield* cpuOf(other)
    least = Math.min(least, (yield* cpuOf(one)) / of)
  }
  return least
}

function* cpuOf(operation: () => Op<void>): Op<number> {
  const before = process.cpuUsage()
  yield* operation()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

t.test('a body in one-byte chunks costs about the same CPU time however it is read', async (t) => {
  await virtually({ decode_body: true, buffer_body: (_method, query) => query === '/buffered' }, function* (_method, _query, _args, headers, body, ctx) {
    if (body !== null) return String(body.length)
    return String(yield* ways[headers['x-way'] ?? ''].read(ctx.body))
  }, function* ({ connect, log }: World) {
    for (const [name, { content, headers = {} }] of Object.entries(ways)) {
      const body = bytewise(content)
      const send = function* (path: string): Op<void> {
        const client = yield* connect(request(`POST ${path}`, { ...headers, 'X-Way': name, 'Transfer-Encoding': 'chunked' }, body))
        const [response] = yield* client.responses(1)
        if (path === '/read') t.equal(response.body.toString(), String(size), name)
        client.stream.close()
      }
      const times = yield* timesCpu(() => send('/read'), () => send('/buffered'))
      t.ok(times < 6, `${name}: ${times.toFixed(1)} times that of a buffered body`)
    }
    t.strictSame(log.of('error'), [])
  }, { segment: 65_536 })
})

t.test('a body in one-byte chunks is kept in few pieces, and as a whole in one', async (t) => {
  const kept: Buffer[] = []
  await virtually({ buffer_body: false }, function* (_method, query, _args, _headers, _body, ctx) {
    if (query === '/whole') kept.push(yield* ctx.body.bytes())
    else for (let piece = yield* ctx.body.read(); piece !== null; piece = yield* ctx.body.read()) kept.push(piece)
    return 'kept'
  }, function* ({ connect }: World) {
    for (const path of ['/pieces', '/whole']) {
      kept.length = 0
      const client = yield* connect(request(`POST ${path}`, { 'Transfer-Encoding': 'chunked' }, bytewise(large)))
      yield* client.responses(1)
      t.ok(kept.length <= large.length / 1024, `${path}: ${kept.length} pieces`)
      const memory = memoryOf(kept)
      t.ok(memory <= 6 * large.length, `${path}: ${memory} bytes for ${large.length}`)
    }
  }, { segment: 65_536 })
})

t.test('a response in one-byte chunks: few pieces, one whole, and decoded at the same cost', async (t) => {
  const respond = function* (stream: lev.Stream, { head }: { readonly head: string }): Op<void> {
    const coding = head.includes('/gzip') ? 'Content-Encoding: gzip\r\n' : ''
    stream.put(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${coding}\r\n${bytewise(coding !== '' ? noise : head.includes('/large') ? large : text)}`)
    yield* stream.flush()
  }
  await lev.run(() => scripted(respond, function* ({ port }) {
    const at = (path: string): string => `http://127.0.0.1:${port}${path}`
    const whole = yield* ask(at('/large'))
    t.ok(whole.body.equals(large))
    t.ok(memoryOf([whole.body]) <= 6 * large.length)
    const kept: Buffer[] = []
    const { body } = yield* ask({ url: at('/large'), stream: true })
    for (let piece = yield* body.read(); piece !== null; piece = yield* body.read()) kept.push(piece)
    t.ok(Buffer.concat(kept).equals(large))
    t.ok(kept.length <= large.length / 1024, `${kept.length} pieces`)
    t.ok(memoryOf(kept) <= 6 * large.length, `${memoryOf(kept)} bytes for ${large.length}`)
    const read = function* (path: string): Op<void> {
      const response = yield* ask({ url: at(path), stream: true })
      t.equal((yield* response.body.bytes()).length, size)
    }
    const times = yield* timesCpu(() => read('/gzip'), () => read('/'))
    t.ok(times < 6, `decoded: ${times.toFixed(1)} times that of a plain one`)
  }), { driver: lev.memory({ latency: [1e-5, 1e-4], segment: 65_536 }) })
})

t.test('a form of too many fields is given up at its limit, not at its end', async (t) => {
  await virtually({ max_body_size: 8e6, buffer_body: (_method, query) => query === '/buffered' }, function* (_method, _query, _args, _headers, _body, ctx) {
    return String(Object.keys((yield* ctx.body.form()).fields).length)
  }, function* ({ connect }: World) {
    for (const path of ['/buffered', '/read']) {
      const send = function* (body: string, status: number): Op<void> {
        const client = yield* connect(request(`POST ${path}`, urlencoded, body))
        t.equal((yield* client.responses(1))[0].status, status)
        client.stream.close()
      }
      const many = 'a&'.repeat(1e6)
      const one = `a=${'x'.repeat(2e6)}`
      const times = yield* timesCpu(() => send(many, 413), () => send(one, 200))
      t.ok(times < 2, `${path}: ${times.toFixed(1)} times that of one long field`)
    }
  }, { segment: 65_536 })
})

/** Bytes of memory that these keep from being freed. */
function memoryOf(pieces: readonly Buffer[]): number {
  return [...new Set(pieces.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)
}
