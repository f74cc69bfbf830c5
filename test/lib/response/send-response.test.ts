import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Handler, HandlerResult } from '../../../lib/index.js'
import { valueOf } from '../../support/responses.js'
import { eventually, request, serve } from '../../support/serving.js'

/** A handler that responds from a table, by path: what is there may break the rules, as users' programs do. */
function table(responses: Readonly<Record<string, () => unknown>>): Handler {
  return (_method, query) => responses[query.slice(1)]() as HandlerResult
}

t.test('contents and their lengths', async (t) => {
  const { ask } = await serve(t, {}, table({
    text: () => 'plain',
    utf8: () => 'käse → 🧀',
    latin: () => 'caf\u00e9',
    surrogate: () => 'a\ud800b',
    bytes: () => new Uint8Array([0, 255, 10]),
    view: () => new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4),
    buffer: () => [Buffer.from('buffer'), 201],
    null: () => null,
    empty: () => '',
    nothing: () => [null, 200],
    status: () => [undefined, 404],
    teapot: () => ['x', 418],
    unknown: () => ['x', 599],
    typed: () => ['<p>', 200, { 'content-type': 'text/html' }],
    declared: () => ['12345', 200, { 'Content-Length': 5 }],
    dated: () => ['x', 200, { date: 'Sun, 06 Nov 1994 08:49:37 GMT' }],
    absent: () => ['x', 200, { 'X-A': null, 'X-B': undefined, 'X-C': 3 }],
  }))
  const get = async (path: string): ReturnType<typeof ask> => await ask(request(`GET /${path}`))

  const text = await get('text')
  t.equal(text.status, 200)
  t.equal(text.reason, 'OK')
  t.equal(text.body.toString(), 'plain')
  t.equal(valueOf(text, 'content-type'), 'text/plain; charset=utf-8', 'no browser has to guess')
  t.equal((await get('utf8')).body.toString(), 'käse → 🧀')
  t.equal((await get('latin')).body.toString(), 'café')
  t.equal((await get('surrogate')).body.toString(), 'a\ufffdb')
  t.same((await get('bytes')).body, Buffer.from([0, 255, 10]))
  t.same((await get('view')).body, Buffer.from([2, 3, 4]))
  t.match(await get('buffer'), { status: 201, reason: 'Created' })
  for (const path of ['null', 'empty', 'nothing']) {
    const response = await get(path)
    t.equal(response.status, 200)
    t.equal(valueOf(response, 'content-length'), '0', path)
  }
  t.match(await get('status'), { status: 404, reason: 'Not Found' })
  t.match(await get('teapot'), { status: 418 })
  t.match(await get('unknown'), { status: 599 })
  t.equal(valueOf(await get('typed'), 'content-type'), 'text/html')
  t.equal(valueOf(await get('declared'), 'content-length'), '5')
  t.equal(valueOf(await get('dated'), 'date'), 'Sun, 06 Nov 1994 08:49:37 GMT')
  const absent = await get('absent')
  t.equal(valueOf(absent, 'x-a'), undefined)
  t.equal(valueOf(absent, 'x-c'), '3')
})

t.test('no content with HEAD, 204 and 304, whatever the handler gives', async (t) => {
  const { connect, log } = await serve(t, {}, table({
    page: () => ['content', 200, { ETag: '"x"' }],
    none: () => ['content', 204],
    same: () => ['content', 304, { ETag: '"x"' }],
    reset: () => [null, 205],
  }))
  const client = await connect(
    request('HEAD /page') + request('GET /none') + request('GET /same') + request('GET /reset') + request('GET /page'),
  )
  const [head, none, same, reset, page] = await client.responses(5, ['HEAD'])
  t.equal(valueOf(head, 'content-length'), '7', 'what GET would have')
  t.equal(valueOf(none, 'content-length'), undefined)
  t.equal(same.status, 304)
  t.equal(valueOf(same, 'etag'), '"x"')
  t.equal(valueOf(reset, 'content-length'), '0')
  t.equal(page.body.toString(), 'content', 'the stream is in step')
  t.strictSame(log.of('access').map(({ size }) => size), [0, 0, 0, 0, 7])
})

