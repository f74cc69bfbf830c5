import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { Readable } from 'node:stream'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { request, type ClientResponse, type StreamedResponse } from '../../../lib/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { eventually, serve } from '../../support/serving.js'
import { ok, scripted, type Scripted } from './scripted.js'

const urlOf = ({ port }: Scripted): string => `http://127.0.0.1:${port}/`

/** Writes the parts with a second between them. */
const slowly = (...parts: (string | Buffer)[]) => function* (stream: lev.Stream): lev.Op<void> {
  for (const part of parts) {
    yield* stream.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part)
    yield* lev.sleep(1)
  }
}

const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

t.test('a response is there with its head, and its content piece by piece', (t) => virtual(() => scripted(
  slowly(chunked, '3\r\none\r\n', '3\r\ntwo\r\n', '0\r\nX-Sum: 2\r\n\r\n'),
  function* (server) {
    const began = lev.now()
    const response = yield* request({ url: urlOf(server), stream: true })
    t.match(response, { ok: true, status: 200, reason: 'OK', headers: { 'transfer-encoding': 'chunked' }, setCookie: [] })
    const seen: unknown[] = []
    for (let piece = yield* response.body.read(); piece !== null; piece = yield* response.body.read()) {
      seen.push([piece.toString(), Math.round(lev.now() - began), { ...response.body.trailers }])
    }
    t.same(seen, [['one', 1, {}], ['two', 2, {}]])
    t.same({ ...response.body.trailers }, { 'x-sum': '2' })
    t.equal(yield* response.body.read(), null)
    yield* request(urlOf(server))
    t.same(server.asked.map(({ connection }) => connection), [0, 0], 'its connection is used again')
  },
)))

t.test('all of it at once; once', (t) => virtual(() => scripted(slowly(Buffer.from(ok('[1, "ü"]'))), function* (server) {
  const open = (): lev.Op<StreamedResponse> => request({ url: urlOf(server), stream: true })
  t.equal((yield* (yield* open()).body.text()), '[1, "ü"]')
  t.same(yield* (yield* open()).body.json(), [1, 'ü'])
  t.equal((yield* (yield* open()).body.bytes()).length, 9)
  const { body } = yield* open()
  yield* body.read()
  t.match(yield* failure(body.bytes()), { code: 'LEVERET_STATE' })
})))

t.test('a byte order mark is no part of a text', (t) => virtual(() => scripted(slowly(Buffer.from(ok('\ufeff[1]'))), function* (server) {
  const open = (): lev.Op<StreamedResponse> => request({ url: urlOf(server), stream: true })
  t.same(yield* (yield* open()).body.json(), [1])
  t.equal(yield* (yield* open()).body.text(), '[1]')
})))

t.test('what is not JSON, is cut off, malformed, too large or too slow', async (t) => {
  const cases: [parts: string[], options: object, error: object][] = [
    [[ok('no')], {}, { code: 'LEVERET_REQUEST', message: /^GET http:\/\/127.0.0.1:\d+: the body of the response is not JSON$/ }],
    [[chunked, 'x\r\n'], {}, { code: 'LEVERET_REQUEST', message: /malformed chunk size/ }],
    [[chunked, '1\r\na\r\n', '5\r\nbcdef\r\n'], { maxBodySize: 5 }, { code: 'LEVERET_REQUEST', message: /more than 5 bytes/ }],
    [[chunked, '1\r\na\r\n', '', '', ''], { timeout: 2 }, { code: 'LEV_TIMEOUT' }],
  ]
  for (const [parts, options, error] of cases) {
    await virtual(() => scripted(slowly(...parts), function* (server) {
      const response = yield* request({ url: urlOf(server), stream: true, ...options })
      t.match(yield* failure(response.body.json()), error)
      yield* lev.sleep(5)
      t.equal(server.open(), 0)
    }))
  }
  await virtual(() => scripted(slowly(...Array.from({ length: 30 }, (_, at) => (at === 0 ? 'HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n' : 'x'))), function* (server) {
    const { body } = yield* request({ url: urlOf(server), stream: true, timeout: 5 })
    t.equal((yield* body.bytes()).length, 29, 'the time is for each piece')
  }))
  await virtual(() => scripted(function* (stream) {
    yield* stream.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour')
    yield* stream.end()
  }, function* (server) {
    const { body } = yield* request({ url: urlOf(server), stream: true })
    t.equal((yield* body.read())?.toString(), 'four')
    t.match(yield* failure(body.read()), { code: 'LEVERET_REQUEST', message: /within the content/ })
    t.match(yield* failure(body.read()), { code: 'LEVERET_REQUEST', message: /was closed/ })
  }))
})

