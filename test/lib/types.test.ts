// Checked by the compiler, and run: what programs without annotations and casts may write.
import t from 'tap'
import * as lev from '../../lev/index.js'
import * as server from '../../lib/index.js'
import type { serve as serveLute } from '../../lib/dialects/lute/index.js'
import type { ServeWebSocketHandler } from '../../lib/dialects/lune/index.js'
import type { Handler as NodemcuHandler } from '../../lib/dialects/nodemcu/index.js'
import type { ServerWebSocketHandlers } from '../../lib/dialects/zune/index.js'

t.test('callbacks may return anything: it is not looked at', async (t) => {
  const sockets = new Set<unknown>()
  const counts: number[] = []
  t.type(server.webSocketCallbacks({
    open: (ws) => sockets.add(ws),
    message: (_ws, message) => counts.push(message.length),
    close: (ws) => sockets.delete(ws),
  }), 'function')
  const upgrade: server.WebSocketHandler = (ws) => sockets.add(ws)
  const lune: ServeWebSocketHandler = (ws) => sockets.add(ws)
  const nodemcu: NodemcuHandler = (req, res) => {
    req.ondata = (_self, chunk) => counts.push(chunk?.length ?? 0)
    req.onheader = (_self, name) => sockets.add(name)
    return res.finish('x')
  }
  const zune: ServerWebSocketHandlers = { open: (ws) => sockets.add(ws), close: (ws) => sockets.delete(ws) }
  const lute: Parameters<typeof serveLute>[0] = { websocket: { open: (ws) => sockets.add(ws), drain: null } }
  t.ok([upgrade, lune, nodemcu, zune, lute].every(Boolean))
})

t.test('null and undefined are as good as nothing', async (t) => {
  const config: server.Config = { ip: null, port: 0, drain: undefined, log_level: 'error', compression: { types: null }, half_close: null, ssl: null }
  const made = server.new(config, () => 'x')
  const done = made.serve()
  const { port } = await made.listening
  const response = await lev.run(() => server.request({
    url: `http://127.0.0.1:${port}/`, method: null, headers: null, query: undefined, body: null, redirects: null, timeout: null, maxBodySize: null, tls: null,
  }), { driver: null, report: undefined })
  t.equal(String(response.body), 'x')
  await made.stop({ drain: null })
  await done
  t.doesNotThrow(() => server.eventStream(function* () {}, { heartbeat: null, retry: null, headers: null }))
  t.type(server.webSocketCallbacks({ open: null, message: undefined, drain: null }), 'function')
  t.doesNotThrow(() => lev.memory({ seed: null, epoch: undefined, latency: null, segment: null }))
})

t.test('a handler whose return was forgotten does not compile; one that responds on ctx.client returns undefined', async (t) => {
  const wrong: server.Handler[] = [
    // @ts-expect-error nothing is returned
    () => {
      'x'
    },
    // @ts-expect-error nothing is returned
    async () => {
      await Promise.resolve('x')
    },
    // @ts-expect-error nothing is returned
    function* () {
      yield* lev.sleep(0)
    },
    // @ts-expect-error what put returns is nothing
    (_method, _query, _args, _headers, _body, ctx) => ctx.client.put('x'),
    // @ts-expect-error one way returns nothing
    (method) => {
      if (method === 'GET') return 'x'
    },
    // @ts-expect-error an object is no content
    () => ({ ok: true }),
    // @ts-expect-error a number is no content
    async () => 42,
  ]
  t.equal(wrong.length, 7)
  const right: server.Handler[] = [
    () => undefined,
    (_method, _query, _args, _headers, _body, ctx) => void ctx.client.put('x'),
    async () => await Promise.resolve(undefined),
    function* (_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.write('x')
      return undefined
    },
    () => {
      throw new Error('x')
    },
  ]
  t.equal(right.length, 5)
})
