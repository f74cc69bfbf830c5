// A to-do service: routes, validation, a session cookie, errors as problems. Then, in another terminal:
//   curl -c jar -H 'Content-Type: application/json' -d '{"name":"ann","password":"correct horse"}' http://127.0.0.1:8080/login
//   curl -b jar -H 'Content-Type: application/json' -d '{"title":"ship it"}' http://127.0.0.1:8080/todos
//   curl -b jar -X PATCH -H 'Content-Type: application/json' -d '{"done":true}' http://127.0.0.1:8080/todos/1
//   curl -b jar 'http://127.0.0.1:8080/todos?done=true'
//   curl http://127.0.0.1:8080/todos
import { randomUUID, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import * as server from 'leveret'
import {
  clearCookie, cookies, group, HttpError, json, problem, routes, setCookie, validated, type SchemaIssue, type StandardSchema, type Wrapper,
} from 'leveret/router'

interface Todo {
  readonly id: number
  readonly title: string
  readonly done: boolean
}

const todos = new Map<number, Todo>()
let lastId = 0
const hashOf = promisify<string, string, number, Buffer>(scrypt)
const users = new Map([['ann', await hashOf('correct horse', 'ann', 32)]])
const sessions = new Map<string, string>()

// What zod, valibot or arktype make in a line; here by hand.
type Read<T> = (value: unknown) => T | undefined
const schema = <T extends object>(fields: { readonly [K in keyof T]: Read<T[K]> }): StandardSchema<unknown, T> => ({ '~standard': { version: 1, vendor: 'todo', validate(given) {
  const members = Object(given) as Record<string, unknown>
  const issues: SchemaIssue[] = []
  const read = ([name, field]: [string, unknown]): [string, unknown] => {
    const value = (field as Read<unknown>)(members[name])
    if (value === undefined) issues.push({ message: `invalid ${name}`, path: [name] })
    return [name, value]
  }
  const value = Object.fromEntries(Object.entries(fields).map(read)) as T
  return issues.length > 0 ? { issues } : { value }
} } })
const text: Read<string> = (value) => typeof value === 'string' && value !== '' ? value : undefined
const flag: Read<boolean> = (value) => ({ true: true, false: false })[String(value)]
const or = <T, U>(read: Read<T>, otherwise: U): Read<T | U> => (value) => value === undefined ? otherwise : read(value)

const params = schema({ id: (value) => /^\d{1,9}$/.test(String(value)) ? Number(value) : undefined })
const query = schema({ done: or(flag, null), page: or((value) => Number(value) >= 1 ? Math.floor(Number(value)) : undefined, 1) })

function find(id: number): Todo {
  return todos.get(id) ?? fail(404, `there is no to-do ${id}`)
}

function keep(todo: Todo): Todo {
  todos.set(todo.id, todo)
  return todo
}

function fail(status: number, message: string): never {
  throw new HttpError(status, message)
}

const signedIn: Wrapper = (handler) => server.wrap(handler, ({ headers }, next) => {
  return sessions.has(cookies(headers).session ?? '') ? next() : fail(401, 'log in first')
})

/** All of the service. */
export const handler = routes({
  'GET /health': () => json({ todos: todos.size }),
  'POST /login': validated({ body: schema({ name: text, password: text }) }, async ({ body: { name, password } }) => {
    const [given, expected] = [await hashOf(password, name, 32), users.get(name)]
    if (expected === undefined || !timingSafeEqual(given, expected)) fail(403, 'wrong name or password')
    const session = randomUUID()
    sessions.set(session, name)
    // `secure: false`, since this example has no TLS.
    return [null, 204, { 'Set-Cookie': setCookie('session', session, { maxAge: 3600, secure: false }) }]
  }),
  ...group('', [signedIn], {
    'GET /todos': validated({ query }, ({ query: { done, page } }) => {
      const found = [...todos.values()].filter((todo) => done === null || todo.done === done)
      return json(found.slice((page - 1) * 10, page * 10))
    }),
    'POST /todos': validated({ body: schema({ title: text }) }, ({ body }) => {
      const todo = keep({ id: ++lastId, title: body.title, done: false })
      return json(todo, 201, { Location: `/todos/${todo.id}` })
    }),
    'GET /todos/:id': validated({ params }, ({ params }) => json(find(params.id))),
    'PUT /todos/:id': validated({ params, body: schema({ title: text, done: flag }) }, ({ params, body }) => json(keep({ ...find(params.id), ...body }))),
    'PATCH /todos/:id': validated({ params, body: schema({ title: or(text, null), done: or(flag, null) }) }, ({ params, body }) => {
      const { id, title, done } = find(params.id)
      return json(keep({ id, title: body.title ?? title, done: body.done ?? done }))
    }),
    'DELETE /todos/:id': validated({ params }, ({ params }) => todos.delete(params.id) ? [null, 204] : fail(404, 'it is gone already')),
    'POST /logout': ({ headers }) => {
      sessions.delete(cookies(headers).session ?? '')
      return [null, 204, { 'Set-Cookie': clearCookie('session', { secure: false }) }]
    },
  }),
}, {
  onError(error, { method, path, ctx }) {
    if (error instanceof HttpError) throw error
    ctx.logger.error({ err: error, method, path }, 'a route failed')
    return problem({ status: 500, detail: 'try again later' })
  },
})

if (process.argv[1] === import.meta.filename) await server.new({ port: 8080, handle_signals: true }, handler).serve()
