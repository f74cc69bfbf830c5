import { readFileSync } from 'node:fs'
import { inject } from 'leveret/testing'
import t from 'tap'
import { built, curlLines, Program, shell } from './program.js'

const skip = Number(process.versions.node.split('.')[0]) < 22 ? 'better-sqlite3 needs Node 22 or newer' : false

t.test('the service', { skip }, async (t) => {
  const { service } = await import('../../examples/todo.js')
  await service.configure({ log_level: 'error' })
  let sent: Record<string, string> = {}
  const ask = async (line: string, content: object | null = null): Promise<{ status: number, headers: Readonly<Record<string, string | undefined>>, value: unknown }> => {
    const [method, path] = line.split(' ')
    const response = await inject(service, { method, path, json: content, headers: sent })
    const text = response.text()
    return { status: response.status, headers: response.headers, value: text === '' ? null : JSON.parse(text) as unknown }
  }
  const ids = async (path: string): Promise<number[]> => ((await ask(`GET ${path}`)).value as { id: number }[]).map(({ id }) => id)
  t.match(await ask('GET /health'), { status: 200, value: { ok: true } })
  t.match(await ask('GET /todos'), { status: 401, value: { title: 'Unauthorized', detail: 'log in first' } })
  t.match(await ask('POST /login', { name: 'ann', password: 'wrong' }), { status: 403 })
  t.match(await ask('POST /login', { name: 'bob', password: 'wrong' }), { status: 403 })
  t.match(await ask('POST /login', {}), { status: 422, value: { errors: [{ pointer: '#/name' }, { pointer: '#/password' }] } })
  const { headers, value } = await ask('POST /login', { name: 'ann', password: 'hare' })
  t.match(headers['set-cookie'], /^session=[0-9a-f-]{36}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)
  sent = { Cookie: (headers['set-cookie'] ?? '').split(';')[0] ?? '' }
  t.match(await ask('GET /todos'), { status: 200, value: [] })
  sent = { Authorization: `Bearer ${(value as { token: string }).token}` }
  t.match(await ask('POST /todos', { title: 'to do 1' }), { status: 201, headers: { location: '/todos/1' }, value: { id: 1, done: false } })
  const many = Array.from({ length: 20 }, (_, index) => ({ title: `to do ${index + 2}`, done: index === 5 }))
  t.match(await ask('POST /todos/bulk', many), { status: 201, value: many.map((todo, index) => ({ id: index + 2, ...todo })) })
  t.match(await ask('POST /todos/bulk', [{ title: 'a' }, {}]), { status: 422, value: { errors: [{ in: 'body', pointer: '#/1/title' }] } })
  t.match(await ask('POST /todos', { title: '' }), { status: 422, value: { errors: [{ in: 'body', pointer: '#/title' }] } })
  t.match(await ask('GET /todos/1'), { status: 200, value: { id: 1, title: 'to do 1' } })
  t.match(await ask('PUT /todos/1', { title: 'other', done: true }), { value: { id: 1, title: 'other', done: true } })
  t.match(await ask('PUT /todos/1', { title: 'other' }), { status: 422 })
  t.match(await ask('PATCH /todos/2', { done: true }), { value: { id: 2, title: 'to do 2', done: true } })
  t.match(await ask('PATCH /todos/2', { title: 'again' }), { value: { id: 2, title: 'again', done: true } })
  t.strictSame(await ids('/todos?done=true'), [1, 2, 7])
  t.strictSame(await ids('/todos?page=2'), [21])
  t.match(await ask('GET /todos?page=0&done=x'), { status: 422, value: { errors: [{ pointer: '#/done' }, { pointer: '#/page' }] } })
  t.match(await ask('GET /todos/x'), { status: 422 })
  t.match(await ask('DELETE /todos/1'), { status: 204 })
  t.match(await ask('DELETE /todos/1'), { status: 404 })
  t.match(await ask('GET /todos/1'), { status: 404, value: { detail: 'there is no such to-do' } })
  t.match(await ask('GET /openapi.json'), { status: 200, value: { openapi: '3.1.0', paths: { '/todos/{id}': { patch: {} } } } })
  sent.Origin = 'http://localhost:5173'
  const cross = { 'access-control-allow-origin': sent.Origin, 'access-control-allow-credentials': 'true', 'x-request-id': /^[0-9a-f-]{36}$/ }
  t.match(await ask('GET /todos/2'), { status: 200, headers: cross })
  t.match(await ask('GET /nothing'), { status: 404, headers: cross })
  t.match(await ask('PUT /todos'), { status: 405, headers: { allow: 'GET, HEAD, OPTIONS, POST' } })
})

t.test('its own tests', { skip }, async (t) => {
  const program = new Program(built('examples/todo-tests.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  t.same(await program.ended, { code: 0, signal: null })
  t.match(program.output, /[#ℹ] pass 2\n[#ℹ] fail 0/)
})

t.test('the service and its tests are short', async (t) => {
  for (const [name, most] of [['todo', 80], ['todo-tests', 20]] as const) {
    const lines = readFileSync(built(`../examples/${name}.ts`), 'utf8').trimEnd().split('\n')
    t.ok(lines.length <= most, `${name}: ${lines.length} lines`)
    t.strictSame(lines.filter(({ length }) => length > 130), [], name)
  }
})

t.test('the commands at its top', { skip }, async (t) => {
  const program = new Program(built('examples/todo.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  const printed: string[] = []
  for (const line of curlLines(readFileSync(built('../examples/todo.ts'), 'utf8'))) printed.push((await shell(await program.withPorts(line), t.testdirName)).stdout)
  const [login = '', ...others] = printed
  t.match(login, /^\{"token":"[0-9a-f-]{36}"\}$/)
  t.strictSame(others, [
    '{"id":1,"title":"ship it","done":false}', '{"id":1,"title":"ship it","done":true}', '[{"id":1,"title":"ship it","done":true}]',
  ])
  t.same(await program.stop(), { code: 0, signal: null })
})
