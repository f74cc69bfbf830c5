import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { new as newServer, request, tcp, websocket, type Config } from '../../../lib/index.js'
import { failure, runOn, virtual } from '../../../testing/virtual.js'
import { keptLog } from '../../support/kept-log.js'
import { serve } from '../../support/serving.js'
import { Certificates } from '../../tls/certificates.js'

const made = new Certificates()
t.teardown(() => made.remove())

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

const drivers: readonly [name: string, driver: () => lev.Driver | undefined][] = [['node', () => undefined], ['memory', () => lev.memory()]]

for (const [name, driver] of drivers) {
  t.test(`every client reaches one, over TLS too, by the name of the host: ${name}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
    const issued = made.issue({ names: ['named.test'] })
    const ca = readFileSync(issued.cert)
    await runOn(driver(), function* () {
      for (const ssl of [null, { default: issued }]) {
        const path = join(folder, ssl === null ? 'plain.sock' : 'tls.sock')
        const config: Config = { listen: [{ path }], ssl, logger: keptLog() }
        const service = newServer(config, (_method, _path, _args, headers, _body, ctx) => {
          const told = `${headers.host} ${ctx.tls?.server_name ?? 'plain'}`
          return headers.upgrade === undefined ? told : ctx.upgrade(function* (ws) {
            yield* ws.send(told)
          })
        })
        const done = service.serve()
        yield* lev.wait(service.listening)
        const s = ssl === null ? '' : 's'
        const expected = `named.test ${ssl === null ? 'plain' : 'named.test'}`

        t.equal((yield* request({ url: `http${s}://named.test/`, socketPath: path, tls: { ca } })).body.toString(), expected)
        const ws = yield* websocket(`ws${s}://named.test/`, { socket_path: path, tls: { ca } })
        t.equal(yield* ws.next(), expected)
        ws.close()
        const stream = yield* tcp.connect('named.test', 1, { socketPath: path, tls: ssl === null ? false : { ca } })
        t.equal(stream.remote.path, path)
        yield* stream.write('GET / HTTP/1.0\r\nHost: named.test\r\n\r\n')
        let text = ''
        for (let piece = yield* stream.read(); piece !== null; piece = yield* stream.read()) text += piece.toString()
        t.match(text, /^HTTP\/1.1 200 /)
        t.ok(text.endsWith(`\r\n\r\n${expected}`))
        stream.close()
        if (ssl !== null) t.match(yield* failure(tcp.connect('other.test', 1, { socketPath: path, tls: { ca } })), { code: 'LEV_HANDSHAKE' })

        yield* lev.wait(service.stop({ drain: 0 }))
        yield* lev.wait(done)
      }
    })
  })
}

t.test('bad paths, and a proxy, are refused before anything is sent', async (t) => {
  await virtual(function* () {
    for (const path of ['', 'a\0b', 1]) {
      const socketPath = path as string
      t.match(yield* failure(tcp.connect('a', 1, { socketPath })), { code: 'LEVERET_ARGUMENT', argument: 'socketPath' })
      t.match(yield* failure(websocket('ws://a/', { socket_path: socketPath })), { code: 'LEVERET_ARGUMENT', argument: 'socket_path' })
    }
    t.match(yield* failure(websocket('ws://a/', { socket_path: '/x', proxy: 'http://p' })), { code: 'LEVERET_ARGUMENT', argument: 'proxy' })
    t.match(yield* failure(websocket('ws://a/', { socket_path: '/x', proxy: false })), { code: 'LEVERET_REQUEST', message: /connect to \/x: .*ENOENT/ })
    t.match(yield* failure(tcp.connect('a', 1, { socketPath: '/x' })), { code: 'LEV_ADDRESS', message: /connect to \/x: .*ENOENT/ })
  })
})
