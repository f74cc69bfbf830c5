import { Blob } from 'node:buffer'
import { createReadStream, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { createGunzip, gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { Content, Handler, HandlerResult, Out, ResponseParts } from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { valueOf } from '../../support/responses.js'
import { seed } from '../../support/seed.js'
import { eventually, request, serve } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

const pieces = ['one ', 'zwei – zwö', Buffer.from([0, 255, 128]), '', 'end']
const whole = Buffer.concat(pieces.map((piece) => Buffer.from(piece)))

/** Every kind of content, made anew for each request. */
const kinds: Record<string, () => Content> = {
  'an iterable': () => new Set(pieces),
  *'a generator'() { yield* pieces },
  'an async generator': async function* () { for (const piece of pieces) yield piece },
  'an async generator that waits': async function* () {
    for (const piece of pieces) {
      await new Promise((resolve) => setImmediate(resolve))
      yield piece
    }
  },
  'a web stream': () => new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  }),
  'a Readable': () => Readable.from(pieces),
  'a Blob': () => new Blob(pieces),
  'a writer': () => function* (out: Out) {
    for (const piece of pieces) yield* out.write(piece)
  },
  'a writer that flushes': () => function* (out: Out) {
    for (const piece of pieces) {
      yield* out.write(piece)
      yield* out.flush()
    }
  },
} as Record<string, () => Content>

for (const [what, make] of Object.entries(kinds)) {
  t.test(`${what}: chunked for 1.1, until the end for 1.0, not run for HEAD`, async (t) => {
    const { ask, connect, log } = await serve(t, {}, (_method, query) => [make(), query === '/none' ? 204 : 200])
    const first = await connect(request('GET /').repeat(2))
    for (const response of await first.responses(2)) {
      t.same(response.body, whole)
      t.equal(response.framing, what === 'a Blob' ? 'length' : 'chunked')
    }
    const old = await connect(request('GET / HTTP/1.0'))
    const [response] = await old.all()
    t.same(response.body, whole)
    t.equal(response.framing, what === 'a Blob' ? 'length' : 'close')
    const head = await ask(request('HEAD /'))
    t.equal(head.body.length, 0)
    t.equal(valueOf(head, 'transfer-encoding'), what === 'a Blob' ? undefined : 'chunked')
    const none = await ask(request('GET /none'))
    t.equal(none.status, 204)
    t.strictSame(log.statuses(), [200, 200, 200, 200, 204])
    t.strictSame(log.of('access').slice(0, 3).map(({ size }) => size), [whole.length, whole.length, whole.length])
    t.strictSame(log.of('error'), [])
  })
}

t.test('a coroutine handler and an async one may stream as well', async (t) => {
  const handlers: Record<string, Handler> = {
    *coroutine() {
      yield* lev.sleep(0.001)
      return [function* (out) { yield* out.write('x') }]
    },
    promise: async () => [new Set(['x']), 201],
    bare: async () => new Blob(['x'], { type: 'text/plain' }),
  }
  for (const [what, handle] of Object.entries(handlers)) {
    const { ask } = await serve(t, {}, handle)
    t.equal((await ask(request('GET /'))).body.toString(), 'x', what)
  }
})

t.test('Content-Length: kept when it is true, never padded, and a mismatch closes', async (t) => {
  const { connect, ask, log } = await serve(t, {}, (_method, query) => [function* (out) {
    yield* out.write('12345')
    yield* out.flush()
    yield* out.write('67890')
  }, 200, { 'Content-Length': query.slice(1) }])
  const right = await ask(request('GET /10'))
  t.equal(right.framing, 'length')
  t.equal(right.body.toString(), '1234567890')
  t.strictSame(log.of('error'), [])
  for (const [length, sent] of [['11', '1234567890'], ['9', '12345'], ['5', '12345']]) {
    const client = await connect(request(`GET /${length}`) + request('GET /10'))
    t.equal(await client.over, 'end')
    t.equal(client.text.slice(client.text.indexOf('\r\n\r\n') + 4), sent, `${length} announced: not one byte more or else`)
  }
  t.equal(log.of('error').length, 3)
  t.match(String(log.of('error')[0].err), /11 bytes announced, but the content has only 10/)
  t.match(String(log.of('error')[1].err), /9 bytes announced, but the content has more/)
  // Nothing was sent yet: it can still be told properly.
  const { status } = await ask(request('GET /4'))
  t.equal(status, 500)
})

