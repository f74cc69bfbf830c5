import t, { type Test } from 'tap'
import * as lev from '../../../../lev/index.js'
import * as net from '../../../../lib/dialects/zune/index.js'
import { keptLog, type KeptLog } from '../../../support/kept-log.js'
import { eventually } from '../../../support/serving.js'
import { valueOf } from './value-of.js'

async function serve(t: Test, webhook: net.ServerWebSocketHandlers | null, settings = {}): Promise<{ url: string; log: KeptLog }> {
  const log = keptLog()
  const request = ({ path }: net.ServerRequest) => ({ statusCode: 404, body: `ordinary ${path}` })
  const handle = valueOf(await net.serve({ port: 0, request, webhook }, { logger: log, ...settings }))
  t.teardown(() => handle.close())
  return { url: `ws://127.0.0.1:${handle.port}`, log }
}

const echo: net.ServerWebSocketHandlers = {
  message(ws, message) {
    ws.send(message)
  },
}

t.test('the events of a server\'s WebSocket: the same object for each', async (t) => {
  const events: string[] = []
  const objects = new Set<net.WebSocket>()
  const note = (event: string, ws: net.WebSocket): void => {
    events.push(`${event} ${ws.connected}`)
    objects.add(ws)
  }
  const { url } = await serve(t, {
    upgrade: ({ method, path, headers }) => method === 'GET' && path === '/ws?a' && headers.upgrade === 'websocket',
    open(ws) {
      note('open', ws)
      ws.send('Hello')
    },
    *message(ws, message) {
      note(`message ${String(message)}`, ws)
      yield* lev.sleep(0.001)
      yield* ws.send(`Echo: ${String(message)}`)
      if (message === 'Test 2') ws.close()
    },
    async close(ws) {
      await ws.send('too late')
      note('close', ws)
    },
  })
  const client = valueOf(await net.websocket(`${url}/ws?a`))
  t.equal(client.connected, true)
  const heard: string[] = []
  client.bindOpen(() => void heard.push('open'))
  client.bindMessage((message) => void heard.push(String(message)))
  client.bindClose(() => void heard.push(`close ${client.connected}`))
  t.same(heard, [], 'not at once')
  client.send('Test 1')
  client.send('Test 2')
  await eventually(() => heard.length === 5, 'the close')
  t.same(heard, ['open', 'Hello', 'Echo: Test 1', 'Echo: Test 2', 'close false'])
  await eventually(() => events.length === 4, 'the close of the server')
  t.same(events, ['open true', 'message Test 1 true', 'message Test 2 true', 'close false'])
  t.equal(objects.size, 1)
})

t.test('upgrade decides; without it all are upgraded; without webhook none', async (t) => {
  for (const upgrade of [() => false, async () => false, () => undefined as never, () => 1 as never]) {
    const { url } = await serve(t, { upgrade })
    t.match(await net.websocket(url), [false, /404/])
  }
  for (const upgrade of [undefined, null, () => true, async () => true, function* () {
    yield* lev.sleep(0.001)
    return true
  }]) {
    const { url } = await serve(t, { upgrade })
    valueOf(await net.websocket(url)).close()
  }
  const { url, log } = await serve(t, { upgrade: () => { throw new Error('secret') } })
  t.match(await net.websocket(url), [false, /500/])
  t.equal(log.of('error').length, 1)
  t.match(await net.websocket((await serve(t, null)).url), [false, /404/])
  t.match(await net.request((await serve(t, echo)).url.replace('ws', 'http')), [true, { statusCode: 404 }])
})

