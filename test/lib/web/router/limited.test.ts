import t from 'tap'
import * as lev from '../../../../lev/index.js'
import * as server from '../../../../lib/index.js'
import type { Context, Handler } from '../../../../lib/index.js'
import { chooserOf } from '../../../../lib/request/route-choice.js'
import { group, json, limited, routes, validated, type Limits, type RouteRequest } from '../../../../lib/web/router/index.js'
import { wrap } from '../../../../lib/web/wrap.js'
import { inject } from '../../../../testing/index.js'
import { randomFrom, seed } from '../../../support/seed.js'
import { eventually, request, serve } from '../../../support/serving.js'
import { virtually, type World } from '../../../support/virtual.js'

const echo = ({ body }: RouteRequest): string => String(body?.length ?? 'not buffered')

const large = { max_body_size: 100 }

/** Sends content of a size to each path. Gives status and content. */
function posting(config: server.Config, handler: Handler, ...lines: readonly [line: string, size: number][]): Promise<string[]> {
  return virtually(config, handler, function* ({ connect }) {
    const found: string[] = []
    for (const [line, size] of lines) {
      const client = yield* connect(request(line, {}, 'x'.repeat(size)))
      const [{ status, body }] = yield* client.responses(1)
      found.push(`${status} ${body.toString().replace(/[:\n][^]*/, '')}`)
    }
    return found
  })
}

t.test('limits of the body hold for their route alone', async (t) => {
  const handler = routes({
    'POST /large/:id': limited(large, echo),
    'POST /piece': limited({ buffer_body: false }, ({ body }) => String(body)),
    'POST /whole': limited({ buffer_body: true }, echo),
    'POST /none': limited({ max_body_size: 0 }, echo),
    'POST /small': echo,
    '/all/*': limited(large, (_method, _path, _args, _headers, body) => String(body?.length)),
    ...group('/group/:name', [(inner) => wrap(inner, (_request, next) => next())], { 'POST /large': limited(large, echo), 'POST /small': echo }),
  })
  const lines = [
    ['POST /large/7', 100], ['POST /large/7', 101], ['POST /piece', 10], ['POST /piece', 11], ['POST /none', 1], ['POST /small', 10], ['POST /small', 11],
    ['PUT /all/x', 100], ['PUT /all/x', 101], ['POST /group/a/large', 100], ['POST /group/a/large', 101], ['POST /group/a/small', 11], ['POST /nowhere', 11],
  ] as const
  const tooLarge = '413 Content Too Large'
  const expected = ['200 100', tooLarge, '200 null', tooLarge, tooLarge, '200 10', tooLarge, '200 100', tooLarge, '200 100', tooLarge, tooLarge, tooLarge]
  t.strictSame(await posting({ max_body_size: 10 }, handler, ...lines.map(([line, size]): [string, number] => [line, size])), expected)
  t.strictSame(await posting({ max_body_size: () => 10 }, handler, ['POST /large/7', 100], ['POST /small', 11]), ['200 100', tooLarge])
  t.strictSame(await posting({ buffer_body: false }, handler, ['POST /whole', 100], ['POST /small', 11]), ['200 100', '200 not buffered'])
})

t.test('limits reach the server through wrappers and other tables', async (t) => {
  const inner = routes({ 'POST /api/large': limited(large, echo), 'POST /api/small': echo })
  const pass = (handler: Handler): Handler => wrap(handler, (_request, next) => next((response) => response))
  for (const handler of [inner, pass(pass(inner)), routes({ '/api/*': inner }), pass(routes({ '/api/*': pass(inner) })), routes(group('', [pass], { '/api/*': inner }))]) {
    t.strictSame(await posting({ max_body_size: 10 }, handler, ['POST /api/large', 100], ['POST /api/small', 11]), ['200 100', '413 Content Too Large'])
  }
  const outer = routes({ '/api/*': limited(large, routes({ 'POST /api/x': echo })) })
  t.strictSame(await posting({ max_body_size: 10 }, outer, ['POST /api/x', 100], ['POST /api/x', 101]), ['200 100', '413 Content Too Large'])
  t.throws(() => routes({ '/api/*': limited(large, inner) }), { code: 'LEVERET_ARGUMENT', message: 'table: "/api/*" has limits, and so have the routes that it leads to' })
})

