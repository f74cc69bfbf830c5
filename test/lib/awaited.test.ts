// What Leveret's functions return, awaited in async code.
import t from 'tap'
import * as lev from '../../lev/index.js'
import * as server from '../../lib/index.js'
import type { Context, Handler, HandlerResult } from '../../lib/index.js'
import { wrap } from '../../lib/web/wrap.js'
import { inject } from '../../testing/index.js'
import { keptLog } from '../support/kept-log.js'
import { virtually } from '../support/virtual.js'

type Play = (ctx: Context, origin: string) => Promise<unknown>

const port = 8081
const boundary = 'xyz'
const form = `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}\r\nContent-Disposition: form-data; name="b"; filename="b.txt"\r\n\r\ntwo\r\n--${boundary}--\r\n`

/** What async handlers do, and what they see. */
const plays: readonly [what: string, play: Play, seen: unknown][] = [
  ['parts of a form', async (ctx) => {
    const parts = ctx.body.parts()
    const field = await parts.next()
    const text = await field?.text()
    const file = await parts.next()
    const read = String(await file?.read())
    return [text, read, await file?.read(), await parts.next()]
  }, ['1', 'two', null, null]],
  ['bytes of a part', async (ctx) => String(await (await ctx.body.parts().next())?.bytes()), '1'],
  ['a request', async (_ctx, origin) => String((await server.request(`${origin}/hello`)).body), 'hello'],
  ['a request with a limit', async (_ctx, origin) => (await lev.timeout(9, server.request(`${origin}/hello`))).status, 200],
  ['a request that fails', async () => server.request('http://127.0.0.1:1/').catch((error: Error) => error.name), 'RequestError'],
  ['a response in pieces', async (_ctx, origin) => {
    const { body } = await server.request({ url: `${origin}/hello`, stream: true })
    await lev.sleep(1)
    return [String(await body.read()), await body.read()]
  }, ['hello', null]],
  ['a response as text', async (_ctx, origin) => (await server.request({ url: `${origin}/hello`, stream: true })).body.text(), 'hello'],
  ['a response as JSON', async (_ctx, origin) => (await server.request({ url: `${origin}/json`, stream: true })).body.json(), { a: 1 }],
  ['a response as bytes', async (_ctx, origin) => String(await (await server.request({ url: `${origin}/hello`, stream: true })).body.bytes()), 'hello'],
  ['a connection', async (_ctx, origin) => {
    const stream = await server.tcp.connect('127.0.0.1', Number(new URL(origin).port))
    await stream.write('GET /hello HTTP/1.0\r\n\r\n')
    const first = String(await stream.read())
    stream.close()
    return first.slice(0, 15)
  }, 'HTTP/1.1 200 OK'],
  ['a WebSocket', async (_ctx, origin) => {
    const ws = await server.websocket(`${origin}/echo`)
    await lev.sleep(1)
    await ws.send('one')
    await ws.drained()
    const echoed = await ws.next()
    const seconds = await ws.ping()
    ws.close()
    return [echoed, seconds >= 0, await ws.next()]
  }, ['one', true, null]],
]

for (const buffer_body of [true, false]) {
  for (const [what, play, seen] of plays) {
    t.test(`${what}, in an async handler, ${buffer_body ? 'buffered' : 'from the connection'}`, async (t) => {
      await virtually({ port, buffer_body, logger: keptLog() }, async (_method, query, _args, _headers, _body, ctx): Promise<HandlerResult> => {
        if (query === '/hello') return 'hello'
        if (query === '/json') return '{"a":1}'
        if (query === '/echo') {
          return ctx.upgrade(async (ws) => {
            for (let message = await ws.next(); message !== null; message = await ws.next()) await ws.send(message)
          })
        }
        await null
        return JSON.stringify(await play(ctx, `http://127.0.0.1:${port}`))
      }, function* () {
        const headers = { 'Content-Type': `multipart/form-data; boundary=${boundary}` }
        const { body } = yield* server.request({ url: `http://127.0.0.1:${port}/`, method: 'POST', headers, body: form })
        t.strictSame(JSON.parse(String(body)), seen)
      })
    })
  }
}

t.test('an operation as a result, also under a wrapper', async (t) => {
  const handlers: Readonly<Record<string, Handler>> = {
    plain: () => lev.timeout(9, lev.wait(Promise.resolve('value'))),
    async: async () => lev.timeout(9, lev.wait(Promise.resolve('value'))),
  }
  for (const [kind, handler] of Object.entries(handlers)) {
    const wrapped = wrap(handler, (_request, next) => next(([content]) => [content, 201]))
    t.equal((await inject(server.new({ logger: keptLog() }, handler), { path: '/' })).text(), 'value', kind)
    const { status, text } = await inject(server.new({ logger: keptLog() }, wrapped), { path: '/' })
    t.strictSame([status, text()], [201, 'value'], kind)
  }
})

t.test('objects of a request are not awaited by accident', async (t) => {
  const service = server.new({ logger: keptLog() }, async (_method, _query, _args, _headers, _body, ctx) => {
    const returned = await (async () => ctx.body)()
    for (const value of [ctx, ctx.body, ctx.client, ctx.upgrade(() => {})]) t.notOk('then' in value)
    return returned === ctx.body ? 'same' : 'another'
  })
  t.equal((await inject(service, { path: '/' })).text(), 'same')
})