t.test('in a virtual world', async (t) => {
  await lev.run(function* () {
    const handle = valueOf(yield* net.serve({ port: 0, request: () => '', webhook: echo }, { logger: keptLog() }))
    const client = valueOf(yield* net.websocket(`127.0.0.1:${handle.port}`))
    const got = lev.channel<string | Buffer>(10)
    client.bindMessage(function* (message) {
      yield* got.send(message)
    })
    yield* client.send('text')
    t.equal(yield* got.receive(), 'text')
    yield* lev.sleep(600)
    yield* client.send(Buffer.from([1, 255]))
    t.same(yield* got.receive(), Buffer.from([1, 255]))
    client.close()
    t.equal(client.connected, false)
    yield* client.send('this is not heard')
    yield* handle.close()
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('async functions in a virtual world', async (t) => {
  await lev.run(function* () {
    const webhook: net.ServerWebSocketHandlers = {
      async message(ws, message) {
        await Promise.resolve()
        await ws.send(message)
      },
    }
    const handle = valueOf(yield* net.serve({ port: 0, request: () => '', webhook }, { logger: keptLog() }))
    const client = valueOf(yield* net.websocket(`ws://127.0.0.1:${handle.port}`))
    const got: unknown[] = []
    client.bindMessage(async (message) => {
      await Promise.resolve()
      got.push(message)
      if (message === 'b') client.close()
    })
    client.send('a')
    client.send('b')
    const closed = lev.event()
    client.bindClose(() => closed.set())
    yield* closed.wait()
    t.same(got, ['a', 'b'])
    yield* handle.close()
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('of each kind one function is bound; another replaces it', async (t) => {
  const { url } = await serve(t, echo)
  const client = valueOf(await net.websocket(url))
  const heard: string[] = []
  for (const name of ['first', 'second']) {
    client.bindOpen(() => void heard.push(`${name} open`))
    client.bindMessage((message) => void heard.push(`${name} ${String(message)}`))
    client.bindClose(() => void heard.push(`${name} close`))
  }
  client.send('a')
  await eventually(() => heard.length === 2, 'the first message')
  client.bindMessage((message) => void heard.push(`third ${String(message)}`))
  client.bindOpen(() => void heard.push('open again'))
  client.send('b')
  await eventually(() => heard.length === 3, 'the second message')
  client.close()
  await eventually(() => heard.length === 4, 'the close')
  client.bindClose(() => void heard.push('closed again'))
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.same(heard, ['second open', 'second a', 'third b', 'second close'])
  for (const func of [undefined, null, 'x']) {
    t.throws(() => client.bindOpen(func as never), { code: 'LEVERET_ARGUMENT', argument: 'func' })
    t.throws(() => client.bindMessage(func as never), { code: 'LEVERET_ARGUMENT' })
    t.throws(() => client.bindClose(func as never), { code: 'LEVERET_ARGUMENT' })
  }
  t.throws(() => client.send(5 as never), TypeError)
})

t.test('what comes before a function is bound waits for it', async (t) => {
  let left = 0
  const { url } = await serve(t, {
    open(ws) {
      for (let n = 0; n < 1000; n++) ws.send(`${n} ${'x'.repeat(1000)}`)
      ws.close()
    },
    close: () => void left++,
  })
  const client = valueOf(await net.websocket(url))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const heard: string[] = []
  client.bindClose(() => void heard.push('close'))
  client.bindMessage(async (message) => {
    await Promise.resolve()
    heard.push(String(message).split(' ', 1)[0])
  })
  await eventually(() => heard.length === 1001, 'all of it')
  t.same(heard, [...Array.from({ length: 1000 }, (_, n) => `${n}`), 'close'])
  await eventually(() => left === 1, 'the server\'s close')

  const late = valueOf(await net.websocket(url))
  late.bindMessage(() => {})
  await eventually(() => !late.connected, 'the end')
  const told = new Promise<number>((resolve) => late.bindClose(resolve))
  await told
})

t.test('close comes also when messages are not read', async (t) => {
  const { url } = await serve(t, {
    open(ws) {
      ws.send('x')
      ws.close()
    },
  })
  const client = valueOf(await net.websocket(url))
  await new Promise<number>((resolve) => client.bindClose(resolve))
  t.equal(client.connected, false)
  const message = await new Promise((resolve) => client.bindMessage(resolve))
  t.equal(message, 'x', 'what it had sent is there still')
})

t.test('a bound function that fails is told of, and the rest goes on', async (t) => {
  const { url } = await serve(t, echo)
  const client = valueOf(await net.websocket(url))
  const errors = t.capture(console, 'error')
  const heard: string[] = []
  client.bindMessage((message) => {
    if (message === 'a') throw new Error('of the user')
    heard.push(String(message))
    client.close()
  })
  client.send('a')
  client.send('b')
  await new Promise<number>((resolve) => client.bindClose(resolve))
  t.same(heard, ['b'])
  t.match(errors().map(({ args }) => String(args[1])), ['Error: of the user'])
})

t.test('a callback of the server that fails closes with 1011, and is logged', async (t) => {
  const { url, log } = await serve(t, { message() { throw new Error('secret') } })
  const client = valueOf(await net.websocket(url))
  client.send('x')
  await new Promise<number>((resolve) => client.bindClose(resolve))
  t.equal(log.of('error').length, 1)
})

t.test('protocols are offered; what cannot be is told', async (t) => {
  const { url } = await serve(t, { upgrade: ({ headers }) => headers['sec-websocket-protocol'] === 'a, b' })
  valueOf(await net.websocket(url, ['a', 'b'])).close()
  t.match(await net.websocket(url), [false, /404/])
  t.match(await net.websocket(url, ['a b']), [false, /protocols/])
  t.match(await net.websocket(url, 'a' as never), [false, /protocols/])
  t.match(await net.websocket(5 as never), [false, /host must be a URL/])
  t.match(await net.websocket('ws://127.0.0.1:1'), [false, /ECONNREFUSED/])
})

t.test('codes: who closes says one, and both are told', async (t) => {
  const told: number[] = []
  const { url } = await serve(t, {
    message(ws, message) {
      ws.close(Number(message))
      ws.close(4999)
    },
    close: (_ws, code) => void told.push(code),
  })
  const open = async (): Promise<{ client: net.ClientWebSocket; closed: Promise<number> }> => {
    const client = valueOf(await net.websocket(url))
    return { client, closed: new Promise<number>((resolve) => client.bindClose(resolve)) }
  }
  for (const code of [1000, 3000, 4999]) {
    const near = await open()
    near.client.close(code)
    t.equal(await near.closed, code)
    const far = await open()
    far.client.send(String(code))
    far.client.bindMessage(() => {})
    t.equal(await far.closed, code)
  }
  for (const code of [null, undefined]) {
    const { client, closed } = await open()
    client.close(code)
    t.equal(await closed, 1000)
  }
  const { client, closed } = await open()
  for (const code of [999, 1005, 1006, 1015, 5000, 1.5]) t.throws(() => client.close(code), RangeError)
  t.ok(client.connected)
  client.close()
  await closed
  await eventually(() => told.length === 9, 'the closes of the server')
  t.same(told.sort(), [1000, 1000, 1000, 1000, 1000, 3000, 3000, 4999, 4999])
})

t.test('codes: a connection that is lost, and a server that stops', async (t) => {
  const handle = valueOf(await net.serve({ port: 0, request: () => '', webhook: echo }, { logger: keptLog() }))
  const url = `ws://127.0.0.1:${handle.port}`
  const client = valueOf(await net.websocket(url))
  const closed = new Promise<number>((resolve) => client.bindClose(resolve))
  await handle.stop()
  t.equal(await closed, 1001)
  t.same(await net.websocket(url).then(([success]) => success), false, 'stop is close')
  await handle.stop()
  await handle.close()
})