t.test('several values become several lines', async (t) => {
  const { ask } = await serve(t, {}, () => ['x', 200, { 'Set-Cookie': ['a=1', 'b=2, c'], Link: ['<a>', '<b>'] }])
  const { fields } = await ask(request('GET /'))
  t.strictSame(fields.filter(([name]) => name === 'set-cookie').map(([, value]) => value), ['a=1', 'b=2, c'])
  t.equal(fields.filter(([name]) => name === 'link').length, 2)
})

t.test('responses that cannot be sent are a 500 and a log line', async (t) => {
  const wrong: Record<string, () => unknown> = {
    crlf: () => ['x', 200, { 'X-A': 'a\r\nX-Injected: 1' }],
    lf: () => ['x', 200, { 'X-A': 'a\nX-Injected: 1' }],
    cr: () => ['x', 200, { 'X-A': 'a\rb' }],
    nul: () => ['x', 200, { 'X-A': 'a\0' }],
    cookies: () => ['x', 200, { 'Set-Cookie': ['a', 'b\r\nX-Injected: 1'] }],
    name: () => ['x', 200, { 'X A': 'a' }],
    nameLine: () => ['x', 200, { 'X\r\nX-Injected': '1' }],
    emptyName: () => ['x', 200, { '': 'a' }],
    wide: () => ['x', 200, { 'X-A': 'käse → 🧀' }],
    object: () => ['x', 200, { 'X-A': { toString: () => 'a' } }],
    wideCrlf: () => ['x', 200, { 'X-A': 'a\u010d\u010aX-Injected: 1' }],
    connection: () => ['x', 200, { Connection: 'x\r\nX-Injected: 1' }],
    type: () => ['x', 200, { 'Content-Type': 'text/html\r\nX-Injected: 1' }],
    dateLine: () => ['x', 200, { Date: 'x\nX-Injected: 1' }],
    hexLength: () => ['x', 200, { 'Content-Length': '0x1' }],
    status0: () => ['x', 0],
    status100: () => ['x', 100],
    status600: () => ['x', 600],
    statusText: () => ['x', '200'],
    statusNan: () => ['x', NaN],
    statusFraction: () => ['x', 200.5],
    number: () => 42,
    boolean: () => true,
    plainObject: () => ({ a: 1 }),
    emptyObject: () => ({}),
    laterObject: async () => await Promise.resolve({ ok: true }),
    *objectOfCoroutine() {
      yield* lev.sleep(0)
      return { ok: true }
    },
    date: () => new Date(0),
    map: () => new Map(),
    set: () => new Set(['secret']),
    asyncMap: async () => await Promise.resolve(new Map()),
    pairs: () => new URLSearchParams(),
    error: () => new Error('secret'),
    response: () => new Response('secret'),
    symbol: () => Symbol('secret'),
    contentObject: () => [{ secret: 1 }, 200],
    headersText: () => ['x', 200, 'secret'],
    headersArray: () => ['x', 200, ['secret']],
    headersMap: () => ['x', 200, new Map([['X-A', 'secret']])],
    headersMapSame: () => [null, 304, new Map([['X-A', 'secret']])],
    headersArrayPart: () => ['x', 206, ['secret']],
  }
  const { connect, log } = await serve(t, { requests_per_connection: 1000 }, table({ ...wrong, fine: () => 'fine' }))
  const client = await connect()
  let count = 0
  for (const path of Object.keys(wrong)) {
    client.send(request(`GET /${path}`) + request('GET /fine'))
    const responses = await client.responses(count += 2)
    const [response, next] = responses.slice(-2)
    t.equal(response.status, 500, path)
    const told = JSON.stringify(response.fields) + response.body.toString()
    t.notMatch(told, /inject|secret|latin1|LEVERET|handler/i, `${path}: no word of why`)
    t.equal(next.body.toString(), 'fine', `${path}: the stream is in step`)
    t.equal(log.of('error').length, count / 2, `${path}: one log line`)
    t.match(log.of('error').at(-1), { method: 'GET', query: `/${path}` })
  }
})

