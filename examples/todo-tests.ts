// Tests of examples/todo.ts: one by `inject`, one over a port.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inject } from 'leveret/testing'
import { service } from './todo.js'

await service.configure({ port: 0, log_level: 'error' })
const ask = (method: string, path: string, headers = {}, json?: object) => inject(service, { method, path, headers, json })

test('a to-do is made, changed and validated', async () => {
  const headers = { Cookie: (await ask('POST', '/login', {}, { name: 'ann', password: 'hare' })).setCookie[0].split(';')[0] }
  assert.equal((await ask('POST', '/todos', headers, { title: 'ship it' })).headers.location, '/todos/1')
  assert.deepEqual((await ask('PATCH', '/todos/1', headers, { done: true })).json(), { id: 1, title: 'ship it', done: true })
  assert.equal((await ask('GET', '/todos?page=0', headers)).status, 422)
})
test('a client over a port has to log in', async () => {
  void service.serve()
  assert.equal((await fetch(`http://127.0.0.1:${(await service.listening).port}/todos`)).status, 401)
  await service.stop()
})
