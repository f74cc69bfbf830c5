import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import type { Handler } from '../../../lib/index.js'
import { inject, virtual, type InjectOptions } from '../../../testing/index.js'
import { keptLog } from '../../support/kept-log.js'

/** Tells what the handler was given. */
const mirror: Handler = (method, query, args, headers, body) => [
  JSON.stringify({ method, query, args, host: headers['host'], type: headers['content-type'] ?? null, length: headers['content-length'] ?? null, body: body === null ? null : body.toString() }),
  200, { 'Content-Type': 'application/json' },
]

function serviceOf(handle: Handler, config: server.Config = {}): server.Server {
  return server.new({ logger: keptLog(), ...config }, handle)
}

t.test('what the handler gets', async (t) => {
  const plain = { method: 'GET', query: '/', args: '', host: 'localhost', type: null, length: null, body: null }
  const cases: readonly [InjectOptions, object][] = [
    [{ path: '/' }, {}],
    [{ path: '/a%20b/../c?d=e&f' }, { query: '/a%20b/../c', args: 'd=e&f' }],
    [{ path: '*', method: 'OPTIONS' }, { method: 'OPTIONS', query: '*' }],
    [{ path: 'http://b.test/x', headers: { Host: 'b.test' } }, { query: '/x', host: 'b.test' }],
    [{ path: '/', method: 'DELETE' }, { method: 'DELETE' }],
    [{ path: '/', method: 'POST' }, { method: 'POST', length: '0' }],
    [{ path: '/', method: 'POST', json: { a: 1 } }, { method: 'POST', type: 'application/json', length: '7', body: '{"a":1}' }],
    [{ path: '/', method: 'POST', json: 0, headers: { 'Content-Type': 'application/x+json' } }, { method: 'POST', type: 'application/x+json', length: '1', body: '0' }],
    [{ path: '/', method: 'PUT', body: 'text' }, { method: 'PUT', length: '4', body: 'text' }],
    [{ path: '/', method: 'PUT', body: Buffer.from('bytes') }, { method: 'PUT', length: '5', body: 'bytes' }],
    [{ path: '/', method: 'POST', body: new URLSearchParams({ a: '1 2' }) }, { method: 'POST', type: 'application/x-www-form-urlencoded;charset=UTF-8', length: '5', body: 'a=1+2' }],
    [{ path: '/', method: 'POST', body: streamOf('one', 'two') }, { method: 'POST', body: 'onetwo' }],
    [{ path: '/', method: 'POST', body: 'x', headers: { Expect: '100-continue' } }, { method: 'POST', length: '1', body: 'x' }],
  ]
  for (const [options, seen] of cases) {
    const response = await inject(serviceOf(mirror), options)
    t.strictSame(response.json(), { ...plain, ...seen }, JSON.stringify(options))
  }
})

async function* streamOf(...pieces: string[]): AsyncIterable<string> {
  yield* pieces
}

const kinds: Readonly<Record<string, Handler>> = {
  plain: () => ['content', 201],
  *generator() {
    yield* lev.sleep(0.001)
    return ['content', 201]
  },
  async async() {
    await delay(1)
    return ['content', 201]
  },
  iterable: () => [new Set(['con', 'tent']), 201],
  'async iterable': () => [streamOf('con', 'tent'), 201],
  writer: () => [function* (out) {
    yield* out.write('con')
    yield* lev.sleep(0.001)
    yield* out.write('tent')
  }, 201],
  blob: () => [new Blob(['content']), 201],
  *own(_method, _query, _args, _headers, _body, ctx) {
    yield* ctx.client.write('HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\ncontent')
    return undefined
  },
  *spawning() {
    lev.spawn(() => lev.sleep(0.001))
    return ['content', 201]
  },
}

for (const [kind, handle] of Object.entries(kinds)) {
  t.test(`a handler: ${kind}`, async (t) => {
    const service = serviceOf(handle)
    const { status, body } = await inject(service, { path: '/' })
    t.strictSame([status, body.toString()], [201, 'content'], 'awaited')
    await lev.run(function* () {
      const response = yield* inject(service, { path: '/' })
      t.strictSame([response.status, response.text()], [201, 'content'], 'in a coroutine')
    })
    if (kind !== 'async') await virtual(function* () {
      const response = yield* inject(service, { path: '/' })
      t.strictSame([response.status, response.text()], [201, 'content'], 'in virtual time')
      const head = yield* inject(service, { path: '/', method: 'HEAD' })
      if (kind !== 'own') t.strictSame([head.status, head.text()], [201, ''], 'HEAD')
    })
  })
}

