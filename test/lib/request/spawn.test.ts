import { Readable } from 'node:stream'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import type { Context, Handler, HandlerResult } from '../../../lib/index.js'
import { keptLog } from '../../support/kept-log.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

/** Every kind of handler, each spawning `start` and then giving `response()`. */
const kinds: Readonly<Record<string, (start: () => Op<unknown>, response: (ctx: Context) => HandlerResult) => Handler>> = {
  plain: (start, response) => (...args) => {
    lev.spawn(start)
    return response(args[5])
  },
  generator: (start, response) => function* (...args) {
    lev.spawn(start)
    return response(args[5])
  },
  'a generator that waits': (start, response) => function* (...args) {
    lev.spawn(start)
    yield* lev.sleep(0.5)
    return response(args[5])
  },
  'plain, handing over to a generator': (start, response) => (...args) => {
    lev.spawn(start)
    return (function* () {
      yield* lev.sleep(0.5)
      return response(args[5])
    })()
  },
  async: (start, response) => async (...args) => {
    lev.spawn(start)
    return response(args[5])
  },
  'async, waiting': (start, response) => async (...args) => {
    lev.spawn(start)
    await Promise.resolve()
    return response(args[5])
  },
}

const bodies: Readonly<Record<string, { readonly config: server.Config; readonly text: string }>> = {
  'no body': { config: {}, text: request('GET /') },
  'a body': { config: {}, text: request('POST /', {}, 'content') },
  'a body that streams': { config: { buffer_body: false }, text: request('POST /', {}, 'content') },
  'a chunked body that streams': {
    config: { buffer_body: false }, text: request('POST /', { 'Transfer-Encoding': 'chunked' }, '7\r\ncontent\r\n0\r\n\r\n'),
  },
}

const results: Readonly<Record<string, () => HandlerResult>> = {
  text: () => 'done',
  'a writer': () => [function* (out) {
    yield* out.write('do')
    yield* lev.sleep(0.1)
    yield* out.write('ne')
  }],
  'an iterable': () => [['do', 'ne'].values()],
}

for (const [kind, handler] of Object.entries(kinds)) for (const [sent, { config, text }] of Object.entries(bodies)) {
  t.test(`${kind}, ${sent}: a spawned task is a part of its request`, async (t) => {
    for (const [what, response] of Object.entries(results)) {
      const ends: number[] = []
      const start = function* (): Op<void> {
        yield* lev.sleep(3)
        ends.push(lev.now())
      }
      await virtually(config, handler(start, response), function* ({ connect, log }: World) {
        const client = yield* connect(text + text)
        for (const n of [1, 2]) {
          const began = lev.now()
          const responses = yield* client.responses(n)
          t.equal(responses[n - 1].body.toString(), 'done', what)
          t.ok(lev.now() - began > 2.9, `${what}: answered when it was done`)
          t.equal(ends.length, n, `${what}: one request after the other`)
        }
        t.same(log.of('error'), [])
        client.stream.close()
      })
    }
  })

  t.test(`${kind}, ${sent}: the failure of a spawned task is its request's`, async (t) => {
    for (const [what, response] of Object.entries(results)) for (const at of [0, 0.1, 2]) {
      const start = function* (): Op<void> {
        yield* lev.sleep(at)
        throw new Error('of the task')
      }
      await virtually(config, handler(start, response), function* ({ server, connect, log }: World) {
        for (const n of [1, 2]) {
          const client = yield* connect(text)
          const [response] = yield* client.responses(1)
          t.equal(response.status, 500, `${what}, at ${at}`)
          t.equal(log.of('error').length, n, `${what}, at ${at}: told once`)
          t.match(log.of('error')[n - 1], { err: { message: 'of the task' }, query: '/' })
          client.stream.close()
        }
        yield* lev.wait(server.stop({ drain: 10 }))
      })
    }
  })

  t.test(`${kind}, ${sent}: a spawned task ends with its client, and with the server`, async (t) => {
    for (const how of ['client', 'server'] as const) {
      const ends: (string | null)[] = []
      const start = function* (): Op<void> {
        try {
          yield* lev.sleep(Infinity)
        } finally {
          yield* lev.sleep(0.1)
          ends.push('ended')
        }
      }
      await virtually(config, handler(start, () => 'not reached'), function* ({ server, connect, log }: World) {
        const client = yield* connect(text)
        yield* lev.sleep(1)
        if (how === 'client') client.stream.close()
        else yield* lev.wait(server.stop({ drain: 1 }))
        yield* lev.sleep(1)
        t.same(ends, ['ended'], how)
        t.same(log.statuses(), [499])
        t.same(log.of('error'), [])
        client.stream.close()
      })
    }
  })
}

