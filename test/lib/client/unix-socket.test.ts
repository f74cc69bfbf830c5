import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { request } from '../../../lib/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { serve } from '../../support/serving.js'

t.test('a Unix socket in place of the host', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'leveret-')), 'x.sock')
  const peers = new Set<unknown>()
  const elsewhere = await serve(t, {}, () => 'elsewhere')
  const server = createServer((asked, response) => {
    peers.add(asked.socket)
    if (asked.url === '/moved') response.writeHead(302, { Location: '/there' })
    if (asked.url === '/away') response.writeHead(302, { Location: `http://127.0.0.1:${elsewhere.port}/` })
    response.end(`${asked.headers.host} ${asked.url}`)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => server.close())
  await lev.run(function* () {
    const get = function* (target: string): lev.Op<string> {
      return (yield* request({ url: `http://named.test${target}`, socketPath: path })).body.toString()
    }
    t.equal(yield* get('/a'), 'named.test /a')
    t.equal(yield* get('/moved'), 'named.test /there')
    t.equal(peers.size, 1, 'one connection')
    t.equal(yield* get('/away'), 'elsewhere')
    const stream = yield* lev.connect({ path })
    yield* stream.write('GET /raw HTTP/1.0\r\n\r\n')
    t.match((yield* stream.read())?.toString(), /^HTTP\/1.1 200/)
    stream.close()
  })
  const none = { code: 'LEVERET_REQUEST', message: /cannot connect to \/none: .*ENOENT/ }
  t.match(await lev.run(() => failure(request({ url: 'http://a/', socketPath: '/none' }))), none)
  t.match(await virtual(() => failure(request({ url: 'http://a/', socketPath: '/none' }))), none)
})