t.test('content that fails before its first piece is a 500; afterwards the connection ends without an end of the content', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'leveret-'))
  writeFileSync(join(dir, 'there'), 'content of a file')
  const { ask, connect, log, port } = await serve(t, {}, (_method, query): HandlerResult => {
    if (query.startsWith('/file/')) return createReadStream(join(dir, query.slice(6)))
    const late = query === '/late'
    return [(function* () {
      if (late) yield 'something'
      throw new Error('broken')
    })()]
  })
  t.equal((await ask(request('GET /early'))).status, 500)
  t.equal((await ask(request('GET /file/there'))).body.toString(), 'content of a file')
  t.equal((await ask(request('GET /file/missing'))).status, 500)
  t.equal((await ask(request('HEAD /file/missing'))).status, 200, 'not opened, and nothing is unhandled')
  const late = await connect(request('GET /late'))
  t.equal(await late.over, 'end')
  t.match(late.text, /9\r\nsomething\r\n$/)
  const old = await connect(request('GET /late HTTP/1.0'))
  await old.over
  t.equal((await curl([`http://127.0.0.1:${port}/late`])).code, 18, 'curl: a partial file')
  t.equal(log.of('error').filter(({ err }) => String(err) === 'Error: broken').length, 4)
})

t.test('content that breaks off is never taken for the whole, however it is framed', async (t) => {
  const ways: Record<string, (server: World['server'], client: VirtualClient) => Op<void>> = {
    *'the source fails'() {},
    *'the server stops'(server) { yield* lev.wait(server.stop({ drain: 0.01 })) },
  }
  const framings: Record<string, [line: string, headers?: Record<string, string>]> = {
    'until the end': ['GET / HTTP/1.0'], 'until the end, compressed': ['GET / HTTP/1.0', { 'Accept-Encoding': 'gzip' }],
    chunked: ['GET /'], 'under a Content-Length': ['GET /length HTTP/1.0'],
  }
  for (const [way, go] of Object.entries(ways)) {
    for (const [framing, [line, headers = {}]] of Object.entries(framings)) {
      await virtually({}, (_method, query) => [function* (out) {
        yield* out.write('a piece')
        yield* out.flush()
        if (way === 'the server stops') yield* lev.sleep(Infinity)
        throw new Error('broken')
      }, 200, { 'Content-Type': 'text/html', ...(query === '/length' ? { 'Content-Length': 100 } : {}) }], function* ({ connect, server }: World) {
        const client = yield* connect(request(line, headers))
        yield* client.more()
        yield* go(server, client)
        while (yield* client.more());
        const told = framing.startsWith('until') ? client.ending === 'reset' : !client.text.includes('\r\n0\r\n\r\n')
        t.ok(told, `${way}, ${framing}: ${client.ending}`)
      })
    }
  }
  // On sockets; a client on libuv sees a reset only when it has read what came before.
  const { connect } = await serve(t, {}, () => [function* (out) {
    yield* out.write('a piece')
    yield* lev.sleep(0.1)
    throw new Error('broken')
  }])
  const old = await connect(request('GET / HTTP/1.0'))
  t.equal(await old.over, 'reset')
})

t.test('what is no content is refused', async (t) => {
  const wrong: unknown[] = [
    [['a', 'b']], [new Uint16Array(2)], [{}], [new Map([['a', 'b']])], [new Set([1])], [() => 'x'], [async () => {}], [Symbol('x')],
  ]
  const { ask, log } = await serve(t, {}, (_method, query) => wrong[Number(query.slice(1))] as HandlerResult)
  for (const index of wrong.keys()) t.equal((await ask(request(`GET /${index}`))).status, 500, String(index))
  t.equal(log.of('error').length, wrong.length)
})

t.test('a bad head: nothing runs, and the source is closed', async (t) => {
  let destroyed = false
  const { ask } = await serve(t, {}, () => {
    const content = Readable.from(['x'])
    content.on('close', () => (destroyed = true))
    return [content, 200, { 'X\r\nBad': '1' }]
  })
  t.equal((await ask(request('GET /'))).status, 500)
  await eventually(() => destroyed, 'the Readable is closed')
})

