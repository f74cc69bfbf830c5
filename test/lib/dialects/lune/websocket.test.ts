import t, { type Test } from 'tap'
import * as lev from '../../../../lev/index.js'
import * as net from '../../../../lib/dialects/lune/index.js'
import { keptLog } from '../../../support/kept-log.js'
import { eventually } from '../../../support/serving.js'

/** Serves until the test ends. */
async function serve(t: Test, config: net.ServeConfig): Promise<{ url: string; log: ReturnType<typeof keptLog> }> {
  const log = keptLog()
  const handle = await net.serve(0, config, { logger: log })
  t.teardown(() => handle.stop())
  return { url: `ws://127.0.0.1:${handle.port}`, log }
}

function* echo(socket: net.WebSocket): lev.Op<void> {
  for (let message = yield* socket.next(); message !== null; message = yield* socket.next()) yield* socket.send(message)
}

t.test('a request for a WebSocket goes to handleWebSocket, others to handleRequest', async (t) => {
  let requests = 0
  const { url } = await serve(t, {
    handleRequest: () => `request ${++requests}`,
    async handleWebSocket(socket) {
      t.equal(socket.closeCode, null)
      t.equal(await socket.next(), 'Hello from client!')
      await socket.send('Hello, lune!')
      socket.close()
      t.equal(socket.closeCode, 1000)
    },
  })
  const socket = await net.socket(url)
  t.equal(socket.closeCode, null)
  await socket.send('Hello from client!')
  t.equal(await socket.next(), 'Hello, lune!')
  t.equal(await socket.next(), null)
  t.equal(socket.closeCode, 1000)
  t.equal(requests, 0)
  t.equal((await net.request(url.replace('ws', 'http'))).body, 'request 1')
})

t.test('without handleWebSocket it is an ordinary request', async (t) => {
  const { url } = await serve(t, { handleRequest: ({ headers }) => ({ status: 404, body: headers.upgrade }) })
  await t.rejects(net.socket(url), { code: 'LEVERET_UPGRADE', status: 404 } as never)
})

t.test('without handleRequest, what asks for no WebSocket gets 426', async (t) => {
  const { url } = await serve(t, { handleWebSocket: echo })
  t.equal((await net.request(url.replace('ws', 'http'))).statusCode, 426)
  const socket = await net.socket(url)
  await socket.send('x')
  t.equal(await socket.next(), 'x')
  socket.close()
})