t.test('headers of another connection, handed on by a handler that proxies, leave the framing alone', async (t) => {
  const hop = {
    'transfer-encoding': 'chunked', 'keep-alive': 'timeout=5', connection: 'keep-alive', 'content-length': '999',
    'Content-Length': '5', 'Content-Type': 'text/html', 'content-type': 'text/css',
  }
  const { connect, log } = await serve(t, {}, table({
    plain: () => ['abc', 200, hop],
    *generator() {
      yield* lev.sleep(0)
      return ['abc', 200, hop]
    },
    async async() {
      await Promise.resolve()
      return [Buffer.from('abc'), 200, hop]
    },
    large: () => ['a'.repeat(9000), 200, hop],
  }))
  for (const path of ['plain', 'generator', 'async', 'large']) {
    const client = await connect(request(`GET /${path}`, { 'Accept-Encoding': 'gzip' }) + request(`GET /${path}`))
    for (const { status, fields, body } of await client.responses(2)) {
      const names = fields.map(([name]) => name)
      t.equal(status, 200)
      t.equal(fields.find(([name]) => name === 'content-length')?.[1], String(body.length), path)
      t.same(fields.filter(([name]) => name === 'content-type'), [['content-type', 'text/css']])
      t.notOk(names.includes('transfer-encoding'), `${path}: transfer-encoding`)
      for (const [name, own] of [['connection', 'keep-alive'], ['keep-alive', 'timeout=15']]) {
        t.same(fields.filter((field) => field[0] === name).map(([, value]) => value), [own], `${path}: ${name} is the server's`)
      }
    }
  }
  t.same(log.of('error'), [])
})

t.test('a handler that fails: 500, logged with its stack, and the server lives', async (t) => {
  const failures: Record<string, () => unknown> = {
    throws: () => {
      throw new Error('secret of throws')
    },
    rejects: async () => {
      await Promise.resolve()
      throw new Error('secret of rejects')
    },
    generator: function* () {
      yield* lev.sleep(0)
      throw new Error('secret of generator')
    },
    asyncGenerator: async () => (function* () {
      yield* lev.sleep(0)
      throw new Error('secret of a coroutine that a promise gave')
    })(),
    nested: function* () {
      yield* lev.scope(function* (scope) {
        scope.spawn(function* () {
          throw new Error('secret of nested')
        })
        yield* lev.sleep(100)
      })
    },
    timeout: function* () {
      yield* lev.timeout(0.001, lev.sleep(100))
    },
    closed: () => {
      throw new lev.ClosedError('secret of closed')
    },
    cancelled: () => {
      throw new lev.CancelledError('client gone')
    },
    thenable: () => ({
      then: () => {
        throw new Error('secret of thenable')
      },
    }),
    nothing: () => {
      throw undefined
    },
    text: () => {
      throw 'secret of text'
    },
  }
  const { connect, log } = await serve(t, {}, table({ ...failures, fine: () => 'fine' }))
  const client = await connect()
  let count = 0
  for (const path of Object.keys(failures)) {
    client.send(request(`GET /${path}`) + request('GET /fine'))
    const [response, next] = (await client.responses(count += 2)).slice(-2)
    t.equal(response.status, 500, path)
    t.notMatch(response.body.toString(), /secret|not done/)
    t.equal(next.body.toString(), 'fine', `${path}: the connection lives on, nothing was sent`)
    t.equal(log.of('error').length, count / 2, `${path}: one log line`)
  }
  const [first] = log.of('error')
  t.match(String((first.err as Error).stack), /secret of throws[\s\S]*send-response\.test/)
  t.match(log.statuses().filter((status) => status === 500).length, Object.keys(failures).length)
})

