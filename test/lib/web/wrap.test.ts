import { Readable } from 'node:stream'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { wrap, type Around, type Config, type Context, type Handler, type HandlerResult, type WrappedResponse } from '../../../lib/index.js'
import { Upgrade } from '../../../lib/websocket/upgrade.js'
import { kinds } from '../../support/handler-kinds.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

const names = Object.keys(kinds)

/** Calls a handler outside of any server. */
function call(handler: Handler): ReturnType<Handler> {
  return handler('GET', '/', '', {}, null, {} as Context)
}

t.test('where nothing waits, the result is there at once', async (t) => {
  t.equal(call(wrap(() => 'x', (_request, next) => next())), 'x')
  t.strictSame(call(wrap(() => 'x', (_request, next) => next((response) => response))), ['x', 200, {}])
  const failing: Handler = () => {
    throw new Error('a failure')
  }
  t.equal(call(wrap(failing, (_request, next) => next(null, () => 'mapped'))), 'mapped')
  t.throws(() => call(wrap(failing, (_request, next) => next((response) => response))), 'a failure')
})

t.test('`after` gets every part of a response', async (t) => {
  const blob = new Blob(['x'])
  const bytes = Buffer.from('x')
  const writer = function* (): Op<void> {}
  const headers = { A: '1' }
  const shapes: [HandlerResult, WrappedResponse][] = [
    ['x', ['x', 200, {}]], ['', ['', 200, {}]], [null, [null, 200, {}]], [bytes, [bytes, 200, {}]], [blob, [blob, 200, {}]],
    [writer, [writer, 200, {}]], [['x'], ['x', 200, {}]], [['x', 404], ['x', 404, {}]], [[undefined, 404], [null, 404, {}]],
    [['x', undefined, headers], ['x', 200, headers]], [[blob, 201, headers], [blob, 201, headers]],
  ]
  for (const [result, expected] of shapes) {
    let seen: WrappedResponse | null = null
    const handler = wrap(() => result, (_request, next) => next((response) => {
      seen = response
      return response
    }))
    t.equal(call(handler), seen)
    t.strictSame(seen, expected)
    t.equal(seen?.[0], expected[0], 'the content itself')
  }
})

t.test('what is no response passes through', async (t) => {
  const never = (): never => {
    throw new Error('it was called')
  }
  for (const result of [undefined, [], [undefined, undefined], new Upgrade(() => {}, {})] as HandlerResult[]) {
    t.equal(call(wrap(() => result, (_request, next) => next(never, never))), result)
  }
  t.throws(() => call(wrap(() => new Set() as unknown as HandlerResult, (_request, next) => next((response) => response))), /only in a list/)
})

t.test('the handler gets what the wrapper changes', async (t) => {
  let seen: unknown[] = []
  const handler: Handler = (...given) => {
    seen = given
    return null
  }
  const ctx = {} as Context
  void wrap(handler, (request, next) => {
    t.equal(request.ctx, ctx)
    Object.assign(request, { method: 'B', query: '/b', args: 'b', headers: { b: 'b' }, body: Buffer.from('b') })
    return next()
  })('A', '/a', 'a', {}, null, ctx)
  t.strictSame(seen, ['B', '/b', 'b', { b: 'b' }, Buffer.from('b'), ctx])
})

/** The status and the content of one response. */
async function served(handler: Handler): Promise<string> {
  return await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(request('GET /'))
    const [{ status, body }] = yield* client.responses(1)
    return `${status} ${body.toString()}`
  })
}

/** `around` in each way that it can be written. */
const arounds: Record<string, (around: Around) => Around> = {
  plain: (around) => around,
  generator: (around) => function* (request, next) {
    yield* lev.sleep(1)
    return around(request, next) as ReturnType<Handler>
  },
  async: (around) => async (request, next) => {
    await Promise.resolve()
    return await around(request, next) as Awaited<ReturnType<Handler>>
  },
}

for (const [kind, give] of Object.entries(kinds)) {
  t.test(`a handler of the kind: ${kind}`, async (t) => {
    const handler: Handler = () => give(() => ['hello', 201])
    const failing: Handler = () => give(() => {
      throw new Error('a failure')
    })
    for (const [aroundKind, made] of Object.entries(arounds)) {
      t.equal(await served(wrap(handler, made((_request, next) => next()))), '201 hello', aroundKind)
      t.equal(await served(wrap(failing, made((_request, next) => next()))), '500 Internal Server Error\n', aroundKind)
      t.equal(await served(wrap(handler, made(() => [null, 401]))), '401 ', aroundKind)
      for (const afterKind of names) {
        const name = `${aroundKind}, ${afterKind}`
        const changed = made((_request, next) => next(([content, status]) => kinds[afterKind](() => [`${String(content)}!`, status + 1])))
        t.equal(await served(wrap(handler, changed)), '202 hello!', name)
        const broken = made((_request, next) => next(() => kinds[afterKind](() => {
          throw new Error('after failed')
        }), () => 'not mapped: it is for errors of the handler'))
        t.equal(await served(wrap(handler, broken)), '500 Internal Server Error\n', name)
        const mapped = made((_request, next) => next(null, (error) => kinds[afterKind](() => [String(error), 418])))
        t.equal(await served(wrap(failing, mapped)), '418 Error: a failure', name)
        t.equal(await served(wrap(handler, mapped)), '201 hello', name)
      }
    }
    const twice = wrap(wrap(handler, (_request, next) => next(([content]) => `${String(content)}1`)), (_request, next) => next(([content]) => `${String(content)}2`))
    t.equal(await served(twice), '200 hello12')
  })
}