t.test('a writer that sleeps is cancelled when its client goes away, and sees ctx.signal abort', async (t) => {
  for (const how of ['close', 'end', 'reset'] as const) {
    const events: string[] = []
    await virtually({}, (_method, _query, _args, _headers, _body, ctx) => {
      ctx.signal.addEventListener('abort', () => events.push('aborted'))
      return [function* (out) {
        try {
          yield* out.write('hello')
          yield* lev.sleep(1000)
        } finally {
          events.push('closed')
        }
      }]
    }, function* ({ connect, log }: World) {
      const client = yield* connect(request('GET /'))
      while (!client.text.includes('hello')) yield* client.more()
      if (how === 'end') yield* client.stream.end()
      else client.stream[how]()
      yield* lev.sleep(1)
      t.strictSame(events, ['aborted', 'closed'], how)
      t.strictSame(log.statuses(), [499])
      t.equal(log.of('access')[0].size, 5)
    })
  }
})

t.test('slow readers: send_timeout and min_transfer_rate hold, and memory is bounded', async (t) => {
  let produced = 0
  const handle: Handler = () => [function* (out) {
    for (let n = 0; n < 3000; n++) {
      produced += 1000
      yield* out.write('x'.repeat(1000))
    }
  }]
  await virtually({ send_timeout: 30, min_transfer_rate: 500 }, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    let most = 0
    for (let n = 0; n < 200; n++) {
      yield* client.more(1000)
      yield* lev.sleep(0.25)
      most = Math.max(most, produced - client.received.length)
    }
    t.ok(most < 128 * 1024 + 256 * 1024, `${most} bytes ahead of the reader`)
    const stopped = lev.now()
    while (log.statuses().length === 0 && lev.now() < stopped + 100) yield* lev.sleep(0.1)
    // Bytes move in flights here: the last one may have been some seconds before.
    t.ok(lev.now() - stopped > 10 && lev.now() - stopped < 31, `cut after ${lev.now() - stopped} s`)
    t.strictSame(log.statuses(), [499])
  })
  await virtually({ send_timeout: 30, min_transfer_rate: 50_000 }, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    const began = lev.now()
    while (log.statuses().length === 0 && (yield* client.more(5000))) yield* lev.sleep(0.5)
    t.strictSame(log.statuses(), [499], `cut after ${lev.now() - began} s`)
    t.ok(lev.now() - began < 60)
  })
})

t.test('a source may take its time: only a slow reader counts', async (t) => {
  const handle: Handler = () => [function* (out) {
    for (let n = 0; n < 20; n++) {
      yield* out.write('x')
      yield* lev.sleep(100)
    }
  }]
  await virtually({ send_timeout: 1 }, handle, function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    const [response] = yield* client.responses(1)
    t.equal(response.body.length, 20)
  })
})

t.test('what is written in a step leaves at once and together; the next step does not wait for it', async (t) => {
  const handle: Handler = () => [function* (out) {
    for (let n = 0; n < 3; n++) {
      for (let k = 0; k < 100; k++) yield* out.write('y')
      yield* lev.sleep(10)
    }
  }]
  await virtually({}, handle, function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    const times: number[] = []
    const began = lev.now()
    for (let count = 0; count < 3;) {
      yield* client.more()
      const now = client.text.split('y').length - 1
      if (now >= (count + 1) * 100) count = times.push(Math.round(lev.now() - began))
    }
    t.strictSame(times, [0, 10, 20])
  })
})