t.test('an error after something was sent: closed, so that it is no whole response', async (t) => {
  const partial = 'HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 100\r\n\r\nhalf'
  const handlers: Record<string, Handler> = {
    'it throws': (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.put(partial)
      throw new Error('secret')
    },
    'it throws later': function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.write(partial)
      yield* lev.sleep(0.001)
      throw new Error('secret')
    },
    'its response cannot be sent': (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.put(partial)
      return ['x', 200, { 'X-A': '\n' }]
    },
    'it responds as well': (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.put(partial)
      return 'one more response'
    },
  }
  for (const [what, handle] of Object.entries(handlers)) {
    const { connect, log } = await serve(t, {}, handle)
    const client = await connect(request('GET /') + request('GET /second'))
    await client.over
    t.equal(client.text, partial, `${what}: nothing is added`)
    t.equal(log.of('error').length, 1, `${what}: one log line`)
    t.equal(log.statuses().length, 1)
  }
})

t.test('undefined: the handler has responded on the connection itself', async (t) => {
  const raw = 'HTTP/1.1 203 Mine\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok'
  const handlers: Record<string, Handler> = {
    plain: (_method, _query, _args, _headers, _body, ctx) => void ctx.client.put(raw),
    generator: function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.write(raw)
      yield* ctx.client.flush()
      return undefined
    },
    async: async (_method, _query, _args, _headers, _body, ctx) => {
      await Promise.resolve()
      ctx.client.put(raw)
      return undefined
    },
    tuple: (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.put(raw)
      return [undefined, undefined, undefined]
    },
    empty: (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.put(raw)
      return []
    },
  }
  for (const [what, handle] of Object.entries(handlers)) {
    const { connect, log } = await serve(t, {}, handle)
    const client = await connect(request('GET /1') + request('GET /2'))
    const responses = await client.responses(2)
    t.strictSame(responses.map(({ status }) => status), [203, 203], `${what}: alive, and nothing added`)
    t.equal(client.text, raw + raw)
    t.equal(log.of('warn').length + log.of('error').length, 0)
    t.strictSame(log.of('access').map(({ status, size }) => [status, size]), [[203, raw.length], [203, raw.length]])
    client.send(request('GET /3', { Connection: 'close' }))
    t.equal((await client.all()).length, 3, 'closed when the client asked for it')
  }
})

t.test('a handler that returns nothing and has written nothing: 500 and a log line, and the connection lives', async (t) => {
  const handlers: Record<string, () => unknown> = {
    plain: () => {},
    *generator() {
      yield* lev.sleep(0)
    },
    async async() {
      await Promise.resolve()
    },
    hints: () => undefined,
    list: () => [],
    nothings: () => [undefined, undefined, undefined],
    asyncNothing: () => Promise.resolve([undefined]),
  }
  for (const [what, handle] of Object.entries(handlers)) {
    const { connect, log } = await serve(t, {}, (_method, query, _args, _headers, _body, ctx) => {
      if (query === '/fine') return 'fine'
      if (what === 'hints') ctx.earlyHints({ Link: '</a>' })
      if (query === '/looked') t.ok(ctx.client.isOpen)
      return handle() as HandlerResult
    })
    const client = await connect(request('GET /nothing') + request('HEAD /looked') + request('GET /fine'))
    const [first, second, third] = (await client.responses(3, ['GET', 'HEAD'])).filter(({ status }) => status !== 103)
    t.strictSame([first.status, second.status, third.body.toString()], [500, 500, 'fine'], what)
    const old = await connect(request('GET /nothing HTTP/1.0'))
    t.strictSame((await old.all()).map(({ status }) => status), [500])
    t.strictSame(log.statuses(), [500, 500, 200, 500])
    t.equal(log.of('error').length, 3)
    t.match(log.of('error')[0], { method: 'GET', query: '/nothing', err: { message: /returned nothing, and wrote nothing on ctx\.client/ } })
  }
})

