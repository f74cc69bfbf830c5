// An application of Hono as its users have it, over a real port: what they expect of a server for it.
import { Hono } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { getCookie, setCookie } from 'hono/cookie'
import { csrf } from 'hono/csrf'
import { HTTPException } from 'hono/http-exception'
import { prettyJSON } from 'hono/pretty-json'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { stream, streamText } from 'hono/streaming'
import { timeout } from 'hono/timeout'
import t from 'tap'
import { fromFetch, type FetchEnv } from '../../../../lib/web/fetch/index.js'
import { developmentIdentities } from '../../../../tls/index.js'
import { request, serve } from '../../../support/serving.js'
import { RawClient } from '../../../support/raw-client.js'

const app = new Hono<{ Bindings: FetchEnv, Variables: { requestId: string } }>()
app.use('/secure/*', basicAuth({ username: 'ann', password: 'hare' }), secureHeaders())
app.use('/api/*', prettyJSON(), requestId())
app.use('/small', bodyLimit({ maxSize: 3, onError: (c) => c.text('too much', 413) }))
app.use('/compressed', compress())
app.use('/form', csrf())
app.get('/', (c) => c.text('Hello'))
app.get('/secure/page', (c) => c.html('<p>inside</p>'))
app.get('/api/json', (c) => c.json({ a: [1] }))
app.get('/api/id', (c) => c.text(c.get('requestId')))
app.get('/users/:name{[a-z]+}', (c) => c.text(`${c.req.param('name')} ${c.req.query('q') ?? ''} ${c.req.queries('t')?.join() ?? ''}`))
app.get('/redirect', (c) => c.redirect('/'))
app.get('/null', (c) => c.body(null))
app.get('/no-content', (c) => c.body(null, 204))
app.get('/cookies', (c) => {
  setCookie(c, 'seen', String(getCookie(c, 'a')), { path: '/', httpOnly: true })
  setCookie(c, 'other', 'b')
  return c.text('set')
})
app.post('/json', async (c) => c.json(await c.req.json()))
app.post('/form', async (c) => {
  const { text, file } = await c.req.parseBody()
  return c.text(`${String(text)} ${file instanceof File ? `${file.name} ${file.size} ${file.type}` : typeof file}`)
})
app.post('/small', async (c) => c.text(await c.req.text()))
app.post('/bytes', async (c) => c.body(await c.req.arrayBuffer()))
app.post('/partial', async (c) => {
  const reader = (c.req.raw.body as ReadableStream<Uint8Array>).getReader()
  const { value } = await reader.read()
  return c.text(String((value?.length ?? 0) > 0))
})
app.post('/twice', async (c) => c.text(await c.req.raw.clone().text() + await c.req.text()))
app.post('/again', async (c) => c.text(await new Request(c.req.raw, { headers: { 'x-new': '1' } }).text()))
app.delete('/users/:name', (c) => c.text(`deleted ${c.req.param('name')}`))
app.get('/text', (c) => streamText(c, async (out) => {
  for (const word of ['one', 'two']) await out.writeln(word)
}))
app.get('/pipe', (c) => stream(c, (out) => out.pipe(new Blob(['piped']).stream())))
app.get('/compressed', (c) => c.text('x'.repeat(5000)))
app.get('/refused', () => {
  throw new HTTPException(418, { message: 'a teapot' })
})
app.get('/slow', timeout(10), async () => new Promise<Response>(() => {}))
app.get('/url', (c) => c.text(c.req.url))
app.get('/broken', () => {
  throw new Error('secret')
})
app.notFound((c) => c.text('not here', 404))
app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : c.text('sorry', 500)))

const json = { 'Content-Type': 'application/json' }
const form = new FormData()
form.set('text', 'grün')
form.set('file', new File(['content'], 'a.txt', { type: 'text/x' }))
const large = 'x'.repeat(300_000)

type Fact = [target: string, init: RequestInit, status: number, body: string | RegExp, headers?: Record<string, string>]

