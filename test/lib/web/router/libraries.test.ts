// The same service with the schemas of three libraries: what fits, what does not, and the types that reach the handlers.
import { type } from 'arktype'
import t from 'tap'
import * as v from 'valibot'
import { z } from 'zod'
import * as server from '../../../../lib/index.js'
import type { Handler } from '../../../../lib/index.js'
import { json, routes, validated } from '../../../../lib/web/router/index.js'
import { inject, type InjectOptions } from '../../../../testing/index.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Flat<T> = T extends File | Date ? T : T extends object ? { -readonly [K in keyof T]: Flat<T[K]> } : T

/** Compiles only if `value` has exactly the type `Expected`. */
function typed<Expected>() {
  return <Value>(value: Value, ..._same: Same<Flat<Value>, Expected> extends true ? [] : [never]): Value => value
}

interface Query {
  page: number
  done?: boolean | undefined
  tags: string[]
}

interface Todo {
  title: string
  due: Date
  note: string
}

interface Picture {
  title: string
  picture: File
}

const days = (date: Date): number => date.getTime() / 86_400_000

/** What all of the services do. */
const shown = {
  list: (query: Query): ReturnType<Handler> => json({ page: query.page + 1, done: query.done ?? null, tags: query.tags.length }),
  todo: ({ title, due, note }: Todo): ReturnType<Handler> => json({ title: title.toUpperCase(), days: days(due), note }),
  picture: ({ title, picture }: Picture): ReturnType<Handler> => json([title, picture.name, picture.type, picture.size]),
}

function withZod(): Handler {
  const query = z.object({
    page: z.coerce.number().int().min(1).default(1),
    done: z.stringbool().optional(),
    tags: z.preprocess((value) => [value ?? []].flat(), z.array(z.string())),
  })
  const todo = z.object({ title: z.string().trim().min(1), due: z.iso.date().transform((text) => new Date(text)), note: z.string().default('none') })
  const picture = z.object({ title: z.string(), picture: z.file().max(10).mime(['image/png']) })
  return routes({
    'GET /todos': validated({ query }, ({ query }) => shown.list(typed<Query>()(query))),
    'POST /todos': validated({ body: todo }, ({ body }) => shown.todo(typed<Todo>()(body))),
    'PUT /todos/:id': validated({ params: z.object({ id: z.coerce.number() }) }, ({ params }) => String(typed<number>()(params.id) + 1)),
    'POST /later': validated({ body: z.object({ title: z.string().refine(async (title) => await Promise.resolve(title !== 'taken'), 'taken') }) }, ({ body }) => body.title),
    'POST /pictures': validated({ form: picture }, ({ body }) => shown.picture(typed<Picture>()(body))),
  })
}

function withValibot(): Handler {
  const query = v.object({
    page: v.optional(v.pipe(v.string(), v.toNumber(), v.integer(), v.minValue(1)), '1'),
    done: v.optional(v.pipe(v.picklist(['true', 'false']), v.transform((text) => text === 'true'))),
    tags: v.optional(v.union([v.array(v.string()), v.pipe(v.string(), v.transform((tag) => [tag]))]), []),
  })
  const todo = v.object({
    title: v.pipe(v.string(), v.trim(), v.minLength(1)),
    due: v.pipe(v.string(), v.isoDate(), v.transform((text) => new Date(text))),
    note: v.optional(v.string(), 'none'),
  })
  const picture = v.object({ title: v.string(), picture: v.pipe(v.file(), v.maxSize(10), v.mimeType(['image/png'])) })
  const later = v.objectAsync({ title: v.pipeAsync(v.string(), v.checkAsync(async (title) => await Promise.resolve(title !== 'taken'), 'taken')) })
  return routes({
    'GET /todos': validated({ query }, ({ query }) => shown.list(typed<Query>()(query))),
    'POST /todos': validated({ body: todo }, ({ body }) => shown.todo(typed<Todo>()(body))),
    'PUT /todos/:id': validated({ params: v.object({ id: v.pipe(v.string(), v.toNumber()) }) }, ({ params }) => String(typed<number>()(params.id) + 1)),
    'POST /later': validated({ body: later }, ({ body }) => body.title),
    'POST /pictures': validated({ form: picture }, ({ body }) => shown.picture(typed<Picture>()(body))),
  })
}