t.test('the log line of a response written on the connection has its status if that can be seen, else none', async (t) => {
  const parts = (...written: (string | Buffer)[]): Handler => function* (_method, _query, _args, _headers, _body, ctx) {
    for (const part of written) {
      yield* ctx.client.write(part)
      yield* ctx.client.flush()
    }
    return undefined
  }
  const end = 'Content-Length: 0\r\n\r\n'
  const cases: Record<string, [status: number | undefined, handle: Handler]> = {
    whole: [404, parts(`HTTP/1.1 404 Not Found\r\n${end}`)],
    bytes: [201, parts(Buffer.from(`HTTP/1.1 201 \r\n${end}`))],
    'byte by byte': [302, parts(...`HTTP/1.0 302 Found\r\n${end}`)],
    'no reason': [200, parts(`HTTP/1.1 200\r\n${end}`)],
    'after interim responses': [503, parts('HTTP/1.1 102 Wait\r\n\r\n', 'HTTP/1.1 103 \r\nLink: <x>\r', '\n\r\nHTTP/1.1 ', `503 Busy\r\n${end}`)],
    'only an interim one': [undefined, parts('HTTP/1.1 102 Wait\r\n\r\n')],
    'another protocol': [101, parts('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nwords')],
    'no response': [undefined, parts('220 mail.test ESMTP\r\n')],
    'no status': [undefined, parts('HTTP/1.1 999 Odd\r\n\r\n')],
    'closed, nothing written': [undefined, (_method, _query, _args, _headers, _body, ctx) => void ctx.client.close()],
    'ended, nothing written': [undefined, function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.end()
      return undefined
    }],
    'fails afterwards': [206, function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.write('HTTP/1.1 206 Half\r\nContent-Length: 2\r\n\r\nx')
      throw new Error('broken')
    }],
    'ends and returns': [undefined, function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.end()
      return 'too late'
    }],
  }
  for (const [what, [status, handle]] of Object.entries(cases)) {
    const { connect, log } = await serve(t, {}, handle)
    const client = await connect(request('GET /', { Connection: 'close' }))
    await client.over
    await eventually(() => log.of('access').length > 0, 'the log line')
    const [line] = log.of('access')
    t.equal(line.status, status, what)
    t.equal(log.of('error').length, what === 'fails afterwards' || what === 'ends and returns' ? 1 : 0, what)
  }
})

t.test('plain functions, coroutines and async functions respond alike', async (t) => {
  const body: HandlerResult = ['same', 202, { 'X-Same': 'yes' }]
  const handlers: Handler[] = [
    () => body,
    async () => await Promise.resolve(body),
    function* () {
      yield* lev.sleep(0.001)
      return body
    },
    () => (function* () {
      return yield* lev.wait(Promise.resolve(body))
    })(),
    () => Promise.resolve(body),
    () => ({ then: (resolve: (value: HandlerResult) => void) => resolve(body) }) as PromiseLike<HandlerResult>,
    async () => (function* () {
      yield* lev.sleep(0.001)
      return body
    })(),
    async () => await Promise.resolve((function* () { return body })()),
    // A coroutine may hand over to a promise, too, though its type does not say so.
    function* () {
      yield* lev.sleep(0.001)
      return Promise.resolve(body) as unknown as HandlerResult
    },
  ]
  for (const handle of handlers) {
    const { ask } = await serve(t, {}, handle)
    const response = await ask(request('GET /'))
    t.match(response, { status: 202, reason: 'Accepted' })
    t.equal(response.body.toString(), 'same')
    t.equal(valueOf(response, 'x-same'), 'yes')
  }
})
