import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { todos, todoToken } from './given.js'

// Read when the service is imported.
process.env.TODO_TOKEN = todoToken
const { build } = await import('./todo-service.js')

const [, , , port] = process.argv
const app = await build({ logger: false, keepAliveTimeout: 3600_000 })
const cookie = `session=${todoToken}`
const { statusCode } = await app.inject({ method: 'POST', url: '/todos/bulk', payload: todos, headers: { cookie } })
if (statusCode !== 201) throw new Error(`the first to-dos got ${statusCode}`)

process.on('SIGUSR2', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  for (let round = 0; round < 3; round++) collect()
})
await app.listen({ port: Number(port), host: '127.0.0.1' })
