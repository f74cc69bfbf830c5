import { createHash } from 'node:crypto'
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { BodyError, type FormPart, type Handler } from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { seed } from '../../support/seed.js'
import { request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

const type = { 'Content-Type': 'multipart/form-data; boundary=b' }

/** A part of a form; `filename` null: no file. */
function part(name: string, content: string, filename: string | null = null): string {
  const file = filename === null ? '' : `; filename="${filename}"\r\nContent-Type: application/x-test`
  return `--b\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${content}\r\n`
}

/** Says in one line what the parts are. */
const list: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
  const parts = ctx.body.parts()
  const told: string[] = []
  for (let one = yield* parts.next(); one !== null; one = yield* parts.next()) {
    told.push(`${one.name}/${one.filename}/${one.type}=${yield* one.text()}`)
  }
  return told.join(' ')
}

t.test('fields and files in their order, buffered or as they arrive, in pieces of any size', async (t) => {
  const long = 'y'.repeat(40_000)
  const body = `${part('a', 'ü')}${part('f', 'one\r\n--x', 'x.txt')}${part('a', '')}${part('g', '', '')}${part('h', long, 'long')}${part('z', '1')}--b--\r\n`
  const expected = `a/null/text/plain=ü f/x.txt/application/x-test=one\r\n--x a/null/text/plain= g//application/x-test= h/long/application/x-test=${long} z/null/text/plain=1`
  for (const settings of [{}, { buffer_body: false }]) {
    for (const segment of [7, 1000, 65_536]) {
      await virtually(settings, list, function* ({ connect, log }: World) {
        const client = yield* connect(request('POST /', type, Buffer.from(body).toString('latin1')))
        const [{ status, body: told }] = yield* client.responses(1)
        t.equal(status, 200)
        t.ok(told.toString() === expected, `pieces of ${segment}: ${told.toString().slice(0, 200)}`)
        t.strictSame(log.of('error'), [])
      }, { segment })
    }
  }
})

t.test('a large file passes through a little memory, and waits for its reader', async (t) => {
  const size = 20e6
  let most = 0
  let read = 0
  let client: { readonly stream: lev.Stream } | null = null
  await virtually({ buffer_body: false, max_body_size: 1e9, min_transfer_rate: 0 }, function* (_method, _query, _args, _headers, _body, ctx) {
    const parts = ctx.body.parts()
    const file = yield* parts.next()
    if (file === null) return 'none'
    for (let piece = yield* file.read(); piece !== null; piece = yield* file.read()) {
      read += piece.length
      if (client !== null) most = Math.max(most, size - client.stream.unsent - read)
      yield* lev.sleep(0.01)
    }
    return `${file.filename} ${read} ${(yield* parts.next()) === null}`
  }, function* ({ connect }: World) {
    const sender = client = yield* connect()
    const head = part('f', '', 'large').slice(0, -2)
    sender.send(request('POST /', { ...type, 'Content-Length': String(head.length + size + 9) }) + head)
    sender.send(Buffer.alloc(size, 'x'))
    sender.send('\r\n--b--\r\n')
    const [{ body }] = yield* sender.responses(1)
    t.equal(body.toString(), `large ${size} true`)
    t.ok(most < 1e6, `${most} bytes are ahead of the reader`)
  }, { segment: 65_536 })
})

t.test('async code: to a disk, by a pipeline', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'leveret-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const content = Buffer.from(Array.from({ length: 3e6 }, (_, i) => (i * 7919) >> 3))
  writeFileSync(join(dir, 'sent'), content)
  for (const buffer_body of [false, true]) {
    const { port, log } = await serve(t, { buffer_body, max_body_size: 1e7 }, async (_method, _query, _args, _headers, _body, ctx) => {
      const names: string[] = []
      for await (const one of ctx.body.parts()) {
        names.push(one.name)
        if (one.filename !== null) await pipeline(one, createWriteStream(join(dir, one.name)))
      }
      return names.join()
    })
    const sent = join(dir, 'sent')
    const { text } = await curl(['-F', 'a=1', '-F', `f=@${sent}`, '-F', `g=@${sent}`, '-F', 'b=2', `http://127.0.0.1:${port}/`])
    t.equal(text, 'a,f,g,b')
    for (const name of ['f', 'g']) t.ok(readFileSync(join(dir, name)).equals(content), name)
    t.strictSame(log.of('error'), [])
  }
})

