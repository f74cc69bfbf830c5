// The to-do service of examples/todo.ts, on Fastify and its plugins.
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import swagger from '@fastify/swagger'
import Database from 'better-sqlite3'
import Fastify from 'fastify'
import { hasZodFastifySchemaValidationErrors, jsonSchemaTransform, validatorCompiler } from 'fastify-type-provider-zod'
import { randomUUID, scrypt, timingSafeEqual } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { promisify } from 'node:util'
import { z } from 'zod'

const db = new Database(process.env.TODO_DB ?? ':memory:')
db.exec('CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY, title TEXT NOT NULL, done INTEGER NOT NULL)')
const list = db.prepare('SELECT * FROM todos WHERE done = ifnull(:done, done) ORDER BY id LIMIT 20 OFFSET :skip')
const select = db.prepare('SELECT * FROM todos WHERE id = ?')
const insert = db.prepare('INSERT INTO todos (title, done) VALUES (:title, :done) RETURNING *')
const update = db.prepare('UPDATE todos SET title = :title, done = :done WHERE id = :id RETURNING *')
const remove = db.prepare('DELETE FROM todos WHERE id = ? RETURNING *')

const hashOf = promisify(scrypt)
const users = new Map([['ann', await hashOf('hare', 'ann', 32)]])
const sessions = new Map([[process.env.TODO_TOKEN ?? randomUUID(), 'a program']])

const params = z.object({ id: z.coerce.number().int().positive() })
const querystring = z.object({ done: z.stringbool().optional(), page: z.coerce.number().int().positive().default(1) })
const todo = z.object({ title: z.string().min(1).max(200), done: z.boolean() })
const newTodo = todo.partial({ done: true })
const credentials = z.object({ name: z.string(), password: z.string() })

const toRow = ({ title, done = false }) => ({ title, done: Number(done) })
const toTodo = ({ id, title, done }) => ({ id, title, done: done === 1 })
const add = (todo) => toTodo(insert.get(toRow(todo)))
const addAll = db.transaction((todos) => todos.map(add))
const error = (statusCode, message) => Object.assign(new Error(message), { statusCode })
const found = (row) => {
  if (row === undefined) throw error(404, 'there is no such to-do')
  return toTodo(row)
}
const change = (id, todo) => found(update.get({ id, ...toRow({ ...found(select.get(id)), ...todo }) }))
const problem = (reply, status, detail, errors) => {
  const members = { title: STATUS_CODES[status], status, detail, errors }
  reply.code(status).type('application/problem+json').send(JSON.stringify(members))
}

export async function build(options) {
  const app = Fastify({ genReqId: () => randomUUID(), ...options })
  app.setValidatorCompiler(validatorCompiler)
  app.setErrorHandler((error, request, reply) => {
    if (hasZodFastifySchemaValidationErrors(error)) {
      const { validation, validationContext } = error
      const errors = validation.map(({ instancePath, message }) => {
        return { in: validationContext, pointer: `#${instancePath}`, detail: message }
      })
      return problem(reply, 422, 'the request is not valid', errors)
    }
    if (error.statusCode < 500) return problem(reply, error.statusCode, error.message)
    request.log.error(error)
    problem(reply, 500, 'try again later')
  })
  app.setNotFoundHandler((request, reply) => problem(reply, 404))
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  await app.register(cookie)
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
  await app.register(cors, { origin: ['http://localhost:5173'], credentials: true, methods })
  const openapi = { openapi: '3.1.0', info: { title: 'To-dos', version: '1.0.0' } }
  await app.register(swagger, { openapi, transform: jsonSchemaTransform })

  app.get('/health', (request, reply) => reply.send({ ok: db.open }))
  app.get('/openapi.json', { schema: { hide: true } }, (request, reply) => reply.send(app.swagger()))
  app.post('/login', { schema: { body: credentials } }, async ({ body: { name, password } }, reply) => {
    const [given, expected] = [await hashOf(password, name, 32), users.get(name)]
    if (expected === undefined || !timingSafeEqual(given, expected)) throw error(403, 'wrong name or password')
    const token = randomUUID()
    sessions.set(token, name)
    return reply.setCookie('session', token, { path: '/', maxAge: 3600, httpOnly: true, sameSite: 'lax' }).send({ token })
  })
  await app.register(async (app) => {
    app.addHook('onRequest', ({ headers, cookies }, reply, done) => {
      const token = headers.authorization?.replace('Bearer ', '') ?? cookies.session
      done(sessions.has(token) ? null : error(401, 'log in first'))
    })
    app.get('/todos', { schema: { querystring } }, ({ query: { done, page } }, reply) => {
      reply.send(list.all({ done: done === undefined ? null : Number(done), skip: 20 * (page - 1) }).map(toTodo))
    })
    app.post('/todos', { schema: { body: newTodo } }, ({ body }, reply) => {
      const todo = add(body)
      reply.code(201).header('location', `/todos/${todo.id}`).send(todo)
    })
    app.post('/todos/bulk', { schema: { body: z.array(newTodo).max(100) } }, ({ body }, reply) => {
      reply.code(201).send(addAll(body))
    })
    app.get('/todos/:id', { schema: { params } }, ({ params: { id } }, reply) => reply.send(found(select.get(id))))
    app.put('/todos/:id', { schema: { params, body: todo } }, ({ params, body }, reply) => {
      reply.send(change(params.id, body))
    })
    app.patch('/todos/:id', { schema: { params, body: todo.partial() } }, ({ params, body }, reply) => {
      reply.send(change(params.id, body))
    })
    app.delete('/todos/:id', { schema: { params } }, ({ params: { id } }, reply) => {
      found(remove.get(id))
      reply.code(204).send()
    })
  })
  return app
}
