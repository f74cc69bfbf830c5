import t from 'tap'
import * as lev from '../../../lev/index.js'
import { request } from '../../../lib/index.js'
import { serve } from '../../support/serving.js'
import { rawServer } from './raw-server.js'

const cases: [method: string, head: string, headers: Record<string, string>][] = [
  ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n', { 'content-length': '5' }],
  ['GET', 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n', {}],
  ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n', { 'content-encoding': 'gzip', 'content-length': '5' }],
  ['GET', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n', { etag: '"a"' }],
  ['POST', 'HTTP/1.1 204 No Content\r\n', {}],
  ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n', { 'content-length': '5' }],
  ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n', {}],
  ['HEAD', 'HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n', { 'content-encoding': 'gzip' }],
]

for (const [method, head, headers] of cases) {
  t.test(`no content is waited for: ${method}, ${head.replaceAll('\r\n', ' ')}`, async (t) => {
    const response = await lev.run(() => rawServer(function* (stream) {
      yield* stream.write(`${head}\r\n`)
    }, ({ port }) => request({ method, url: `http://127.0.0.1:${port}/`, timeout: 5 })))
    t.match(response, { status: Number(head.slice(9, 12)), headers })
    t.equal(response.body.length, 0)
  })
}

t.test('the next request finds a connection after each of them', async (t) => {
  const served = new Map<string, number>()
  await lev.run(() => rawServer(function* (stream, head) {
    const path = head.split(' ')[1] ?? ''
    served.set(path, (served.get(path) ?? 0) + 1)
    yield* stream.write(path === '/ok' ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' : 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n')
  }, function* ({ port }) {
    for (let k = 0; k < 3; k++) {
      t.equal((yield* request({ url: `http://127.0.0.1:${port}/none`, timeout: 5 })).status, 304)
    }
    t.equal((yield* request({ url: `http://127.0.0.1:${port}/ok`, timeout: 5 })).body.toString(), 'ok')
  }))
  t.same([...served], [['/none', 3], ['/ok', 1]])
})

t.test('a response without content leaves its connection to the next request', async (t) => {
  const peers = new Set<number>()
  const { port } = await serve(t, {}, (_method, query, _args, _headers, _body, ctx) => {
    peers.add(ctx.client.remote.port)
    return [null, Number(query.slice(1)), { ETag: '"a"' }]
  })
  await lev.run(function* () {
    for (const [method, status] of [['GET', 304], ['GET', 204], ['GET', 304]] as const) {
      const response = yield* request({ method, url: `http://127.0.0.1:${port}/${status}` })
      t.match(response, { status, body: Buffer.alloc(0) })
      yield* lev.sleep(0.01)
    }
  })
  t.equal(peers.size, 1)
})