t.test('compressed content is decoded as it comes', async (t) => {
  const text = 'some content, '.repeat(5000)
  const cases: [coding: string, bytes: Buffer][] = [
    ['gzip', gzipSync(text)], ['gzip', Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))])], ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)], ['br', brotliCompressSync(text)], ['gzip, br', brotliCompressSync(gzipSync(text))], ['gzip', gzipSync(text).subarray(0, -8)],
  ]
  for (const [coding, bytes] of cases) {
    await virtual(() => scripted(slowly(`HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${bytes.length}\r\n\r\n`, bytes.subarray(0, 3), bytes.subarray(3, 20), bytes.subarray(20)), function* (server) {
      const response = yield* request({ url: urlOf(server), stream: true })
      t.same([response.headers['content-encoding'], response.headers['content-length']], [undefined, undefined])
      t.equal(yield* response.body.text(), text, coding)
      t.equal(yield* response.body.read(), null)
    }), { segment: 1000 })
  }
  const head = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n'
  const gzip = gzipSync(text)
  for (const [bytes, options, message] of [
    [Buffer.from('no gzip'), {}, /incorrect header check/], [gzip, { maxBodySize: 60_000 }, /more than 60000 bytes/],
  ] as const) {
    await virtual(() => scripted(function* (stream) {
      yield* stream.write(head)
      yield* stream.write(bytes)
      yield* stream.end()
    }, function* (server) {
      const { body } = yield* request({ url: urlOf(server), stream: true, ...options })
      t.match(yield* failure(body.bytes()), { code: 'LEVERET_REQUEST', message })
    }))
  }
})

t.test('a reader that does not read holds the server up', async (t) => {
  let written = 0
  await virtual(() => scripted(function* (stream) {
    yield* stream.write('HTTP/1.1 200 OK\r\n\r\n')
    for (; written < 1000; written++) yield* stream.write(Buffer.alloc(10_000))
    yield* stream.end()
  }, function* (server) {
    const { body } = yield* request({ url: urlOf(server), stream: true })
    yield* lev.sleep(10)
    t.ok(written < 100, String(written))
    t.equal((yield* body.bytes()).length, 10_000_000)
  }))
})

t.test('a response that is not read ends with its scope, by close, and with a loop that is left', async (t) => {
  const endless = function* (stream: lev.Stream): lev.Op<void> {
    yield* stream.write('HTTP/1.1 200 OK\r\n\r\n')
    for (;;) {
      yield* stream.write('piece')
      yield* lev.sleep(1)
    }
  }
  await virtual(() => scripted(endless, function* (server) {
    yield* lev.scope(function* () {
      yield* request({ url: urlOf(server), stream: true })
      yield* lev.sleep(5)
      t.equal(server.open(), 1)
    })
    yield* lev.sleep(2)
    t.equal(server.open(), 0, 'scope')
    yield* lev.scope(function* () {
      const { body } = yield* request({ url: urlOf(server), stream: true })
      body.close()
      body.close()
      yield* lev.sleep(2)
      t.equal(server.open(), 0, 'close')
      t.match(yield* failure(body.read()), { code: 'LEVERET_REQUEST' })
    })
    yield* lev.scope(function* () {
      const { body } = yield* request({ url: urlOf(server), stream: true })
      yield* lev.wait((async () => {
        for await (const piece of body) {
          t.equal(piece.toString(), 'piece')
          break
        }
      })())
      yield* lev.sleep(2)
      t.equal(server.open(), 0, 'loop')
    })
    const task = lev.spawn(() => lev.scope(function* () {
      const { body } = yield* request({ url: urlOf(server), stream: true })
      yield* body.bytes()
    }))
    yield* lev.sleep(2)
    task.cancel()
    yield* lev.sleep(2)
    t.equal(server.open(), 0, 'cancelled')
  }))
})

t.test('async code iterates', async (t) => {
  const { port } = await serve(t, {}, () => [['one ', 'two'].values()])
  const text = await lev.run(function* () {
    const { body } = yield* request({ url: `http://127.0.0.1:${port}/`, stream: true })
    return yield* lev.wait((async () => {
      let text = ''
      for await (const piece of body) text += piece.toString()
      return text
    })())
  })
  t.equal(text, 'one two')
})

