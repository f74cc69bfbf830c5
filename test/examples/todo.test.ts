import { readFileSync } from 'node:fs'
import * as server from 'leveret'
import { inject } from 'leveret/testing'
import t from 'tap'
import { handler } from '../../examples/todo.js'
import { built, curlLines, Program, shell } from './program.js'

t.test('the service', async (t) => {
  const service = server.new({ log_level: 'error' }, handler as server.Handler)
  let cookie = ''
  const ask = async (line: string, content: object | null = null): Promise<{ status: number, headers: Readonly<Record<string, string | undefined>>, value: unknown }> => {
    const [method, path] = line.split(' ')
    const response = await inject(service, { method, path, json: content, headers: { Cookie: cookie } })
    const text = response.text()
    return { status: response.status, headers: response.headers, value: text === '' ? null : JSON.parse(text) as unknown }
  }
  t.match(await ask('GET /health'), { status: 200, value: { todos: 0 } })
  t.match(await ask('GET /todos'), { status: 401, value: { title: 'Unauthorized', detail: 'log in first' } })
  t.match(await ask('POST /login', { name: 'ann', password: 'wrong' }), { status: 403 })
  t.match(await ask('POST /login', { name: 'bob', password: 'wrong' }), { status: 403 })
  t.match(await ask('POST /login', {}), { status: 422, value: { errors: [{ pointer: '#/name' }, { pointer: '#/password' }] } })
  const { headers } = await ask('POST /login', { name: 'ann', password: 'correct horse' })
  cookie = (headers['set-cookie'] ?? '').split(';')[0] ?? ''
  t.match(headers['set-cookie'], /^session=[0-9a-f-]{36}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)
  for (let id = 1; id <= 11; id++) t.match(await ask('POST /todos', { title: `to do ${id}` }), { status: 201, headers: { location: `/todos/${id}` }, value: { id, done: false } })
  t.match(await ask('POST /todos', { title: '' }), { status: 422, value: { errors: [{ in: 'body', pointer: '#/title', detail: 'invalid title' }] } })
  t.match(await ask('GET /todos/1'), { status: 200, value: { id: 1, title: 'to do 1' } })
  t.match(await ask('PUT /todos/1', { title: 'other', done: true }), { value: { id: 1, title: 'other', done: true } })
  t.match(await ask('PATCH /todos/2', { done: true }), { value: { id: 2, title: 'to do 2', done: true } })
  t.strictSame(((await ask('GET /todos?done=true')).value as { id: number }[]).map(({ id }) => id), [1, 2])
  t.strictSame(((await ask('GET /todos?page=2')).value as { id: number }[]).map(({ id }) => id), [11])
  t.match(await ask('GET /todos?page=0&done=x'), { status: 422, value: { errors: [{ pointer: '#/done' }, { pointer: '#/page' }] } })
  t.match(await ask('GET /todos/x'), { status: 422 })
  t.match(await ask('DELETE /todos/1'), { status: 204 })
  t.match(await ask('DELETE /todos/1'), { status: 404 })
  t.match(await ask('GET /todos/1'), { status: 404, value: { detail: 'there is no to-do 1' } })
  t.match(await ask('PUT /todos'), { status: 405, headers: { allow: 'GET, HEAD, OPTIONS, POST' } })
  t.match(await ask('POST /logout'), { status: 204, headers: { 'set-cookie': /^session=; Path=\/; Max-Age=0/ } })
  t.match(await ask('GET /todos'), { status: 401 })
})

t.test('the commands at its top', async (t) => {
  const program = new Program(built('examples/todo.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  const printed: string[] = []
  for (const line of curlLines(readFileSync(built('../examples/todo.ts'), 'utf8'))) printed.push((await shell(await program.withPorts(line), t.testdirName)).stdout)
  t.strictSame(printed, [
    '', '{"id":1,"title":"ship it","done":false}', '{"id":1,"title":"ship it","done":true}', '[{"id":1,"title":"ship it","done":true}]',
    '{"title":"Unauthorized","status":401,"detail":"log in first"}',
  ])
  t.same(await program.stop(), { code: 0, signal: null })
})