/** A client that leaves a second after its request; waits until all has happened that follows. */
async function abandoned(handler: Handler): Promise<void> {
  await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    client.stream.reset()
    yield* lev.sleep(100)
  })
}

t.test('a client that leaves cancels the handler, and then nothing of the wrapper is called', async (t) => {
  const events: string[] = []
  const handler = wrap(function* () {
    try {
      yield* lev.sleep(50)
    } finally {
      events.push('cleaned up')
    }
    return 'hello'
  }, (_request, next) => next(() => {
    events.push('after')
    return null
  }, () => {
    events.push('failed')
    return null
  }))
  await abandoned(handler)
  t.strictSame(events, ['cleaned up'])
})

t.test('streaming content is closed if its response is not sent', async (t) => {
  const content = (): Readable => new Readable({ read() {} })
  const results: Record<string, (stream: Readable) => Handler> = {
    'the client leaves during `after`': (stream) => wrap(() => [stream], (_request, next) => next(function* (response) {
      yield* lev.sleep(20)
      return response
    })),
    'the client leaves during an async `after`': (stream) => wrap(() => [stream], (_request, next) => next(async (response) => {
      await new Promise(() => {})
      return response
    })),
    '`after` throws': (stream) => wrap(() => [stream], (_request, next) => next(() => {
      throw new Error('a failure')
    })),
    '`after` throws later': (stream) => wrap(async () => [stream], (_request, next) => next(function* () {
      yield* lev.sleep(0.5)
      throw new Error('a failure')
    })),
  }
  for (const [name, make] of Object.entries(results)) {
    const stream = content()
    await abandoned(make(stream))
    t.ok(stream.destroyed, name)
  }
})

/** Lets a client leave while its handler waits for a promise, which `settle` settles after that. */
async function late(settle: (give: (value: HandlerResult) => void, fail: (error: unknown) => void) => void): Promise<unknown[]> {
  let settleNow = (): void => {}
  const handler: Handler = () => new Promise<HandlerResult>((give, fail) => (settleNow = () => settle(give, fail)))
  const { of } = await virtually({}, wrap(handler, (_request, next) => next((response) => response)), function* ({ connect, log }) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    client.stream.reset()
    yield* lev.sleep(1)
    settleNow()
    return log
  })
  return of('error')
}

t.test('a promise that settles after the client has left', async (t) => {
  const stream = new Readable({ read() {} })
  t.strictSame(await late((give) => give([stream])), [])
  t.ok(stream.destroyed, 'its content is closed')
  const logged = await late((_give, fail) => fail(new Error('too late')))
  t.match(logged, [{ message: 'the handler failed after its request was over', err: { message: 'too late' } }])
})

/** What ends the wait for an async handler before it has returned, and the status that is logged. */
const ends: readonly [what: string, config: Config, end: (world: World, client: VirtualClient) => Op<unknown>, status: number][] = [
  ['the client leaves', {}, function* (_world, client) {
    client.stream.reset()
  }, 499],
  ['its time is over', { handler_timeout: 1.5 }, () => lev.sleep(1), 503],
  ['the server stops', {}, ({ server }) => lev.wait(server.stop({ drain: 0 })), 499],
]

/** What an async handler gives in the end. */
const outcomes: Record<string, (stream: Readable) => HandlerResult | Op<HandlerResult>> = {
  'a response': (stream) => [stream, 201],
  'an error': () => {
    throw new Error('too late')
  },
  'a coroutine': (stream) => (function* () {
    return [stream]
  })(),
}

