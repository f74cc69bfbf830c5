import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { z } from 'zod'
import { described, documentation, openapi, type DocumentOptions, type JsonSchema, type OpenApiDocument, type OpenApiOperation } from '../../../../lib/web/openapi/index.js'
import { group, json, routes, validated, type RouteDescription, type StandardSchema, type Wrapper } from '../../../../lib/web/router/index.js'
import { wrap } from '../../../../lib/web/wrap.js'
import { libraries } from './schemas.js'

const info = { title: 'Test', version: '1.0.0' }
const plain = (): string => 'x'
const pass: Wrapper = (handler) => handler

/** The document of a table, if it is valid OpenAPI 3.1. */
async function documentOf(table: Parameters<typeof routes>[0], options: Partial<DocumentOptions> = {}): Promise<OpenApiDocument> {
  const document = openapi(routes(table), { info, ...options })
  const { valid, errors } = await new Validator().validate(structuredClone(document) as Record<string, unknown>)
  if (!valid) throw new Error(JSON.stringify(errors))
  return document
}

async function operationOf(given: RouteDescription & Parameters<typeof validated>[0], options: Partial<DocumentOptions> = {}): Promise<OpenApiOperation> {
  return (await documentOf({ 'POST /x': validated(given, plain) }, options)).paths['/x'].post as OpenApiOperation
}

const text = { type: 'string' }
const param = (name: string, schema: JsonSchema = text): object => ({ name, in: 'path', required: true, schema })
const rest = { ...param('*'), description: 'The rest of the path, slashes included.' }

const keys: readonly [key: string, path: string, operationId: string, parameters?: readonly object[]][] = [
  ['GET /', '/', 'get'],
  ['GET /todos', '/todos', 'getTodos'],
  ['DELETE /todos/:id', '/todos/{id}', 'deleteTodosById', [param('id')]],
  ['GET /users/:user/posts/:post_id', '/users/{user}/posts/{post_id}', 'getUsersByUserPostsByPostId', [param('user'), param('post_id')]],
  ['GET /from/:from-:to', '/from/{from}-{to}', 'getFromByFromByTo', [param('from'), param('to')]],
  ['GET /:name.:ext', '/{name}.{ext}', 'getByNameByExt', [param('name'), param('ext')]],
  ['GET /years/:year(^\\d{4}$)', '/years/{year}', 'getYearsByYear', [param('year', { ...text, pattern: '^\\d{4}$' })]],
  ['GET /:a(b|c)/d', '/{a}/d', 'getByAD', [param('a', { ...text, pattern: '^(?:b|c)$' })]],
  ['GET /:a((?:x)\\(y)-z', '/{a}-z', 'getByAZ', [param('a', { ...text, pattern: '^(?:x)\\(y$' })]],
  ['GET /files/*', '/files/{*}', 'getFilesRest', [rest]],
  ['GET /*', '/{*}', 'getRest', [rest]],
  ['GET /a::b', '/a:b', 'getAB'],
  ['GET /a-b_c/d', '/a-b_c/d', 'getABCD'],
  ['HEAD /x', '/x', 'headX'],
  ['OPTIONS /x', '/x', 'optionsX'],
  ['TRACE /x', '/x', 'traceX'],
]

for (const [key, path, operationId, parameters] of keys) {
  t.test(key, async (t) => {
    const { paths } = await documentOf({ [key]: plain })
    const operation = { operationId, ...(parameters ? { parameters } : {}), responses: { default: { description: 'Any other response.' } } }
    t.strictSame(paths, { [path]: { [key.split(' ')[0].toLowerCase()]: operation } })
  })
}

t.test('a parameter that may be missing makes two paths', async (t) => {
  const { paths } = await documentOf({ 'GET /users/:user/posts/:post?': plain, 'GET /:id?': validated({ operationId: 'one' }, plain) })
  const ids = Object.entries(paths).map(([path, { get }]) => [path, get?.operationId, get?.parameters?.length])
  t.strictSame(ids, [
    ['/users/{user}/posts', 'getUsersByUserPosts', 1],
    ['/users/{user}/posts/{post}', 'getUsersByUserPostsByPost', 2],
    ['/', 'oneWithoutId', undefined],
    ['/{id}', 'one', 1],
  ])
})