t.test('what a handler throws after it has spawned is told once its tasks have ended', async (t) => {
  const throwing: Readonly<Record<string, (start: () => Op<unknown>) => Handler>> = {
    plain: (start) => () => {
      lev.spawn(start)
      throw new Error('of the handler')
    },
    generator: (start) => function* () {
      lev.spawn(start)
      yield* lev.sleep(1)
      throw new Error('of the handler')
    },
    async: (start) => async () => {
      lev.spawn(start)
      throw new Error('of the handler')
    },
  }
  for (const [kind, handler] of Object.entries(throwing)) for (const { config, text } of Object.values(bodies)) {
    let running = 0
    const start = function* (): Op<void> {
      running++
      try {
        yield* lev.sleep(Infinity)
      } finally {
        yield* lev.sleep(1)
        running--
      }
    }
    await virtually(config, handler(start), function* ({ connect, log }: World) {
      const client = yield* connect(text)
      const [response] = yield* client.responses(1)
      t.equal(response.status, 500, kind)
      t.equal(running, 0, `${kind}: nothing is left`)
      t.match(log.of('error'), [{ err: { message: 'of the handler' } }])
      client.stream.close()
    })
  }
})

t.test('content that a handler made is closed when a task of the handler fails', async (t) => {
  for (const [kind, handler] of Object.entries(kinds)) for (const early of [true, false]) {
    let closed = 0
    const content = (): HandlerResult => [new Readable({
      read() {},
      destroy(error, done) {
        closed++
        done(error)
      },
    })]
    const start = function* (): Op<void> {
      if (!early) yield* lev.sleep(1)
      throw new Error('of the task')
    }
    await virtually({}, handler(start, content), function* ({ connect }: World) {
      const client = yield* connect(request('GET /'))
      t.equal((yield* client.responses(1))[0].status, 500)
      client.stream.close()
    })
    // Where the handler was cancelled before it had made any, there is nothing to close.
    if (!(early && /generator/.test(kind))) t.equal(closed, 1, kind)
  }
  let closed = 0
  const failsAtOnce: Handler = () => {
    lev.background(function* () {
      throw new Error('of the task')
    })
    return [new Readable({ read() {}, destroy: (_error, done) => (closed++, done(null)) })]
  }
  await virtually({}, failsAtOnce, function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    t.equal((yield* client.responses(1))[0].status, 500)
    client.stream.close()
  })
  t.equal(closed, 1, 'before anything could wait for it')
})

t.test('a background task of a plain handler ends with the request', async (t) => {
  const events: string[] = []
  const handler: Handler = () => {
    lev.background(function* () {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        events.push('ended')
      }
    })
    events.push('returned')
    return 'done'
  }
  await virtually({}, handler, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /').repeat(2))
    yield* client.responses(2)
    t.same(events, ['returned', 'ended', 'returned', 'ended'])
    t.same(log.of('error'), [])
    client.stream.close()
  })
})

t.test('a plain handler that spawns, and upgrades or writes by itself', async (t) => {
  const handler: Handler = (_method, query, _args, _headers, _body, ctx) => {
    const { client } = ctx
    lev.spawn(function* () {
      yield* lev.sleep(2)
      if (query === '/own') client.put('HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 3\r\n\r\nown')
    })
    return query === '/own' ? undefined : ctx.upgrade(function* (ws) { yield* ws.send('hello') })
  }
  await virtually({}, handler, function* ({ connect, log }: World) {
    const own = yield* connect(request('GET /own').repeat(2))
    t.same((yield* own.responses(2)).map(({ body }) => body.toString()), ['own', 'own'])
    own.stream.close()
    const ws = yield* connect(request('GET /ws', {
      Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }))
    while (!ws.text.includes('hello') && (yield* ws.more()));
    t.match(ws.text, /^HTTP\/1.1 101 [^]*hello/)
    ws.stream.close()
    t.same(log.of('error'), [])
  })
})

t.test('process_request: what a plain handler spawns is not its caller\'s', async (t) => {
  for (const fails of [false, true]) {
    const events: string[] = []
    const log = keptLog()
    await lev.run(function* () {
      const served = server.new({ logger: log }, () => {
        lev.spawn(function* () {
          yield* lev.sleep(1)
          events.push('task')
          if (fails) throw new Error('of the task')
        })
        return 'done'
      })
      const [near, far] = lev.pipe()
      near.put(request('GET /'))
      t.same(yield* served.process_request(far, '192.0.2.1', 1), ['keep-alive', null])
      events.push('answered')
      lev.spawn(function* () {
        events.push('of the caller')
      })
      near.close()
      far.close()
    }, { driver: lev.memory() })
    t.same(events, ['task', 'answered', 'of the caller'])
    t.same(log.statuses(), [fails ? 500 : 200])
    t.equal(log.of('error').length, fails ? 1 : 0)
  }
})
