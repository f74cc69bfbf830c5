import { json, text } from 'node:stream/consumers'
import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { acceptEncodingOf, decodableCodings } from '../../../lib/coding/codings.js'
import type { Handler, HandlerResult, RequestBody } from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { seed } from '../../support/seed.js'
import { valueOf } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

const open = { buffer_body: false }

const echo: Handler = function* (_method, _query, _args, _headers, body, ctx) {
  const parts: string[] = []
  for (let piece = yield* ctx.body.read(); piece !== null; piece = yield* ctx.body.read()) parts.push(piece.toString('latin1'))
  return `${body === null ? 'open' : 'whole'}:${parts.join('')}`
}

t.test('a handler reads the body: sized, chunked, none, and the next request follows', async (t) => {
  const { connect, log } = await serve(t, open, echo)
  const client = await connect(request('POST /', {}, '12345')
    + request('POST /', { 'Transfer-Encoding': 'chunked' }, '3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: y\r\n\r\n') + request('GET /'))
  const bodies = (await client.responses(3)).map(({ body }) => body.toString())
  t.strictSame(bodies, ['open:12345', 'open:abcde', 'whole:'].map((one, at) => (at === 2 ? 'open:' : one)))
  t.strictSame(log.of('error'), [])
})

t.test('the setting may be a function, asked for each request that has a body', async (t) => {
  const asked: string[] = []
  const { ask } = await serve(t, {
    buffer_body(method, path, headers) {
      asked.push(`${method} ${path} ${headers['x-how']}`)
      return path !== '/open'
    },
  }, echo)
  t.equal((await ask(request('PUT /open', { 'X-How': 'a' }, 'x'))).body.toString(), 'open:x')
  t.equal((await ask(request('PUT /', { 'X-How': 'b' }, 'x'))).body.toString(), 'whole:x', 'ctx.body reads a buffered body as well')
  t.strictSame(asked, ['PUT /open a', 'PUT / b'])
})

t.test('async handlers iterate; streaming responses read while they write', async (t) => {
  const { ask } = await serve(t, open, async (_method, query, _args, _headers, _body, ctx) => {
    if (query === '/json') return JSON.stringify(await json(ctx.body))
    if (query === '/echo') return ctx.body
    return [function* (out) {
      for (let piece = yield* ctx.body.read(); piece !== null; piece = yield* ctx.body.read()) yield* out.write(piece)
    }]
  })
  t.equal((await ask(request('POST /json', {}, '{"a":[1,2]}'))).body.toString(), '{"a":[1,2]}')
  t.equal((await ask(request('POST /echo', {}, 'x'.repeat(100_000)))).body.length, 100_000)
  t.equal((await ask(request('POST /writer', {}, 'x'.repeat(100_000)))).body.length, 100_000)
})

t.test('text, json, bytes: once', async (t) => {
  const { ask, log } = await serve(t, {}, function* (_method, query, _args, _headers, _body, ctx) {
    if (query === '/twice') yield* ctx.body.text()
    if (query === '/json') return JSON.stringify(yield* ctx.body.json())
    return yield* ctx.body.text()
  })
  t.equal((await ask(request('POST /', {}, 'x\xc3\xa9'))).body.toString(), 'xé')
  t.equal((await ask(request('POST /json', {}, '[1]'))).body.toString(), '[1]')
  const bad = await ask(request('POST /json', {}, '[1'))
  t.equal(bad.status, 400)
  t.match(bad.body.toString(), /the body is not JSON/)
  t.strictSame(log.of('error'), [], 'a client\'s mistake is not the handler\'s')
  t.equal((await ask(request('POST /twice', {}, 'x'))).status, 500)
})