t.test('the head of a response', async (t) => {
  const service = serviceOf((_method, _query, _args, _headers, _body, ctx) => {
    ctx.earlyHints({ Link: '</style.css>; rel=preload' })
    return ['x', 404, { 'X-One': 'two', 'Set-Cookie': ['a=1', 'b=2'] }]
  })
  const { ok, status, reason, headers, setCookie } = await inject(service, { path: '/' })
  t.strictSame([ok, status, reason, headers['x-one'], headers['content-length'], headers['set-cookie'], setCookie], [false, 404, 'Not Found', 'two', '1', 'a=1\nb=2', ['a=1', 'b=2']])
  const again = await inject(serviceOf((_method, _query, _args, headers) => headers['cookie'] ?? 'none'), { path: '/' })
  t.equal(again.text(), 'none', 'cookies are not kept')
})

t.test('content is what was sent', async (t) => {
  const service = serviceOf(() => 'text '.repeat(1000))
  const plain = await inject(service, { path: '/' })
  t.equal(plain.body.length, 5000, 'not compressed unless it is asked for')
  const coded = await inject(service, { path: '/', headers: { 'Accept-Encoding': 'gzip' } })
  t.strictSame([coded.headers['content-encoding'], coded.body[0]], ['gzip', 0x1f])
  t.throws(() => plain.json(), { name: 'RequestError', message: 'the body of the response is not JSON' })
  const large = Buffer.alloc(3_000_000, 'x')
  const echo = await inject(serviceOf((_method, _query, _args, _headers, body) => body), { path: '/', method: 'POST', body: large })
  t.ok(echo.body.equals(large))
})

t.test('errors are responses, and logged', async (t) => {
  const log = keptLog()
  const service = server.new({ logger: log, max_body_size: 10 }, (_method, query) => {
    if (query === '/throw') throw new Error('a mistake')
    return 'fine'
  })
  t.equal((await inject(service, { path: '/throw' })).status, 500)
  t.match(log.of('error'), [{ err: { message: 'a mistake' } }])
  t.match(log.of('access'), [{ query: '/throw', status: 500 }], 'logged when inject returns')
  t.equal((await inject(service, { path: '/', method: 'POST', body: 'x'.repeat(11) })).status, 413)
  t.equal((await inject(service, { path: 'nowhere' })).status, 400)
  t.equal((await inject(service, { path: '/', method: 'POST', body: streamOf('x'.repeat(20), 'y') })).status, 413, 'while content is written')
})

t.test('arguments are checked', async (t) => {
  const service = serviceOf(mirror)
  const wrong: readonly [object, string, RegExp][] = [
    [{}, 'path', /path must be/],
    [{ path: '/a b' }, 'path', /percent-encoded/],
    [{ path: '/\r\nX: y' }, 'path', /percent-encoded/],
    [{ path: '/', method: 'NO WAY' }, 'method', /method must be/],
    [{ path: '/', json: {}, body: '' }, 'body', /either json or body/],
    [{ path: '/', headers: { Upgrade: 'websocket' } }, 'headers', /must not have Upgrade.*single request/],
    [{ path: '/', headers: { 'Transfer-Encoding': 'chunked' } }, 'headers', /set by inject/],
    [{ path: '/', body: 'x', headers: { 'Content-Length': 2 } }, 'headers.content-length', /the length of the body/],
    [{ path: '/', pat: 1 }, 'pat', /path/],
  ]
  for (const [options, argument, message] of wrong) {
    await t.rejects(inject(service, options as InjectOptions), { name: 'ArgumentError', argument, message }, JSON.stringify(options))
  }
})

t.test('a handler that does not respond', async (t) => {
  const leaving: Handler = (_method, _query, _args, _headers, _body, ctx) => {
    ctx.client.close()
    return undefined
  }
  await t.rejects(inject(serviceOf(leaving), { path: '/' }), { name: 'RequestError', message: /without a response/ })
  const changing: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    yield* ctx.client.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    return undefined
  }
  await t.rejects(inject(serviceOf(changing), { path: '/' }), { name: 'RequestError', message: /changes the protocol/ })
  const upgrading = await inject(serviceOf((_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* () {})), { path: '/' })
  t.equal(upgrading.status, 426)
  await t.rejects(inject(serviceOf(mirror), { path: '/', method: 'POST', body: failingContent() }), { message: 'no more content' })
})

async function* failingContent(): AsyncIterable<string> {
  yield 'some'
  throw new Error('no more content')
}

