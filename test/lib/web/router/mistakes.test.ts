// What users of other routers try: each mistake is told, when the table is made if possible.
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import * as server from '../../../../lib/index.js'
import type { Handler, HandlerResult } from '../../../../lib/index.js'
import { cors, group, HttpError, json, problem, routes, validated, withRequestId, type RouteRequest } from '../../../../lib/web/router/index.js'
import { wrap } from '../../../../lib/web/wrap.js'
import { inject } from '../../../../testing/index.js'
import { request } from '../../../support/serving.js'
import { valueOf } from '../../../support/responses.js'
import { virtually } from '../../../support/virtual.js'

t.test('keys of other routers', async (t) => {
  const wrong: Record<string, RegExp> = {
    'get /x': /"get \/x" is neither "METHOD \/path" nor "\/path"/,
    'GET x': /neither/,
    'GET  /x': /neither/,
    'ALL /x': /ALL is no method; "\/x" without one is for all of them/,
    'USE /x': /USE is no method/,
    'PSOT /x': /'PSOT' is not an http method/,
    'GET /a?b=:c': /the path ends before "\?"/,
    'GET /a#b': /the path ends before "\?" and "#"/,
  }
  for (const [key, message] of Object.entries(wrong)) t.throws(() => routes({ [key]: () => 'x' } as never), { code: 'LEVERET_ARGUMENT', message }, key)
  t.throws(() => group('/a', [], { 'GET /b#': () => 'x' }), { code: 'LEVERET_ARGUMENT', message: /the path ends/ })
  for (const key of ['GET /:id?', 'GET /:id(^\\d{4}$)', 'GET /:id(^[?#]{2}$)?', 'GET /é', 'GET /a%20b', 'GET /~a!b&c\'d;e=f,g@h+$', 'QUERY /x']) t.doesNotThrow(() => routes({ [key]: () => 'x' }), key)
})

t.test('options and schemas', async (t) => {
  const schema = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
  const wrong: [() => unknown, string][] = [
    [() => routes({}, { onerror: () => 'x' } as never), 'unknown setting onerror; did you mean onError?'],
    [() => routes({}, { onError: 'x' as never }), 'onError must be a function, got a string'],
    [() => routes({}, (() => 'x') as never), 'options must be an object of options, got a function'],
    [() => routes(null as never), 'table must be an object of routes, got null'],
    [() => routes([] as never), 'table must be an object of routes, got an array'],
    [() => routes((() => 'x') as never), 'table must be an object of routes, got a function'],
    [() => routes({ 'GET /a': routes({}) as never }), 'table: "GET /a": what `routes` returns belongs under a key without a method, "/a"'],
    [() => group('/a', { 'GET /': () => 'x' } as never, {}), 'wrappers must be an array of functions, got an object'],
    [() => group('/a', [7 as never], {}), 'wrappers must be an array of functions, got another one'],
    [() => routes(group('/a', [(() => undefined) as never], { 'GET /': () => 'x' })), 'table: "GET /a": a wrapper has to return a handler, got undefined'],
    [() => wrap({ 'GET /': () => 'x' } as never, (_request, next) => next()), 'handler must be a function, got an object'],
    [() => wrap(() => 'x', undefined as never), 'around must be a function, got undefined'],
    [() => cors({ 'GET /': () => 'x' } as never, { origins: '*' }), 'handler must be a function, got an object'],
    [() => withRequestId(null as never), 'handler must be a function, got null'],
    [() => validated({ boddy: schema } as never, () => 'x'), 'unknown setting boddy; did you mean body?'],
    [() => validated({ body: { type: 'object', properties: {} } as never }, () => 'x'), 'body must be a schema that implements Standard Schema, got an object'],
    [() => validated({ query: 'x' as never }, () => 'x'), 'query must be a schema that implements Standard Schema, got a string'],
    [() => validated({ params: { '~standard': {} } as never }, () => 'x'), 'params must be a schema that implements Standard Schema, got an object'],
    [() => validated(schema as never, () => 'x'), 'unknown setting "~standard"'],
  ]
  for (const [make, message] of wrong) t.throws(make, { code: 'LEVERET_ARGUMENT', message: new RegExp(message.replace(/[?.*()[\]]/g, '\\$&')) }, message)
  const descriptions: Record<string, [unknown, ...unknown[]]> = {
    summary: [7], description: [[]], tags: ['a', [7]], operationId: [true], deprecated: ['yes'], hidden: [1], security: ['a', { a: [] }, ['a'], [['a']]],
    responses: ['x', [schema], { 200: 7 }, { 200: null }, { 200: { scheme: schema } }, { 200: { schema: {} } }, schema],
  }
  for (const [name, values] of Object.entries(descriptions)) for (const value of values) {
    t.throws(() => validated({ [name]: value }, () => 'x'), { code: 'LEVERET_ARGUMENT', argument: new RegExp(`^${name}`) } as never, `${name} ${JSON.stringify(value)}`)
  }
  const all = { body: null, form: undefined, query: null, params: null, summary: 'x', hidden: true }
  t.doesNotThrow(() => validated(all, () => 'x'))
  t.doesNotThrow(() => routes({}, { onError: null }))
})

