// Checked by the compiler: parameters by the names in the path, and handlers of every kind.
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import { group, routes, type PathParams, type RouteRequest } from '../../../../lib/web/router/index.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Flat<T> = { [K in keyof T]: T[K] }

/** Compiles only if the parameters of `Path` are exactly `Expected`. */
function params<Path extends string, Expected>(..._same: Same<Flat<PathParams<Path>>, Readonly<Expected>> extends true ? [] : [never]): void {}

t.test('the parameters of a path', async () => {
  params<'/', Record<never, string>>()
  params<'/a/b', Record<never, string>>()
  params<'/:id', { id: string }>()
  params<'/a/:one/b/:two', { one: string, two: string }>()
  params<'/:one-:two', { one: string, two: string }>()
  params<'/:name.:ext', { name: string, ext: string }>()
  params<'/:year(\\d+)/:month(\\d+)', { year: string, month: string }>()
  params<'/:id(\\d+).png', { id: string }>()
  params<'/a/:id?', { id: string | undefined }>()
  params<'/files/*', { '*': string }>()
  params<'/:user/*', { user: string, '*': string }>()
  params<'/a::b', Record<never, string>>()
  params<'/a::b/:c', { c: string }>()
  params<string, Record<string, string | undefined>>()
})

t.test('handlers know the parameters of their paths', async (t) => {
  const table = routes({
    'GET /todos/:id': ({ params: { id }, query, body, ctx }) => [id.toUpperCase(), 200, { A: query.get('a'), B: body?.length, C: ctx.count }],
    *'GET /slow/:id'({ params }) {
      yield* lev.sleep(0)
      return params.id.toUpperCase()
    },
    'PUT /later/:id': async ({ params }) => await Promise.resolve(params.id.toUpperCase()),
    'GET /files/*': ({ params }) => params['*'].toUpperCase(),
    '/all/*': (method, _path, args, headers, _body, ctx) => [method.toUpperCase() + args.toUpperCase() + (headers.a ?? ''), ctx.count],
    ...group('/users/:user', [(handler) => handler], {
      'GET /posts/:post': ({ params: { user, post } }) => user.toUpperCase() + post.toUpperCase(),
      'GET /': ({ params }) => params.user.toUpperCase(),
      ...group('/deep', [], { 'GET /:three': ({ params }) => params.three.toUpperCase() }),
    }),
  })
  t.type(table, 'function')
  // @ts-expect-error the path has no such parameter
  routes({ 'GET /todos/:id': ({ params }) => params.other })
  // @ts-expect-error the prefix and the path have no such parameter
  t.type(group('/users/:user', [], { 'GET /posts/:post': ({ params }) => params.other }), 'object')
  // @ts-expect-error nothing is returned
  routes({ 'GET /todos/:id': () => {} })
  // @ts-expect-error a number is no response
  routes({ 'GET /todos/:id': async () => 42 })
  // @ts-expect-error what an optional parameter has may be nothing
  routes({ 'GET /todos/:id?': ({ params }) => params.id.toUpperCase() })
  // @ts-expect-error a key without a slash
  t.throws(() => routes({ 'GET todos': () => 'x' }))
  const dynamic: Record<string, (request: RouteRequest) => string> = {}
  for (const name of ['a', 'b']) dynamic[`GET /${name}/:id`] = ({ params }) => params.id ?? ''
  t.type(routes(dynamic), 'function')
})
