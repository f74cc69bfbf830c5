import findMyWay from 'find-my-way'
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import type { Context, Handler, HandlerResult } from '../../../../lib/index.js'
import { group, HttpError, json, routes, type RouteRequest, type RoutesOptions } from '../../../../lib/web/router/index.js'
import { wrap } from '../../../../lib/web/wrap.js'
import { kinds } from '../../../support/handler-kinds.js'
import { request, serve } from '../../../support/serving.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'
import { virtually } from '../../../support/virtual.js'

type Parts = readonly [content: unknown, status: number, headers: Readonly<Record<string, unknown>>]

/** Calls a handler outside of any server; the result of a plain function, with its defaults. */
function call(handler: Handler, line: string, args = ''): Parts {
  const [method, path] = line.split(' ')
  const result = handler(method, path, args, {}, null, {} as Context) as HandlerResult
  const [content, status = 200, headers = {}] = Array.isArray(result) ? result as Parts : [result]
  return [content, status, headers]
}

/** What a route is called by, and its parameters. */
function naming(...keys: string[]): Handler {
  return routes(Object.fromEntries(keys.map((key) => [key, ({ params }: RouteRequest) => JSON.stringify([key, params])])))
}

t.test('which route a request gets, and its parameters', async (t) => {
  const handler = naming(
    'GET /', 'GET /todos', 'POST /todos', 'GET /todos/:id', 'GET /todos/all', 'GET /todos/:id/notes/:note', 'GET /files/*', 'GET /files/one',
    'GET /pictures/:name.:ext', 'GET /years/:year(^\\d{4}$)', 'GET /from/:from-:to', 'GET /maybe/:x?', 'GET /a::b', 'GET /slash/', 'HEAD /todos/:id', 'PURGE /todos',
  )
  const cases: [line: string, key: string, params: Record<string, string>][] = [
    ['GET /', 'GET /', {}],
    ['GET /todos', 'GET /todos', {}],
    ['POST /todos', 'POST /todos', {}],
    ['PURGE /todos', 'PURGE /todos', {}],
    ['HEAD /todos', 'GET /todos', {}],
    ['HEAD /todos/7', 'HEAD /todos/:id', { id: '7' }],
    ['HEAD /files/one', 'GET /files/one', {}],
    ['GET /todos/7', 'GET /todos/:id', { id: '7' }],
    ['GET /todos/all', 'GET /todos/all', {}],
    ['GET /todos/al', 'GET /todos/:id', { id: 'al' }],
    ['GET /todos/alle', 'GET /todos/:id', { id: 'alle' }],
    ['GET /todos/', 'GET /todos/:id', { id: '' }],
    ['GET /todos/7/notes/8', 'GET /todos/:id/notes/:note', { id: '7', note: '8' }],
    ['GET /files/', 'GET /files/*', { '*': '' }],
    ['GET /files/a/b/c', 'GET /files/*', { '*': 'a/b/c' }],
    ['GET /files/one', 'GET /files/one', {}],
    ['GET /files/one/', 'GET /files/*', { '*': 'one/' }],
    ['GET /pictures/a.png', 'GET /pictures/:name.:ext', { name: 'a', ext: 'png' }],
    ['GET /years/1999', 'GET /years/:year(^\\d{4}$)', { year: '1999' }],
    ['GET /from/a-b', 'GET /from/:from-:to', { from: 'a', to: 'b' }],
    ['GET /maybe', 'GET /maybe/:x?', {}],
    ['GET /maybe/1', 'GET /maybe/:x?', { x: '1' }],
    ['GET /a:b', 'GET /a::b', {}],
    ['GET /slash/', 'GET /slash/', {}],
    // Percent-encoding is undone once, and after the path was divided.
    ['GET /todos/a%20b', 'GET /todos/:id', { id: 'a b' }],
    ['GET /todos/a%2Fb', 'GET /todos/:id', { id: 'a/b' }],
    ['GET /todos/%E2%82%AC', 'GET /todos/:id', { id: '€' }],
    ['GET /todos/100%25', 'GET /todos/:id', { id: '100%' }],
    ['GET /todos/%252F', 'GET /todos/:id', { id: '%2F' }],
    ['GET /todos/a+b', 'GET /todos/:id', { id: 'a+b' }],
    ['GET /todos/%3Fx%23y', 'GET /todos/:id', { id: '?x#y' }],
    ['GET /tod%6Fs/1', 'GET /todos/:id', { id: '1' }],
    ['GET /todos/a..b', 'GET /todos/:id', { id: 'a..b' }],
    ['GET /todos/...', 'GET /todos/:id', { id: '...' }],
    ['GET /todos/.hidden', 'GET /todos/:id', { id: '.hidden' }],
    ['GET /files//etc/passwd', 'GET /files/*', { '*': '/etc/passwd' }],
    [`GET /todos/${'x'.repeat(1024)}`, 'GET /todos/:id', { id: 'x'.repeat(1024) }],
  ]
  for (const [line, key, params] of cases) t.strictSame(call(handler, line), [JSON.stringify([key, params]), 200, {}], line)

  const none: [line: string, status: number, allow?: string][] = [
    ['GET /nothing', 404], ['GET /Todos', 404], ['GET //todos', 404], ['GET /slash', 404], ['GET /files', 404], ['GET /years/19', 404], ['GET /pictures/a', 404],
    ['GET /a::b', 404], ['CONNECT a.test:443', 404], ['GET /constructor', 404], ['GET /__proto__', 404],
    ['PUT /todos', 405, 'GET, HEAD, OPTIONS, POST, PURGE'], ['PUT /todos/1', 405, 'GET, HEAD, OPTIONS'], ['WHAT /', 405, 'GET, HEAD, OPTIONS'],
    ['__proto__ /', 405, 'GET, HEAD, OPTIONS'], ['get /', 405, 'GET, HEAD, OPTIONS'], ['constructor /', 405, 'GET, HEAD, OPTIONS'], ['POST /files/one', 405, 'GET, HEAD, OPTIONS'],
    ['GET /todos/%', 400], ['GET /todos/%zz', 400], ['GET /todos/%E2%82', 400], ['GET /todos/%C0%AF', 400], ['GET /nothing/%', 400], ['POST /todos/%ff', 400],
    ['GET /files/..', 400], ['GET /files/../etc', 400], ['GET /files/%2e%2e/etc', 400], ['GET /files/.%2E/etc', 400], ['GET /files/a%2F..%2Fb', 400], ['GET /todos/..', 400],
    ['GET /files/./a', 400], ['GET /files/a/.', 400], ['GET /files/..%5Cwin', 400], ['GET /files/a%5c..%5cb', 400], ['GET /todos/a%00', 400], ['GET /..', 400],
    [`GET /todos/${'x'.repeat(1025)}`, 414],
  ]
  for (const [line, status, allow] of none) {
    const [content, found, headers] = call(handler, line)
    t.equal(found, status, line)
    t.equal(headers['Content-Type'], 'application/problem+json')
    t.equal((JSON.parse(String(content)) as { status: number }).status, status)
    t.equal(headers.Allow, allow, line)
  }
})

