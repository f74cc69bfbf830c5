import t from 'tap'
import * as lev from '../../../../lev/index.js'
import type { Handler } from '../../../../lib/index.js'
import { json, routes, validated, ValidationError, type SchemaIssue, type StandardSchema } from '../../../../lib/web/router/index.js'
import { wrap } from '../../../../lib/web/wrap.js'
import { request } from '../../../support/serving.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'
import { virtually } from '../../../support/virtual.js'

/** A schema by hand: `read` returns the value, or a list of what is wrong. */
function schema<Output>(read: (value: unknown) => { value: Output } | SchemaIssue[], wait = false): StandardSchema<unknown, Output> {
  return { '~standard': { version: 1, vendor: 'test', validate: (value) => {
    const result = read(value)
    const given = Array.isArray(result) ? { issues: result } : result
    return wait ? Promise.resolve(given) : given
  } } }
}

interface Todo {
  title: string
  done: boolean
}

const todo = (wait: boolean) => schema<Todo>((value) => {
  if (typeof value !== 'object' || value === null) return [{ message: 'an object is needed' }]
  const { title, done = false } = value as Partial<Todo>
  const wrong: SchemaIssue[] = []
  if (typeof title !== 'string') wrong.push({ message: 'a text is needed', path: ['title'] })
  if (typeof done !== 'boolean') wrong.push({ message: 'true or false', path: [{ key: 'done' }, 'a/b~c', 0] })
  return wrong.length > 0 ? wrong : { value: { title: title ?? '', done } }
}, wait)

const id = (wait: boolean) => schema<{ id: number }>((value) => {
  const { id } = value as { id: string }
  return /^\d+$/.test(id) ? { value: { id: Number(id) } } : [{ message: 'a number is needed', path: ['id'] }]
}, wait)

const page = (wait: boolean) => schema<{ page: number, tags: string[] }>((value) => {
  const { page = '1', tag = [] } = value as { page?: string, tag?: string | string[] }
  return Number(page) > 0 ? { value: { page: Number(page), tags: [tag].flat() } } : [{ message: 'from 1', path: ['page'] }]
}, wait)

async function ask(handler: Handler, line: string, headers: Record<string, string> = {}, body = '', config = {}): Promise<WireResponse> {
  return await virtually(config, handler, function* ({ connect }) {
    const client = yield* connect(request(line, headers, body))
    const [response] = yield* client.responses(1, [line.split(' ')[0]])
    return response
  })
}

const type = { 'Content-Type': 'application/json' }

for (const wait of [false, true]) {
  t.test(wait ? 'schemas that wait' : 'schemas that do not wait', async (t) => {
    const handler = routes({
      'PUT /todos/:id': validated({ body: todo(wait), params: id(wait), query: page(wait) }, ({ params, query, body, path }) => json({ params, query, body, path })),
      'POST /todos': validated({ body: todo(wait) }, function* ({ body }) {
        yield* lev.sleep(1)
        return json(body, 201)
      }),
      'POST /later': validated({ body: todo(wait) }, async ({ body }) => await Promise.resolve(json(body, 201))),
      'GET /todos': validated({ query: page(wait) }, ({ query, body, params }) => json([query.page + 1, query.tags, body, Object.keys(params)])),
      'GET /plain/:id': validated({}, ({ query, params, body }) => json([query.get('a'), params.id, body])),
    })
    const text = async (...given: [string, Record<string, string>?, string?, object?]): Promise<string> => {
      const { status, body } = await ask(handler, ...given)
      return `${status} ${body.toString()}`
    }
    t.equal(await text('PUT /todos/7?page=2&tag=a&tag=b', type, '{"title":"x","extra":1}'),
      '200 {"params":{"id":7},"query":{"page":2,"tags":["a","b"]},"body":{"title":"x","done":false},"path":"/todos/7"}')
    t.equal(await text('POST /todos', type, '{"title":"x"}'), '201 {"title":"x","done":false}')
    t.equal(await text('POST /later', { 'Content-Type': 'application/vnd.a+json; charset=utf-8' }, '{"title":"é"}'.replace('é', 'Ã©')), '201 {"title":"é","done":false}')
    t.equal(await text('GET /todos?page=2'), '200 [3,[],null,[]]')
    t.equal(await text('GET /todos?__proto__=2'), '200 [2,[],null,[]]')
    t.equal(await text('GET /plain/8?a=1'), '200 ["1","8",null]')
    // Content that is not buffered.
    t.equal(await text('POST /later', type, '{"title":"x"}', { buffer_body: false }), '201 {"title":"x","done":false}')
    t.equal(await text('POST /later', { ...type, 'Transfer-Encoding': 'chunked' }, 'd\r\n{"title":"x"}\r\n0\r\n\r\n', { buffer_body: false }), '201 {"title":"x","done":false}')

    const wrong = await ask(handler, 'PUT /todos/x?page=0', type, '{"done":1}')
    t.equal(wrong.status, 422)
    t.equal(valueOf(wrong, 'content-type'), 'application/problem+json')
    t.strictSame(JSON.parse(wrong.body.toString()), {
      title: 'Unprocessable Content', status: 422, detail: 'the request is not valid', errors: [
        { in: 'params', pointer: '#/id', detail: 'a number is needed' },
        { in: 'query', pointer: '#/page', detail: 'from 1' },
        { in: 'body', pointer: '#/title', detail: 'a text is needed' },
        { in: 'body', pointer: '#/done/a~1b~0c/0', detail: 'true or false' },
      ],
    })
    const none = '{"title":"Unprocessable Content","status":422,"detail":"the request is not valid","errors":[{"in":"body","pointer":"#","detail":"an object is needed"}]}'
    t.equal(await text('POST /later'), `422 ${none}`)
    t.equal(await text('POST /later', type, 'null'), `422 ${none}`)
    t.equal((await ask(handler, 'POST /later', {}, '{}')).status, 415)
    t.equal(valueOf(await ask(handler, 'POST /later', { 'Content-Type': 'text/json' }, '{}'), 'accept'), 'application/json')
    t.match(await text('POST /later', type, '{"title":'), /^400 .*not JSON/)
    t.match(await text('POST /later', type, '"\xff"'), /^400 .*not UTF-8/)
  })
}