t.test('an object that is returned is an error that says what to do', async (t) => {
  for (const value of [{ a: 1 }, [{ a: 1 }, 200], [[1, 2]]]) {
    await virtually({}, routes({ 'GET /': () => value as unknown as HandlerResult }), function* ({ connect, log }) {
      const [{ status }] = yield* (yield* connect(request('GET /'))).responses(1)
      t.equal(status, 500)
      t.match(String(log.of('error')[0].err), /`json` of leveret\/router|iterable/)
    })
  }
})

t.test('content that cannot be read is a problem, as for validated routes', async (t) => {
  const told: unknown[] = []
  const table = {
    *'POST /json'({ ctx }: RouteRequest) {
      return json(yield* ctx.body.json())
    },
    'POST /later': async ({ ctx }: RouteRequest) => json(await ctx.body.json()),
  }
  const services = [routes(table), routes(table, { onError(error) {
    told.push(error)
    // As services do: what is meant for the client is told, all else hidden.
    if (error instanceof HttpError) throw error
    return problem({ status: 500 })
  } })]
  for (const handler of services) for (const path of ['/json', '/later']) for (const buffer_body of [true, false]) {
    const service = server.new({ log_level: 'error', max_body_size: 10, buffer_body }, handler)
    const post = async (body: string): Promise<string> => {
      const response = await inject(service, { method: 'POST', path, body })
      return `${response.status} ${response.text()}`
    }
    t.equal(await post('{'), '400 {"title":"Bad Request","status":400,"detail":"the body is not JSON"}')
    t.equal(await post('{}'), '200 {}')
    t.match(await post('x'.repeat(11)), /^413/)
  }
  t.ok(told.every((error) => error instanceof HttpError && error.cause instanceof server.BodyError))
  t.equal(told.length, 4)
})

t.test('a body that is too large while it is read', async (t) => {
  const handler = routes({ *'POST /'({ ctx }) {
    return String((yield* ctx.body.bytes()).length)
  } })
  await virtually({ buffer_body: false, max_body_size: 10 }, handler, function* ({ connect }) {
    const client = yield* connect('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n')
    const { responses, ending } = yield* client.all()
    t.strictSame(responses.map(({ status, body }) => [status, body.toString()]), [[413, '{"title":"Content Too Large","status":413,"detail":"max_body_size limit violation: 20"}']])
    t.equal(ending, 'end')
  })
})

t.test('onError is not told that a client has left', async (t) => {
  const told: string[] = []
  const handler = routes({
    'GET /abort': async ({ ctx }) => {
      await new Promise((_resolve, reject) => { ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error)) })
      return 'x'
    },
    'GET /fault': async ({ ctx }) => {
      await new Promise((_resolve, reject) => { ctx.signal.addEventListener('abort', () => reject(new Error('a fault'))) })
      return 'x'
    },
    'GET /own': async () => await Promise.reject(new DOMException('of another signal', 'AbortError')),
  }, { onError(error) {
    told.push((error as Error).message)
    throw error
  } })
  await virtually({}, handler, function* ({ connect, log }) {
    for (const path of ['/abort', '/fault']) {
      const client = yield* connect(request(`GET ${path}`))
      yield* lev.sleep(1)
      client.stream.close()
      yield* lev.sleep(1)
    }
    t.equal((yield* (yield* connect(request('GET /own'))).responses(1))[0].status, 500)
    t.strictSame(told, ['a fault', 'of another signal'])
    t.strictSame(log.of('error').map(({ err, message }) => [(err as Error).message, message]), [
      ['a fault', 'the handler failed after its request was over'], ['of another signal', 'the handler failed'],
    ])
  })
})

t.test('what wraps the handler of routes sees every request and response; of errors, what onError has not made one of', async (t) => {
  const wrapped = (handler: Handler): Handler => wrap(handler, (_request, next) => {
    return next(([content, status, headers]) => [content, status, { ...headers, 'X-Seen': 'response' }], (error) => [(error as Error).message, 500, { 'X-Seen': 'error' }])
  })
  const table = {
    'GET /': () => 'x',
    'GET /http-error': () => { throw new HttpError(409) },
    'GET /error': () => { throw new Error('a fault') },
    'GET /later': async () => await Promise.reject(new Error('a fault')),
    'GET /valid/:id': validated({ params: { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'no' }] }) } } }, () => 'x'),
    ...group('/group', [wrapped], { 'GET /': () => { throw new Error('a fault') } }),
  } as const
  const cases: [line: string, status: number, seen: string, withOnError?: string][] = [
    ['GET /', 200, 'response'], ['OPTIONS /', 204, 'response'], ['OPTIONS *', 204, 'response'], ['POST /', 405, 'response'], ['GET /nowhere', 404, 'response'],
    ['OPTIONS /nowhere', 404, 'response'], ['GET /%', 400, 'response'], ['GET /http-error', 409, 'response'], ['GET /valid/x', 422, 'response'],
    ['GET /error', 500, 'error', 'response'], ['GET /later', 500, 'error', 'response'], ['GET /group', 500, 'response'],
  ]
  const onError = (error: unknown): HandlerResult => {
    if (error instanceof HttpError) throw error
    return problem({ status: 500 })
  }
  for (const options of [{}, { onError }]) {
    await virtually({}, wrapped(routes(table, options)), function* ({ connect }) {
      for (const [line, status, seen, withOnError = seen] of cases) {
        const [response] = yield* (yield* connect(request(line))).responses(1, [line.split(' ')[0]])
        t.strictSame([response.status, valueOf(response, 'x-seen')], [status, 'onError' in options ? withOnError : seen], line)
      }
    })
  }
})