t.test('OPTIONS', async (t) => {
  const handler = naming('GET /a', 'POST /a', 'DELETE /:x', 'OPTIONS /own')
  t.strictSame(call(handler, 'OPTIONS /a'), [null, 204, { Allow: 'DELETE, GET, HEAD, OPTIONS, POST' }])
  t.strictSame(call(handler, 'OPTIONS /b'), [null, 204, { Allow: 'DELETE, OPTIONS' }])
  t.strictSame(call(handler, 'OPTIONS *'), [null, 204, { Allow: 'DELETE, GET, HEAD, OPTIONS, POST' }])
  t.equal(call(handler, 'OPTIONS /own')[0], '["OPTIONS /own",{}]')
  t.equal(call(handler, 'OPTIONS /a/b')[1], 404)
  t.equal(call(handler, 'OPTIONS /%')[1], 400)
})

t.test('a key without a method is for all, after those with one, and its handler is an ordinary one', async (t) => {
  const given: unknown[] = []
  const handler = routes({
    '/files/*': (...all) => {
      given.push(all)
      return 'files'
    },
    'GET /files/list': () => 'list',
    'GET /': () => 'home',
  })
  t.equal(call(handler, 'GET /files/list')[0], 'list')
  for (const line of ['POST /files/list', 'GET /files/a', 'OPTIONS /files/a', 'WHAT /files/b', 'HEAD /files/']) t.equal(call(handler, line, 'x=1')[0], 'files', line)
  t.strictSame(given[1], ['GET', '/files/a', 'x=1', {}, null, { route: '/files/*' }])
  t.equal(call(handler, 'POST /')[1], 405)
})