t.test('limits and timeouts: max_body_size, request_body_timeout, min_transfer_rate', async (t) => {
  const settings = { ...open, max_body_size: 1000, request_body_timeout: 5, min_transfer_rate: 100 }
  await virtually(settings, echo, function* ({ connect, log }: World) {
    const large = yield* connect(request('POST /', { 'Content-Length': '1001' }))
    t.equal((yield* large.responses(1))[0].status, 413)
    const chunked = yield* connect(request('POST /', { 'Transfer-Encoding': 'chunked' }) + '3e9\r\n')
    t.match((yield* chunked.responses(1))[0], { status: 413, body: Buffer.from('Content Too Large: max_body_size limit violation: 1001\n') })
    const began = lev.now()
    const slow = yield* connect(request('POST /', { 'Content-Length': '1000' }))
    const drip = lev.spawn(function* () {
      for (;;) {
        yield* lev.sleep(1)
        slow.send('x')
      }
    })
    const [response] = yield* slow.responses(1)
    drip.cancel()
    t.equal(response.status, 408)
    t.ok(Math.abs(lev.now() - began - 5) < 0.3, `after ${lev.now() - began} s`)
    const bad = yield* connect(request('POST /', { 'Transfer-Encoding': 'chunked' }) + 'zz\r\n')
    t.equal((yield* bad.responses(1))[0].status, 400)
    t.strictSame(log.of('error'), [])
  })
})

t.test('small chunks that came together are read together, and what came before a fault is read before it', async (t) => {
  const sizes: number[] = []
  let fault: unknown = null
  const handle: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    let text = ''
    try {
      for (let piece = yield* ctx.body.read(); piece !== null; piece = yield* ctx.body.read()) {
        sizes.push(piece.length)
        text += piece.toString()
      }
    } catch (error) {
      fault = error
    }
    return text
  }
  const tiny = Array.from({ length: 3000 }, (_, at) => `1\r\n${at % 10}\r\n`).join('')
  const text = Array.from({ length: 3000 }, (_, at) => at % 10).join('')
  const large = `2000\r\n${'x'.repeat(8192)}\r\n`
  await virtually(open, handle, function* ({ connect }: World) {
    const send = function* (body: string): lev.Op<string> {
      sizes.length = 0
      fault = null
      const client = yield* connect(request('POST /', { 'Transfer-Encoding': 'chunked' }, body))
      return (yield* client.responses(1))[0].body.toString()
    }
    t.equal(yield* send(`${tiny}0\r\n\r\n`), text)
    t.ok(sizes.length < 10, `${sizes.length} pieces`)
    t.equal(yield* send(`1\r\ny\r\n${large}${large}1\r\ny\r\n${large}0\r\n\r\n`), `y${'x'.repeat(16_384)}y${'x'.repeat(8192)}`)
    t.equal(yield* send(`${tiny}zz\r\n`), text)
    t.match(fault, { name: 'BodyError', status: 400, reason: 'malformed chunk size' })
  }, { segment: 65_536 })
})

t.test('a handler may take its time over the body', async (t) => {
  await virtually({ ...open, request_body_timeout: 1 }, function* (_method, _query, _args, _headers, _body, ctx) {
    let size = 0
    for (let piece = yield* ctx.body.read(); piece !== null; piece = yield* ctx.body.read()) {
      size += piece.length
      yield* lev.sleep(10)
    }
    return String(size)
  }, function* ({ connect }: World) {
    const client = yield* connect(request('POST /', {}, 'x'.repeat(300_000)))
    t.equal((yield* client.responses(1))[0].body.toString(), '300000')
  })
})

t.test('what is left unread is dropped when it is little, else the connection ends', async (t) => {
  const { connect } = await serve(t, open, () => 'done')
  const client = await connect(request('POST /', {}, 'x'.repeat(10_000)) + request('POST /', { 'Transfer-Encoding': 'chunked' }, '1\r\nx\r\n0\r\n\r\n') + request('GET /'))
  t.equal((await client.responses(3)).length, 3)
  const large = await connect(request('POST /', { 'Content-Length': '3000000' }))
  await large.responses(1)
  large.send('x'.repeat(200_000))
  t.equal(await large.over, 'end')
})

t.test('a client that is lost while what it sent is dropped is no fault', async (t) => {
  await virtually(open, () => 'answered', function* (world) {
    const client = yield* world.connect(request('POST /', { 'Content-Length': '1000' }) + 'some')
    yield* client.responses(1, ['POST'])
    client.stream.reset()
    yield* lev.sleep(1)
    t.strictSame(world.log.of('error'), [])
    t.strictSame(world.log.statuses(), [200])
  })
})

