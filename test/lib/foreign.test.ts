import t from 'tap'
import * as lev from '../../lev/index.js'
import { instanceOf, messageOf } from '../../lev/core/foreign.js'
import { ServerLog, type LoggerLike } from '../../lib/log/logger.js'
import * as server from '../../lib/index.js'
import { eventually, request, serve } from '../support/serving.js'

// Values whose proxies, getters or `toString` throw when they are looked at.

function bite(): never {
  throw new Error('bitten')
}

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

/** An error of which one member cannot be read. */
function biting(name: string | symbol): unknown {
  return Object.defineProperty(new Error('x'), name, { get: bite })
}

const circular = new Error('circular')
circular.cause = circular

const values: Readonly<Record<string, unknown>> = {
  'a revoked proxy': revoked({}),
  'a revoked proxy of a function': revoked(() => {}),
  'a revoked proxy of an error': revoked(new Error('x')),
  'a proxy that cannot be asked for its class': new Proxy({}, { getPrototypeOf: bite, get: bite, has: bite }),
  'an error without a message': biting('message'),
  'an error without a stack': biting('stack'),
  'an error without a cause': biting('cause'),
  'an error without a name': biting('name'),
  'an error without a class': biting('constructor'),
  'an error that is its own cause': circular,
  'an object that is no text': { toString: bite, [Symbol.toPrimitive]: bite },
  'an object without a prototype': Object.create(null),
  'a symbol': Symbol('x'),
  'null': null,
  'undefined': undefined,
}

t.test('asking never throws', async (t) => {
  for (const [name, value] of Object.entries(values)) {
    t.equal(typeof instanceOf(value, Error), 'boolean', name)
    t.equal(typeof messageOf(value), 'string', name)
  }
  t.equal(instanceOf(new RangeError('x'), TypeError, RangeError), true)
  t.equal(instanceOf(new Error('x'), TypeError, RangeError), false)
  t.equal(messageOf(new Error('x')), 'x')
})

const throwing: Readonly<Record<string, (value: unknown) => server.Handler>> = {
  'a plain handler throws': (value) => () => {
    throw value
  },
  'a generator throws': (value) => function* () {
    throw value
  },
  'a generator throws after a wait': (value) => function* () {
    yield* lev.sleep(0)
    throw value
  },
  'an async handler rejects': (value) => async () => {
    throw value
  },
  'an async handler rejects after a wait': (value) => async () => {
    await new Promise((resolve) => setImmediate(resolve))
    throw value
  },
  'a task of a scope fails': (value) => function* () {
    return yield* lev.scope(function* (scope) {
      scope.spawn(function* () {
        throw value
      })
      yield* lev.sleep(60)
      return 'not reached'
    })
  },
  'a task of the handler fails': (value) => function* () {
    lev.spawn(function* () {
      yield* lev.sleep(0)
      throw value
    })
    yield* lev.sleep(60)
    return 'not reached'
  },
  'an operation with a timeout fails': (value) => function* () {
    yield* lev.timeout(60, (function* (): lev.Op<void> {
      throw value
    })())
    return 'not reached'
  },
  'a writer fails before its first piece': (value) => () => [function* () {
    throw value
  }],
  'an iterable fails before its first piece': (value) => () => [{ [Symbol.iterator]: () => ({ next: () => {
    throw value
  } }) } as Iterable<string>],
  'an async iterable fails before its first piece': (value) => () => [(async function* (): AsyncGenerator<string> {
    throw value
  })()],
}

for (const [place, handlerOf] of Object.entries(throwing)) {
  t.test(place, async (t) => {
    for (const [name, value] of Object.entries(values)) {
      const { server: served, log, ask, done } = await serve(t, {}, handlerOf(value))
      t.equal((await ask(request('GET /'))).status, 500, name)
      t.equal((await ask(request('GET /'))).status, 500, `${name}: the server lives`)
      t.equal(log.of('error').length, 2, `${name}: it is told each time`)
      await served.stop({ drain: 5 })
      await done
      t.equal(log.statuses().length, 2, `${name}: nothing is left`)
    }
  })
}

t.test('what a generator yields that is no operation is thrown back at it', async (t) => {
  let closed = 0
  const { ask } = await serve(t, {}, function* () {
    try {
      yield revoked({}) as lev.Suspension
    } finally {
      closed++
    }
    return 'not reached'
  })
  t.equal((await ask(request('GET /'))).status, 500)
  t.equal(closed, 1, 'its finally block ran')
})

t.test('a writer that fails behind its first piece ends the connection', async (t) => {
  for (const [name, value] of Object.entries(values)) {
    const { server: served, log, connect, done } = await serve(t, {}, () => [function* (out) {
      yield* out.write('x')
      yield* out.flush()
      throw value
    }])
    const client = await connect(request('GET /'))
    await client.over
    t.equal(log.of('error').length, 1, name)
    await served.stop({ drain: 5 })
    await done
  }
})

t.test('a WebSocket handler that fails closes with 1011', async (t) => {
  for (const [name, value] of Object.entries(values)) {
    const { server: served, port, log, done } = await serve(t, {}, (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* () {
      throw value
    }))
    const code = await lev.run(function* () {
      const ws = yield* server.websocket(`ws://127.0.0.1:${port}/`)
      yield* ws.next()
      return ws.closeCode
    })
    t.equal(code, 1011, name)
    await eventually(() => log.of('error').length === 1, `${name}: a line`)
    await served.stop({ drain: 5 })
    await done
  }
})

t.test('loggers tell of each of them', async (t) => {
  for (const [name, err] of Object.entries(values)) {
    const lines: string[] = []
    const own = new ServerLog({ log_level: 'debug', log_format: 'json', logger: null }, { write: (line: string) => void lines.push(line) })
    own.logger.error({ err, query: '/' }, 'the handler failed')
    t.match(JSON.parse(lines[0] ?? ''), { level: 'error', query: '/', msg: 'the handler failed' }, name)
    own.logger.error(err as object, 'logged by a handler')
    own.logger.child({ a: 1 }).error(err as object)
    t.equal(lines.length, 3, `${name}: each has a line, given as it is`)
    t.match(JSON.parse(lines[1] ?? ''), { level: 'error' }, name)
    const read: unknown[] = []
    const picky = (fields: object | string): void => {
      if (typeof fields === 'object' && 'err' in fields) read.push(`${(fields.err as Error).message} ${(fields.err as Error).stack ?? ''}`)
    }
    const user: LoggerLike = { debug: picky, info: picky, warn: picky, error: picky }
    new ServerLog({ log_level: 'debug', log_format: 'json', logger: user }, { write() {} }).logger.error({ err }, 'the handler failed')
    t.equal(read.length, 1, `${name}: a user's logger`)
  }
})