t.test('find-my-way decides', async (t) => {
  const paths = ['/', '/a', '/a/b', '/a/:x', '/:x', '/:x/b', '/a/:x/c', '/a/*', '/:x/:y/:z', '/b-:x', '/b/:x.txt', '/b/:x(^[0-9]+$)', '/*']
  const tree = findMyWay()
  for (const path of paths) tree.on('GET', path, () => {}, path)
  const handler = routes(Object.fromEntries(paths.map((path) => [`GET ${path}`, ({ params }: RouteRequest) => json([path, params])])))
  const parts = ['', 'a', 'b', 'c', '1', 'b-1', '1.txt', '%62', 'a%20b']
  for (const one of parts) for (const two of parts) for (const three of [...parts, null]) {
    const path = `/${one}/${two}${three === null ? '' : `/${three}`}`
    const found = tree.find('GET', path)
    t.equal(call(handler, `GET ${path}`)[0], JSON.stringify([found?.store, found?.params]), path)
  }
})

t.test('names of parameters are only names', async (t) => {
  const handler = routes({ 'GET /:__proto__/:constructor/:toString': ({ params }) => json([Object.entries(params), 'valueOf' in params]) })
  t.equal(call(handler, 'GET /a/b/c')[0], JSON.stringify([[['__proto__', 'a'], ['constructor', 'b'], ['toString', 'c']], false]))
  const plain = routes({ 'GET /:a': ({ params }) => json([params.constructor === undefined, 'toString' in params, 'b' in params]) })
  t.equal(call(plain, 'GET /x')[0], '[true,false,false]')
})

t.test('malformed tables', async (t) => {
  const refused: [keys: string[], message: RegExp][] = [
    [['GET todos'], /"GET todos" is neither/], [['/a b'], /neither/], [['get /'], /neither/], [['GET  /'], /neither/], [[''], /neither/], [['GET *'], /neither/],
    [['WHAT /'], /"WHAT \/": .*not an http method/], [['GET /:'], /"" is not the name/], [['GET /:a b'], /neither/], [['GET /:1'], /"1" is not the name/], [['GET /:é'], /"é" is not the name/],
    [['GET /:a/:a'], /two parameters are named "a"/], [['GET /*/a'], /Wildcard must be the last/], [['GET /:a?/b'], /last parameter/], [['GET /:a((x+x+)+y)'], /not safe/],
    [['GET /:a', 'GET /:b'], /already declared/], [['/a', '/a'.replace('a', ':b'), '/:c'], /already declared/],
  ]
  for (const [keys, message] of refused) t.throws(() => naming(...keys), { code: 'LEVERET_ARGUMENT', message }, keys.join())
  t.throws(() => routes({ 'GET /': 'x' as never }), { code: 'LEVERET_ARGUMENT', message: /no handler/ })
  for (const prefix of ['/', 'a', '/a/', 'GET /a']) t.throws(() => group(prefix, [], {}), { code: 'LEVERET_ARGUMENT', message: /^prefix: / }, prefix)
})