t.test('what is left out', async (t) => {
  const hidden = validated({ hidden: true }, plain)
  const { paths } = await documentOf({
    'GET /a': plain, 'GET /hidden': hidden, '/files/*': plain, 'PROPFIND /a': plain,
    ...group('/internal', [described({ hidden: true }, pass)], { 'GET /a': plain }),
  })
  t.strictSame(Object.entries(paths).map(([path, item]) => [path, Object.keys(item)]), [['/a', ['get']]])
})

t.test('routes in routes, and in wrap', async (t) => {
  const around: Wrapper = (handler) => wrap(handler, (_request, next) => next())
  const inner = routes({ 'GET /a/:user/x': plain, 'GET /a/:user/y': validated({ summary: 'inner' }, plain), 'GET /b': plain, 'GET /': plain })
  const marked = described({ tags: ['marked'] }, pass)
  const table = { ...group('', [marked], { '/a/:id/*': around(inner) }), '/b': inner, 'GET /a/:id/y': validated({ summary: 'outer' }, plain) }
  const { paths } = openapi(around(around(routes(table))), { info })
  t.strictSame(Object.entries(paths).map(([path, { get }]) => [path, get?.summary, get?.tags]), [
    ['/a/{id}/y', 'outer', undefined], ['/a/{user}/x', undefined, ['marked']], ['/b', undefined, undefined],
  ])
})

t.test('paths that differ in the names of parameters only are one', async (t) => {
  const { paths } = await documentOf({
    'GET /todos/:id': plain,
    'GET /todos/*': plain,
    'PUT /todos/:number': validated({ params: z.object({ number: z.coerce.number().int() }) }, plain),
  })
  t.strictSame(Object.keys(paths), ['/todos/{id}', '/todos/{*}'])
  t.match(paths['/todos/{id}'].put?.parameters, [{ name: 'id', schema: { type: 'integer' } }])
})

t.test('what routes and wrappers say', async (t) => {
  const securitySchemes = { session: { type: 'apiKey', in: 'cookie', name: 'session' }, token: { type: 'http', scheme: 'bearer' } }
  const signedIn = described({ tags: ['private'], security: [{ session: [] }], responses: { 401: 'Log in.', 403: 'No.' } }, pass)
  const { paths, ...others } = await documentOf({
    ...group('', [signedIn, described({ tags: ['old', 'private'], deprecated: true }, pass)], {
      'GET /a': validated({ summary: 'A', description: '*All*', tags: ['own'], operationId: 'a', responses: { 204: 'Done.', 403: 'Never.' } }, plain),
      'GET /b': validated({ security: [{ token: [] }, {}] }, plain),
      'GET /c': plain,
    }),
    'GET /d': plain,
  }, { components: { securitySchemes }, tags: [{ name: 'own', description: null }], servers: [{ url: 'https://a.test' }], security: [{ token: [] }], externalDocs: null })
  const problem = (description: string): object => ({ description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } })
  t.strictSame(paths['/a'].get, {
    operationId: 'a', summary: 'A', description: '*All*', tags: ['private', 'old', 'own'], deprecated: true, security: [{ session: [] }],
    responses: { 204: { description: 'Done.' }, 401: problem('Log in.'), 403: problem('Never.') },
  })
  t.strictSame(paths['/b'].get?.security, [{ token: [] }, {}])
  t.strictSame(paths['/c'].get?.security, [{ session: [] }])
  t.equal(paths['/d'].get?.security, undefined)
  t.match(others, { openapi: '3.1.0', info, tags: [{ name: 'own' }], servers: [{ url: 'https://a.test' }], security: [{ token: [] }], components: { securitySchemes } })
  t.notOk('externalDocs' in others)
})