t.test('a handler hands a response on as it comes', async (t) => {
  const text = 'some content, '.repeat(30_000)
  let open = 0
  const origin = await serve(t, { compression: { enabled: false } }, function* (_method, query) {
    if (query === '/sized') return [text, 201, { 'X-A': 'b' }]
    if (query === '/coded') return [gzipSync(text), 200, { 'Content-Encoding': 'gzip' }]
    return [function* (out) {
      open++
      try {
        for (let index = 0; index < text.length; index += 10_000) {
          yield* out.write(text.slice(index, index + 10_000))
          if (index % 50_000 === 0) yield* lev.sleep(0.001)
        }
        if (query.startsWith('/endless')) yield* lev.sleep(1000)
      } finally {
        open--
      }
    }]
  })
  const proxy = await serve(t, { compression: { enabled: false } }, function* (_method, query) {
    const upstream = yield* request({ url: `http://127.0.0.1:${origin.port}${query}`, stream: true })
    return [upstream.body, query === '/endless/bad' ? 1000 : upstream.status, { 'X-A': upstream.headers['x-a'] }]
  })
  await lev.run(function* () {
    const get = (path: string): lev.Op<ClientResponse> => request(`http://127.0.0.1:${proxy.port}${path}`)
    t.match(yield* get('/sized'), { status: 201, headers: { 'x-a': 'b', 'content-length': String(text.length) }, body: Buffer.from(text) })
    t.match(yield* get('/coded'), { status: 200, headers: { 'content-length': undefined }, body: Buffer.from(text) })
    t.match(yield* get('/streamed'), { status: 200, body: Buffer.from(text) })
    t.equal((yield* get('/endless/bad')).status, 500)
    yield* lev.scope(function* () {
      const { body } = yield* request({ url: `http://127.0.0.1:${proxy.port}/endless`, stream: true })
      yield* body.read()
      t.ok(open >= 1)
    })
  })
  await eventually(() => open === 0, 'what is not read any more is closed')
})

t.test('content that is written piece by piece', async (t) => {
  const cases: [name: string, body: () => never, head: RegExp, wire: string][] = []
  const add = (name: string, body: () => unknown, head: RegExp, wire: string): void => void cases.push([name, body as () => never, head, wire])
  const framing = /\r\ntransfer-encoding: chunked\r\n/
  add('a writer', () => function* (out: { write: (text: string) => lev.Op<void>; trailers: (fields: object) => void }) {
    yield* out.write('one')
    yield* lev.sleep(1)
    yield* out.write('')
    yield* out.write('ü')
    out.trailers({ 'X-Sum': 2 })
  }, framing, '3\r\none\r\n2\r\n\xc3\xbc\r\n0\r\nX-Sum: 2\r\n\r\n')
  add('an iterable', () => ['one', Buffer.from('two')].values(), framing, '3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n')
  add('an async iterable', async function* () {
    yield 'one'
  }, framing, '3\r\none\r\n0\r\n\r\n')
  add('a Readable', () => Readable.from(['one']), framing, '3\r\none\r\n0\r\n\r\n')
  add('a ReadableStream', () => new Blob(['one']).stream(), framing, '3\r\none\r\n0\r\n\r\n')
  add('a Blob', () => new Blob(['one'], { type: 'text/x' }), /\r\ncontent-type: text\/x\r\ncontent-length: 3\r\n/, 'one')
  add('a query', () => new URLSearchParams({ a: 'b c' }), /\r\ncontent-type: application\/x-www-form-urlencoded;charset=UTF-8\r\ncontent-length: 5\r\n/, 'a=b+c')
  for (const [name, body, head, wire] of cases) {
    await virtual(() => scripted(slowly(ok('done')), function* (server) {
      t.equal((yield* request({ url: urlOf(server), method: 'POST', body: body() })).body.toString(), 'done', name)
      t.match(server.asked[0].head, head, name)
      t.equal(server.asked[0].body, wire, name)
      yield* request(urlOf(server))
      t.same(server.asked.map(({ connection }) => connection), [0, 0], name)
    }))
  }
})

