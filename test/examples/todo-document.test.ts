// What the document of the to-do service says of its requests holds.
import { Validator } from '@seriousme/openapi-schema-validator'
import fc from 'fast-check'
import type { OpenApiDocument, OpenApiOperation } from 'leveret/openapi'
import { inject } from 'leveret/testing'
import t from 'tap'
import { fitting, unfitting } from '../lib/web/openapi/values.js'

const skip = Number(process.versions.node.split('.')[0]) < 22 ? 'better-sqlite3 needs Node 22 or newer' : false

t.test('its document', { skip }, async (t) => {
  const { service } = await import('../../examples/todo.js')
  await service.configure({ log_level: 'error' })
  const document = (await inject(service, { path: '/openapi.json' })).json() as OpenApiDocument
  t.match(await new Validator().validate(structuredClone(document) as Record<string, unknown>), { valid: true })
  const login = await inject(service, { method: 'POST', path: '/login', json: { name: 'ann', password: 'hare' } })
  const headers = { Authorization: `Bearer ${(login.json() as { token: string }).token}` }

  const operations = Object.entries(document.paths).flatMap(([path, item]) => {
    return Object.entries(item).map(([method, operation]) => ({ path, method, operation: operation as OpenApiOperation }))
  })
  t.ok(operations.length >= 8)
  for (const { path, method, operation } of operations) {
    const { parameters, requestBody, responses } = operation
    const schema = requestBody?.content['application/json'].schema ?? null
    const target = fc.record(Object.fromEntries((parameters ?? []).filter((one) => one.in === 'path').map((one) => [one.name, fitting(document, one.schema)])))
      .map((values) => path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(String(values[name]))))
    const send = async (path: string, json: unknown): Promise<number> => {
      return (await inject(service, { method: method.toUpperCase(), path, headers, json: json as object | null })).status
    }
    await fc.assert(fc.asyncProperty(target, schema === null ? fc.constant(null) : fitting(document, schema), async (path, json) => {
      const status = await send(path, json)
      t.ok(status < 500 && ![400, 415, 422].includes(status) && (status in responses || 'default' in responses), `${method} ${path} ${JSON.stringify(json)}: ${status}`)
    }), { numRuns: 10 })
    if (schema !== null) {
      await fc.assert(fc.asyncProperty(target, unfitting(document, schema), async (path, json) => {
        t.equal(await send(path, json), 422, `${method} ${path} ${JSON.stringify(json)}`)
      }), { numRuns: 10 })
    }
  }
})
