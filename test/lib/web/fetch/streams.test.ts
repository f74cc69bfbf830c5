// What goes both ways for long: content in pieces, cancellation, hints ahead of the response, work after it.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import { fromFetch, type FetchApplication, type FetchEnv } from '../../../../lib/web/fetch/index.js'
import { eventually, gate, request, serve } from '../../../support/serving.js'
import { virtually, type World } from '../../../support/virtual.js'

const turn = (): lev.Op<void> => lev.wait(new Promise<void>((resolve) => setImmediate(resolve)))

t.test('early hints, from an application of Hono', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  const sent: boolean[] = []
  app.get('/', async (c) => {
    sent.push(c.env.ctx.earlyHints({ Link: '</style.css>; rel=preload; as=style' }))
    await Promise.resolve()
    return c.html('<p>page</p>')
  })
  const { connect } = await serve(t, {}, fromFetch(app.fetch))
  const client = await connect(request('GET /'))
  await client.responses(1, ['GET'])
  t.match(client.text, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/style\.css>; rel=preload; as=style\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  const old = await connect('GET / HTTP/1.0\r\nHost: test\r\n\r\n')
  await old.over
  t.match(old.text, /^HTTP\/1\.1 200 OK\r\n/)
  t.strictSame(sent, [true, false])
})

t.test('trailers of a request are there once its content was read', async (t) => {
  for (const buffer_body of [true, false]) {
    const { ask } = await serve(t, { buffer_body }, fromFetch(async (given, { ctx }) => {
      const text = await given.text()
      return Response.json({ text, sum: ctx.body.trailers['x-sum'], header: given.headers.get('x-sum') })
    }))
    const response = await ask(request('POST /', { 'Transfer-Encoding': 'chunked', 'Trailer': 'X-Sum' }, '3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n'))
    t.strictSame(JSON.parse(response.body.toString()), { text: 'abc', sum: '6', header: null }, buffer_body ? 'buffered' : 'streamed')
  }
})