t.test('a handler that fails over an unread body: what is left is never taken for a request', async (t) => {
  const { connect, log } = await serve(t, {
    buffer_body: (_method, path) => {
      if (path === '/choice') throw new Error('no choice')
      return false
    },
  }, (_method, query): HandlerResult => {
    if (query === '/smuggled') return 'smuggled'
    if (query === '/bad') return ['x', 1]
    if (query === '/stream') return [(function* () { yield 'x'; throw new Error('late') })()]
    throw new Error('broken')
  })
  const inner = request('GET /smuggled')
  for (const path of ['throws', 'choice', 'bad', 'stream']) {
    const client = await connect(request(`POST /${path}`, {}, inner))
    await client.until(() => (client.text.includes('\r\n\r\n') ? true : undefined))
    if (path === 'bad') {
      // Here the handler is over, and its body is drained: the next request is a proper one.
      client.send(request('GET /smuggled'))
      await client.responses(2)
      t.equal(client.text.split('smuggled').length, 2)
      continue
    }
    t.equal(await client.over, 'end', path)
    t.notMatch(client.text, /smuggled/, path)
  }
  t.equal(log.of('error').length, 4)
})

t.test('a body that is read after its request: it gives nothing of what follows', async (t) => {
  let kept: RequestBody | null = null
  const { connect } = await serve(t, open, (_method, query, _args, _headers, _body, ctx) => {
    if (query === '/keep') kept = ctx.body
    return 'x'
  })
  const client = await connect(request('POST /keep', {}, '12345') + request('POST /', {}, 'abc'))
  await client.responses(2)
  const body = kept as RequestBody | null
  t.equal(await lev.run(() => body?.read() ?? (function* () { return undefined })()), null)
})

t.test('Expect: 100-continue is answered when the handler reads, and only then', async (t) => {
  const expecting = { Expect: '100-continue', 'Content-Length': '5' }
  await virtually(open, function* (_method, query, _args, _headers, _body, ctx) {
    yield* lev.sleep(10)
    return query === '/read' ? yield* ctx.body.text() : 'unread'
  }, function* ({ connect }: World) {
    const client = yield* connect(request('POST /read', expecting))
    const began = lev.now()
    yield* client.more()
    t.equal(client.text, 'HTTP/1.1 100 Continue\r\n\r\n')
    t.ok(lev.now() - began >= 10)
    client.send('12345')
    const [response] = yield* client.responses(1)
    t.equal(response.body.toString(), '12345')
    const other = yield* connect(request('POST /', expecting))
    const { responses, ending } = yield* other.all()
    t.equal(ending, 'end')
    t.equal(valueOf(responses[0], 'connection'), 'close', 'it is unknown whether the content will come')
    t.notMatch(other.text, /100 Continue/)
  })
})

t.test('early hints', async (t) => {
  const { connect, log } = await serve(t, {}, function* (_method, _query, _args, _headers, _body, ctx) {
    const sent = ctx.earlyHints({ Link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] })
    yield* lev.sleep(0.01)
    return String(sent)
  })
  const client = await connect(request('GET /'))
  const [response] = await client.responses(1)
  t.equal(response.body.toString(), 'true')
  t.ok(client.text.startsWith('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n'))
  const old = await connect(request('GET / HTTP/1.0'))
  t.equal((await old.all())[0].body.toString(), 'false')
  t.strictSame(log.of('error'), [])
})