t.test('parts that are not read are passed over; a part cannot be read when the next was asked for', async (t) => {
  const { ask, connect } = await serve(t, { buffer_body: false }, function* (_method, query, _args, _headers, _body, ctx) {
    const parts = ctx.body.parts()
    const kept: FormPart[] = []
    for (let one = yield* parts.next(); one !== null; one = yield* parts.next()) {
      kept.push(one)
      if (query === '/first') return one.name
    }
    const names = kept.map(({ name }) => name).join()
    try {
      for (const one of kept) yield* one.read()
    } catch (error) {
      return `${names} ${error}`
    }
    return 'read'
  })
  const body = part('f', 'x'.repeat(200_000), 'large') + part('a', '1') + part('g', 'x'.repeat(300_000), 'larger') + part('b', '2') + '--b--'
  t.match((await ask(request('POST /', type, body))).body.toString(), /^f,a,g,b StateError: the part is over/)
  const client = await connect(request('POST /first', type, part('a', '1') + part('b', '2') + '--b--') + request('POST /first', type, part('c', '1') + '--b--'))
  t.strictSame((await client.responses(2)).map(({ body: name }) => name.toString()), ['a', 'c'], 'what is left unread is dropped')
})

t.test('what is no form, damaged, or too much', async (t) => {
  for (const buffer_body of [false, true]) {
    const { ask, log } = await serve(t, { buffer_body }, list)
    const status = async (body: string, headers: Record<string, string> = type): Promise<number> => (await ask(request('POST /', headers, body))).status
    t.equal(await status('a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }), 415)
    t.equal(await status('x', { 'Content-Type': 'multipart/form-data' }), 400)
    t.equal(await status(''), 400)
    t.equal(await status(part('a', '1')), 400, 'it has no end')
    t.equal(await status(part('f', '1', 'file')), 400, 'a file has no end')
    t.equal(await status('--b\r\nContent-Disposition: form-data; name="a"'), 400)
    t.equal(await status(part('a', 'x'.repeat(1024 * 1024 + 1)) + '--b--'), 413, 'a field above 1 MiB')
    t.equal(await status(part('f', 'x'.repeat(1024 * 1024 + 1), 'f') + '--b--'), 200, 'a file may')
    t.equal(await status(part('n'.repeat(1025), '1') + '--b--'), 413, 'a long name')
    t.equal(await status(part('n'.repeat(1025), '1', 'f') + '--b--'), 413, 'of a file')
    t.equal(await status(part('a', '1').repeat(1001) + '--b--'), 413, 'many parts')
    const reason = async (body: string): Promise<string> => (await ask(request('POST /', type, body))).body.toString()
    t.match(await reason(part('a', 'x'.repeat(1024 * 1024 + 9)) + '--b--'), /: form field limit violation: 1048577\n/)
    t.match(await reason(part('n'.repeat(1030), '1') + '--b--'), /: form field name limit violation: 1030\n/)
    t.match(await reason(part('a', '1').repeat(1001) + '--b--'), /: form parts limit violation: 1001\n/)
    t.strictSame(log.of('error'), [])
  }
})

t.test('the end of the client ends every reader', async (t) => {
  const ends: string[] = []
  for (const how of ['close', 'reset', 'end'] as const) {
    for (const kind of ['coroutine', 'async']) {
      const handlers: Record<string, Handler> = {
        *coroutine(_method, _query, _args, _headers, _body, ctx) {
          try {
            const file = yield* ctx.body.parts().next()
            return file === null ? 'none' : yield* file.bytes()
          } finally {
            ends.push(kind)
          }
        },
        async async(_method, _query, _args, _headers, _body, ctx) {
          try {
            for await (const file of ctx.body.parts()) for await (const _piece of file);
            return 'all'
          } catch (error) {
            ends.push(kind)
            throw error
          }
        },
      }
      await virtually({ buffer_body: false }, handlers[kind], function* ({ connect, log }: World) {
        const client = yield* connect(request('POST /', { ...type, 'Content-Length': '100000' }) + part('f', 'x', 'f').slice(0, -2))
        yield* lev.sleep(1)
        if (how === 'end') yield* client.stream.end()
        else client.stream[how]()
        yield* lev.sleep(1)
        // What has ended its side may wait for a response still.
        t.strictSame(log.statuses(), [how === 'reset' ? 499 : 400], `${how}, ${kind}`)
        t.strictSame(log.of('error'), [])
      })
    }
  }
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(ends.length, 6)
})

t.test('any parts, cut anywhere: what comes out is what went in, however it is read', async (t) => {
  const parts = fc.array(fc.record({
    content: fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom('\r\n', '-b--b', '\r\n--', '-', 'x'.repeat(70_000))),
    file: fc.boolean(),
    read: fc.constantFrom('all', 'none', 'once'),
  }), { maxLength: 8 })
  const digest = (text: string | Buffer): string => createHash('sha1').update(text).digest('hex').slice(0, 8)
  const cases = fc.record({ parts, segment: fc.constantFrom(3, 50, 65_536), end: fc.constantFrom('--b--', '--b--\r\n', '--b--\r\nepilogue') })
  for (const { parts: all, segment, end } of fc.sample(cases, { numRuns: 60, seed })) {
    const used = all.filter(({ content }) => segment > 3 || content.length < 100)
    const sound = used.filter(({ content }) => !`\r\n${content}`.includes('\r\n--b'))
    await virtually({ buffer_body: segment === 50 }, function* (_method, _query, _args, _headers, _body, ctx) {
      const told: string[] = []
      const reader = ctx.body.parts()
      for (let one = yield* reader.next(); one !== null; one = yield* reader.next()) {
        const { read } = sound[told.length]
        if (read === 'once') yield* one.read()
        told.push(read === 'all' ? digest(yield* one.bytes()) : read)
      }
      return told.join()
    }, function* ({ connect, log }: World) {
      const body = sound.map(({ content, file }, at) => part(`p${at}`, content, file ? 'f' : null)).join('') + end
      const client = yield* connect(request('POST /', type, Buffer.from(body).toString('latin1')))
      const [{ status, body: told }] = yield* client.responses(1)
      const expected = sound.map(({ content, read }) => (read === 'all' ? digest(content) : read)).join()
      t.ok(status === 200 && told.toString() === expected, `seed ${seed}: ${JSON.stringify({ segment, end, sound }).replace(/x{9,}/, 'xx...')} ${status} ${told.toString()} ${expected}`)
      t.strictSame(log.of('error'), [])
    }, { segment })
  }
})

t.test('limits of the body hold for its parts', async (t) => {
  const { ask } = await serve(t, { buffer_body: false, max_body_size: 100 }, async (_method, _query, _args, _headers, _body, ctx) => {
    try {
      for await (const _part of ctx.body.parts());
      return 'whole'
    } catch (error) {
      return error instanceof BodyError ? error.reason : String(error)
    }
  })
  const chunked = { ...type, 'Transfer-Encoding': 'chunked' }
  const { body } = await ask(request('POST /', chunked, `a\r\n${'x'.repeat(10)}\r\nff\r\n`))
  t.equal(body.toString(), 'max_body_size limit violation: 265')
})