t.test('responses', async (t) => {
  const { responses } = await operationOf({ responses: {
    200: z.object({ a: z.string() }), 201: { schema: z.string(), type: 'text/plain', description: 'Made.' }, 202: {}, 203: { type: 'image/png' },
    301: 'Moved.', 404: z.object({ reason: z.string() }),
  } })
  t.strictSame(responses, {
    200: { description: 'OK', content: { 'application/json': { schema: { type: 'object', properties: { a: text }, required: ['a'] } } } },
    201: { description: 'Made.', content: { 'text/plain': { schema: text } } },
    202: { description: 'Accepted' },
    203: { description: 'Non-Authoritative Information', content: { 'image/png': {} } },
    301: { description: 'Moved.' },
    404: { description: 'Not Found', content: { 'application/json': { schema: { type: 'object', properties: { reason: text }, required: ['reason'] } } } },
  })
  t.strictSame(Object.keys((await operationOf({ body: z.string() })).responses), ['400', '415', '422', 'default'])
  t.strictSame(Object.keys((await operationOf({ query: z.object({}), responses: { 200: 'Well.' } })).responses), ['200', '422'])
  t.equal((await operationOf({ query: z.object({}), responses: { 422: 'Mine.' } })).responses[422].description, 'Mine.')
})

for (const [library, { params, query, todo }] of Object.entries(libraries)) {
  t.test(`schemas of ${library}`, async (t) => {
    const { paths, components } = await documentOf({ 'PUT /todos/:id': validated({ params, query, body: todo, responses: { 200: todo } }, () => json(null)) })
    const { parameters, requestBody, responses } = paths['/todos/{id}'].put as OpenApiOperation
    t.match(parameters, [
      { name: 'id', in: 'path', required: true, description: 'Its number', schema: library === 'zod' ? { type: 'integer', minimum: 1 } : { type: 'string', pattern: '^[1-9][0-9]{0,5}$' } },
      { name: 'done', in: 'query', required: false },
      { name: 'tag', in: 'query', required: false, schema: { type: 'array', items: text } },
    ])
    const resolved = (schema: unknown): unknown => {
      const name = /^#\/components\/schemas\/(\w+)$/.exec((schema as { $ref?: string }).$ref ?? '')?.[1] ?? ''
      return components?.schemas?.[name] ?? schema
    }
    const members = { type: 'object', properties: { title: { type: 'string', minLength: 1, maxLength: 20 }, done: { type: 'boolean' }, size: { type: 'integer', minimum: 0, maximum: 9 } } }
    t.match(resolved(requestBody?.content['application/json'].schema), { ...members, required: ['title'] })
    t.match(resolved(responses[200].content?.['application/json'].schema), members)
    if (library !== 'arktype') t.match(Object.keys(components?.schemas ?? {}), ['Problem', 'Todo'], 'a schema with a title is defined once')
  })
}

