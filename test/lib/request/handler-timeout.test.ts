import { once } from 'node:events'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import type { Context, Handler } from '../../../lib/index.js'
import { inject, virtual } from '../../../testing/index.js'
import { keptLog } from '../../support/kept-log.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

const config = { handler_timeout: 5 }
const never = new Promise<never>(() => {})

function note(ctx: Context, events: string[]): void {
  ctx.signal.addEventListener('abort', () => events.push((ctx.signal.reason as Error).message))
}

/** Handlers that take too long, with what they go through. */
const slow: Readonly<Record<string, (events: string[]) => Handler>> = {
  'a coroutine': (events) => function* (_method, _query, _args, _headers, _body, ctx) {
    note(ctx, events)
    try {
      yield* lev.sleep(100)
      return 'late'
    } catch {
      return 'caught'
    } finally {
      yield* lev.sleep(0.5)
      events.push('finally')
    }
  },
  'a coroutine that returns in its finally block': (events) => function* (_method, _query, _args, _headers, _body, ctx) {
    note(ctx, events)
    try {
      yield* lev.sleep(100)
    } finally {
      events.push('finally')
      // eslint-disable-next-line no-unsafe-finally
      return 'nevertheless'
    }
  },
  'an async function': (events) => async (_method, _query, _args, _headers, _body, ctx) => {
    note(ctx, events)
    await once(ctx.signal, 'abort')
    events.push('finally')
    return 'late'
  },
  'an async function that heeds nothing': (events) => async (_method, _query, _args, _headers, _body, ctx) => {
    note(ctx, events)
    events.push('finally')
    await never
    return 'never'
  },
  'an async function that returns a coroutine': (events) => async (_method, _query, _args, _headers, _body, ctx) => {
    note(ctx, events)
    await null
    return function* () {
      try {
        yield* lev.sleep(100)
        return 'late'
      } finally {
        events.push('finally')
      }
    }()
  },
  'a task of a plain function': (events) => (_method, _query, _args, _headers, _body, ctx) => {
    note(ctx, events)
    lev.spawn(function* () {
      try {
        yield* lev.sleep(100)
      } finally {
        events.push('finally')
      }
    })
    return 'plain'
  },
  'a task of an async function': (events) => async (_method, _query, _args, _headers, _body, ctx) => {
    note(ctx, events)
    lev.spawn(() => lev.sleep(100))
    events.push('finally')
    await never
    return 'never'
  },
  'a coroutine that reads a body which does not come': (events) => function* (_method, _query, _args, _headers, _body, ctx) {
    note(ctx, events)
    try {
      return yield* ctx.body.text()
    } finally {
      events.push('finally')
    }
  },
}

for (const [what, make] of Object.entries(slow)) {
  t.test(`${what}: 503`, async (t) => {
    const events: string[] = []
    await virtually({ ...config, buffer_body: false }, make(events), function* ({ connect, log }: World) {
      const client = yield* connect(request('POST /', { 'Content-Length': '3' }, what.includes('body') ? '' : 'abc'))
      const began = lev.now()
      const { responses, ending } = yield* client.all()
      t.strictSame(responses.map(({ status, body }) => [status, String(body)]), [[503, 'Service Unavailable: handler timeout\n']])
      t.ok(lev.now() - began >= 5 && lev.now() - began < 6, `after ${lev.now() - began} s`)
      t.equal(ending, 'end', 'the connection is closed')
      t.strictSame(log.statuses(), [503])
      t.strictSame(log.of('error'), [])
      // Async code goes on in turns of its own.
      yield* lev.wait(new Promise((resolve) => setImmediate(resolve)))
      t.strictSame(events.sort(), ['finally', 'handler timeout'])
    })
  })
}

function* toEnd(client: VirtualClient): Op<void> {
  while (yield* client.more());
}

