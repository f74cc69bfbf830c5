import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Answer, Handler } from '../../lib/index.js'
import { readResponses, saysClose, valueOf } from '../support/responses.js'
import { request, serve } from '../support/serving.js'

/** A handler that answers from a table, by path: what is there may break the rules, as users' programs do. */
function table(answers: Readonly<Record<string, () => unknown>>): Handler {
  return (_method, query) => answers[query.slice(1)]() as Answer
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

t.test('answers that cannot be sent are a 500 and a log line', async (t) => {
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
  t.match(String((first.err as Error).stack), /secret of throws[\s\S]*respond\.test/)
  t.match(log.statuses().filter((status) => status === 500).length, Object.keys(failures).length)
})

t.test('an error after something was sent: closed, so that it is no whole answer', async (t) => {
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
    'its answer cannot be sent': (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.put(partial)
      return ['x', 200, { 'X-A': '\n' }]
    },
    'it answers as well': (_method, _query, _args, _headers, _body, ctx) => {
      ctx.client.put(partial)
      return 'one more answer'
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

t.test('undefined: the handler has answered on the connection itself', async (t) => {
  const raw = 'HTTP/1.1 203 Mine\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok'
  const handlers: Record<string, Handler> = {
    plain: (_method, _query, _args, _headers, _body, ctx) => ctx.client.put(raw),
    generator: function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.write(raw)
      yield* ctx.client.flush()
    },
    async: async (_method, _query, _args, _headers, _body, ctx) => {
      await Promise.resolve()
      ctx.client.put(raw)
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
    t.strictSame(log.of('access').map(({ size }) => size), [raw.length, raw.length])
    client.send(request('GET /3', { Connection: 'close' }))
    t.equal((await client.all()).length, 3, 'closed when the client asked for it')
  }
  const { connect, log } = await serve(t, {}, (_method, query) => (query === '/' ? undefined : query))
  const client = await connect(request('GET /') + request('GET /next'))
  const { responses } = readResponses(Buffer.from((await client.responses(1), client.text), 'latin1'))
  t.equal(responses[0].body.toString(), '/next', 'nothing was written for the first')
  t.notOk(saysClose(responses[0]))
  t.equal(log.of('warn').length, 1, 'which is worth a warning')
})

t.test('plain functions, coroutines and async functions answer alike', async (t) => {
  const body: Answer = ['same', 202, { 'X-Same': 'yes' }]
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
    () => ({ then: (resolve: (value: Answer) => void) => resolve(body) }) as PromiseLike<Answer>,
  ]
  for (const handle of handlers) {
    const { ask } = await serve(t, {}, handle)
    const response = await ask(request('GET /'))
    t.match(response, { status: 202, reason: 'Accepted' })
    t.equal(response.body.toString(), 'same')
    t.equal(valueOf(response, 'x-same'), 'yes')
  }
})