t.test('compressed: a line written is a line received', async (t) => {
  const lines = ['first line\n', 'second – line\n', 'x'.repeat(50_000) + '\n']
  for (const coding of ['gzip', 'deflate']) {
    const steps: (() => void)[] = []
    const { connect, log } = await serve(t, { compression: { types: ['text/plain'] } }, () => [function* (out: Out): Op<void> {
      for (const line of lines) {
        yield* out.write(line)
        yield* lev.wait(new Promise<void>((resolve) => steps.push(resolve)))
      }
    }, 200, { 'Content-Type': 'text/plain', ETag: '"x"' }])
    const client = await connect(request('GET /', { 'Accept-Encoding': coding }))
    if (coding === 'gzip') {
      const gunzip = createGunzip()
      let text = ''
      gunzip.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
      let fed = 0
      const feed = (): void => {
        const at = client.text.indexOf('\r\n\r\n') + 4
        if (at < 4) return
        const body = Buffer.from(dechunk(client.text.slice(at)), 'latin1')
        gunzip.write(body.subarray(fed))
        fed = body.length
      }
      let expected = ''
      for (const line of lines) {
        expected += Buffer.from(line).toString('latin1')
        await eventually(() => {
          feed()
          return text === expected
        }, `${line.slice(0, 20)} arrives while the source waits`)
        steps.shift()?.()
      }
    } else {
      for (const _line of lines) {
        await eventually(() => steps.length > 0, 'a step')
        steps.shift()?.()
      }
    }
    const [response] = await client.responses(1)
    t.equal(valueOf(response, 'content-encoding'), coding)
    t.equal(valueOf(response, 'vary'), 'Accept-Encoding')
    t.equal(valueOf(response, 'etag'), 'W/"x"')
    if (coding === 'gzip') t.equal(gunzipSync(response.body).toString(), lines.join(''))
    t.strictSame(log.of('error'), [])
  }
})

/** The content of chunks, as far as they came. */
function dechunk(text: string): string {
  let body = ''
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) return body
    const size = parseInt(text.slice(at, end), 16)
    if (text.length < end + 2 + size) return body
    body += text.slice(end + 2, end + 2 + size)
    at = end + 4 + size
  }
}

t.test('compressed content of any kind and size is what it was; Content-Length is checked before', async (t) => {
  const big = 'some text that repeats itself. '.repeat(20_000)
  const { port, log } = await serve(t, {}, (_method, query): ResponseParts => {
    const headers = { 'Content-Type': 'text/html' }
    if (query === '/writer') return [function* (out) { for (let at = 0; at < big.length; at += 7) yield* out.write(big.slice(at, at + 7)) }, 200, headers]
    if (query === '/blob') return [new Blob([big], { type: 'text/html' })]
    if (query === '/length') return [new Set([big]), 200, { ...headers, 'Content-Length': big.length }]
    return [Readable.from([big, '-', big]), 200, headers]
  })
  for (const query of ['writer', 'blob', 'length', 'readable']) {
    const { text, code } = await curl(['--compressed', '-H', 'Accept-Encoding: gzip', `http://127.0.0.1:${port}/${query}`])
    t.equal(code, 0)
    t.ok(text === (query === 'readable' ? `${big}-${big}` : big), query)
  }
  t.ok(log.of('access').every(({ size }) => Number(size) < 40_000), 'it was compressed')
})

t.test('trailers: behind chunked content, dropped elsewhere', async (t) => {
  const { connect, log } = await serve(t, {}, (_method, query) => [function* (out) {
    yield* out.write('content')
    out.trailers({ 'X-Sum': 'abc', 'X-List': ['1', 2] })
    if (query === '/bad') out.trailers({ 'Content-Length': 5 })
  }])
  const client = await connect(request('GET /'))
  await client.until(() => (client.text.endsWith('\r\n0\r\nX-Sum: abc\r\nX-List: 1\r\nX-List: 2\r\n\r\n') ? true : undefined))
  const old = await connect(request('GET / HTTP/1.0'))
  t.equal((await old.all())[0].body.toString(), 'content')
  const bad = await connect(request('GET /bad'))
  await bad.over
  t.match(String(log.of('error')[0].err), /"Content-Length": not allowed in a trailer/)
})

t.test('nothing can be written when the response is over', async (t) => {
  let kept: Out | null = null
  const { ask } = await serve(t, {}, () => [function* (out) {
    kept = out
    yield* out.write('x')
  }])
  await ask(request('GET /'))
  const out = kept as Out | null
  t.throws(() => out?.write('y').next(), { code: 'LEVERET_STATE' })
  t.throws(() => out?.trailers({ a: 'b' }), { code: 'LEVERET_STATE' })
  t.throws(() => out?.flush().next(), { code: 'LEVERET_STATE' })
})

