import t from 'tap'
import { descriptionOf, onTable, tableOf } from '../../../../lib/web/router/description.js'
import { group, routes, validated, type RouteHandler } from '../../../../lib/web/router/index.js'

t.test('a validated handler carries its description, and a handler of routes its table', async (t) => {
  const given = { summary: 'All', responses: { 204: 'done' } } as const
  const all = validated(given, ({ query }) => query.get('a') ?? 'x')
  t.equal(descriptionOf(all), given)
  t.equal(descriptionOf(() => 'x'), null)
  const handler = routes({ 'GET /': all, ...group('/users', [], { 'GET /:id': ({ params }) => params.id }) })
  t.strictSame(tableOf(handler)?.map(({ method, path }) => [method, path]), [['GET', '/'], ['GET', '/users/:id']])
  t.equal(tableOf(handler)?.[0]?.handle, all)
  t.equal(tableOf(() => 'x'), null)
  t.equal(handler('GET', '/', 'a=1', {}, null, {} as never), '1', 'without schemas the request is passed on')
})

t.test('a handler is told of the table that it is in', async (t) => {
  const told: string[] = []
  const reader: RouteHandler = () => 'x'
  onTable(reader, (table) => told.push(...table.map(({ key }) => key)))
  const grouped = group('/api', [], { 'GET /reader': reader })
  t.strictSame(told, [])
  routes({ 'GET /': () => 'x', ...grouped })
  t.strictSame(told, ['GET /', 'GET /api/reader'])
})
