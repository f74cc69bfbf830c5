// A to-do service on SQLite, with its documentation at /docs. It needs Node 22 or newer, as better-sqlite3 does. To try it:
//   curl -c jar -H 'Content-Type: application/json' -d '{"name":"ann","password":"hare"}' http://127.0.0.1:8080/login
//   curl -b jar -H 'Content-Type: application/json' -d '{"title":"ship it"}' http://127.0.0.1:8080/todos
//   curl -b jar -X PATCH -H 'Content-Type: application/json' -d '{"done":true}' http://127.0.0.1:8080/todos/1
//   curl -b jar 'http://127.0.0.1:8080/todos?done=true'
import { randomUUID, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import * as server from 'leveret'
import { documentation } from 'leveret/openapi'
import { cookies, cors, group, HttpError, json, problem, routes, setCookie, validated, withRequestId } from 'leveret/router'
import { z } from 'zod'

const db = new Database(process.env.TODO_DB ?? ':memory:')
db.exec('CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL, done INTEGER NOT NULL)')
const list = db.prepare<object, Row>('SELECT * FROM todos WHERE done = ifnull(:done, done) ORDER BY id LIMIT 20 OFFSET :skip')
const select = db.prepare<number, Row>('SELECT * FROM todos WHERE id = ?')
const insert = db.prepare<object, Row>('INSERT INTO todos (title, done) VALUES (:title, :done) RETURNING *')
const update = db.prepare<object, Row>('UPDATE todos SET title = :title, done = :done WHERE id = :id RETURNING *')
const remove = db.prepare<number, Row>('DELETE FROM todos WHERE id = ? RETURNING *')

const hashOf = promisify<string, string, number, Buffer>(scrypt)
const users = new Map([['ann', await hashOf('hare', 'ann', 32)]])
const sessions = new Map([[process.env.TODO_TOKEN ?? randomUUID(), 'a program']])

const params = z.object({ id: z.coerce.number().int().positive() })
const query = z.object({ done: z.stringbool().optional(), page: z.coerce.number().int().positive().default(1) })
const todo = z.object({ title: z.string().min(1).max(200), done: z.boolean() })
const newTodo = todo.partial({ done: true })

const fail = (status: number, message: string): never => { throw new HttpError(status, message) }
type NewTodo = z.infer<typeof newTodo>
type Row = { id: number, title: string, done: number }
const toRow = ({ title, done = false }: NewTodo) => ({ title, done: Number(done) })
const toTodo = ({ id, title, done }: Row) => ({ id, title, done: done === 1 })
const found = (row: Row | undefined) => toTodo(row ?? fail(404, 'there is no such to-do'))
const add = (todo: NewTodo) => found(insert.get(toRow(todo)))
const addAll = db.transaction((todos: NewTodo[]) => todos.map(add))
const change = (id: number, todo: Partial<NewTodo>) => found(update.get({ id, ...toRow({ ...found(select.get(id)), ...todo }) }))

const signedIn = (handler: server.Handler) => server.wrap(handler, ({ headers }, next) => {
  const token = headers.authorization?.replace('Bearer ', '') ?? cookies(headers).session ?? ''
  return sessions.has(token) ? next() : fail(401, 'log in first')
})

const handler = routes({
  ...documentation({ info: { title: 'To-dos', version: '1.0.0' } }),
  'GET /health': () => json({ ok: db.open }),
  'POST /login': validated({ body: z.object({ name: z.string(), password: z.string() }) }, async ({ body }) => {
    const [given, expected] = [await hashOf(body.password, body.name, 32), users.get(body.name)]
    if (expected === undefined || !timingSafeEqual(given, expected)) fail(403, 'wrong name or password')
    const token = randomUUID()
    sessions.set(token, body.name)
    return json({ token }, 200, { 'Set-Cookie': setCookie('session', token, { maxAge: 3600, secure: false }) })
  }),
  ...group('/todos', [signedIn], {
    'GET /': validated({ query }, ({ query: { done, page } }) => {
      return json(list.all({ done: done === undefined ? null : Number(done), skip: 20 * (page - 1) }).map(toTodo))
    }),
    'POST /': validated({ body: newTodo }, ({ body }) => {
      const todo = add(body)
      return json(todo, 201, { Location: `/todos/${todo.id}` })
    }),
    'POST /bulk': validated({ body: z.array(newTodo).max(100) }, ({ body }) => json(addAll(body), 201)),
    'GET /:id': validated({ params }, ({ params }) => json(found(select.get(params.id)))),
    'PUT /:id': validated({ params, body: todo }, ({ params, body }) => json(change(params.id, body))),
    'PATCH /:id': validated({ params, body: todo.partial() }, ({ params, body }) => json(change(params.id, body))),
    'DELETE /:id': validated({ params }, ({ params }) => found(remove.get(params.id)) && [null, 204]),
  }),
}, {
  onError(error, { ctx }) {
    if (error instanceof HttpError) throw error
    ctx.logger.error({ err: error }, 'a route failed')
    return problem({ status: 500, detail: 'try again later' })
  },
})

const origins = ['http://localhost:5173']
export const service = server.new({ handle_signals: true }, withRequestId(cors(handler, { origins, credentials: true })))
if (process.argv[1] === import.meta.filename) await service.serve()