t.test('in time', async (t) => {
  const kinds: readonly Handler[] = [
    () => 'fine',
    function* () {
      yield* lev.sleep(4)
      return 'fine'
    },
    async () => 'fine',
    async () => function* () {
      yield* lev.sleep(4)
      return 'fine'
    }(),
    () => {
      lev.spawn(() => lev.sleep(4))
      return 'fine'
    },
    // Content that streams does not count.
    () => [function* (out) {
      yield* lev.sleep(60)
      yield* out.write('fine')
    }],
  ]
  for (const handle of kinds) {
    await virtually(config, handle, function* ({ connect, log }: World) {
      const client = yield* connect(request('GET /'))
      yield* client.responses(1)
      yield* lev.sleep(10)
      client.send(request('GET /'))
      t.strictSame((yield* client.responses(2)).map(({ status, body }) => [status, String(body)]), [[200, 'fine'], [200, 'fine']])
      t.strictSame(log.statuses(), [200, 200])
    })
  }
})

t.test('something of the response was sent: the connection is cut', async (t) => {
  const handle: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    yield* ctx.client.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning')
    yield* lev.sleep(100)
    return undefined
  }
  await virtually(config, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    yield* toEnd(client)
    t.match(client.text, /^HTTP\/1\.1 200 OK\r\n.*beginning$/s)
    t.strictSame(log.statuses(), [200])
  })
})

t.test('interim responses are no response', async (t) => {
  const handle: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    ctx.earlyHints({ Link: '</a>' })
    yield* lev.sleep(100)
    return ''
  }
  await virtually(config, handle, function* ({ connect }: World) {
    const client = yield* connect(request('GET /'))
    yield* toEnd(client)
    t.match(client.text, /^HTTP\/1\.1 103 .*\r\n\r\nHTTP\/1\.1 503 /s)
  })
})

t.test('a WebSocket may last', async (t) => {
  const handle: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    yield* lev.sleep(1)
    return ctx.upgrade(function* (ws) {
      yield* lev.sleep(60)
      yield* ws.send('a minute later')
    })
  }
  await virtual(function* () {
    const service = server.new({ ...config, logger: keptLog(), port: 0 }, handle)
    const done = service.serve()
    const address = yield* lev.wait(service.listening)
    const ws = yield* server.websocket(`ws://127.0.0.1:${'port' in address ? address.port : 0}/`)
    t.equal(yield* ws.next(), 'a minute later')
    ws.close()
    yield* lev.wait(service.stop())
    yield* lev.wait(done)
  })
})

t.test('errors after the time', async (t) => {
  const log = keptLog()
  const service = server.new({ ...config, logger: log }, function* () {
    try {
      yield* lev.sleep(100)
      return ''
    } finally {
      // eslint-disable-next-line no-unsafe-finally
      throw new Error('the cleanup failed')
    }
  })
  await virtual(function* () {
    t.equal((yield* inject(service, { path: '/' })).status, 503)
  })
  t.match(log.of('error'), [{ err: { message: 'the cleanup failed' } }])
})

t.test('a client that leaves first, and one that leaves during the cleanup', async (t) => {
  const events: string[] = []
  await virtually(config, slow['a coroutine']?.(events) ?? (() => ''), function* ({ connect, log }: World) {
    for (const seconds of [4.9, 5.2]) {
      const client = yield* connect(request('GET /'))
      yield* lev.sleep(seconds)
      client.stream.reset()
      yield* lev.sleep(2)
    }
    t.strictSame(log.statuses(), [499, 499])
    t.strictSame(events, ['client gone', 'finally', 'handler timeout', 'finally'])
  })
})

t.test('the signal of a handler that asks for it too late', async (t) => {
  let aborted: unknown = null
  const service = server.new({ ...config, logger: keptLog() }, function* (_method, _query, _args, _headers, _body, ctx) {
    try {
      yield* lev.sleep(100)
      return ''
    } finally {
      aborted = ctx.signal.reason
    }
  })
  await virtual(function* () {
    yield* inject(service, { path: '/' })
  })
  t.match(aborted, { name: 'AbortError', message: 'handler timeout' })
})