t.test('groups', async (t) => {
  const events: string[] = []
  const told = (name: string) => (handler: Handler): Handler => wrap(handler, (_request, next) => {
    events.push(name)
    return next(([content, status, headers]) => [content, status, { ...headers, [name]: '1' }])
  })
  const show = ({ path, params }: RouteRequest): string => `${path} ${JSON.stringify(params)}`
  const handler = routes({
    'GET /free': show,
    ...group('/api/:tenant', [told('One'), told('Two')], {
      'GET /': show,
      'GET /todos/:id': show,
      'POST /fail': () => {
        throw new HttpError(409, 'a conflict')
      },
      '/all': () => 'all',
      ...group('/deep', [told('Three')], { 'GET /': show }),
      ...group('', [told('Four')], { 'GET /flat': show }),
    }),
  })
  const cases: [line: string, content: unknown, wrappers: string[]][] = [
    ['GET /free', '/free {}', []],
    ['GET /api/x', '/api/x {"tenant":"x"}', ['One', 'Two']],
    ['HEAD /api/x', '/api/x {"tenant":"x"}', ['One', 'Two']],
    ['GET /api/x/todos/a%2fb', '/api/x/todos/a%2fb {"tenant":"x","id":"a/b"}', ['One', 'Two']],
    ['PUT /api/x/all', 'all', ['One', 'Two']],
    ['GET /api/x/deep', '/api/x/deep {"tenant":"x"}', ['One', 'Two', 'Three']],
    ['GET /api/x/flat', '/api/x/flat {"tenant":"x"}', ['One', 'Two', 'Four']],
    ['OPTIONS /api/x/deep', null, ['One', 'Two', 'Three']],
    ['POST /api/x/fail', '{"title":"Conflict","status":409,"detail":"a conflict"}', ['One', 'Two']],
  ]
  for (const [line, content, wrappers] of cases) {
    events.length = 0
    const [found, , headers] = call(handler, line)
    t.equal(found, content, line)
    t.strictSame(events, wrappers, line)
    t.ok(wrappers.every((name) => name in headers), line)
  }
  events.length = 0
  for (const [line, status] of [['GET /api/x/', 404], ['PUT /api/x', 405], ['GET /api/x/y', 404]] as const) t.equal(call(handler, line)[1], status, line)
  t.strictSame(events, [], 'no wrapper runs where there is no route')
})

t.test('what a wrapper changes, the handler gets, and the parameters stay', async (t) => {
  const changing = (handler: Handler): Handler => wrap(handler, (request, next) => {
    request.method = 'PATCH'
    request.query = '/other'
    request.args = 'a=2'
    request.headers.x = 'y'
    return next()
  })
  const handler = routes(group('', [changing], {
    'GET /:id': ({ method, path, query, params, headers }) => [method, path, query.get('a'), params.id, headers.x].join(),
  }))
  t.equal(call(handler, 'GET /7', 'a=1')[0], 'PATCH,/other,2,7,y')
})

t.test('the query is made when it is asked for, once', async (t) => {
  const seen: unknown[] = []
  const handler = routes({ 'GET /': (request) => {
    seen.push(request.query, request.query)
    return json([...request.query])
  } })
  t.equal(call(handler, 'GET /', 'a=1&b=x%20y&a=2+3')[0], '[["a","1"],["b","x y"],["a","2 3"]]')
  t.equal(seen[0], seen[1])
  t.equal(call(handler, 'GET /')[0], '[]')
})

async function ask(handler: Handler, line: string): Promise<WireResponse> {
  return await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(request(line))
    const [response] = yield* client.responses(1, [line.split(' ')[0]])
    return response
  })
}

/** Status and content. */
async function asked(handler: Handler, line: string): Promise<string> {
  const { status, body } = await ask(handler, line)
  return `${status} ${body.toString()}`
}

for (const [kind, give] of Object.entries(kinds)) {
  t.test(`a handler of the kind: ${kind}`, async (t) => {
    const outer = (handler: Handler): Handler => wrap(handler, (_request, next) => next())
    const table = {
      'GET /:id': ({ params, query }: RouteRequest) => give(() => [`${params.id} ${query.get('q')}`, 201]),
      'GET /missing': () => give(() => {
        throw new HttpError(404, 'no such todo', { 'X-A': '1' })
      }),
      'GET /secret': () => give(() => {
        throw new Error('a secret')
      }),
    }
    const none: RoutesOptions = {}
    for (const wrappers of [[], [outer]]) {
      const handler = routes(group('', wrappers, table), none)
      t.equal(await asked(handler, 'GET /a%20b?q=1'), '201 a b 1')
      t.equal(await asked(handler, 'HEAD /a'), '201 ')
      const missing = await ask(handler, 'GET /missing')
      t.strictSame(JSON.parse(missing.body.toString()), { title: 'Not Found', status: 404, detail: 'no such todo' })
      t.equal(valueOf(missing, 'content-type'), 'application/problem+json')
      t.equal(valueOf(missing, 'x-a'), '1')
      t.equal(await asked(handler, 'GET /secret'), '500 Internal Server Error\n')

      for (const [onKind, respond] of Object.entries(kinds)) {
        const seen: unknown[] = []
        const mapping = routes(group('', wrappers, table), { onError: (error, { method, path, params }) => {
          seen.push([method, path, params])
          return respond(() => error instanceof HttpError ? [`mapped ${error.status}`, 418] : 'hidden')
        } })
        t.equal(await asked(mapping, 'GET /missing'), '418 mapped 404', onKind)
        t.equal(await asked(mapping, 'GET /secret'), '200 hidden', onKind)
        t.equal(await asked(mapping, 'GET /a/b'), '418 mapped 404', onKind)
        t.equal(await asked(mapping, 'POST /a'), '418 mapped 405', onKind)
        t.match(seen, [['GET', '/missing', {}], ['GET', '/secret', {}], ['GET', '/a/b', {}], ['POST', '/a', {}]])
        let calls = 0
        const passing = routes(group('', wrappers, table), { onError: (error) => respond(() => {
          calls++
          throw error
        }) })
        t.equal((await ask(passing, 'GET /missing')).status, 404, onKind)
        t.equal(await asked(passing, 'GET /secret'), '500 Internal Server Error\n', onKind)
        t.equal(calls, 2, 'once for each error')
      }
    }
  })
}