t.test('a schema that throws is an error of the handler', async (t) => {
  for (const wait of [false, true]) {
    const broken: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: () => {
      if (wait) return Promise.reject(new Error('a secret'))
      throw new Error('a secret')
    } } }
    const { status, body } = await ask(routes({ 'GET /': validated({ query: broken }, () => 'x') }), 'GET /')
    t.equal(`${status} ${body.toString()}`, '500 Internal Server Error\n')
  }
})

t.test('a response lists some of what is wrong, however much there is', async (t) => {
  const wrong = (count: number, length: number): SchemaIssue[] => Array.from({ length: count }, (_, at) => ({ message: 'x'.repeat(length), path: ['k'.repeat(length), at] }))
  for (const [count, length, listed] of [[99, 1, 99], [100, 1, 100], [100_000, 1, 100], [100, 10_000, 4]] as const) {
    const broken = schema(() => wrong(count, length))
    const { status, body } = await ask(routes({ 'GET /': validated({ query: broken, params: schema((value) => ({ value })) }, () => 'x') }), 'GET /')
    t.equal(status, 422)
    t.equal((JSON.parse(body.toString()) as ValidationError).errors.length, listed)
    const both = await ask(routes({ 'GET /': validated({ query: broken, params: broken }, () => 'x') }), 'GET /')
    t.equal((JSON.parse(both.body.toString()) as ValidationError).errors.length, Math.min(2 * listed, listed < 99 ? listed : 100))
  }
})

t.test('onError gets what is wrong', async (t) => {
  const handler = routes({ 'GET /:id': validated({ params: id(false) }, () => 'x') }, { onError: (error) => error instanceof ValidationError ? json(error.errors, 400) : null })
  t.equal((await ask(handler, 'GET /x')).body.toString(), '[{"in":"params","pointer":"#/id","detail":"a number is needed"}]')
})

t.test('where no schema waits, nothing does', async (t) => {
  const handler = wrap(routes({ 'GET /:id': validated({ params: id(false) }, ({ params }) => String(params.id + 1)) }), (_request, next) => next())
  t.equal(handler('GET', '/7', '', {}, null, {} as never), '8')
})

t.test('types flow into the handler', async (t) => {
  const handler = routes({
    'PUT /todos/:id': validated({ body: todo(false) }, ({ params, body, query }) => params.id.toUpperCase() + body.title.toUpperCase() + (query.get('a') ?? '')),
    'GET /todos/:id': validated({ params: id(false) }, async ({ params, body }) => await Promise.resolve(params.id.toFixed() + String(body?.length))),
    'GET /': validated({ query: page(false) }, function* ({ query }) {
      yield* lev.sleep(0)
      return query.page.toFixed()
    }),
  })
  t.type(handler, 'function')
  // @ts-expect-error the schema has no such member
  routes({ 'PUT /todos/:id': validated({ body: todo(false) }, ({ body }) => body.other) })
  // @ts-expect-error the path has no such parameter
  routes({ 'PUT /todos/:id': validated({ body: todo(false) }, ({ params }) => params.other) })
})
