import * as server from 'leveret'
import type { Handler } from 'leveret'
import type { TaskName } from '../scenarios.js'
import { hello, orders, report, seen } from './child.js'

const handlers: Record<TaskName, Handler> = {
  hello() {
    seen.requests++
    return [hello, 200, { 'Content-Type': 'text/plain' }]
  },
  headers(_method, query, args, headers) {
    seen.requests++
    const text = `${query} ${args}\n${headers['user-agent']}\n${headers['accept-language']}\n`
    return [text, 200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache' }]
  },
  echo(_method, _query, _args, headers, body) {
    seen.requests++
    return [body, 200, { 'Content-Type': headers['content-type'] }]
  },
}

const { task, cert, key } = orders()
const identity = cert !== null && key !== null ? { cert, key } : null
const leveret = server.new(
  {
    port: 0,
    // No access log: node:http writes none either.
    log_level: 'info',
    connection_limit: 10_000,
    requests_per_connection: Number.MAX_SAFE_INTEGER,
    ssl: identity === null ? null : { default: identity },
  },
  handlers[task],
)
leveret.serve().catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
report((await leveret.listening).port)