t.test('a service that never ends its response', (t) => virtual(function* () {
  const ended: string[] = []
  const log = keptLog()
  const service = server.new({ logger: log, keepalive_idle_timeout: 5 }, function* (_method, query, _args, _headers, _body, ctx) {
    ctx.signal.addEventListener('abort', () => ended.push(`signal: ${(ctx.signal.reason as Error).message}`))
    if (query === '/wait') {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        yield* lev.sleep(0.1)
        ended.push('handler')
      }
    }
    return [function* (out) {
      try {
        for (let count = 0; ; count++) {
          yield* out.write(`${count}\n`)
          yield* lev.sleep(1)
        }
      } finally {
        ended.push('content')
      }
    }, 200]
  })

  const error = yield* failureOf(lev.timeout(60, inject(service, { path: '/wait' })))
  t.type(error, lev.TimeoutError)
  t.strictSame(ended.splice(0), ['signal: client gone', 'handler'], 'it has ended when inject has')
  t.match(log.of('access'), [{ status: 499 }])

  t.type(yield* failureOf(lev.timeout(60, inject(service, { path: '/' }))), lev.TimeoutError)
  t.strictSame(ended.splice(0), ['signal: client gone', 'content'])

  yield* lev.scope(function* () {
    const { status, body } = yield* inject(service, { path: '/', stream: true })
    t.strictSame([status, String(yield* body.read()), String(yield* body.read())], [200, '0\n', '1\n'])
    t.strictSame(ended, [])
  })
  yield* lev.sleep(0.1)
  t.strictSame(ended.splice(0), ['signal: client gone', 'content'], 'the end of the scope')

  const { body } = yield* inject(service, { path: '/', stream: true })
  yield* body.read()
  body.close()
  yield* lev.sleep(0.1)
  t.strictSame(ended.splice(0), ['signal: client gone', 'content'], 'close')
}))

function* failureOf(op: lev.Op<unknown>): lev.Op<unknown> {
  try {
    return yield* op
  } catch (error) {
    return error
  }
}

t.test('pieces in async code', async (t) => {
  let ended = 0
  const service = serviceOf((_method, _query, _args, _headers, body) => [function* (out) {
    try {
      yield* out.write(body === null ? 'first' : String(body))
      if (body === null) yield* lev.sleep(Infinity)
    } finally {
      ended++
    }
  }])
  const endless = await inject(service, { path: '/', stream: true })
  for await (const piece of endless.body) {
    t.equal(String(piece), 'first')
    break
  }
  const pieces: string[] = []
  for await (const piece of (await inject(service, { path: '/', method: 'POST', body: streamOf('a', 'b'), stream: true })).body) pieces.push(String(piece))
  t.equal(pieces.join(''), 'ab')
  t.equal(ended, 2)
})

t.test('both directions at once', async (t) => {
  const service = serviceOf((_method, _query, _args, _headers, _body, ctx) => [ctx.body], { buffer_body: false })
  const { body } = await inject(service, { path: '/', method: 'POST', body: streamOf('a', 'b'), stream: true })
  const pieces: string[] = []
  for await (const piece of body) pieces.push(String(piece))
  t.equal(pieces.join(''), 'ab')
})

t.test('async code in a virtual world', async (t) => {
  const service = serviceOf(function* () {
    yield* lev.sleep(3600)
    return 'an hour later'
  })
  const began = process.hrtime.bigint()
  const asked = async (): Promise<string> => (await inject(service, { path: '/' })).text()
  const piece = async (): Promise<string> => {
    for await (const one of (await inject(service, { path: '/', stream: true })).body) return String(one)
    return ''
  }
  await virtual(function* () {
    t.equal(yield* lev.wait(asked()), 'an hour later')
    t.equal(yield* lev.wait(piece()), 'an hour later')
    t.ok(lev.now() >= 7200)
  })
  t.ok(process.hrtime.bigint() - began < 3600n * 1_000_000_000n)
})

t.test('several at once, of a service that also serves', (t) => virtual(function* () {
  const service = serviceOf(function* (_method, query) {
    yield* lev.sleep(1)
    return query
  })
  const done = service.serve()
  yield* lev.wait(service.listening)
  const tasks = ['/a', '/b'].map((path) => lev.spawn(() => inject(service, { path })))
  const texts: string[] = []
  for (const task of tasks) texts.push((yield* task.join()).text())
  t.strictSame(texts, ['/a', '/b'])
  t.ok(lev.now() < 1.5, 'side by side')
  yield* lev.wait(service.stop())
  yield* lev.wait(done)
}))