t.test('components', async (t) => {
  const tag = z.object({ name: z.string() }).meta({ id: 'Tag' })
  const todo = z.object({ title: z.string().default('x'), tags: z.array(tag) }).meta({ id: 'Todo' })
  interface Node { kids: Node[] }
  const node: z.ZodType<Node> = z.object({ get kids() { return z.array(node) } })
  const { paths, components } = await documentOf({
    'PUT /todos': validated({ body: todo, responses: { 200: todo } }, plain),
    'GET /todos': validated({ query: z.object({ tag: z.string().meta({ id: 'Label/1' }) }), responses: { 200: z.array(todo) } }, plain),
    'POST /nodes': validated({ body: node, responses: { 200: node } }, plain),
    'GET /other': validated({ responses: { 200: z.object({ a: z.string() }).meta({ title: 'Tag' }) } }, plain),
  })
  const { Problem, ValidationProblem, ...schemas } = components?.schemas ?? {}
  t.match([Problem, ValidationProblem], [{ type: 'object' }, { required: ['title', 'status', 'errors'] }])
  const tags = { type: 'array', items: { $ref: '#/components/schemas/Tag' } }
  t.match(schemas, {
    Label_1: text,
    Tag: { type: 'object', properties: { name: text }, required: ['name'] },
    Tag2: { title: 'Tag', properties: { a: text } },
    Todo: { properties: { title: { ...text, default: 'x' }, tags }, required: ['title', 'tags'] },
    TodoInput: { properties: { title: { ...text, default: 'x' }, tags }, required: ['tags'] },
    PostNodesBody: { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#/components/schemas/PostNodesBody' } } }, required: ['kids'] },
  })
  t.strictSame(paths['/todos'].put?.requestBody?.content['application/json'].schema, { $ref: '#/components/schemas/TodoInput' })
  t.strictSame(paths['/todos'].put?.responses[200].content?.['application/json'].schema, { $ref: '#/components/schemas/Todo' })
  t.strictSame(paths['/todos'].get?.parameters?.[0].schema, { $ref: '#/components/schemas/Label_1' })
  t.strictSame(paths['/nodes'].post?.requestBody?.content['application/json'].schema, { $ref: '#/components/schemas/PostNodesBody' })
  t.strictSame(paths['/nodes'].post?.responses[200].content?.['application/json'].schema, { $ref: '#/components/schemas/PostNodesBody' })
  t.equal(Object.keys(schemas).length, 6)
})

t.test('ids that are any text', async (t) => {
  for (const id of ['100%', 'a%20b', 'a b', 'a~b', 'é', '__proto__', '"']) {
    const { paths, components } = await documentOf({ 'GET /': validated({ query: z.object({ a: z.string().meta({ id }) }), responses: { 200: z.object({ b: z.int().meta({ id }) }) } }, plain) })
    const reference = (paths['/'].get?.parameters?.[0].schema as { $ref: string }).$ref
    const name = /^#\/components\/schemas\/([\w.-]+)$/.exec(reference)?.[1] ?? ''
    t.match(components?.schemas?.[name], text, id)
  }
})

t.test('data in a schema is left as it is, and names of components that the options have', async (t) => {
  const data = { $ref: '#/$defs/none', additionalProperties: false, a: null }
  const schema = byHand({ type: 'object', properties: { $ref: { const: null, default: data } }, title: 'Mine', description: 'x' })
  // The validator takes a property of this name for a reference.
  const { components, paths } = openapi(routes({ 'GET /': validated({ responses: { 200: schema } }, plain) }), { info, components: { schemas: { Mine: true } } })
  t.strictSame(components?.schemas, { Mine: true, Mine2: { type: 'object', properties: { $ref: { const: null, default: data } }, title: 'Mine', description: 'x' } })
  t.strictSame(paths['/'].get?.responses[200].content?.['application/json'].schema, { $ref: '#/components/schemas/Mine2' })
})

function byHand(jsonSchema: object | null): StandardSchema {
  const of = (): object => {
    if (jsonSchema === null) throw new Error('there is none')
    return jsonSchema
  }
  return { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }), ...{ jsonSchema: { input: of, output: of } } } }
}

t.test('schemas that have no JSON Schema fit everything', async (t) => {
  const none: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
  for (const schema of [none, byHand(null)]) {
    const { paths } = await documentOf({ 'GET /:id': validated({ params: schema, query: schema, body: schema, responses: { 200: schema } }, plain) })
    t.match(paths['/{id}'].get, {
      parameters: [param('id'), { name: 'query', in: 'query', required: false, style: 'form', explode: true, schema: { type: 'object' } }],
      requestBody: { content: { 'application/json': { schema: {} } } }, responses: { 200: { content: { 'application/json': { schema: {} } } } },
    })
  }
  const parts = z.object({ at: z.date(), size: z.string().transform(Number) })
  t.match((await operationOf({ responses: { 200: parts } })).responses[200].content?.['application/json'].schema, { properties: { at: {}, size: {} } })
})

