// What the document says holds: requests that are made of it are accepted, and others get the 422 that it tells of.
import fc from 'fast-check'
import t from 'tap'
import * as server from '../../../../lib/index.js'
import { openapi, type OpenApiOperation } from '../../../../lib/web/openapi/index.js'
import { json, routes, validated } from '../../../../lib/web/router/index.js'
import { inject } from '../../../../testing/index.js'
import { keptLog } from '../../../support/kept-log.js'
import { libraries } from './schemas.js'
import { fitting, resolved, unfitting } from './values.js'

for (const [library, { params, query, todo }] of Object.entries(libraries)) {
  t.test(library, async (t) => {
    const handler = routes({ 'PUT /todos/:id': validated({ params, query, body: todo, responses: { 200: todo } }, ({ body }) => json(body)) })
    const document = openapi(handler, { info: { title: 'Test', version: '1' } })
    const service = server.new({ logger: keptLog() }, handler)
    const { parameters = [], requestBody, responses } = document.paths['/todos/{id}'].put as OpenApiOperation
    const bodySchema = requestBody?.content['application/json'].schema ?? false

    const valuesIn = (place: string): fc.Arbitrary<Record<string, unknown>> => {
      const here = (parameters ?? []).filter((one) => one.in === place)
      return fc.record(Object.fromEntries(here.map(({ name, schema }) => [name, fitting(document, schema)])), { requiredKeys: here.filter(({ required }) => required).map(({ name }) => name) })
    }
    const send = async (path: Record<string, unknown>, query: Record<string, unknown>, body: unknown): Promise<{ status: number, value: unknown }> => {
      const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, String(one)]))
      const target = `/todos/${encodeURIComponent(String(path.id))}?${new URLSearchParams(pairs).toString()}`
      const response = await inject(service, { method: 'PUT', path: target, json: body as object })
      return { status: response.status, value: response.json() }
    }
    const asks = fc.tuple(valuesIn('path'), valuesIn('query'))

    await fc.assert(fc.asyncProperty(asks, fitting(document, bodySchema), async ([path, query], body) => {
      const { status, value } = await send(path, query, body)
      t.equal(status, 200, `${JSON.stringify([path, query, body])}: ${JSON.stringify(value)}`)
      const { required = [] } = resolved(document, responses[200].content?.['application/json'].schema ?? false)
      t.ok(required.every((name) => name in (value as object)), 'the response has what it must have')
    }), { numRuns: 50 })

    await fc.assert(fc.asyncProperty(asks, unfitting(document, bodySchema), async ([path, query], body) => {
      t.match(await send(path, query, body), { status: 422, value: { title: 'Unprocessable Content', status: 422, errors: [{ in: 'body' }] } })
    }), { numRuns: 50 })

    await fc.assert(fc.asyncProperty(asks, fitting(document, bodySchema), fc.constantFrom('0', 'x', '-1', '1.5', ''), async ([, query], body, id) => {
      t.match(await send({ id }, query, body), { status: 422, value: { errors: [{ in: 'params', pointer: '#/id' }] } })
      t.match(await send({ id: 1 }, { ...query, done: 'maybe' }, body), { status: 422, value: { errors: [{ in: 'query', pointer: '#/done' }] } })
    }), { numRuns: 10 })
  })
}
