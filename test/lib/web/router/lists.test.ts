import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import t from 'tap'
import * as v from 'valibot'
import { z } from 'zod'
import * as server from '../../../../lib/index.js'
import { json, routes, validated, type StandardSchema } from '../../../../lib/web/router/index.js'
import { inject } from '../../../../testing/index.js'
import { keptLog } from '../../../support/kept-log.js'

const one = z.string().meta({ id: 'One' })
const label = z.array(one).meta({ id: 'Labels' })

const schemas: Readonly<Record<string, StandardSchema>> = {
  zod: z.object({ tag: z.array(z.string()).optional(), text: z.string().optional(), either: z.union([z.string(), z.array(z.string())]).optional() }),
  'zod, by reference': z.object({ tag: label.optional(), text: one.optional() }).and(z.object({ either: z.any().optional() })),
  'zod, with a default': z.object({ tag: z.array(z.string()).default([]), text: z.string().optional(), either: z.unknown().optional() }),
  valibot: toStandardJsonSchema(v.object({ tag: v.optional(v.array(v.string())), text: v.optional(v.string()), either: v.optional(v.union([v.string(), v.array(v.string())])) })),
  arktype: type({ 'tag?': 'string[]', 'text?': 'string', 'either?': 'string | string[]' }),
}

for (const [name, schema] of Object.entries(schemas)) {
  t.test(name, async (t) => {
    const service = server.new({ logger: keptLog() }, routes({
      'GET /': validated({ query: schema }, ({ query }) => json(query)),
      'POST /': validated({ form: schema }, ({ body }) => json(body)),
    }))
    for (const [sent, value] of [
      ['tag=a', { tag: ['a'] }],
      ['tag=a&tag=b', { tag: ['a', 'b'] }],
      ['tag=', { tag: [''] }],
      ['text=a&either=b', { text: 'a', either: 'b' }],
      ['either=a&either=b', { either: ['a', 'b'] }],
      ['toString=a', {}],
    ] as const) {
      t.match((await inject(service, { path: `/?${sent}` })).json(), value, sent)
      t.match((await inject(service, { path: '/', method: 'POST', body: new URLSearchParams(sent) })).json(), value, sent)
    }
    t.equal((await inject(service, { path: '/?text=a&text=b' })).status, 422, 'a list is not made one text')
  })
}

t.test('one file', async (t) => {
  const service = server.new({ logger: keptLog() }, routes({
    'POST /': validated({ form: z.object({ files: z.array(z.file()) }) }, ({ body }) => json(body.files.map(({ name }) => name))),
  }))
  const form = new FormData()
  form.append('files', new File(['x'], 'a'))
  t.strictSame((await inject(service, { path: '/', method: 'POST', body: form })).json(), ['a'])
})

t.test('a schema that refers to one that is made later', async (t) => {
  const query: z.ZodType<unknown> = z.object({ get tag() { return later } })
  const handler = routes({ 'GET /': validated({ query }, ({ query }) => json(query)) })
  const later = z.array(z.string())
  t.strictSame((await inject(server.new({ logger: keptLog() }, handler), { path: '/?tag=a' })).json(), { tag: ['a'] })
})
