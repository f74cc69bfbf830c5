import * as server from 'leveret'
import type { Handler } from 'leveret'
import { files } from 'leveret/static'
import { isFetchTask, piece, pieces, type HandlerTask } from '../tasks.js'
import { collectOnSignal, content, given, hello } from './given.js'
import { fetchHandler } from './leveret-fetch.js'

const text = 'text/plain; charset=utf-8'

const told = given()
const { task } = told
if (task === 'todo') throw new Error('todo.ts has the to-do service')
const { item, text: long, bytes } = content(told)

const handlers: Record<HandlerTask, Handler> = {
  hello: () => [hello, 200, { 'Content-Type': text }],
  close: () => [hello, 200, { 'Content-Type': text }],
  headers: (_method, query, args, headers) => {
    const lines = `${query} ${args}\n${headers['user-agent']}\n${headers['accept-language']}\n`
    return [lines, 200, { 'Content-Type': text, 'Cache-Control': 'no-cache' }]
  },
  json: () => [JSON.stringify(item), 200, { 'Content-Type': 'application/json; charset=utf-8' }],
  echo: (_method, _query, _args, headers, body) => [body, 200, { 'Content-Type': headers['content-type'] }],
  mix: (method, _query, _args, headers, body) =>
    method === 'GET' ? [hello, 200, { 'Content-Type': text }] : [body, 200, { 'Content-Type': headers['content-type'] }],
  gzip: () => [long, 200, { 'Content-Type': text }],
  text: () => [long, 200, { 'Content-Type': text }],
  stream: () => [function* (out) {
    for (let index = 0; index < pieces; index++) yield* out.write(piece(index))
  }, 200, { 'Content-Type': text }],
  download: () => [bytes, 200, { 'Content-Type': 'application/octet-stream' }],
  file: files(told.folder, { headers: { 'Cache-Control': 'no-cache' } }),
  * upload(_method, _query, _args, _headers, _body, ctx) {
    let size = 0
    for (let part = yield* ctx.body.read(); part !== null; part = yield* ctx.body.read()) size += part.length
    return [`${size}\n`, 200, { 'Content-Type': text }]
  },
  websocket: (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* (ws) {
    for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
  }),
}

const leveret = server.new(
  {
    port: told.port,
    // No access log: the others write none either.
    log_level: 'info',
    connection_limit: 20_000,
    requests_per_connection: Number.MAX_SAFE_INTEGER,
    // Idle connections have to last as long as the benchmark needs them.
    keepalive_idle_timeout: 3600,
    max_body_size: 64 * 2 ** 20,
    buffer_body: task !== 'upload',
    ssl: told.pem === null ? null : { default: told.pem },
  },
  isFetchTask(task) ? await fetchHandler(task) : handlers[task],
)
collectOnSignal()
await leveret.serve()
