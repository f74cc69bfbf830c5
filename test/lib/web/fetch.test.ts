import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { streamSSE } from 'hono/streaming'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { wrap } from '../../../lib/index.js'
import { fromFetch, type FetchApplication, type FetchEnv } from '../../../lib/web/fetch/index.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import type { WireResponse } from '../../support/responses.js'
import { virtually, type World } from '../../support/virtual.js'

const text = (content: ConstructorParameters<typeof Response>[0], init?: ResponseInit): FetchApplication => () => new Response(content, init)

const fieldOf = ({ fields }: WireResponse, name: string): string | undefined => fields.find(([one]) => one === name)?.[1]

interface Sent {
  readonly app: FetchApplication
  readonly status: number
  readonly body: string
  readonly headers: Record<string, string>
}

const sent: Record<string, Sent> = {
  'text': { app: text('grün'), status: 200, body: 'grün', headers: { 'content-length': '5', 'content-type': 'text/plain;charset=UTF-8' } },
  'empty text': { app: text(''), status: 200, body: '', headers: { 'content-length': '0' } },
  'nothing': { app: text(null, { status: 404 }), status: 404, body: '', headers: { 'content-length': '0' } },
  'no content': { app: text(null, { status: 204 }), status: 204, body: '', headers: {} },
  'bytes': { app: text(new Uint8Array([104, 105])), status: 200, body: 'hi', headers: { 'content-length': '2' } },
  'JSON': { app: () => Response.json({ a: 1 }), status: 200, body: '{"a":1}', headers: { 'content-length': '7', 'content-type': 'application/json' } },
  'a promise': { app: async () => Response.json([1], { status: 201 }), status: 201, body: '[1]', headers: { 'content-length': '3' } },
  'a form': { app: text(new URLSearchParams({ a: '1 2' })), status: 200, body: 'a=1+2', headers: { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' } },
  'a blob': { app: text(new Blob(['blob'], { type: 'text/x-blob' })), status: 200, body: 'blob', headers: { 'content-type': 'text/x-blob' } },
  'a redirect': { app: () => Response.redirect('http://other.test/', 302), status: 302, body: '', headers: { location: 'http://other.test/' } },
  'odd names of headers': {
    app: text('x', { headers: [['constructor', '1'], ['__proto__', '2']] }), status: 200, body: 'x', headers: { 'constructor': '1', ['__proto__']: '2' },
  },
  'one piece': {
    app: text(new ReadableStream({ start: (c) => { c.enqueue(new TextEncoder().encode('piece')); c.close() } })),
    status: 200, body: 'piece', headers: { 'content-length': '5' },
  },
  'two pieces': {
    app: text(new ReadableStream({ start: (c) => { for (const one of ['a', 'bc']) c.enqueue(new TextEncoder().encode(one)); c.close() } })),
    status: 200, body: 'abc', headers: { 'transfer-encoding': 'chunked' },
  },
}

t.test('responses of every kind', async (t) => {
  for (const [what, { app, status, body, headers }] of Object.entries(sent)) {
    const { ask } = await serve(t, {}, fromFetch(app))
    const response = await ask(request('GET /'))
    t.equal(response.status, status, what)
    t.equal(response.body.toString(), body, what)
    for (const [name, value] of Object.entries(headers)) t.equal(fieldOf(response, name), value, `${what}: ${name}`)
  }
})

t.test('several cookies stay several lines; HEAD has the headers of GET', async (t) => {
  const { ask } = await serve(t, {}, fromFetch(() => {
    const response = new Response('content', { headers: { 'X-One': '1' } })
    response.headers.append('Set-Cookie', 'a=1, b')
    response.headers.append('Set-Cookie', 'c=2')
    return response
  }))
  const got = await ask(request('GET /'))
  t.strictSame(got.fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value), ['a=1, b', 'c=2'])
  const head = await ask(request('HEAD /'))
  t.equal(fieldOf(head, 'content-length'), '7')
  t.equal(head.body.length, 0)
})

t.test('the request', async (t) => {
  let seen: Request | null = null
  const { ask } = await serve(t, {}, fromFetch(async (given, { ctx }) => {
    seen = given
    return Response.json({
      url: given.url, method: given.method, x: given.headers.get('x-a'), cookie: given.headers.get('cookie'),
      ip: given.headers.get('x-client-ip'), ctx: ctx.client_ip, body: await given.text(), is: given instanceof Request,
    })
  }))
  const get = async (text: string): Promise<unknown> => JSON.parse((await ask(text)).body.toString())
  t.strictSame(await get(request('GET /a%20b?c=d', { 'X-A': 'one', Cookie: 'a=1', 'X-Client-IP': '6.6.6.6' })), {
    url: 'http://test/a%20b?c=d', method: 'GET', x: 'one', cookie: 'a=1', ip: '127.0.0.1', ctx: '127.0.0.1', body: '', is: true,
  })
  t.match(await get(request('POST /x', {}, 'content')), { method: 'POST', body: 'content' })
  t.match(await get(request('GET /x', {}, 'dropped')), { method: 'GET', body: '' }, 'a Request of GET has no content')
  t.match(await get(request('OPTIONS *')), { url: 'http://test/*', method: 'OPTIONS' })
  t.match(await get(request('GET http://other/p?q', { Host: 'other' })), { url: 'http://other/p?q' })
  t.equal(new Request(seen as unknown as Request).url, 'http://other/p?q', 'it is a Request of the platform')
  for (const method of ['CONNECT', 'TRACE']) {
    t.equal((await ask(request(method === 'CONNECT' ? 'CONNECT test:80' : 'TRACE /', method === 'CONNECT' ? { Host: 'test:80' } : {}))).status, 501, method)
  }
})

t.test('what a wrapper changes in the headers is what the application gets', async (t) => {
  const app = fromFetch((given) => new Response(`${String(given.headers.get('x-id'))} ${String(given.headers.get('x-gone'))}`))
  const { ask } = await serve(t, {}, wrap(app, (given, next) => {
    given.headers['x-id'] = '7'
    given.headers['x-gone'] = undefined
    return next()
  }))
  t.equal((await ask(request('GET /', { 'X-Id': '1', 'X-Gone': '1' }))).body.toString(), '7 null')
})

t.test('content is read in every way, buffered or from the connection, and of a clone', async (t) => {
  const app: FetchApplication = async (given) => {
    const { pathname } = new URL(given.url)
    const copy = given.clone()
    switch (pathname) {
      case '/json': return Response.json(await given.json())
      case '/form': return new Response(String((await given.formData()).get('a')))
      case '/blob': return new Response(String((await given.blob()).size))
      case '/echo': return new Response(given.body)
      default: return new Response(`${await given.text()}${await copy.text()}`)
    }
  }
  for (const buffer_body of [true, false]) {
    const { ask } = await serve(t, { buffer_body }, fromFetch(app))
    const post = async (path: string, body: string, headers: Record<string, string> = {}): Promise<string> => (
      (await ask(request(`POST ${path}`, headers, body))).body.toString()
    )
    t.equal(await post('/json', '[1]'), '[1]')
    t.equal(await post('/form', 'a=b+c', { 'Content-Type': 'application/x-www-form-urlencoded' }), 'b c')
    t.equal(await post('/blob', 'four'), '4')
    t.equal(await post('/twice', 'ab'), 'abab')
    const large = 'x'.repeat(300_000)
    t.equal(await post('/echo', large), large)
    t.equal(await post('/echo', `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`, { 'Transfer-Encoding': 'chunked' }), large)
  }
})

t.test('faults of an application are a 500 that says nothing', async (t) => {
  const used = new Response('once')
  await used.text()
  const faults: Record<string, FetchApplication> = {
    'it throws': () => { throw new Error('secret') },
    'it rejects': async () => { throw new Error('secret') },
    'Response.error()': () => Response.error(),
    'a body that was read': () => used,
    'no response': () => 'text' as unknown as Response,
    'a stream that fails at once': text(new ReadableStream({ start: (c) => c.error(new Error('secret')) })),
  }
  for (const [what, app] of Object.entries(faults)) {
    const { ask, log } = await serve(t, {}, fromFetch(app))
    const response = await ask(request('GET /'))
    t.equal(response.status, 500, what)
    t.notMatch(response.body.toString(), /secret/)
    t.equal(log.of('error').length, 1, `${what}: one line`)
  }
  t.throws(() => fromFetch('app' as unknown as FetchApplication), { code: 'LEVERET_ARGUMENT', message: /application must be a function/ })
})

t.test('a stream leaves piece by piece, and is cancelled when its client leaves', async (t) => {
  const second = gate()
  let cancelled: unknown = null
  let aborted = false
  const { connect } = await serve(t, {}, fromFetch((given) => {
    given.signal.addEventListener('abort', () => (aborted = true))
    let count = 0
    return new Response(new ReadableStream({
      async pull(controller) {
        if (count++ > 0) await second.opened
        controller.enqueue(new TextEncoder().encode(`data: ${count}\n\n`))
      },
      cancel: (reason) => { cancelled = reason },
    }), { headers: { 'Content-Type': 'text/event-stream' } })
  }))
  const client = await connect(request('GET /'))
  await eventually(() => client.received.includes('data: 1'), 'the first piece')
  t.notMatch(client.received.toString(), /data: 2/)
  client.close()
  second.open()
  await eventually(() => cancelled !== null, 'the stream is cancelled')
  t.ok(aborted, 'the signal of the request aborts')
})

t.test('the head of a stream does not wait for its first piece; a client that leaves before that cancels it', async (t) => {
  let cancelled = false
  const { connect, log } = await serve(t, {}, fromFetch(async () => {
    await Promise.resolve()
    return new Response(new ReadableStream({ cancel: () => { cancelled = true } }), { headers: { 'Content-Type': 'text/event-stream' } })
  }))
  const client = await connect(request('GET /'))
  await eventually(() => client.received.includes('\r\n\r\n'), 'the head')
  t.match(client.received.toString(), /^HTTP\/1.1 200 .*text\/event-stream/s)
  client.close()
  await eventually(() => cancelled, 'the stream is cancelled')
  await eventually(() => log.statuses().length === 1, 'the log line')
  t.strictSame(log.statuses(), [499])
})

t.test('an endless stream waits for a client that does not read', async (t) => {
  let made = 0
  const app: FetchApplication = () => new Response(new ReadableStream({
    pull(controller) {
      made++
      controller.enqueue(new Uint8Array(1024))
    },
  }))
  await virtually({ send_timeout: 5 }, fromFetch(app), function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    yield* lev.wait(new Promise<void>((resolve) => setImmediate(resolve)))
    client.stream.close()
  })
  t.ok(made < 10_000, `${made} pieces were made`)
})

