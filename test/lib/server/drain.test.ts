import { Worker } from 'node:worker_threads'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Config, Context, Handler } from '../../../lib/index.js'
import { saysClose } from '../../support/responses.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'
import { Certificates } from '../../tls/certificates.js'

const made = new Certificates()
t.teardown(() => made.remove())
const ssl: Config['ssl'] = { default: made.issue({ names: ['localhost'] }) }

/** Sleeps as many seconds as the path says. */
const sleeper: Handler = function* (_method, query) {
  const seconds = Number(query.slice(1))
  if (seconds > 0) yield* lev.sleep(seconds)
  return `slept ${seconds}`
}

const worlds = [{}, { seed: 2, segment: 10 }, { seed: 3, segment: 1000 }]

t.test('what is in flight finishes and says close; what is idle closes', async (t) => {
  for (const options of worlds) {
    await virtually({}, sleeper, function* ({ server, connect, log }: World) {
      const idle = yield* connect(request('GET /0'))
      yield* idle.responses(1)
      const fresh = yield* connect()
      const busy = yield* connect(request('GET /5') + request('GET /0'))
      yield* lev.sleep(1)
      const began = lev.now()
      const stopped = server.stop({ drain: 30 })
      const first = yield* idle.all()
      t.equal(first.responses.length, 1)
      t.equal(first.ending, 'end')
      t.ok(first.at - began < 1, 'idle connections close soon')
      t.equal((yield* fresh.all()).responses.length, 0)
      const { responses, ending } = yield* busy.all()
      t.strictSame(responses.map(({ body }) => body.toString()), ['slept 5'], 'the last one of its connection')
      t.ok(saysClose(responses[0]))
      t.equal(ending, 'end')
      for (const client of [idle, fresh, busy]) client.stream.close()
      yield* lev.wait(stopped)
      t.ok(lev.now() - began < 10, `stopped after ${lev.now() - began} s: it does not wait for the deadline`)
      t.strictSame(log.statuses(), [200, 200])
    }, options)
  }
})

t.test('a request that is on its way to an idle connection is answered', async (t) => {
  for (const options of worlds) {
    await virtually({}, sleeper, function* ({ server, connect }: World) {
      const clients = []
      for (let k = 0; k < 5; k++) {
        const client = yield* connect(request('GET /0'))
        yield* client.responses(1)
        clients.push(client)
      }
      // Sent before, in the moment of, and a little after the stop; each arrives after it.
      clients[0].send(request('GET /0'))
      const stopped = server.stop({ drain: 30 })
      clients[1].send(request('GET /0'))
      yield* lev.sleep(0.001)
      clients[2].send(request('POST /1', {}, 'with a body'))
      yield* lev.sleep(0.05)
      clients[3].send('GET /0 HTTP/1.1\r\n')
      yield* lev.sleep(2)
      clients[3].send('Host: test\r\n\r\n')
      for (const [k, client] of clients.entries()) {
        const { responses, ending } = yield* client.all()
        t.equal(responses.length, k === 4 ? 1 : 2, `connection ${k}`)
        if (k < 4) t.ok(saysClose(responses[1]))
        t.equal(ending, 'end')
        client.stream.close()
      }
      yield* lev.wait(stopped)
    }, options)
  }
})

t.test('ctx.draining tells a request that came before, and one that asks late', async (t) => {
  await virtually({}, function* (_method, query, _args, _headers, _body, ctx) {
    const early = query === '/early' ? ctx.draining : null
    t.equal(early?.aborted ?? false, false)
    yield* lev.sleep(2)
    return String((early ?? ctx.draining).aborted)
  }, function* ({ connect, server }: World) {
    const clients = [yield* connect(request('GET /early')), yield* connect(request('GET /late'))]
    yield* lev.sleep(1)
    const stopping = server.stop({ drain: 10 })
    for (const client of clients) t.equal((yield* client.responses(1))[0].body.toString(), 'true')
    yield* lev.wait(stopping)
  })
})

t.test('the context of an earlier request does not take the place of the one in progress', async (t) => {
  const kept: Context[] = []
  const handler: Handler = function* (_method, query, _args, _headers, _body, ctx) {
    kept.push(ctx)
    if (query === '/first') return 'ok'
    t.notOk(kept[0].draining.aborted)
    const { draining } = ctx
    while (!draining.aborted) yield* lev.sleep(0.1)
    return 'stopped'
  }
  await virtually({}, handler, function* ({ server, connect }: World) {
    const client = yield* connect(request('GET /first') + request('GET /second'))
    yield* client.responses(1)
    const began = lev.now()
    const stopped = server.stop({ drain: 30 })
    const { responses } = yield* client.all()
    t.strictSame(responses.map(({ body }) => body.toString()), ['ok', 'stopped'])
    t.ok(lev.now() - began < 1)
    yield* lev.wait(stopped)
  })
})