t.test('both sides as coroutines, in a virtual world', async (t) => {
  await lev.run(function* () {
    const handle = yield* net.serve(0, { handleWebSocket: echo }, { logger: keptLog() })
    const socket = yield* net.socket(`ws://127.0.0.1:${handle.port}/path?query`)
    yield* lev.sleep(600)
    yield* socket.send('text')
    t.equal(yield* socket.next(), 'text')
    yield* socket.send(Buffer.from([1, 255]))
    t.same(yield* socket.next(), Buffer.from([1, 255]))
    const op = socket.next()
    t.notOk(op instanceof Promise)
    socket.close(4000)
    t.equal(yield* op, null)
    t.equal(socket.closeCode, 4000)
    yield* handle.stop()
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('async functions in a virtual world, on both sides', async (t) => {
  await lev.run(function* () {
    const handle = yield* net.serve(0, {
      async handleWebSocket(socket) {
        await Promise.resolve()
        for (let message = await socket.next(); message !== null; message = await socket.next()) await socket.send(message)
      },
    }, { logger: keptLog() })
    const socket = yield* net.socket(`ws://127.0.0.1:${handle.port}`)
    async function talk(): Promise<unknown> {
      const own = await net.socket(`ws://127.0.0.1:${handle.port}`)
      await own.send('of its own')
      t.equal(await own.next(), 'of its own')
      own.close()
      await socket.send('async')
      return await socket.next()
    }
    t.equal(yield* lev.wait(talk()), 'async')
    socket.close()
    yield* handle.stop()
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('a message may be waited for at once, on a server in a world of its own', async (t) => {
  await lev.run(function* () {
    const handle = yield* net.serve(0, {
      async handleWebSocket(socket) {
        const [one, two] = [await socket.next(), await socket.next()]
        await socket.send(`${String(one)}${String(two)}`)
      },
    }, { logger: keptLog() })
    const socket = yield* net.socket(`ws://localhost:${handle.port}`)
    const waiting = lev.spawn(() => socket.next())
    yield* socket.send('1')
    yield* socket.send('2')
    t.equal(yield* waiting.join(), '12')
    yield* handle.stop()
  })
})

t.test('send: asBinary says how', async (t) => {
  const seen: unknown[] = []
  const { url } = await serve(t, {
    *handleWebSocket(socket) {
      for (let message = yield* socket.next(); message !== null; message = yield* socket.next()) seen.push(message)
    },
  })
  const socket = await net.socket(url)
  await socket.send('ö')
  await socket.send('ö', true)
  await socket.send(Buffer.from('ö'))
  await socket.send(Buffer.from('ö'), false)
  await socket.send('', null)
  for (const [message, binary] of [[5, false], [null, true], [Buffer.from([255]), false]] as const) {
    t.throws(() => socket.send(message as never, binary), { code: 'LEVERET_ARGUMENT', argument: 'message' })
  }
  await eventually(() => seen.length === 5, 'five messages')
  t.same(seen, ['ö', Buffer.from('ö'), Buffer.from('ö'), 'ö', ''])
  socket.close()
})

t.test('once it is closed: closeCode at once, next gives null at once, sending throws', async (t) => {
  const { url } = await serve(t, { handleWebSocket: echo })
  const socket = await net.socket(url)
  const waiting = socket.next()
  socket.close(3001)
  t.equal(socket.closeCode, 3001)
  t.equal(await waiting, null)
  t.equal(await socket.next(), null)
  await t.rejects(socket.send('x'), { code: 'LEV_CLOSED', message: /closed/ })
  // It need not be waited for.
  void socket.send('x')
  socket.close(3002)
  t.equal(socket.closeCode, 3001)
  await lev.run(function* () {
    try {
      yield* socket.send('x')
      t.fail('it must throw')
    } catch (error) {
      t.match(error, { message: /closed/ })
    }
  })
  const other = await net.socket(url)
  for (const code of [1005, 2999, 5000]) t.throws(() => other.close(code), RangeError)
  other.close()
})

t.test('the other side\'s code is closeCode', async (t) => {
  const { url } = await serve(t, { handleWebSocket: (socket) => socket.close(4999) })
  const socket = await net.socket(url)
  t.equal(await socket.next(), null)
  t.equal(socket.closeCode, 4999)
})

t.test('a WebSocket outlives its handler, unless that throws: then it is closed with 1011', async (t) => {
  const kept: net.WebSocket[] = []
  const handlers: Record<string, net.ServeConfig['handleWebSocket']> = {
    plain: (socket) => void kept.push(socket),
    async async(socket) {
      kept.push(socket)
      await Promise.resolve()
    },
    * coroutine(socket) {
      kept.push(socket)
      yield* lev.sleep(0)
    },
    async reader(socket) {
      t.equal(await socket.next(), 'first')
      kept.push(socket)
    },
  }
  for (const [name, handleWebSocket] of Object.entries(handlers)) {
    const { url, log } = await serve(t, { handleWebSocket })
    const socket = await net.socket(url)
    if (name === 'reader') await socket.send('first')
    await eventually(() => kept.length === 1, 'the handler has ended')
    const [far] = kept.splice(0)
    await far.send('from elsewhere')
    t.equal(await socket.next(), 'from elsewhere', name)
    await socket.send('to elsewhere')
    t.equal(await far.next(), 'to elsewhere')
    t.equal(far.closeCode, null)
    if (name === 'plain') far.close(4000)
    else socket.close(4000)
    t.equal(await (name === 'plain' ? socket : far).next(), null)
    t.same([socket.closeCode, far.closeCode], [4000, 4000])
    t.same(log.of('error'), [])
  }
  const { url, log } = await serve(t, {
    async handleWebSocket(socket) {
      await socket.next()
      throw new Error('secret')
    },
  })
  const socket = await net.socket(url)
  await socket.send('throw')
  t.equal(await socket.next(), null)
  t.equal(socket.closeCode, 1011)
  t.equal(log.of('error').length, 1)
})

t.test('a WebSocket whose handler has ended: a lost connection ends it, and so does a server that stops', async (t) => {
  await lev.run(function* () {
    const kept: net.WebSocket[] = []
    const handle = yield* net.serve(0, { handleWebSocket: (socket) => void kept.push(socket) }, { logger: keptLog() })
    const url = `ws://127.0.0.1:${handle.port}`
    const [lost, left] = [yield* net.socket(url), yield* net.socket(url)]
    yield* lev.sleep(3600)
    t.same(kept.map(({ closeCode }) => closeCode), [null, null], 'an hour later')
    lost.close()
    yield* lev.sleep(20)
    t.same(kept.map(({ closeCode }) => closeCode), [1000, null])
    const began = lev.now()
    yield* handle.stop()
    t.equal(yield* left.next(), null)
    t.same([left.closeCode, kept[1].closeCode], [1001, 1001])
    t.ok(lev.now() - began < 5, 'nothing holds the server')
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('a WebSocket of a stopping server gets 1001', async (t) => {
  const handle = await net.serve(0, { handleWebSocket: echo }, { logger: keptLog() })
  const socket = await net.socket(`ws://127.0.0.1:${handle.port}`)
  await socket.send('x')
  await socket.next()
  const stopping = handle.stop()
  t.equal(await socket.next(), null)
  t.equal(socket.closeCode, 1001)
  await stopping
})

t.test('messages arrive in the order of sending, waited for or not, and a slow reader holds up those that are waited for', async (t) => {
  await lev.run(function* () {
    let read = false
    const sizes: number[] = []
    const handle = yield* net.serve(0, {
      *handleWebSocket(socket) {
        while (!read) yield* lev.sleep(1)
        for (let one = yield* socket.next(); one !== null; one = yield* socket.next()) sizes.push(one.length)
      },
    }, { logger: keptLog() })
    const socket = yield* net.socket(`ws://127.0.0.1:${handle.port}`, { compression: false })
    const sent = [300_000, 1, 600_000, 2, 500_000, 3, 70_000, 4, 5, 200_000, 6]
    const all = sent.map((size) => socket.send(Buffer.alloc(size)))
    let done = false
    lev.spawn(function* () {
      for (const one of all) yield* one
      done = true
    })
    yield* lev.sleep(5)
    t.notOk(done, 'the other side does not read')
    read = true
    while (!done) yield* lev.sleep(1)
    socket.close()
    yield* handle.stop()
    t.same(sizes, sent)
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('who sends without waiting to one that never reads is closed in the end', async (t) => {
  await lev.run(function* () {
    const handle = yield* net.serve(0, { handleWebSocket: () => lev.sleep(20) }, { logger: keptLog() })
    const socket = yield* net.socket(`ws://127.0.0.1:${handle.port}`, { compression: false })
    for (let n = 0; n < 40 && socket.closeCode === null; n++) void socket.send(Buffer.alloc(1_000_000))
    t.equal(socket.closeCode, 1008)
    yield* handle.stop()
  }, { driver: lev.memory({ seed: 1 }) })
})

t.test('socket: what cannot be', async (t) => {
  t.throws(() => net.socket('no url'), { code: 'LEVERET_ARGUMENT', argument: 'url' })
  t.throws(() => net.socket(undefined as never), { code: 'LEVERET_ARGUMENT', argument: 'url' })
  await t.rejects(net.socket('ftp://a.test'), { code: 'LEVERET_ARGUMENT', argument: 'url' } as never)
  await t.rejects(net.socket('ws://127.0.0.1:1'), { code: 'LEVERET_REQUEST' })
})