function withArktype(): Handler {
  const query = type({
    page: type('string.integer.parse').to('number >= 1').default('1'),
    'done?': type("'true' | 'false'").pipe((text) => text === 'true'),
    tags: type('string | string[]').pipe((given) => [given].flat()).default(() => []),
  })
  const todo = type({ title: type('string.trim').to('string >= 1'), due: type('string.date.iso').pipe((text) => new Date(text)), note: "string = 'none'" })
  const png = type('File').narrow((file, ctx) => (file.size <= 10 && file.type === 'image/png') || ctx.mustBe('a small PNG'))
  return routes({
    'GET /todos': validated({ query }, ({ query }) => shown.list(query)),
    'POST /todos': validated({ body: todo }, ({ body }) => shown.todo(typed<Todo>()(body))),
    'PUT /todos/:id': validated({ params: type({ id: 'string.numeric.parse' }) }, ({ params }) => String(typed<number>()(params.id) + 1)),
    'POST /pictures': validated({ form: type({ title: 'string', picture: png }) }, ({ body }) => shown.picture(typed<Picture>()(body))),
  })
}

const libraries: Readonly<Record<string, () => Handler>> = { zod: withZod, valibot: withValibot, arktype: withArktype }

function form(type: string, content: string): FormData {
  const form = new FormData()
  form.set('title', 'hare')
  form.set('picture', new File([content], 'hare.png', { type }))
  return form
}

for (const [name, handlerOf] of Object.entries(libraries)) {
  t.test(name, async (t) => {
    const service = server.new({ log_level: 'warn' }, handlerOf())
    const ask = async (line: string, more: Partial<InjectOptions> & { json?: unknown } = {}): Promise<string> => {
      const [method, path] = line.split(' ')
      const { json, ...options } = more
      const content = json === undefined ? {} : { body: JSON.stringify(json), headers: { 'Content-Type': 'application/json' } }
      const response = await inject(service, { method, path, ...content, ...options })
      return `${response.status} ${response.text()}`
    }
    const wrong = async (...given: Parameters<typeof ask>): Promise<unknown> => {
      const text = await ask(...given)
      t.match(text, /^422 /)
      const { errors } = JSON.parse(text.slice(4)) as { errors: { in: string, pointer: string, detail: string }[] }
      for (const { detail } of errors) t.not(detail, '')
      return errors.map(({ in: place, pointer }) => `${place}${pointer}`).sort()
    }

    t.equal(await ask('GET /todos'), '200 {"page":2,"done":null,"tags":0}')
    t.equal(await ask('GET /todos?page=7&done=false&tags=a'), '200 {"page":8,"done":false,"tags":1}')
    t.equal(await ask('GET /todos?tags=a&tags=b&other=1'), '200 {"page":2,"done":null,"tags":2}')
    t.strictSame(await wrong('GET /todos?page=0'), ['query#/page'])
    t.strictSame(await wrong('GET /todos?page=x&done=perhaps'), ['query#/done', 'query#/page'])

    t.equal(await ask('POST /todos', { json: { title: ' ship ', due: '1970-01-11' } }), '200 {"title":"SHIP","days":10,"note":"none"}')
    t.strictSame(await wrong('POST /todos', { json: { title: '  ', due: 'soon' } }), ['body#/due', 'body#/title'])
    t.strictSame(await wrong('POST /todos'), ['body#'])

    t.equal(await ask('PUT /todos/6'), '200 7')
    t.strictSame(await wrong('PUT /todos/six'), ['params#/id'])

    if (name !== 'arktype') {
      t.equal(await ask('POST /later', { json: { title: 'free' } }), '200 free')
      t.strictSame(await wrong('POST /later', { json: { title: 'taken' } }), ['body#/title'])
    }

    t.equal(await ask('POST /pictures', { body: form('image/png', '0123456789') }), '200 ["hare","hare.png","image/png",10]')
    t.strictSame(await wrong('POST /pictures', { body: form('image/png', '0123456789a') }), ['body#/picture'])
    t.strictSame(await wrong('POST /pictures', { body: form('text/html', '0') }), ['body#/picture'])
    t.strictSame(await wrong('POST /pictures', { body: new URLSearchParams({ title: 'a', picture: 'b' }) }), ['body#/picture'])
  })
}