t.test('a streamed body with a length has to be that long', async (t) => {
  for (const [pieces, message] of [[['abc', 'def'], /has more/], [['a'], /has only 1/]] as const) {
    await virtual(() => scripted(slowly(ok('')), function* (server) {
      const error = yield* failure(request({ url: urlOf(server), method: 'PUT', body: pieces.values(), headers: { 'Content-Length': 4 } }))
      t.match(error, { code: 'LEVERET_RESPONSE', message })
      yield* lev.sleep(1)
      t.equal(server.open(), 0)
    }))
  }
  await virtual(() => scripted(slowly(ok('')), function* (server) {
    yield* request({ url: urlOf(server), method: 'PUT', body: ['ab', 'cd'].values(), headers: { 'Content-Length': 4 } })
    t.match(server.asked, [{ head: /content-length: 4\r\n/, body: 'abcd' }])
  }))
})

t.test('a body that fails, is not wanted, or outlasts its response', async (t) => {
  const story = (respond: (stream: lev.Stream) => lev.Op<void>, main: (url: string) => lev.Op<void>): Promise<void> => virtual(() => scripted(respond, function* (server) {
    yield* main(urlOf(server))
    yield* lev.sleep(1)
    t.equal(server.open(), 0)
  }))
  const failing = new Error('of its own')
  await story(slowly(ok('')), function* (url) {
    t.equal(yield* failure(request({ url, method: 'POST', body: function* (out) {
      yield* out.write('some')
      throw failing
    } })), failing)
  })
  for (const url of ['http://127.0.0.1:1/', '']) {
    let returned = 0
    const source = { next: () => new Promise<never>(() => {}), return: () => Promise.resolve({ done: true, value: returned++ }), [Symbol.asyncIterator]: () => source }
    await virtual(() => failure(request({ url: url || 'http://127.0.0.1:2', method: 'POST', body: source as never })))
    t.equal(returned, 1, 'the source is closed where nothing is sent')
  }
  let ended = 0
  const raw = function* (listener: lev.Listener): lev.Op<void> {
    const stream = yield* listener.accept()
    if (stream === null) return
    yield* stream.read()
    yield* stream.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno')
    yield* lev.sleep(5)
    stream.close()
  }
  await virtual(function* () {
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 80 })
    yield* lev.scope(function* (scope) {
      scope.spawn(() => raw(listener))
      const response = yield* request({ url: 'http://127.0.0.1/', method: 'POST', body: function* (out) {
        try {
          for (;;) yield* out.write('x'.repeat(100_000))
        } finally {
          ended++
        }
      } })
      t.match(response, { status: 413, body: Buffer.from('no') })
      t.equal(ended, 1, 'the writer is cancelled once the response is whole')
    })
    listener.close()
  })
})

t.test('both at once: a body that is written while its response is read', async (t) => {
  const { port } = await serve(t, { buffer_body: false }, function* (_method, _query, _args, _headers, _body, ctx) {
    return [function* (out) {
      yield* out.flush()
      for (let piece = yield* ctx.body.read(); piece !== null; piece = yield* ctx.body.read()) {
        yield* out.write(piece)
        yield* out.flush()
      }
    }]
  })
  await lev.run(function* () {
    const turn = lev.channel<string>(1)
    const response = yield* request({ url: `http://127.0.0.1:${port}/`, method: 'POST', stream: true, body: function* (out) {
      for (let text = yield* turn.receive(); text !== null; text = yield* turn.receive()) yield* out.write(text)
    } })
    for (const text of ['one', 'two', 'three']) {
      yield* turn.send(text)
      t.equal((yield* response.body.read())?.toString(), text)
    }
    turn.close()
    t.equal(yield* response.body.read(), null)
  })
})

t.test('redirects: a Blob is sent again, what streams is not', async (t) => {
  const { port } = await serve(t, {}, (_method, query, _args, _headers, body) => (query === '/' ? [null, 307, { Location: '/there' }] : `${query} ${body?.toString()}`))
  const send = (body: () => unknown, status?: string): Promise<unknown> => lev.run(function* () {
    return (yield* request({ url: `http://127.0.0.1:${port}/${status ?? ''}`, method: 'POST', body: body() as never })).body.toString()
  })
  t.equal(await send(() => new Blob(['again'])), '/there again')
  await t.rejects(send(() => ['once'].values()), { code: 'LEVERET_REQUEST', message: /cannot be sent again/ } as never)
})