t.test('a promise that comes too late: its content is closed', async (t) => {
  let closed = false
  let open = (): void => {}
  const { connect, log } = await serve(t, {}, async () => {
    await new Promise<void>((resolve) => (open = resolve))
    return new Readable({ read() {}, destroy(error, done) { closed = true; done(error) } })
  })
  const client = await connect(request('GET /'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  client.reset()
  await eventually(() => log.statuses().includes(499), 'the client is gone')
  open()
  await eventually(() => closed, 'the content is closed')
})

t.test('tasks that a writer spawns write too, and are waited for', async (t) => {
  await virtually({}, () => [function* (out) {
    lev.spawn(function* () {
      yield* lev.sleep(1)
      yield* out.write('later')
    })
    yield* out.write('now ')
  }], function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    const [response] = yield* client.responses(1)
    t.equal(response.body.toString(), 'now later')
  })
})

t.test('stopping a server cuts what streams on after the drain', async (t) => {
  const { server, connect, log } = await serve(t, {}, () => [function* (out) {
    for (;;) {
      yield* out.write('x')
      yield* lev.sleep(0.01)
    }
  }])
  const client = await connect(request('GET /'))
  await client.until(() => (client.text.includes('x') ? true : undefined))
  await server.stop({ drain: 0.1 })
  await client.over
  t.notMatch(client.text, /\r\n0\r\n/)
  t.strictSame(log.statuses(), [499])
})

t.test('any pieces, waits, flushes and codings, over any network: the content is what was written', async (t) => {
  const step = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }), fc.uint8Array({ maxLength: 40 }), fc.constant('x'.repeat(40_000)),
    fc.constantFrom(null, 'flush' as const),
  )
  const cases = fc.record({
    steps: fc.array(step, { maxLength: 12 }), gzip: fc.boolean(), seed: fc.nat(), segment: fc.constantFrom(1, 100, 65_536), old: fc.boolean(),
  })
  for (const { steps, gzip, segment, old, ...world } of fc.sample(cases, { numRuns: 150, seed })) {
    // A segment of one byte makes long content slow.
    const written = steps.filter((one) => segment > 1 || one === null || one.length < 1000)
    const handle: Handler = () => [function* (out) {
      for (const one of written) {
        if (one === null) yield* lev.sleep(0.01)
        else if (one === 'flush') yield* out.flush()
        else yield* out.write(one)
      }
    }, 200, { 'Content-Type': 'text/plain' }]
    await virtually({}, handle, function* ({ connect, log }: World) {
      const client = yield* connect(request(`GET / HTTP/1.${old ? 0 : 1}`, gzip ? { 'Accept-Encoding': 'gzip' } : {}))
      if (!old) yield* client.responses(1)
      else yield* client.all()
      const [{ body }] = yield* client.responses(1)
      const expected = Buffer.concat(written.filter((one) => one !== null && one !== 'flush').map((one) => Buffer.from(one ?? '')))
      const got = gzip ? gunzipSync(body) : body
      t.ok(got.equals(expected), JSON.stringify({ gzip, segment, old, ...world, steps: written.length }))
      t.strictSame(log.of('error'), [])
      client.stream.close()
    }, { segment, ...world })
  }
})

t.test('nothing is left behind: sockets, timers, native memory', async (t) => {
  const { server, connect, log } = await serve(t, { compression: { types: ['text/plain'] } }, (_method, query) => [function* (out) {
    for (;;) {
      yield* out.write('piece')
      if (query === '/fails') throw new Error('broken')
      yield* lev.sleep(0.005)
    }
  }, 200, { 'Content-Type': 'text/plain' }])
  const before = process.getActiveResourcesInfo().length
  for (let round = 0; round < 20; round++) {
    const client = await connect(request(round % 2 === 0 ? 'GET /' : 'GET /fails', { 'Accept-Encoding': 'gzip' }))
    await client.until(() => (client.text.includes('\r\n\r\n') ? true : undefined))
    client.reset()
  }
  await eventually(() => log.statuses().length === 20, 'all are over')
  await eventually(() => process.getActiveResourcesInfo().length <= before + 1, 'nothing is open')
  await server.stop({ drain: 0 })
})
