import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { Context, Handler, HandlerResult } from '../../../lib/index.js'
import { eventually, gate, request } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

/** The ways for a client to go away. */
const leavings: Record<string, (client: VirtualClient) => Op<void>> = {
  *'it ends its side'(client) {
    yield* client.stream.end()
  },
  *'it closes'(client) {
    client.stream.close()
  },
  *'it resets'(client) {
    client.stream.reset()
  },
}

const worlds = [{}, { seed: 5, segment: 1 }, { seed: 6, segment: 40 }]

/** What a handler that is cancelled goes through, in order. */
class Story {
  readonly events: string[] = []
  contexts: Context[] = []

  note(event: string): void {
    this.events.push(event)
  }

  *sleeper(ctx: Context, seconds = 100): Op<HandlerResult> {
    this.contexts.push(ctx)
    ctx.signal.addEventListener('abort', () => this.note('aborted'))
    try {
      this.note('began')
      try {
        yield* lev.sleep(seconds)
        this.note('slept')
      } catch {
        this.note('caught')
      } finally {
        yield* lev.sleep(0.1)
        this.note('inner')
      }
      return 'done'
    } finally {
      this.note('outer')
    }
  }
}

for (const [what, leave] of Object.entries(leavings)) {
  t.test(`${what} while a generator sleeps: cancelled`, async (t) => {
    for (const options of worlds) {
      const story = new Story()
      const handle: Handler = (_method, _query, _args, _headers, _body, ctx) => story.sleeper(ctx)
      await virtually({}, handle, function* ({ connect, log }: World) {
        const client = yield* connect(request('POST /path?a=1', {}, 'body'))
        yield* lev.sleep(1)
        t.strictSame(story.events, ['began'])
        const gone = lev.now()
        yield* leave(client)
        yield* lev.sleep(0.3)
        t.strictSame(story.events, ['began', 'aborted', 'inner', 'outer'], 'finally blocks, inner first; no catch')
        t.equal(story.contexts[0].signal.aborted, true)
        t.strictSame(log.statuses(), [499])
        const line = log.of('access')[0]
        t.match(line, { method: 'POST', query: '/path', vhost: 'test', client_ip: '127.0.0.1', size: 0 })
        t.ok(Number(line.time) >= 1 && Number(line.time) < 1.3, `the line's time is ${String(line.time)}`)
        t.equal(log.of('error').length, 0)
        t.ok(lev.now() - gone < 1)
      }, options)
    }
  })

  t.test(`${what} while an async handler waits: its signal aborts`, async (t) => {
    const events: string[] = []
    const handle: Handler = async (_method, _query, _args, _headers, _body, ctx) => {
      events.push('began')
      await new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve()))
      events.push(`aborted: ${String(ctx.signal.reason)}`)
      throw new Error('cleanup went wrong')
    }
    await virtually({}, handle, function* ({ connect, log }: World) {
      const client = yield* connect(request('GET /'))
      yield* lev.sleep(0.5)
      yield* leave(client)
      yield* lev.sleep(1)
      // Virtual time does not wait for what happens outside of it.
      yield* lev.wait(new Promise<void>((resolve) => setImmediate(resolve)))
      t.match(events, ['began', /^aborted: AbortError: client gone/])
      t.strictSame(log.statuses(), [499])
      t.equal(log.of('error').length, 1, 'what it throws afterwards is logged')
      t.match(log.of('error')[0], { method: 'GET', query: '/', err: { message: 'cleanup went wrong' } })
    })
  })

  t.test(`${what} while an async handler waits, which returns content then or later: it is closed once`, async (t) => {
    for (const spawns of [false, true]) for (const delayed of [false, true]) {
      let closed = 0
      const content: AsyncIterable<string> = {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: true, value: undefined }),
          async return() {
            closed++
            return { done: true, value: undefined }
          },
        }),
      }
      const handle: Handler = (_method, _query, _args, _headers, _body, ctx) => {
        if (spawns) lev.spawn(() => lev.sleep(100))
        return new Promise((resolve) => ctx.signal.addEventListener('abort', () => {
          if (delayed) setImmediate(() => resolve([content]))
          else resolve([content])
        }))
      }
      await virtually({}, handle, function* ({ connect, log }: World) {
        const client = yield* connect(request('GET /'))
        yield* lev.sleep(0.5)
        yield* leave(client)
        yield* lev.sleep(1)
        yield* lev.wait((async () => {
          for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
        })())
        t.equal(closed, 1, `${spawns ? 'with' : 'without'} a task of its own, ${delayed ? 'later' : 'at once'}`)
        t.strictSame(log.statuses(), [499])
        t.strictSame(log.of('error'), [])
      })
    }
  })

  t.test(`${what} while an async handler waits, which rejects with the news of that: no line`, async (t) => {
    const news: Record<string, (ctx: Context) => Promise<unknown>> = {
      'the signal\'s reason': async ({ signal }) => await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      'a timer of node': async ({ signal }) => await setTimeout(1e6, null, { signal }),
      'the body': async ({ body }) => await body.text(),
    }
    for (const [name, wait] of Object.entries(news)) {
      let over = false
      const handle: Handler = async (_method, _query, _args, _headers, _body, ctx) => {
        try {
          await wait(ctx)
          return 'not reached'
        } finally {
          over = true
        }
      }
      await virtually({ buffer_body: false }, handle, function* ({ connect, log }: World) {
        const client = yield* connect(request('POST /', { 'Content-Length': '5' }))
        yield* lev.sleep(0.5)
        yield* leave(client)
        yield* lev.sleep(1)
        yield* lev.wait(eventually(() => over, 'the handler is over'))
        yield* lev.wait(new Promise<void>((resolve) => setImmediate(resolve)))
        t.equal(log.of('error').length, 0, name)
      })
    }
  })

  t.test(`${what} while a handler is in scopes, timeouts and shields of its own`, async (t) => {
    const events: string[] = []
    const child = function* (name: string): Op<void> {
      try {
        yield* lev.sleep(50)
      } finally {
        yield* lev.shield(lev.sleep(0.2))
        events.push(name)
      }
    }
    const handle: Handler = function* () {
      try {
        yield* lev.timeout(60, lev.scope(function* (scope) {
          scope.spawn(() => child('one'))
          scope.spawn(() => child('two'))
          yield* lev.sleep(40)
        }))
      } finally {
        events.push('handler')
      }
      return 'done'
    }
    await virtually({}, handle, function* ({ connect, log }: World) {
      const client = yield* connect(request('GET /'))
      yield* lev.sleep(1)
      yield* leave(client)
      yield* lev.sleep(1)
      t.strictSame([...events].sort(), ['handler', 'one', 'two'])
      t.equal(events[2], 'handler', 'the children first')
      t.strictSame(log.statuses(), [499])
      t.equal(log.of('error').length, 0)
    })
  })
}