const facts: readonly Fact[] = [
  ['/', {}, 200, 'Hello', { 'content-type': 'text/plain;charset=UTF-8', 'content-length': '5' }],
  ['/', { method: 'HEAD' }, 200, '', { 'content-type': 'text/plain;charset=UTF-8' }],
  ['/', { method: 'POST' }, 404, 'not here'],
  ['/nowhere', {}, 404, 'not here'],
  ['/secure/page', {}, 401, 'Unauthorized', { 'www-authenticate': 'Basic realm="Secure Area"' }],
  ['/secure/page', { headers: { Authorization: `Basic ${btoa('ann:hare')}` } }, 200, '<p>inside</p>', { 'x-frame-options': 'SAMEORIGIN' }],
  ['/api/json', {}, 200, '{"a":[1]}', { 'content-type': 'application/json' }],
  ['/api/json?pretty', {}, 200, '{\n  "a": [\n    1\n  ]\n}'],
  ['/api/id', { headers: { 'X-Request-Id': 'seven' } }, 200, 'seven', { 'x-request-id': 'seven' }],
  ['/users/ann?q=a%20b&t=1&t=2', {}, 200, 'ann a b 1,2'],
  ['/users/ANN', {}, 404, 'not here'],
  ['/users/ann', { method: 'DELETE' }, 200, 'deleted ann'],
  ['/redirect', { redirect: 'manual' }, 302, '', { location: '/', 'content-length': '0' }],
  ['/null', {}, 200, '', { 'content-length': '0' }],
  ['/no-content', {}, 204, ''],
  ['/cookies', { headers: { Cookie: 'a=1' } }, 200, 'set', { 'set-cookie': 'seen=1; Path=/; HttpOnly, other=b; Path=/' }],
  ['/json', { method: 'POST', body: '{"a":"grün"}', headers: json }, 200, '{"a":"grün"}'],
  ['/json', { method: 'POST', body: '{"a":', headers: json }, 500, 'sorry'],
  ['/form', { method: 'POST', body: form, headers: { 'Sec-Fetch-Site': 'same-origin' } }, 200, 'grün a.txt 7 text/x'],
  ['/form', { method: 'POST', body: new URLSearchParams({ text: 'a b' }), headers: { 'Sec-Fetch-Site': 'same-origin' } }, 200, 'a b undefined'],
  ['/form', { method: 'POST', body: new URLSearchParams({ text: 'a b' }), headers: { Origin: 'https://evil.test' } }, 403, 'Forbidden'],
  ['/small', { method: 'POST', body: 'abc' }, 200, 'abc'],
  ['/small', { method: 'POST', body: 'abcd' }, 413, 'too much'],
  ['/bytes', { method: 'POST', body: new Uint8Array([104, 105]) }, 200, 'hi', { 'content-length': '2' }],
  ['/bytes', { method: 'POST', body: large }, 200, large],
  ['/partial', { method: 'POST', body: large }, 200, 'true'],
  ['/twice', { method: 'POST', body: 'ab' }, 200, 'abab'],
  ['/again', { method: 'POST', body: 'ab' }, 200, 'ab'],
  ['/text', {}, 200, 'one\ntwo\n', { 'transfer-encoding': 'chunked', 'x-content-type-options': 'nosniff' }],
  ['/pipe', {}, 200, 'piped'],
  ['/compressed', { headers: { 'Accept-Encoding': 'gzip' } }, 200, /^x{5000}$/, { 'content-encoding': 'gzip' }],
  ['/compressed', { headers: { 'Accept-Encoding': 'identity' } }, 200, /^x{5000}$/],
  ['/refused', {}, 418, 'a teapot'],
  ['/slow', {}, 504, 'Gateway Timeout'],
  ['/broken', {}, 500, 'sorry'],
]

t.test('facts', async (t) => {
  for (const buffer_body of [true, false]) {
    const { port, log } = await serve(t, { buffer_body }, fromFetch(app.fetch))
    for (const [target, init, status, body, headers = {}] of facts) {
      const what = `${init.method ?? 'GET'} ${target}${buffer_body ? '' : ', streamed'}`
      const response = await fetch(`http://127.0.0.1:${port}${target}`, init)
      t.equal(response.status, status, what)
      const text = await response.text()
      if (typeof body === 'string') t.equal(text, body, `${what}: content`)
      else t.match(text, body, `${what}: content`)
      for (const [name, value] of Object.entries(headers)) t.equal(response.headers.get(name), value, `${what}: ${name}`)
    }
    t.strictSame(log.of('error'), [])
  }
})

t.test('an application that reads a part: the connection serves its next request, or is closed', async (t) => {
  const { connect } = await serve(t, { buffer_body: false }, fromFetch(app.fetch))
  const client = await connect(request('POST /partial', {}, 'abc') + request('GET /'))
  const [first, second] = await client.responses(2, ['POST', 'GET'])
  t.equal(first?.body.toString(), 'true')
  t.equal(second?.body.toString(), 'Hello')
})

t.test('over TLS the scheme is https', async (t) => {
  const { port } = await serve(t, { ssl: developmentIdentities(t.testdir(), ['localhost'], Date.now() / 1000).ssl }, fromFetch(app.fetch))
  const client = await RawClient.overTls(port)
  t.teardown(() => client.close())
  client.send(request('GET /url', { 'X-Forwarded-Proto': 'http' }))
  const [response] = await client.responses(1, ['GET'])
  t.equal(response?.body.toString(), 'https://test/url')
})