t.test('limits that do not hold are an error, not ignored', async (t) => {
  const handler = routes({ 'POST /large': limited(large, () => 'served'), 'POST /other': limited(large, () => 'served'), 'POST /free': () => 'served' }, { onError: () => 'hidden' })
  const byHand: Handler = (...args) => handler(...args)
  const moved = wrap(handler, (request, next) => {
    request.query = '/other'
    return next()
  })
  const wrong: [Handler, string][] = [[byHand, '/large'], [moved, '/free'], [moved, '/large']]
  for (const [given, path] of wrong) {
    await virtually({}, given, function* ({ connect, log }) {
      const client = yield* connect(request(`POST ${path}`))
      const [{ status }] = yield* client.responses(1)
      t.equal(status, 500, path)
      t.match(String(log.of('error')[0].err), /the limits of POST .* do not hold: give the handler that `routes` returns to the server/)
    })
  }
  t.strictSame(await posting({}, byHand, ['POST /free', 1]), ['200 served'])
})

t.test('two requests at once do not get the parameters of each other', async (t) => {
  const handler = routes({ 'POST /:id': limited(large, ({ params, body }) => `${params.id} ${String(body)}`) })
  await virtually({}, handler, function* ({ connect }) {
    const [a, b] = [yield* connect(), yield* connect()]
    a.send('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n')
    yield* lev.sleep(1)
    b.send('POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n')
    yield* lev.sleep(1)
    a.send('1')
    t.equal((yield* a.responses(1))[0].body.toString(), 'a 1')
    b.send('2')
    t.equal((yield* b.responses(1))[0].body.toString(), 'b 2')
  })
})

t.test('a request gets its own parameters, whatever the server has asked for in between', async (t) => {
  const handler = routes({ 'GET /:id': ({ params }) => json(params), 'POST /:id': ({ params }) => json({ posted: params.id }), 'GET /a/*': limited(large, () => 'x') })
  const chooser = chooserOf(handler)
  const lines = ['GET /1', 'GET /2', 'HEAD /1', 'POST /1', 'GET /%', 'PUT /1', 'GET /nowhere/1']
  const alone = (line: string): unknown => {
    const [method, path] = line.split(' ')
    return handler(method, path, '', {}, null, {} as Context)
  }
  const expected = new Map(lines.map((line) => [line, alone(line)]))
  const choose = randomFrom(seed)
  const given: unknown[] = []
  for (let step = 0; step < 2000; step++) {
    const line = lines[choose.below(lines.length)]
    const [method, path] = line.split(' ')
    if (choose.below(2) === 0) {
      chooser?.choose(method, path)
      continue
    }
    const result = alone(line)
    if (JSON.stringify(result) !== JSON.stringify(expected.get(line))) given.push([step, line, result])
  }
  t.strictSame(given, [], `seed ${seed}`)
  // The object is never one that another request has had.
  const seen = new Set<unknown>()
  const keeping = routes({ 'GET /:id': ({ params }) => {
    t.notOk(seen.has(params))
    seen.add(params)
    return 'x'
  } })
  for (let count = 0; count < 3; count++) {
    chooserOf(keeping)?.choose('GET', '/1')
    for (let call = 0; call < 2; call++) keeping('GET', '/1', '', {}, null, {} as Context)
  }
  t.equal(seen.size, 6)
})