t.test('a handler whose cleanup fails: 499, and a line that says so', async (t) => {
  const cleanUp = (): never => {
    throw new Error('cleanup went wrong')
  }
  const handle: Handler = function* () {
    try {
      yield* lev.sleep(100)
      return 'not reached'
    } finally {
      cleanUp()
    }
  }
  await virtually({}, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    client.stream.close()
    yield* lev.sleep(1)
    t.strictSame(log.statuses(), [499])
    t.match(String((log.of('error')[0]?.err as Error).message), 'cleanup went wrong')
  })
})

t.test('a handler whose client is still there is not cancelled', async (t) => {
  for (const options of worlds) {
    const story = new Story()
    const handle: Handler = (_method, _query, _args, _headers, _body, ctx) => story.sleeper(ctx, 1)
    await virtually({}, handle, function* ({ connect, log }: World) {
      const chunked = 'POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
      const client = yield* connect(request('POST /', {}, 'content that is read to its end'))
      yield* client.responses(1)
      client.send(chunked)
      yield* client.responses(2)
      // Keep-alive, and pipelined bytes that come while a handler is at work.
      client.send(request('GET /'))
      yield* lev.sleep(0.3)
      client.send(request('GET /') + 'GET / HT')
      yield* lev.sleep(0.3)
      client.send('TP/1.1\r\nHost: test\r\n\r\n')
      yield* client.responses(5)
      // FIN behind the last response.
      yield* client.stream.end()
      const { responses, ending } = yield* client.all()
      t.equal(responses.length, 5)
      t.equal(ending, 'end')
      t.strictSame(log.statuses(), [200, 200, 200, 200, 200])
      t.notOk(story.events.includes('aborted'))
      t.notOk(story.contexts.some(({ signal }) => signal.aborted), 'nor afterwards')
    }, options)
  }
})