t.test('decode_body: the codings of the table, within the limit; what else is refused', async (t) => {
  const settings = { decode_body: true, max_body_size: 100_000 }
  const plain = 'some text, '.repeat(5000)
  for (const extra of [{}, open]) {
    const { ask, log } = await serve(t, { ...settings, ...extra }, function* (_method, _query, _args, headers, _body, ctx) {
      return JSON.stringify([headers['content-encoding'] ?? null, yield* ctx.body.text()])
    })
    const send = (coding: string, bytes: Buffer) => ask(request('POST /', { 'Content-Encoding': coding }, bytes.toString('latin1')))
    for (const [coding, bytes] of [['gzip', gzipSync(plain)], ['x-gzip', gzipSync(plain)], ['Deflate', deflateSync(plain)]] as const) {
      const { status, body } = await send(coding, bytes)
      t.equal(status, 200)
      t.ok(body.toString() === JSON.stringify([null, plain]), coding)
    }
    t.equal((await send('identity', Buffer.from('x'))).body.toString(), '["identity","x"]')
    t.equal((await send('gzip', gzipSync(Buffer.alloc(5_000_000)))).status, 413, 'a bomb')
    const unknown = await send('compress', Buffer.from('x'))
    t.equal(unknown.status, 415)
    t.equal(valueOf(unknown, 'accept-encoding'), acceptEncodingOf(decodableCodings), 'it says what would be understood')
    t.equal((await send('gzip, gzip', Buffer.from('x'))).status, 415)
    t.equal((await send('gzip', Buffer.from('no gzip'))).status, 400)
    t.equal((await send('gzip', gzipSync(plain).subarray(0, 100))).status, 400, 'cut off')
    t.equal((await send('gzip', Buffer.concat([gzipSync('a'), gzipSync('b')]))).body.toString(), '[null,"ab"]', 'all members')
    t.equal((await send('gzip', Buffer.concat([gzipSync(plain), Buffer.from('x')]))).status, 400, 'garbage behind')
    t.equal((await send('deflate', gzipSync(plain))).status, 400, 'the wrong one')
    t.strictSame(log.of('error'), [])
  }
})

const form: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
  const { fields, files } = yield* ctx.body.form()
  return JSON.stringify({ fields, files: files.map(({ bytes, ...rest }) => ({ ...rest, text: bytes.toString() })) })
}