t.test('the deadline: what is not done is cancelled, its finally blocks run', async (t) => {
  const events: string[] = []
  const handle: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    ctx.signal.addEventListener('abort', () => events.push('aborted'))
    try {
      yield* lev.sleep(1000)
    } finally {
      events.push('finally')
    }
    return 'never'
  }
  for (const options of worlds) {
    events.length = 0
    await virtually({}, handle, function* ({ server, connect, log }: World) {
      const client = yield* connect(request('GET /'))
      const upload = yield* connect('POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n123')
      yield* lev.sleep(1)
      const began = lev.now()
      yield* lev.wait(server.stop({ drain: 7 }))
      t.ok(Math.abs(lev.now() - began - 7) < 0.1, `stopped after ${lev.now() - began} s`)
      t.strictSame([...events].sort(), ['aborted', 'finally'])
      t.equal((yield* client.all()).responses.length, 0)
      t.equal((yield* upload.all()).responses.length, 0)
      t.strictSame(log.statuses(), [499, 499])
      t.equal(log.of('error').length, 0)
    }, options)
  }
})

t.test('drain: 0 does not wait at all', async (t) => {
  await virtually({}, sleeper, function* ({ server, connect }: World) {
    const client = yield* connect(request('GET /100'))
    yield* lev.sleep(1)
    const began = lev.now()
    yield* lev.wait(server.stop({ drain: 0 }))
    t.ok(lev.now() - began < 0.1)
    t.equal((yield* client.all()).responses.length, 0)
  })
})

t.test('a client that sends request after request does not hold up a stop', async (t) => {
  await virtually({ requests_per_connection: 1_000_000 }, sleeper, function* ({ server, connect }: World) {
    const client = yield* connect()
    const sending = lev.spawn(function* () {
      for (;;) {
        if (!client.stream.isOpen) return
        client.send(request('GET /0'))
        yield* lev.sleep(0.01)
      }
    })
    yield* lev.sleep(1)
    const began = lev.now()
    const stopped = server.stop({ drain: 30 })
    const { responses } = yield* client.all()
    sending.cancel()
    client.stream.close()
    t.ok(saysClose(responses[responses.length - 1]))
    t.strictSame(responses.slice(0, -1).filter(saysClose), [])
    yield* lev.wait(stopped)
    t.ok(lev.now() - began < 5)
  })
})

t.test('who is in the backlog when it stops is served', async (t) => {
  for (const secure of [false, true]) {
    const count = secure ? 10 : 100
    const { server, port, done } = await serve(t, { connection_limit: 1000, ...(secure ? { ssl } : {}) }, sleeper)
    const clients = new Clients(port, count, secure)
    await clients.ready
    // Nothing is accepted while this thread waits.
    clients.connectAndSend()
    const stopped = server.stop({ drain: 60 })
    const received = await clients.received
    t.equal(received.length, count)
    for (const text of received) t.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\nConnection: close\r\n[^]*slept 0$/)
    await stopped
    await done
  }
})

/** Clients in a thread of their own, each of which sends one request, and reads to the end. */
class Clients {
  readonly ready: Promise<unknown>
  readonly received: Promise<string[]>
  readonly #worker: Worker
  readonly #sent = new Int32Array(new SharedArrayBuffer(4))