t.test('errors of wrappers are mapped too', async (t) => {
  for (const [kind, give] of Object.entries(kinds)) {
    const refusing = (handler: Handler): Handler => wrap(handler, () => give(() => {
      throw new HttpError(401, 'a token is needed')
    }))
    const table = group('', [refusing], { 'GET /': () => 'x' })
    t.equal((await ask(routes(table), 'GET /')).status, 401, kind)
    t.equal(await asked(routes(table, { onError: () => ['mapped', 403] }), 'GET /'), '403 mapped', kind)
  }
})

t.test('where nothing waits, the result is there at once', async (t) => {
  const same = wrap(routes(group('', [(handler) => wrap(handler, (_request, next) => next())], { 'GET /': () => 'x' })), (_request, next) => next())
  t.equal(same('GET', '/', '', {}, null, {} as Context), 'x')
})

t.test('a client that leaves cancels the handler', async (t) => {
  const events: string[] = []
  const handler = routes({ 'GET /': function* () {
    try {
      yield* lev.sleep(50)
    } finally {
      events.push('cleaned up')
    }
    return 'x'
  } }, { onError: () => {
    events.push('an error')
    return null
  } })
  await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    client.stream.reset()
    yield* lev.sleep(100)
  })
  t.strictSame(events, ['cleaned up'])
})

t.test('through sockets', async (t) => {
  const { ask, connect } = await serve(t, {}, routes({
    'GET /todos/:id': ({ params }) => json({ id: params.id }),
    'POST /todos': ({ body }) => json({ length: body?.length }, 201),
    *'GET /slow/:id'({ params }) {
      yield* lev.sleep(0.001)
      return params.id
    },
    'GET /socket': ({ ctx }) => ctx.upgrade(function* (ws) {
      yield* ws.send('hello')
    }),
  }))
  t.equal((await ask(request('GET /todos/7?x'))).body.toString(), '{"id":"7"}')
  t.equal((await ask(request('HEAD /todos/7'))).body.length, 0)
  t.equal((await ask(request('POST /todos', {}, 'abc'))).body.toString(), '{"length":3}')
  t.equal((await ask(request('GET http://test/slow/x'))).body.toString(), 'x')
  t.equal(valueOf(await ask(request('DELETE /todos/7')), 'allow'), 'GET, HEAD, OPTIONS')
  t.equal((await ask(request('OPTIONS *'))).status, 204)
  t.equal((await ask(request('GET /socket'))).status, 426)
  const client = await connect(request('GET /slow/1') + request('GET /todos/2') + request('GET /nothing'))
  t.strictSame((await client.responses(3)).map(({ status }) => status), [200, 200, 404])
})

t.test('in memory, one request', async (t) => {
  const { new: make } = await import('../../../../lib/index.js')
  const server = make({}, routes({ 'GET /todos/:id': ({ params }) => params.id }))
  const [state, text] = await lev.run(function* () {
    const [here, there] = lev.pipe()
    here.put(request('GET /todos/a%20b'))
    const [state] = yield* server.process_request(there, '192.0.2.1', 1)
    return [state, String(yield* here.read())] as const
  })
  t.equal(state, 'keep-alive')
  t.match(text, /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\na b$/)
})
