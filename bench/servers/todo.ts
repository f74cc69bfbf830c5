import { inject } from 'leveret/testing'
import { todos, todoToken } from '../tasks.js'
import { collectOnSignal, given } from './given.js'

// Read when the service is imported.
process.env.TODO_TOKEN = todoToken
const { service } = await import('../../examples/todo.js')

await service.configure({
  port: given().port,
  // No access log: the peer writes none either.
  log_level: 'info',
  connection_limit: 20_000,
  requests_per_connection: Number.MAX_SAFE_INTEGER,
  keepalive_idle_timeout: 3600,
})
const { status } = await inject(service, { method: 'POST', path: '/todos/bulk', json: todos, headers: { Cookie: `session=${todoToken}` } })
if (status !== 201) throw new Error(`the first to-dos got ${status}`)
collectOnSignal()
await service.serve()