t.test('forms', async (t) => {
  const form = z.object({ name: z.string() })
  const typesOf = async (given: Parameters<typeof operationOf>[0]): Promise<string[]> => Object.keys((await operationOf(given)).requestBody?.content ?? {})
  t.strictSame(await typesOf({ form }), ['application/x-www-form-urlencoded', 'multipart/form-data'])
  t.strictSame(await typesOf({ form, body: form }), ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'])
  t.strictSame(await typesOf({ form: z.object({ pictures: z.array(z.file()) }) }), ['multipart/form-data'])
  t.strictSame(Object.keys((await operationOf({ form })).responses), ['400', '415', '422', 'default'])
})

t.test('queries', async (t) => {
  const parametersOf = async (query: StandardSchema): Promise<unknown> => (await operationOf({ query })).parameters
  const whole = (schema: object): object[] => [{ name: 'query', in: 'query', required: false, style: 'form', explode: true, schema }]
  t.match(await parametersOf(z.object({ a: z.string() }).and(z.object({ b: z.string().optional() }))), [{ name: 'a', required: true }, { name: 'b', required: false }])
  t.match(await parametersOf(byHand({ allOf: [{ $ref: '#/$defs/A' }, { type: 'object', properties: { b: text } }], $defs: { A: { type: 'object', properties: { a: text }, required: ['a'] } } })),
    [{ name: 'a', required: true }, { name: 'b', required: false }])
  t.match(await parametersOf(z.looseObject({ a: z.string().meta({ deprecated: true }) })), [{ name: 'a', deprecated: true }])
  t.match(await parametersOf(z.record(z.string(), z.number())), whole({ additionalProperties: { type: 'number' } }))
  t.match(await parametersOf(z.union([z.object({ a: z.string() }), z.object({ b: z.string() })])), whole({ anyOf: [{ required: ['a'] }, { required: ['b'] }] }))
})

t.test('what is refused', async (t) => {
  const refused = (table: Parameters<typeof routes>[0], options: object, argument: string, message: RegExp): void => {
    t.throws(() => openapi(routes(table), { info, ...options }), { code: 'LEVERET_ARGUMENT', argument, message })
  }
  t.throws(() => openapi(plain, { info }), { argument: 'handler', message: /what `routes` returned/ })
  refused({}, { info: { title: 'x' } }, 'info', /info.version: a text is needed, not undefined/)
  refused({}, { info: null }, 'info', /info.title/)
  refused({}, { server: [] }, 'server', /servers/)
  refused({}, { servers: 'https://a.test' }, 'servers', /an array of objects with a text `url`/)
  refused({}, { servers: ['https://a.test'] }, 'servers', /`url`/)
  refused({}, { tags: ['a'] }, 'tags', /`name`/)
  refused({}, { security: { session: [] } }, 'security', /an array of objects$/)
  t.throws(() => documentation({ info, servers: [null] as never }), { code: 'LEVERET_ARGUMENT', argument: 'servers' })
  t.throws(() => described({ tag: 'a' } as never, (handler) => handler), { code: 'LEVERET_ARGUMENT', message: 'unknown setting tag; did you mean tags?' })
  t.throws(() => described({}, undefined as never), { code: 'LEVERET_ARGUMENT', message: 'wrapper must be a function, got undefined' })
  t.throws(() => described(((handler: unknown) => handler) as never, {} as never), { code: 'LEVERET_ARGUMENT', argument: 'description' })
  refused({ 'GET /a-b': plain, 'GET /a/b': plain }, {}, 'table', /"GET \/a\/b": "GET \/a-b" has the operationId getAB too/)
  refused({ 'GET /': validated({ security: [{ session: [] }] }, plain) }, {}, 'security', /"session" is not in components.securitySchemes/)
  refused({}, { security: [{ toString: [] }] }, 'security', /"toString"/)
  refused({ 'GET /': validated({ responses: { 99: 'x' } }, plain) }, {}, 'responses', /"GET \/": 99 is not a status/)
})
