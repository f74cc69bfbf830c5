import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { request, type Handler, type RequestOptions } from '../../../lib/index.js'
import { outgoingOf } from '../../../lib/client/outgoing.js'
import { redirected, type Hop } from '../../../lib/client/redirect.js'
import { developmentIdentities } from '../../../tls/index.js'
import { serve } from '../../support/serving.js'

const content = outgoingOf('content')

const start: Hop = {
  url: new URL('https://a.test/x?y'),
  method: 'POST',
  headers: { authorization: 'secret', cookie: 'a=b', host: 'c.test', 'content-type': 'text/plain', 'x-a': '1' },
  body: content,
  tls: { ca: 'ca', cert: 'cert', key: 'key', passphrase: 'word', serverName: 'd.test' },
  socketPath: '/x.sock',
}

t.test('the method and the content that a redirect leaves', async (t) => {
  const cases: [method: string, status: number, then: string, kept: boolean][] = [
    ['POST', 301, 'GET', false], ['POST', 302, 'GET', false], ['POST', 303, 'GET', false], ['POST', 307, 'POST', true], ['POST', 308, 'POST', true],
    ['PUT', 301, 'PUT', true], ['PUT', 302, 'PUT', true], ['PUT', 303, 'GET', false], ['DELETE', 307, 'DELETE', true],
    ['GET', 301, 'GET', true], ['HEAD', 302, 'HEAD', true], ['HEAD', 303, 'HEAD', true],
  ]
  for (const [method, status, then, kept] of cases) {
    const hop = redirected({ ...start, method }, status, '/there', false)
    t.match(hop, { method: then, body: kept ? content : null, tls: start.tls, socketPath: '/x.sock' }, `${method} ${status}`)
    t.equal(hop?.url.href, 'https://a.test/there')
    t.same(hop?.headers, { authorization: 'secret', cookie: 'a=b', host: 'c.test', 'x-a': '1', ...(kept ? { 'content-type': 'text/plain' } : {}) })
  }
})

t.test('what asks for no other request', async (t) => {
  for (const status of [200, 201, 300, 304, 305, 306, 400]) t.equal(redirected(start, status, '/there', false), null, String(status))
  t.equal(redirected(start, 302, undefined, false), null)
})

t.test('nothing secret follows to another origin', async (t) => {
  for (const there of ['https://b.test/', 'https://a.test:444/', '//sub.a.test/x']) {
    const hop = redirected(start, 307, there, false)
    t.same(hop?.headers, { 'content-type': 'text/plain', 'x-a': '1' }, there)
    t.same([hop?.tls, hop?.socketPath], [{ ca: 'ca' }, null], there)
  }
  t.equal(redirected({ ...start, tls: { cert: 'cert', key: 'key' } }, 302, 'https://b.test/', false)?.tls, null)
  t.same(redirected({ ...start, tls: { verify: false } }, 302, 'https://b.test/', false)?.tls, { verify: false })
  const named = redirected(start, 302, 'https://u:p%40@b.test/', false)
  t.same([named?.url.href, named?.headers.authorization], ['https://b.test/', `Basic ${btoa('u:p@')}`])
})

t.test('what is not followed', async (t) => {
  const cases: [there: string, message: RegExp][] = [
    ['http://a.test/', /http:\/\/a\.test, which is not encrypted.*insecureRedirects/], ['ftp://a.test/', /URL of ftp:/], ['https://', /no URL/],
  ]
  for (const [there, message] of cases) t.throws(() => redirected(start, 302, there, false), { code: 'LEVERET_REQUEST', message }, there)
  t.equal(redirected(start, 302, 'http://a.test/', true)?.url.href, 'http://a.test/')
})

const show: Handler = (method, query, _args, headers, body) => {
  const count = Number(/^\/moved\/(\d+)/.exec(query)?.[1] ?? 0)
  if (count > 0) return [null, 302, { Location: `/moved/${count - 1}` }]
  return JSON.stringify([method, headers.authorization ?? null, headers['user-agent'], headers.accept, body?.toString() ?? null])
}

function* shown(options: RequestOptions): lev.Op<unknown> {
  return JSON.parse((yield* request(options)).body.toString())
}

t.test('on the wire: ten are followed, the next is an error', async (t) => {
  const { port } = await serve(t, {}, show)
  const url = (count: number): string => `http://127.0.0.1:${port}/moved/${count}`
  await lev.run(function* () {
    t.same(yield* shown({ url: url(10), method: 'POST', body: 'x' }), ['GET', null, 'leveret/0.1.0', '*/*', null])
    t.equal((yield* request({ url: url(2), redirects: 2 })).status, 200)
    t.match(yield* request({ url: url(2), redirects: false }), { status: 302, headers: { location: '/moved/1' } })
  })
  await t.rejects(lev.run(() => request(url(11))), { code: 'LEVERET_REQUEST', message: /redirects more than 10 times/ } as never)
  await t.rejects(lev.run(() => request({ url: url(2), redirects: 1 })), { code: 'LEVERET_REQUEST', message: /redirects more than 1 times/ } as never)
})

t.test('a user and a password in the URL', async (t) => {
  const { port } = await serve(t, {}, show)
  await lev.run(function* () {
    const url = `http://us%20er:p%C3%BC@127.0.0.1:${port}/`
    t.same(yield* shown({ url, headers: { accept: 'a', 'User-Agent': 'b' } }), ['GET', `Basic ${Buffer.from('us er:pü').toString('base64')}`, 'b', 'a', null])
    t.match(yield* shown({ url, headers: { Authorization: 'mine' } }), ['GET', 'mine'])
    t.match(yield* shown({ url: new URL(`http://u@127.0.0.1:${port}/moved/1`) }), ['GET', `Basic ${btoa('u:')}`], 'it follows within the origin')
  })
})

t.test('from https: to http: over the wire', async (t) => {
  const plain = await serve(t, {}, show)
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  const secure = await serve(t, { ssl: made.ssl }, () => [null, 302, { Location: `http://127.0.0.1:${plain.port}/` }])
  const options = { url: `https://u:p@localhost:${secure.port}/`, tls: { ca: readFileSync(made.ca) } }
  await t.rejects(lev.run(() => request(options)), { code: 'LEVERET_REQUEST', message: /not encrypted/ } as never)
  t.match(await lev.run(() => shown({ ...options, insecureRedirects: true })), ['GET', null], 'without credentials')
})