  constructor(port: number, count: number, secure: boolean) {
    this.#worker = new Worker(clients, { eval: true, workerData: { port, count, secure, text: request('GET /0'), sent: this.#sent } })
    this.ready = new Promise((resolve) => this.#worker.once('online', resolve))
    this.received = new Promise((resolve) => this.#worker.on('message', resolve))
  }

  /** Holds this thread until all of them are connected, as the system sees it, and have sent something. */
  connectAndSend(): void {
    this.#worker.postMessage('go')
    Atomics.wait(this.#sent, 0, 0)
  }
}

const clients = `
  const { parentPort, workerData: { port, count, secure, text, sent } } = require('node:worker_threads')
  const net = require('node:net')
  const tls = require('node:tls')
  parentPort.once('message', () => {
    let begun = 0
    const received = []
    const begin = () => {
      if (++begun < count) return
      Atomics.store(sent, 0, 1)
      Atomics.notify(sent, 0)
    }
    for (let k = 0; k < count; k++) {
      const plain = net.connect(port, '127.0.0.1')
      const socket = secure ? tls.connect({ socket: plain, rejectUnauthorized: false }) : plain
      let all = ''
      socket.on('data', (bytes) => (all += bytes.toString('latin1')))
      socket.on('error', (error) => (all += error.message))
      socket.on('close', () => received.push(all) === count && parentPort.postMessage(received))
      socket.write(text, secure ? () => {} : begin)
      if (secure) plain.once('connect', () => setImmediate(begin))
    }
  })
`

t.test('no connection comes in while it drains; a large response gets out whole', async (t) => {
  const { opened, open } = gate()
  const { server, connect, port, done } = await serve(
    t, {}, (_method, query) => opened.then(() => Buffer.alloc(Number(query.slice(1)), 'x')),
  )
  const client = await connect(request('GET /20000000'))
  await eventually(() => client.socket.bytesWritten > 0, 'the request')
  await new Promise((resolve) => setTimeout(resolve, 20))
  const stopped = server.stop({ drain: 30 })
  // Not at once: who was there before is let in.
  const refused = async (): Promise<boolean> => await connect().then(() => false, ({ code }: { code: string }) => code === 'ECONNREFUSED')
  let out = false
  for (let tries = 0; tries < 100 && !out; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    out = await refused()
  }
  t.ok(out)
  t.ok(port > 0)
  open()
  const [response] = await client.all()
  t.equal(response.body.length, 20_000_000)
  t.ok(saysClose(response))
  client.close()
  await stopped
  await done
})

t.test('the setting drain is how long stop waits; stop may say otherwise', async (t) => {
  for (const [options, expected] of [[undefined, 3], [{ drain: 1 }, 1]] as const) {
    await virtually({ drain: 3 }, sleeper, function* ({ server, connect }: World) {
      yield* connect(request('GET /50'))
      yield* lev.sleep(1)
      const began = lev.now()
      yield* lev.wait(server.stop(options))
      t.ok(Math.abs(lev.now() - began - expected) < 0.5, `${lev.now() - began} s`)
    })
  }
})

t.test('of two calls of stop, the one whose time is over first counts', async (t) => {
  for (const [first, second, seconds] of [[30, 0, 1], [30, 2, 3], [2, 30, 2]]) {
    await virtually({}, sleeper, function* ({ server, connect }: World) {
      const client = yield* connect(request('GET /1000'))
      yield* lev.sleep(1)
      const began = lev.now()
      const stopped = [server.stop({ drain: first })]
      yield* lev.sleep(1)
      stopped.push(server.stop({ drain: second }))
      for (const done of stopped) yield* lev.wait(done)
      t.ok(Math.abs(lev.now() - began - seconds) < 0.1, `${first} s, a second later ${second} s: over after ${lev.now() - began} s`)
      client.stream.close()
    })
  }
})

t.test('the stricter call counts also if both come in one turn', async (t) => {
  await virtually({}, sleeper, function* ({ server, connect }: World) {
    const client = yield* connect(request('GET /1000'))
    yield* lev.sleep(1)
    const began = lev.now()
    const stopped = [server.stop({ drain: 30 }), server.stop({ drain: 0 })]
    for (const done of stopped) yield* lev.wait(done)
    t.ok(lev.now() - began < 0.1, `over after ${lev.now() - began} s`)
    client.stream.close()
  })
})

t.test('a cleanup that fails when the time for draining is over is logged, and the server ends well', async (t) => {
  function* work(name: string): lev.Op<string> {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      yield* lev.sleep(0.1)
      // eslint-disable-next-line no-unsafe-finally
      throw new Error(`the cleanup of ${name}`)
    }
  }
  const handlers: Readonly<Record<string, Handler>> = {
    'a generator': () => work('it'),
    'a task': () => {
      lev.spawn(() => work('it'))
      return 'never sent'
    },
    'a writer': () => [function* () {
      yield* work('it')
    }],
    'a detached task': (_method, _query, _args, _headers, _body, ctx) => {
      ctx.detach(() => work('it'))
      return 'sent'
    },
  }
  for (const [kind, handler] of Object.entries(handlers)) {
    await virtually({}, handler, function* ({ server, connect, log }: World) {
      const client = yield* connect(request('GET /'))
      yield* lev.sleep(1)
      yield* lev.wait(server.stop({ drain: 1 }))
      t.match(log.of('error'), [{ err: { message: 'the cleanup of it' } }], kind)
      client.stream.close()
    })
  }
})