t.test('waitUntil holds a server that stops', async (t) => {
  const work = gate()
  let finished = false
  const { ask, server } = await serve(t, {}, fromFetch((_given, _env, execution) => {
    execution.passThroughOnException()
    execution.waitUntil(work.opened.then(() => { finished = true }))
    return new Response('at once')
  }))
  t.equal((await ask(request('GET /'))).body.toString(), 'at once')
  const stopped = server.stop({ drain: 30 })
  setImmediate(() => work.open())
  await stopped
  t.ok(finished)
})

t.test('an application of Hono', async (t) => {
  const app = new Hono<{ Bindings: FetchEnv }>()
  app.use(cors())
  app.get('/users/:name', etag(), (c) => c.json({ name: c.req.param('name'), ip: c.env.ctx.client_ip }))
  app.post('/echo', async (c) => c.text(`${(await c.req.text()).length} bytes`, 201))
  app.get('/events', (c) => streamSSE(c, async (stream) => {
    for (const id of ['1', '2']) await stream.writeSSE({ data: 'tick', id })
  }))
  app.mount('/other', (given: Request) => new Response(`mounted ${new URL(given.url).pathname}`))
  app.get('/broken', () => { throw new Error('secret') })
  const { ask, log } = await serve(t, {}, fromFetch(app.fetch))
  const user = await ask(request('GET /users/ann'))
  t.equal(user.body.toString(), '{"name":"ann","ip":"127.0.0.1"}')
  t.equal(fieldOf(user, 'access-control-allow-origin'), '*')
  const again = await ask(request('GET /users/ann', { 'If-None-Match': fieldOf(user, 'etag') ?? '' }))
  t.equal(again.status, 304)
  t.match(await ask(request('POST /echo', {}, 'content')), { status: 201, body: Buffer.from('7 bytes') })
  t.equal((await ask(request('GET /events'))).body.toString(), 'data: tick\nid: 1\n\ndata: tick\nid: 2\n\n')
  t.equal((await ask(request('GET /other/path'))).body.toString(), 'mounted /path')
  t.equal((await ask(request('HEAD /users/ann'))).status, 200)
  t.equal((await ask(request('OPTIONS /users/ann', { Origin: 'http://a', 'Access-Control-Request-Method': 'GET' }))).status, 204)
  t.equal((await ask(request('GET /nowhere'))).status, 404)
  t.equal((await ask(request('GET /broken'))).status, 500)
  t.strictSame(log.of('error'), [], 'Hono has handled its error')
})