t.test('the time that a body may take', async (t) => {
  const handler = routes({ 'POST /slow': limited({ request_body_timeout: 100 }, echo), 'POST /fast': limited({ request_body_timeout: 1 }, echo), 'POST /': echo })
  await virtually({ request_body_timeout: 10, min_transfer_rate: 0 }, handler, function* ({ connect }) {
    for (const [path, seconds] of [['/slow', 100], ['/fast', 1], ['/', 10]] as const) {
      const client = yield* connect(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n`)
      const began = lev.now()
      const [{ status }] = yield* client.responses(1)
      t.equal(`${status} ${Math.round(lev.now() - began)}`, `408 ${seconds}`, path)
    }
  })
})

t.test('the time of a handler', async (t) => {
  const sleep = function* (): lev.Op<string> {
    yield* lev.sleep(30)
    return 'slept'
  }
  const handler = routes({ 'GET /short': limited({ handler_timeout: 2 }, sleep), 'GET /none': limited({ handler_timeout: null }, sleep), 'GET /': limited({ max_body_size: 1 }, sleep) })
  await virtually({ handler_timeout: 10 }, handler, function* ({ connect }) {
    for (const [path, expected] of [['/short', '503 2'], ['/none', '200 30'], ['/', '503 10']] as const) {
      const client = yield* connect(request(`GET ${path}`))
      const began = lev.now()
      const [{ status }] = yield* client.responses(1)
      t.equal(`${status} ${Math.round(lev.now() - began)}`, expected, path)
    }
  })
})

/** Handlers of a payment that takes 10 seconds, with what they go through. */
const payments: Readonly<Record<string, (events: string[]) => (request: RouteRequest) => ReturnType<Handler>>> = {
  coroutine: (events) => function* ({ ctx }) {
    ctx.signal.addEventListener('abort', () => events.push('aborted'))
    try {
      yield* lev.sleep(10)
      events.push('paid')
      return [`${ctx.signal.aborted}`, 201]
    } finally {
      events.push('done')
    }
  },
  async: (events) => async ({ ctx }) => {
    ctx.signal.addEventListener('abort', () => events.push('aborted'))
    await lev.portal().run(() => lev.sleep(10))
    events.push('paid', 'done')
    return [`${ctx.signal.aborted}`, 201]
  },
  spawned: (events) => function* () {
    lev.spawn(function* () {
      yield* lev.sleep(10)
      events.push('paid', 'done')
    })
    return ['false', 201]
  },
}

const leavings: Readonly<Record<string, (client: lev.Stream) => lev.Op<void>>> = {
  *ends(client) {
    yield* client.end()
  },
  *closes(client) {
    client.close()
  },
  *resets(client) {
    client.reset()
  },
}

for (const [kind, payment] of Object.entries(payments)) {
  const handlerOf = (events: string[]): Handler => routes({ 'POST /pay': limited({ uninterruptible: true }, payment(events)) })

  t.test(`uninterruptible, ${kind}: the client that stays gets its response, whatever handler_timeout is`, async (t) => {
    const events: string[] = []
    await virtually({ handler_timeout: 1 }, handlerOf(events), function* ({ connect }) {
      const client = yield* connect(request('POST /pay'))
      const [{ status, body }] = yield* client.responses(1)
      t.equal(`${status} ${body.toString()}`, '201 false')
      t.strictSame(events, ['paid', 'done'])
    })
  })

  for (const [how, leave] of Object.entries(leavings)) {
    t.test(`uninterruptible, ${kind}: runs on when its client ${how}`, async (t) => {
      const events: string[] = []
      await virtually({}, handlerOf(events), function* ({ connect, log }: World) {
          const client = yield* connect(request('POST /pay?a=1', {}, 'body'))
        yield* lev.sleep(1)
        yield* leave(client.stream)
        yield* lev.sleep(5)
        t.strictSame(events, [])
        t.strictSame(log.statuses(), [])
        yield* lev.sleep(5)
        t.strictSame(events, ['paid', 'done'])
        t.strictSame(log.statuses(), [499])
        t.strictSame(log.of('warn'), [{ method: 'POST', query: '/pay', status: 201, message: 'the client left before the response of an uninterruptible handler' }])
        t.strictSame(log.of('error'), [])
      })
    })
  }

  t.test(`uninterruptible, ${kind}: a server that stops waits for it, at most for drain`, async (t) => {
    for (const drain of [20, 4]) {
      const events: string[] = []
      await virtually({}, handlerOf(events), function* ({ connect, server }) {
          const client = yield* connect(request('POST /pay'))
        yield* lev.sleep(1)
        client.stream.close()
        yield* lev.sleep(1)
        const began = lev.now()
        yield* lev.wait(server.stop({ drain }))
        t.equal(Math.round(lev.now() - began), drain === 20 ? 8 : 4)
        const expected = drain === 20 ? ['paid', 'done'] : { coroutine: ['done', 'aborted'], async: ['aborted'], spawned: [] }[kind]
        t.strictSame(events, expected)
      })
    }
  })
}

for (const [how, leave] of Object.entries(leavings)) {
  t.test(`uninterruptible, async: ctx.run and wrappers work on when the client ${how}`, async (t) => {
    const events: string[] = []
    const telling = (handler: Handler): Handler => wrap(handler, (_request, next) => next((response) => {
      events.push(`wrapper ${response[1]}`)
      return response
    }, (error) => {
      events.push(String(error))
      return ['failed', 500]
    }))
    const handler = routes(group('', [telling], { 'POST /pay': limited({ uninterruptible: true }, async ({ ctx }) => {
      await ctx.run(() => lev.sleep(10))
      events.push('reserved')
      await ctx.run(() => lev.sleep(1))
      events.push('paid')
      return ['x', 201]
    }) }))
    await virtually({}, handler, function* ({ connect, log }) {
      const client = yield* connect(request('POST /pay'))
      yield* lev.sleep(1)
      yield* leave(client.stream)
      yield* lev.sleep(20)
      t.strictSame(events, ['reserved', 'paid', 'wrapper 201'])
      t.strictSame(log.of('error'), [])
      t.match(log.of('warn'), [{ status: 201 }])
    })
  })
}

t.test('uninterruptible over a port', async (t) => {
  const paid = lev.event()
  const served = await serve(t, {}, routes({ 'POST /pay': limited({ uninterruptible: true }, function* ({ ctx }) {
    started()
    while (ctx.client.isOpen) yield* lev.sleep(0.01)
    yield* lev.sleep(0.01)
    paid.set()
    return ['paid', 201]
  }) }))
  let started = (): void => {}
  const begun = new Promise<void>((resolve) => { started = resolve })
  const client = await served.connect(request('POST /pay'))
  await begun
  client.reset()
  await eventually(() => served.log.statuses().length > 0, 'the access line')
  t.equal(paid.isSet, true)
  t.strictSame(served.log.statuses(), [499])
  t.match(served.log.of('warn'), [{ query: '/pay', status: 201 }])
})

t.test('an uninterruptible handler that fails without its client is logged', async (t) => {
  const handler = routes({ *'GET /'() {
    yield* lev.sleep(1)
    return 'x'
  }, 'POST /pay': limited({ uninterruptible: true }, function* () {
    yield* lev.sleep(10)
    throw new Error('no money')
  }) })
  await virtually({}, handler, function* ({ connect, log }) {
    const client = yield* connect(request('POST /pay'))
    yield* lev.sleep(1)
    client.stream.close()
    yield* lev.sleep(20)
    t.match(log.of('error'), [{ err: { message: 'no money' }, method: 'POST', query: '/pay' }])
    t.strictSame(log.statuses(), [499])
  })
})

t.test('an error of an uninterruptible handler is logged also if it is one that the end of a connection causes', async (t) => {
  const given: { error: Error } = { error: new Error() }
  const handler = routes({ 'POST /pay': limited({ uninterruptible: true }, function* () {
    yield* lev.sleep(10)
    throw given.error
  }) })
  for (const error of [new lev.TimeoutError(), new lev.ClosedError('the bank hung up'), new lev.CancelledError('closed')]) {
    given.error = error
    await virtually({}, handler, function* ({ connect, log }) {
      const client = yield* connect(request('POST /pay'))
      yield* lev.sleep(1)
      client.stream.close()
      yield* lev.sleep(20)
      t.match(log.of('error'), [{ err: { name: error.name }, method: 'POST', query: '/pay' }], error.name)
      t.strictSame(log.statuses(), [499])
    })
  }
})

t.test('an uninterruptible handler that cannot read its content, since the client has left, is no line for the log of errors', async (t) => {
  for (const [kind, payment] of Object.entries<(request: RouteRequest) => ReturnType<Handler>>({
    *coroutine({ ctx }) {
      return String(yield* ctx.body.bytes())
    },
    async: async ({ ctx }) => String(await ctx.body.bytes()),
  })) {
    for (const [how, leave] of Object.entries(leavings)) {
      await virtually({}, routes({ 'POST /pay': limited({ uninterruptible: true, buffer_body: false }, payment) }), function* ({ connect, log }) {
        const client = yield* connect('POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1')
        yield* lev.sleep(1)
        yield* leave(client.stream)
        yield* lev.sleep(1)
        t.strictSame(log.of('error'), [], `${kind} ${how}`)
        t.equal(log.statuses().length, 1, `${kind} ${how}`)
      })
    }
  }
})

t.test('wrong limits', async (t) => {
  const wrong: [unknown, string][] = [
    [null, 'limits must be an object of limits, got null'],
    [{ maxBodySize: 1 }, 'unknown setting maxBodySize; did you mean max_body_size?'],
    [{ max_body_size: -1 }, 'max_body_size must be an integer from 0 to 4294967296 (bytes), got -1'],
    [{ max_body_size: () => 1 }, 'max_body_size must be an integer from 0 to 4294967296 (bytes), got a function'],
    [{ buffer_body: 'no' }, 'buffer_body must be true or false, got "no"'],
    [{ handler_timeout: 0 }, 'handler_timeout must be a number of seconds, got 0 (null turns it off)'],
    [{ request_body_timeout: 0 }, 'request_body_timeout must be a number of seconds from 0.001 to 3600, got 0 (a timeout cannot be turned off)'],
    [{ uninterruptible: 1 }, 'uninterruptible must be true or false, got 1'],
    [{ uninterruptible: true, handler_timeout: 5 }, 'handler_timeout must be null, got 5 (nothing interrupts a handler that is uninterruptible)'],
  ]
  for (const [limits, message] of wrong) t.throws(() => limited(limits as Limits, echo), { code: 'LEVERET_ARGUMENT', message })
  t.throws(() => limited({}, limited({}, echo) as never), { code: 'LEVERET_ARGUMENT', message: 'handler must be a function, got an object' })
  t.throws(() => validated({}, limited({}, echo) as never), { code: 'LEVERET_ARGUMENT', message: /handler must be a function/ })
  const all = { max_body_size: null, buffer_body: null, request_body_timeout: null, handler_timeout: null, uninterruptible: null }
  for (const limits of [{}, all, { uninterruptible: true, handler_timeout: null }]) t.doesNotThrow(() => limited(limits, echo))
})

t.test('types flow through limits', async (t) => {
  const handler = routes({
    'GET /todos/:id': limited({}, ({ params: { id }, query }) => id.toUpperCase() + (query.get('a') ?? '')),
    'PUT /todos/:id': limited({}, async ({ params }) => await Promise.resolve(params.id.toUpperCase())),
    'POST /todos/:id': limited({}, validated({}, ({ params }) => params.id.toUpperCase())),
    *'DELETE /todos/:id'({ params }) {
      yield* lev.sleep(0)
      return params.id.toUpperCase()
    },
    '/all/*': limited({}, (method, path, _args, _headers, body) => method.toUpperCase() + path + String(body?.length)),
    ...group('/users/:user', [], { 'GET /:id': limited({}, ({ params }) => params.user.toUpperCase() + params.id.toUpperCase()) }),
  })
  const service = server.new({ log_level: 'error' }, handler)
  t.equal((await inject(service, { path: '/todos/a?a=1' })).text(), 'A1')
  t.equal((await inject(service, { method: 'POST', path: '/todos/a' })).text(), 'A')
  t.equal((await inject(service, { path: '/users/a/b' })).text(), 'AB')
  // @ts-expect-error the path has no such parameter
  routes({ 'GET /todos/:id': limited({}, ({ params }) => params.other) })
  // @ts-expect-error a number is no response
  routes({ 'GET /todos/:id': limited({}, async () => 42) })
  // @ts-expect-error a key without a method has an ordinary handler
  t.type(() => routes({ '/all/*': limited({}, ({ params }) => params) }), 'function')
})

t.test('the pattern of the route, for the access log', async (t) => {
  const inner = routes({ 'GET /api/:name': () => 'x' })
  const handler = wrap(routes({
    'GET /todos/:id': () => 'x',
    'POST /todos/:id': limited({ max_body_size: 1 }, () => 'x'),
    'GET /fails': () => { throw new Error('fails') },
    '/files/*': () => 'x',
    '/api/*': inner,
    '/by-hand/*': (...args) => inner(...args),
    '/own/*': (_method, _path, _args, _headers, _body, ctx) => {
      ctx.route = '/own/:deeper'
      return 'x'
    },
    ...group('/users/:user', [(inner) => wrap(inner, ({ ctx }, next) => next(([_content, status]) => [ctx.route, status]))], { 'GET /': () => 'x' }),
  }), (_request, next) => next())
  const cases: [string, string | undefined][] = [
    ['GET /todos/7', '/todos/:id'], ['HEAD /todos/7', '/todos/:id'], ['DELETE /todos/7', undefined], ['GET /fails', '/fails'], ['GET /files/a/b', '/files/*'],
    ['GET /api/x', '/api/:name'], ['GET /api/x/y', '/api/*'], ['GET /by-hand/x', '/by-hand/*'], ['GET /own/x', '/own/:deeper'], ['GET /users/ann', '/users/:user'],
    ['GET /nowhere', undefined], ['OPTIONS /todos/7', undefined],
  ]
  await virtually({}, handler, function* ({ connect, log }) {
    for (const [line] of cases) yield* (yield* connect(request(line))).responses(1, [line.split(' ')[0]])
    // Rejected before its handler is called.
    yield* (yield* connect(request('POST /todos/7', {}, 'xx'))).responses(1)
    t.strictSame(log.of('access').map(({ method, query, route, status }) => [`${String(method)} ${String(query)}`, route, status === 413]),
      [...cases.map(([line, route]) => [line, route, false]), ['POST /todos/7', '/todos/:id', true]])
  })
})
