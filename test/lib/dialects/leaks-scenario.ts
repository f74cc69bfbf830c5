// Run by leaks.test.ts in a process of its own: prints what is still there after each way of using the dialects.
import { createServer } from 'node:net'
import * as lev from '../../../lev/index.js'
import * as lune from '../../../lib/dialects/lune/index.js'
import * as zune from '../../../lib/dialects/zune/index.js'
import { listen } from '../../support/listen.js'
import { unfinishedTasks } from '../../support/living.js'
import { keepingAlive } from '../../support/memory.js'

const settings = { log_level: 'error' as const, logger: { debug() {}, info() {}, warn() {}, error() {} } }

/** Takes connections and says nothing. */
const mute = createServer((socket) => socket.unref().on('error', () => {}).resume())
const deaf = await listen(mute.unref())

const echo: zune.ServerWebSocketHandlers = {
  message(ws, message) {
    ws.send(message)
  },
}

/** A server of each dialect for the length of `use`; `inside` it is made, and used, in coroutines. */
const outside: Record<string, () => Promise<unknown>> = {
  async 'lune: a server, a request, stop'() {
    const handle = await lune.serve(0, async () => 'x', settings)
    await lune.request(`http://127.0.0.1:${handle.port}`)
    await handle.stop()
  },
  'lune: a port that is taken': () => lune.serve(deaf, () => '', settings).catch(() => {}),
  'lune: no listener': () => lune.request('http://127.0.0.1:1').catch(() => {}),
  'lune: no response': () => lune.request(`http://127.0.0.1:${deaf}`, { timeout: 0.05 }).catch(() => {}),
  async 'lune: WebSockets, closed by the client, also when the handler has ended, by the handler, by the server'() {
    const handle = await lune.serve(0, {
      async handleWebSocket(socket) {
        const message = await socket.next()
        if (message === 'close') socket.close()
        if (!message?.includes('return')) await socket.next()
      },
    }, settings)
    for (const message of ['close', 'return', 'client', 'return and stop', 'stop']) {
      const socket = await lune.socket(`ws://127.0.0.1:${handle.port}`)
      await socket.send(message)
      if (message === 'close') await socket.next()
      else if (!message.endsWith('stop')) socket.close()
    }
    await handle.stop()
  },
  async 'lune: a WebSocket that the server drops'() {
    const handle = await lune.serve(0, { handleWebSocket: async (socket) => void (await socket.next()) }, settings)
    const socket = await lune.socket(`ws://127.0.0.1:${handle.port}`)
    const waiting = socket.next()
    await handle.stop()
    await waiting
  },
  'lune: no WebSocket there': () => lune.socket(`ws://127.0.0.1:${deaf}`, { handshake_timeout: 0.05 }).catch(() => {}),
  async 'lune: tcp'() {
    const conn = await lune.tcp.connect('127.0.0.1', deaf)
    await conn.write('x')
    const reading = conn.read().catch(() => {})
    await conn.close()
    await reading
  },
  'lune: tcp, no listener': () => lune.tcp.connect('127.0.0.1', 1).catch(() => {}),
  async 'zune: a server, a request, close'() {
    const [ok, handle] = await zune.serve({ port: 0, request: () => 'x', reuseAddress: true }, settings)
    if (!ok) throw new Error(handle)
    await zune.request(`http://127.0.0.1:${handle.port}`)
    await handle.close()
  },
  'zune: a port that is taken': () => zune.serve({ port: deaf, request: () => '', reuseAddress: true }, settings),
  async 'zune: WebSockets, with functions bound and without'() {
    const [ok, handle] = await zune.serve({ port: 0, request: () => 'x', webhook: echo }, settings)
    if (!ok) throw new Error(handle)
    for (let n = 0; n < 3; n++) {
      const [opened, socket] = await zune.websocket(`ws://127.0.0.1:${handle.port}`)
      if (!opened) throw new Error(socket)
      socket.bindOpen(() => {})
      if (n > 0) socket.bindMessage(() => (n > 1 ? socket.close() : undefined))
      socket.bindClose(() => {})
      await socket.send('x')
    }
    await handle.close()
  },
  'zune: no WebSocket there': () => zune.websocket(`ws://127.0.0.1:${deaf}`, null, { handshake_timeout: 0.05 }),
}

const inside: Record<string, () => lev.Op<unknown>> = {
  * 'lune: in coroutines'() {
    const handle = yield* lune.serve(0, {
      handleRequest: () => lev.sleep(100) as never,
      *handleWebSocket(socket) {
        for (let one = yield* socket.next(); one !== null; one = yield* socket.next()) yield* socket.send(one)
      },
    }, settings)
    const requesting = lev.spawn(() => lune.request(`http://127.0.0.1:${handle.port}`))
    const socket = yield* lune.socket(`ws://127.0.0.1:${handle.port}`)
    yield* socket.send('x')
    yield* socket.next()
    requesting.cancel()
    yield* handle.stop()
  },
  * 'lune: cancelled while they wait'() {
    const waiting = [
      () => lune.socket(`ws://127.0.0.1:${deaf}`), () => lune.request(`http://127.0.0.1:${deaf}`),
      function* (): lev.Op<void> {
        const conn = yield* lune.tcp.connect('127.0.0.1', deaf)
        try {
          yield* conn.read()
        } finally {
          yield* conn.close()
        }
      },
      () => zune.websocket(`ws://127.0.0.1:${deaf}`), () => zune.request(`http://127.0.0.1:${deaf}`),
      () => lune.serve(0, () => '', settings), () => zune.serve({ port: 0, request: () => '' }, settings),
    ].map((start, n) => ({ task: lev.spawn<unknown>(start), n }))
    for (const { task, n } of waiting) if (n > 4) lev.spawn(function* () {
      task.cancel()
    })
    yield* lev.sleep(0.05)
    for (const { task } of waiting) task.cancel()
  },
  * 'zune: in coroutines'() {
    const [ok, handle] = yield* zune.serve({ port: 0, request: () => 'x', webhook: echo }, settings)
    if (!ok) throw new Error(handle)
    const [opened, socket] = yield* zune.websocket(`ws://127.0.0.1:${handle.port}`)
    if (!opened) throw new Error(socket)
    const got = lev.event()
    socket.bindMessage(() => got.set())
    yield* socket.send('x')
    yield* got.wait()
    socket.close()
    yield* handle.close()
  },
}

const ways = { ...outside, ...Object.fromEntries(Object.entries(inside).map(([name, way]) => [name, () => lev.portal().run(way)])) }
for (const [name, way] of Object.entries(ways)) {
  const ended = await way().then(() => 'well', String)
  // Sockets take a few turns to close; what is not released stays.
  for (let turn = 0; turn < 200 && keepingAlive().length + unfinishedTasks() > 0; turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  console.log(JSON.stringify({ name, ended, left: keepingAlive(), tasks: unfinishedTasks() }))
}