t.test('100 (Continue) is sent when the application reads', async (t) => {
  const begin = gate()
  const { connect } = await serve(t, { buffer_body: false }, fromFetch(async (given) => {
    if (new URL(given.url).pathname === '/refused') return new Response('no', { status: 403 })
    await begin.opened
    return new Response(await given.text())
  }))
  const refused = await connect('POST /refused HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n')
  await refused.over
  t.match(refused.text, /^HTTP\/1\.1 403 /)
  const client = await connect('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n')
  t.equal(client.text, '')
  begin.open()
  await eventually(() => client.text !== '', 'the interim response')
  t.equal(client.text, 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('abc')
  await eventually(() => client.text.endsWith('abc'), 'the response')
})

t.test('a client waits while the application does not read', async (t) => {
  const size = 10_000_000
  const begin = gate()
  let read = 0
  const app: FetchApplication = async (given) => {
    const reader = (given.body as ReadableStream<Uint8Array>).getReader()
    read += (await reader.read()).value?.length ?? 0
    await begin.opened
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) read += chunk.value.length
    return new Response('read')
  }
  await virtually({ buffer_body: false, max_body_size: size, request_body_timeout: 3600 }, fromFetch(app), function* ({ connect }: World) {
    const client = yield* connect(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${size}\r\n\r\n`)
    client.send(Buffer.alloc(size))
    for (let k = 0; k < 20; k++) {
      yield* lev.sleep(0.1)
      yield* turn()
    }
    t.ok(read > 0 && read < size / 10, `${read} bytes were read`)
    t.ok(client.stream.unsent > size / 2, `${client.stream.unsent} bytes are unsent`)
    begin.open()
    t.equal((yield* client.responses(1))[0]?.body.toString(), 'read')
    t.equal(read, size)
  })
})

t.test('a clone of a streamed request, and a body that nobody reads', async (t) => {
  const app: FetchApplication = async (given) => {
    if (given.method === 'PUT') return new Response('unread')
    const copy = given.clone()
    const [one, two] = await Promise.all([given.text(), copy.text()])
    return new Response(`${one.length} ${one === two} ${copy.url === given.url} ${copy.signal.aborted}`)
  }
  for (const buffer_body of [true, false]) {
    const { connect } = await serve(t, { buffer_body }, fromFetch(app))
    const client = await connect(request('PUT /', {}, 'ab') + request('POST /', {}, 'x'.repeat(500_000)) + request('PUT /', {}, ''))
    const responses = await client.responses(3, ['PUT', 'POST', 'PUT'])
    t.strictSame(responses.map(({ body }) => body.toString()), ['unread', '500000 true true false', 'unread'])
  }
})

t.test('a client that leaves in the middle of its content', async (t) => {
  const told: unknown[] = []
  const { connect, log } = await serve(t, { buffer_body: false }, fromFetch(async (given) => {
    const reader = (given.body as ReadableStream<Uint8Array>).getReader()
    told.push((await reader.read()).value?.length)
    await reader.read().catch((error: unknown) => {
      told.push((error as { code: string }).code)
      throw error
    })
    return new Response('never')
  }))
  const client = await connect('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc')
  await eventually(() => told.length === 1, 'the first piece')
  client.close()
  await eventually(() => log.statuses().length > 0, 'the log line')
  t.strictSame(told, [3, 'LEVERET_BODY'])
  t.strictSame(log.statuses(), [400])
  t.strictSame(log.of('error'), [], 'it is not the application\'s fault')
})

t.test('a client that leaves in the middle of a stream: cancel is called with a reason, and onAbort in Hono', async (t) => {
  const told: unknown[] = []
  const app = new Hono<{ Bindings: FetchEnv }>()
  app.get('/hono', (c) => stream(c, async (out) => {
    out.onAbort(() => void told.push('onAbort'))
    while (!out.aborted) {
      await out.write('x')
      await new Promise((resolve) => setImmediate(resolve))
    }
    told.push('ended')
  }))
  app.get('/plain', (c) => {
    c.req.raw.signal.addEventListener('abort', () => told.push('abort'))
    let cancelled = false
    return new Response(new ReadableStream({
      pull: (controller) => new Promise((resolve) => setImmediate(() => {
        if (!cancelled) controller.enqueue(Buffer.from('x'))
        resolve()
      })),
      cancel(reason) {
        cancelled = true
        told.push(typeof reason)
      },
    }))
  })
  const { connect, log } = await serve(t, {}, fromFetch(app.fetch))
  for (const [path, expected] of [['/hono', ['onAbort', 'ended']], ['/plain', ['abort', 'string']]] as const) {
    const client = await connect(request(`GET ${path}`))
    await eventually(() => client.text.endsWith('x\r\n'), 'the first chunk')
    client.close()
    await eventually(() => told.length === 2, `both are told: ${path}`)
    t.strictSame(told.splice(0).sort(), [...expected].sort(), path)
  }
  await eventually(() => log.statuses().length === 2, 'the log lines')
  t.strictSame(log.of('error'), [])
})

t.test('a server that stops waiting aborts the signal and cancels the stream', async (t) => {
  const told: string[] = []
  const { connect, server } = await serve(t, {}, fromFetch((given) => {
    given.signal.addEventListener('abort', () => told.push('abort'))
    return new Response(new ReadableStream({ cancel: () => void told.push('cancel') }))
  }))
  const client = await connect(request('GET /'))
  await eventually(() => client.text.includes('\r\n\r\n'), 'the head')
  await server.stop({ drain: 0 })
  await eventually(() => told.length === 2, 'both')
  t.strictSame(told.sort(), ['abort', 'cancel'])
})

t.test('handler_timeout: 503, and a Response that comes later is cancelled', async (t) => {
  const late = gate()
  let cancelled = false
  let aborted = false
  const { ask } = await serve(t, { handler_timeout: 0.05 }, fromFetch(async (given) => {
    given.signal.addEventListener('abort', () => (aborted = true))
    await late.opened
    return new Response(new ReadableStream({ cancel: () => void (cancelled = true) }))
  }))
  t.equal((await ask(request('GET /'))).status, 503)
  t.ok(aborted)
  late.open()
  await eventually(() => cancelled, 'the late body is cancelled')
})

t.test('waitUntil: a server that stops waits for all of it, and errors are logged', async (t) => {
  const work = gate()
  const { ask, server, log } = await serve(t, {}, fromFetch((_given, _env, execution) => {
    execution.waitUntil(Promise.reject(new Error('at once')))
    execution.waitUntil(work.opened.then(() => Promise.reject(new Error('later'))))
    execution.waitUntil(undefined as unknown as Promise<void>)
    return new Response('sent')
  }))
  t.equal((await ask(request('GET /'))).body.toString(), 'sent')
  await eventually(() => log.of('error').length === 1, 'the first error')
  let stopped = false
  const stopping = server.stop({ drain: 30 }).then(() => (stopped = true))
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(stopped)
  work.open()
  await stopping
  t.strictSame(log.of('error').map((one) => (one as { err: Error }).err.message), ['at once', 'later'])
})

t.test('the response of fetch is passed on, decoded', async (t) => {
  const text = 'upstream '.repeat(1000)
  const upstream = await serve(t, {}, () => [gzipSync(text), 200, { 'Content-Encoding': 'gzip', 'Content-Type': 'text/x', 'Set-Cookie': ['a=1', 'b=2'] }])
  const { ask } = await serve(t, {}, fromFetch((given) => fetch(`http://127.0.0.1:${upstream.port}`, { signal: given.signal })))
  const response = await ask(request('GET /'))
  t.equal(response.body.toString(), text)
  t.strictSame(response.fields.filter(([name]) => ['content-encoding', 'set-cookie'].includes(name)), [['set-cookie', 'a=1'], ['set-cookie', 'b=2']])
})

t.test('the response of fetch is passed on, decoded, however short it is', async (t) => {
  const encoders: Record<string, (text: string) => Buffer> = {
    'br': brotliCompressSync, 'deflate': deflateSync, 'GZIP': gzipSync, 'gzip, br': (text) => brotliCompressSync(gzipSync(text)),
  }
  const upstream = await serve(t, {}, (_method, query) => {
    const [coding, text] = decodeURIComponent(query.slice(1)).split('|')
    const content = encoders[coding](text)
    return [content, 200, { 'Content-Encoding': coding, 'Content-Length': content.length }]
  })
  const { ask } = await serve(t, {}, fromFetch((given) => {
    return fetch(`http://127.0.0.1:${upstream.port}${new URL(given.url).pathname}`, { method: given.method, signal: given.signal })
  }))
  for (const coding of Object.keys(encoders)) {
    for (const text of ['1', 'x', 'ok', '[]', '{}', '42', '"x"', 'true', '[1,2]', '{"a":1}', ' ', 'hello', 'a'.repeat(10), '']) {
      const path = encodeURIComponent(`${coding}|${text}`)
      const response = await ask(request(`GET /${path}`))
      t.strictSame([response.status, response.body.toString()], [200, text], `${coding}: ${text}`)
      t.notOk(response.fields.some(([name]) => name === 'content-encoding'))
    }
    const head = await ask(request(`HEAD /${encodeURIComponent(`${coding}|text`)}`))
    t.ok(head.fields.some(([name]) => name === 'content-encoding'), 'a response without content is as it was')
  }
})