for (const [what, config, end, status] of ends) {
  for (const [outcome, give] of Object.entries(outcomes)) {
    t.test(`a wrapped async handler: ${what}, then it gives ${outcome}`, async (t) => {
      const events: string[] = []
      const stream = new Readable({ read() {} })
      let settle = (): void => {}
      const handler = wrap(async (_method, _query, _args, _headers, _body, ctx) => {
        ctx.signal.addEventListener('abort', () => events.push('aborted'))
        await new Promise<void>((resolve) => (settle = resolve))
        return give(stream)
      }, (_request, next) => next((response) => {
        events.push('after')
        return response
      }, () => {
        events.push('failed')
        return null
      }))
      await virtually(config, handler, function* (world) {
        const client = yield* world.connect(request('GET /'))
        yield* lev.sleep(1)
        yield* end(world, client)
        yield* lev.sleep(1)
        t.strictSame(world.log.statuses(), [status], 'the server does not wait for it')
        settle()
        yield* lev.wait(new Promise((resolve) => setImmediate(resolve)))
        t.strictSame(world.log.of('error').map(({ message }) => message), outcome === 'an error' ? ['the handler failed after its request was over'] : [])
      })
      t.strictSame(events, ['aborted'], 'nothing of the wrapper is called')
      t.equal(stream.destroyed, outcome === 'a response', 'its content is closed')
    })
  }
}

t.test('the client leaves while a later part of a wrapped async handler waits', async (t) => {
  const waits: Record<string, (stream: Readable, cleanedUp: () => void) => Handler> = {
    'a coroutine that it has returned': (stream, cleanedUp) => wrap(async () => (function* (): Op<HandlerResult> {
      try {
        yield* lev.sleep(50)
      } finally {
        cleanedUp()
        stream.destroy()
      }
      return [stream]
    })(), (_request, next) => next((response) => response)),
    '`after`': (stream, cleanedUp) => wrap(async () => [stream], (_request, next) => next(function* (response) {
      try {
        yield* lev.sleep(50)
      } finally {
        cleanedUp()
      }
      return response
    })),
    '`failed`': (stream, cleanedUp) => wrap(async (): Promise<HandlerResult> => {
      throw new Error('a failure')
    }, (_request, next) => next(null, function* () {
      try {
        yield* lev.sleep(50)
      } finally {
        cleanedUp()
        stream.destroy()
      }
      return [stream]
    })),
  }
  for (const [name, make] of Object.entries(waits)) {
    const stream = new Readable({ read() {} })
    let cleanedUp = 0
    await abandoned(make(stream, () => cleanedUp++))
    t.equal(cleanedUp, 1, name)
    t.ok(stream.destroyed, name)
  }
})

t.test('an async wrapper: an async `after` or `failed` that throws', async (t) => {
  const thrown = async (): Promise<never> => {
    throw new Error('a failure')
  }
  const failing: Handler = () => {
    throw new Error('of the handler')
  }
  const wrappers: Record<string, Handler> = {
    after: wrap(() => 'x', async (_request, next) => next(thrown)),
    'after, handler async': wrap(async () => 'x', async (_request, next) => next(thrown)),
    failed: wrap(failing, async (_request, next) => next(null, thrown)),
  }
  for (const [name, handler] of Object.entries(wrappers)) {
    await virtually({}, handler, function* ({ connect, log }) {
      const client = yield* connect(request('GET /'))
      yield* lev.sleep(1)
      t.match(log.statuses(), [500], name)
      t.match(log.of('error'), [{ err: { message: 'a failure' } }], name)
      client.stream.close()
    })
  }
})

t.test('an async wrapper that calls the handler after its client has left', async (t) => {
  const content = (): Readable => new Readable({ read() {} })
  const nexts: Record<string, Parameters<typeof wrap>[1]> = {
    'next()': (_request, next) => next(),
    'next(after)': (_request, next) => next((response) => response),
    'next(async after)': (_request, next) => next(async (response) => response),
    'next(async after that throws)': (_request, next) => next(async () => {
      throw new Error('a failure')
    }),
  }
  const handlers: Record<string, (stream: Readable) => Handler> = {
    plain: (stream) => () => [stream],
    async: (stream) => async () => [stream],
  }
  for (const [name, around] of Object.entries(nexts)) {
    for (const [kind, make] of Object.entries(handlers)) {
      const stream = content()
      let lookedUp = (): void => {}
      const handler = wrap(make(stream), async (request, next) => {
        await new Promise<void>((resolve) => (lookedUp = resolve))
        return around(request, next) as HandlerResult
      })
      await virtually({}, handler, function* ({ connect }) {
        const client = yield* connect(request('GET /'))
        yield* lev.sleep(1)
        client.stream.reset()
        yield* lev.sleep(1)
        lookedUp()
        yield* lev.wait(new Promise((resolve) => setImmediate(resolve)))
      })
      t.ok(stream.destroyed, `${name}, ${kind}`)
    }
  }
})

t.test('a wrapped handler may return an operation of the body', async (t) => {
  const slow = wrap((_method, _query, _args, _headers, _body, ctx) => ctx.body.text(), (_request, next) => next(([content]) => `${String(content)}!`))
  await virtually({ buffer_body: false }, slow, function* ({ connect }) {
    const client = yield* connect('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nsl')
    yield* lev.sleep(20)
    client.stream.put('ow')
    const [response] = yield* client.responses(1, ['POST'])
    t.equal(response.body.toString(), 'slow!')
  })
})