t.test('half_close: a FIN right behind the request', async (t) => {
  const story = new Story()
  const handle: Handler = (_method, _query, _args, _headers, _body, ctx) => story.sleeper(ctx, 5)
  await virtually({ half_close: 'answer' }, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('POST /', {}, 'x') + request('GET /'))
    yield* client.stream.end()
    const { responses, ending } = yield* client.all()
    t.strictSame(responses.map(({ status }) => status), [200, 200], 'answer: all that was asked is answered')
    t.equal(ending, 'end')
    t.notOk(story.contexts.some(({ signal }) => signal.aborted))
    t.strictSame(log.statuses(), [200, 200])
  })
  await virtually({ half_close: 'answer' }, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    client.stream.reset()
    yield* lev.sleep(1)
    t.strictSame(log.statuses(), [499], 'answer: a reset is no half close')
  })
  await virtually({ half_close: 'cancel' }, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    yield* client.stream.end()
    const { responses } = yield* client.all()
    t.equal(responses.length, 0)
    t.strictSame(log.statuses(), [499], 'cancel: gone')
  })
  await virtually({ half_close: 'cancel' }, () => 'at once', function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    yield* client.stream.end()
    const { responses } = yield* client.all()
    t.strictSame(responses.map(({ status }) => status), [200], 'a handler that never waits has nothing to cancel')
    t.strictSame(log.statuses(), [200])
  })
})

t.test('the client leaves while its response waits for the pool that compresses it', async (t) => {
  const { opened, open } = gate()
  const handle: Handler = () => {
    open()
    return 'text '.repeat(100_000)
  }
  await virtually({}, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /', { 'Accept-Encoding': 'gzip' }))
    yield* lev.wait(opened)
    client.stream.reset()
    yield* lev.sleep(1)
    t.equal(log.statuses().length, 1, 'one line, whatever it says')
    t.equal(log.of('error').length, 0)
  })
})

t.test('a client that leaves within a request: nothing was asked, nothing is logged or called', async (t) => {
  let calls = 0
  await virtually({}, () => `${++calls}`, function* ({ connect, log }: World) {
    for (const part of ['G', 'GET / HTTP/1.1\r\nHost: test\r\n']) {
      const client = yield* connect(part)
      yield* lev.sleep(0.1)
      yield* client.stream.end()
      const { responses, ending } = yield* client.all()
      t.equal(responses.length, 0)
      t.equal(ending, 'end')
    }
    t.strictSame(log.statuses(), [])
    const client = yield* connect('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n123')
    yield* client.stream.end()
    yield* client.all()
    t.strictSame(log.statuses(), [400], 'its head was there: that is told')
    t.equal(calls, 0)
  })
})

t.test('a handler cannot take the place of the watch for its client', async (t) => {
  let refused: unknown
  function* handle(_method: string, _query: string, _args: unknown, _headers: unknown, _body: unknown, ctx: Context): Op<string> {
    yield* lev.sleep(0.1)
    try {
      ctx.client.onGone.attach(() => {})
    } catch (error) {
      refused = error
    }
    yield* lev.sleep(100)
    return 'never'
  }
  await virtually({}, handle, function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    t.match(refused, { code: 'LEV_USAGE', message: /^stream\.onGone is taken/ })
    yield* client.stream.end()
    yield* lev.sleep(1)
    t.strictSame(log.statuses(), [499])
  })
})

t.test('an async handler that has attached its own function before the watch: an error, and its content is closed', async (t) => {
  const stream = new Readable({ read() {} })
  const mine = (): void => {}
  let client: lev.Stream | null = null
  const handle: Handler = async (_method, _query, _args, _headers, _body, ctx) => {
    client = ctx.client
    client.onGone.attach(mine)
    return [stream]
  }
  await virtually({}, handle, function* ({ connect, log }: World) {
    yield* connect(request('GET /'))
    yield* lev.sleep(1)
    t.match(log.of('error'), [{ err: { code: 'LEV_USAGE' } }])
    t.strictSame(log.statuses(), [500])
    yield* lev.wait(new Promise((resolve) => setImmediate(resolve)))
    t.ok(stream.destroyed)
    client?.onGone.detach(mine)
  })
})