t.test('forms', async (t) => {
  for (const settings of [{}, open]) {
    const { port, ask, log } = await serve(t, settings, form)
    const url = `http://127.0.0.1:${port}/`
    const { text: encoded } = await curl(['--data-urlencode', 'a=ü&=', '-d', 'b=1&b=2&__proto__=x', url])
    t.same(JSON.parse(encoded), { fields: JSON.parse('{"a":"ü&=","b":["1","2"],"__proto__":"x"}'), files: [] })
    const { text: multipart } = await curl(['-F', 'a=ü', '-F', 'f=@-;filename=../x/"q".txt;type=text/x-test', url], 'content\r\n--x')
    const parsed = JSON.parse(multipart)
    t.equal(parsed.fields.a, 'ü')
    t.match(parsed.files, [{ name: 'f', type: 'text/x-test', text: 'content\r\n--x' }])
    t.notMatch(parsed.files[0].filename, /\//)
    t.equal((await ask(request('POST /', { 'Content-Type': 'text/plain' }, 'x'))).status, 415)
    t.equal((await ask(request('POST /', { 'Content-Type': 'multipart/form-data' }, 'x'))).status, 400)
    t.equal((await ask(request('POST /', { 'Content-Type': 'multipart/form-data; boundary=x' }, '--x\r\n'))).status, 400)
    t.equal((await ask(request('POST /', { 'Content-Type': 'application/x-www-form-urlencoded' }, 'a&'.repeat(1001)))).status, 413)
    t.strictSame(log.of('error'), [])
  }
})

t.test('fuzz: whatever a form or a compressed body holds, there is one response of 200, 400, 413 or 415', async (t) => {
  const boundary = '----b'
  const fragments = ['--' + boundary, '--' + boundary + '--', '\r\n', '\r\n\r\n', 'Content-Disposition: form-data; name="a"', '; filename="f"',
    'Content-Type: text/plain', 'Content-Disposition: form-data', ': ', 'x', '\0', '"', '\xff', '%41%', 'a=b&', 'name*=UTF-8\'\'%ff']
  const body = fc.array(fc.oneof(fc.constantFrom(...fragments), fc.string({ maxLength: 20 })), { maxLength: 30 }).map((parts) => parts.join(''))
  await virtually({ decode_body: true, log_level: 'error' }, form, function* ({ connect, log }: World) {
    const types = [`multipart/form-data; boundary=${boundary}`, 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=']
    for (const [type, content, coding] of fc.sample(fc.tuple(fc.constantFrom(...types), body, fc.constantFrom('', 'gzip', 'deflate', 'gzipped')), { numRuns: 300, seed })) {
      const bytes = Buffer.from(content, 'latin1')
      const sent = (coding === 'gzipped' ? gzipSync(bytes) : bytes).toString('latin1')
      const headers: Record<string, string> = { 'Content-Type': type, ...(coding === '' ? {} : { 'Content-Encoding': coding.slice(0, 7).replace('gzipped', 'gzip') }) }
      if (coding === 'gzipped') headers['Content-Encoding'] = 'gzip'
      const client = yield* connect(request('POST /', headers, sent))
      const [{ status }] = yield* client.responses(1)
      t.ok([200, 400, 413, 415].includes(status), `${status}: ${JSON.stringify(headers)} ${JSON.stringify(content)}`)
      client.stream.close()
    }
    t.strictSame(log.of('error'), [])
  })
})

t.test('a client that leaves in the midst of its body ends the handler', async (t) => {
  for (const how of ['close', 'reset', 'end'] as const) {
    let ended = false
    await virtually(open, function* (_method, _query, _args, _headers, _body, ctx) {
      try {
        return yield* ctx.body.text()
      } finally {
        ended = true
      }
    }, function* ({ connect, log }: World) {
      const client = yield* connect(request('POST /', { 'Content-Length': '100' }) + 'abc')
      yield* lev.sleep(1)
      if (how === 'end') yield* client.stream.end()
      else client.stream[how]()
      yield* lev.sleep(1)
      t.ok(ended, how)
      // What has ended its side may wait for a response still.
      t.strictSame(log.statuses(), [how === 'reset' ? 499 : 400])
      t.strictSame(log.of('error'), [])
    })
  }
})

t.test('an async handler that waits for a piece when its client leaves is told so', async (t) => {
  let fault: unknown = null
  await virtually(open, async (_method, _query, _args, _headers, _body, ctx) => {
    try {
      return await text(ctx.body)
    } catch (error) {
      fault = error
      throw error
    }
  }, function* ({ connect, log }: World) {
    const client = yield* connect(request('POST /', { 'Content-Length': '100' }) + 'abc')
    yield* lev.sleep(1)
    client.stream.close()
    yield* lev.sleep(1)
    t.strictSame(log.statuses(), [400])
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.match(fault, Error)
})

t.test('async code reads a form by lev.run', async (t) => {
  for (const buffer_body of [true, false]) {
    const { connect } = await serve(t, { buffer_body }, async (_method, query, _args, _headers, _body, ctx) => {
      if (query === '/later') await new Promise((resolve) => setTimeout(resolve, 1))
      const { fields } = await lev.run(() => ctx.body.form())
      return JSON.stringify(fields)
    })
    for (const path of ['/', '/later']) {
      const client = await connect(request(`POST ${path}`, { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '7' }) + 'a=1')
      await new Promise((resolve) => setTimeout(resolve, 10))
      client.send('&b=2')
      t.equal((await client.responses(1))[0].body.toString(), '{"a":"1","b":"2"}')
    }
  }
})

t.test('in async code a body is read in the same ways, whether it was buffered or not', async (t) => {
  const bodies: Record<string, string> = { sized: request('POST /', {}, '12345'), chunked: request('POST /', { 'Transfer-Encoding': 'chunked' }, '5\r\n12345\r\n0\r\n\r\n'), none: request('GET /') }
  for (const buffer_body of [true, false]) {
    const { ask, log } = await serve(t, { buffer_body }, async (_method, _query, _args, _headers, _body, ctx) => {
      let read = ''
      await null
      for await (const piece of ctx.body) read += piece.toString()
      for await (const piece of ctx.body) read += piece.toString()
      return read
    })
    for (const [what, sent] of Object.entries(bodies)) t.equal((await ask(sent)).body.toString(), what === 'none' ? '' : '12345', what)
    t.strictSame(log.of('error'), [])
  }
})

t.test('trailers are there once the body was read to its end', async (t) => {
  const chunked = { 'Transfer-Encoding': 'chunked', 'Content-Encoding': 'identity' }
  const packed = gzipSync('abc').toString('latin1')
  const trailers = 'X-Sum: 1\r\nx-sum: 2\r\n__proto__: x\r\n'
  for (const settings of [{}, open, { decode_body: true }, { ...open, decode_body: true }]) {
    const { ask } = await serve(t, settings, function* (_method, query, _args, headers, _body, ctx) {
      const before = { ...ctx.body.trailers }
      if (query === '/unread') return JSON.stringify(before)
      const text = yield* ctx.body.text()
      return [JSON.stringify([text, before, ctx.body.trailers]), 200, { 'X-Seen': headers['x-sum'] }]
    })
    const send = (body: string, line = 'POST /', headers: Record<string, string> = chunked) => ask(request(line, headers, body))
    const response = await send(`3\r\nabc\r\n0\r\n${trailers}\r\n`)
    const after = JSON.parse('{"x-sum":"1, 2","__proto__":"x"}') as object
    const buffered = !('buffer_body' in settings)
    t.strictSame(JSON.parse(response.body.toString()), ['abc', buffered ? after : {}, after])
    t.equal(valueOf(response, 'x-seen'), undefined, 'they are no headers')
    t.equal((await send('1\r\na\r\n0\r\n\r\n')).body.toString(), '["a",{},{}]')
    t.equal((await send('', 'GET /', {})).body.toString(), '["",{},{}]')
    if ('decode_body' in settings) {
      const { body } = await send(`${packed.length.toString(16)}\r\n${packed}\r\n0\r\n${trailers}\r\n`, 'POST /', { ...chunked, 'Content-Encoding': 'gzip' })
      t.match(body.toString(), /^\["abc",.*\{"x-sum":"1, 2"/)
    }
    t.equal((await send('1\r\na\r\n0\r\nAuthorization: x\r\n\r\n', 'POST /')).status, 400, 'those that have no place there are refused')
  }
})

t.test('a client that ends its side within its body gets a 400, whether the server or the handler reads it', async (t) => {
  const size: Handler = (_method, _query, _args, _headers, body) => String(body?.length)
  const handlers: Record<string, Handler> = {
    buffered: size,
    'buffered, decoded': size,
    streamed: echo,
    'streamed, decoded': echo,
    'streamed, async': async (_method, _query, _args, _headers, _body, ctx) => (await lev.run(() => ctx.body.bytes())).toString(),
    'streamed, async iteration': async (_method, _query, _args, _headers, _body, ctx) => {
      let sum = 0
      for await (const piece of ctx.body) sum += piece.length
      return String(sum)
    },
  }
  for (const [name, handle] of Object.entries(handlers)) {
    for (const half_close of ['cancel', 'answer'] as const) {
      for (const framing of ['Content-Length: 10\r\n\r\n1234', 'Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n', 'Content-Length: 10\r\n\r\n']) {
        for (const pause of [0, 1]) {
          const config = { half_close, buffer_body: name.startsWith('buffered'), decode_body: name.endsWith('decoded') }
          const what = `${name}, ${half_close}, ${JSON.stringify(framing)}, FIN ${pause} s later`
          await virtually(config, handle, function* ({ connect, log }: World) {
            const client = yield* connect(`POST / HTTP/1.1\r\nHost: test\r\n${framing}`)
            if (pause > 0) yield* lev.sleep(pause)
            yield* client.stream.end()
            const { responses, ending } = yield* client.all()
            t.strictSame(responses.map(({ status, body }) => [status, body.toString()]), [
              [400, 'Bad Request: the client ended within the body\n'],
            ], what)
            t.equal(ending, 'end', what)
            t.strictSame(log.statuses(), [400], what)
            t.strictSame(log.of('error'), [], what)
          })
        }
      }
    }
  }
})
