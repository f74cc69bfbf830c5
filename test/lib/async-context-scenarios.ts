// Run by async-context.test.ts: prints what the scenarios saw as JSON. The first argument tells where a storage is first used.
import { AsyncLocalStorage } from 'node:async_hooks'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import * as server from '../../lib/index.js'
import { eventStream, type Context, type Handler, type HandlerResult } from '../../lib/index.js'
import { request } from '../support/serving.js'
import { virtually, type World } from '../support/virtual.js'

const [first, scenario] = process.argv.slice(2)
const als = new AsyncLocalStorage<string>()
const store = (): string | null => als.getStore() ?? null
if (first === 'outside') als.run('elsewhere', () => {})

const moment = (): Promise<void> => new Promise((resolve) => queueMicrotask(resolve))

/** Every kind of handler: enters a store, then gives a response. */
const kinds: Readonly<Record<string, (response: (ctx: Context, path: string) => HandlerResult) => Handler>> = {
  plain: (response) => (...args) => {
    als.enterWith(args[1])
    return response(args[5], args[1])
  },
  generator: (response) => function* (...args) {
    als.enterWith(args[1])
    return response(args[5], args[1])
  },
  'a generator that waits': (response) => function* (...args) {
    yield* lev.sleep(0.1)
    als.enterWith(args[1])
    yield* lev.sleep(0.1)
    return response(args[5], args[1])
  },
  'plain, handing over to a generator': (response) => (...args) => {
    als.enterWith(args[1])
    return (function* () {
      yield* lev.sleep(0.1)
      return response(args[5], args[1])
    })()
  },
  async: (response) => async (...args) => {
    als.enterWith(args[1])
    return response(args[5], args[1])
  },
  'async, waiting': (response) => async (...args) => {
    als.enterWith(args[1])
    await moment()
    return response(args[5], args[1])
  },
  'plain, spawning': (response) => (...args) => {
    als.enterWith(args[1])
    lev.spawn(() => lev.sleep(0.1))
    return response(args[5], args[1])
  },
}

function chooses(_method: string, path: string): boolean {
  if (path !== '/look') als.enterWith('of a setting')
  return true
}

const bodies: Readonly<Record<string, readonly [config: server.Config, send: (path: string) => string]>> = {
  none: [{}, (path) => request(`GET ${path}`)],
  buffered: [{}, (path) => request(`POST ${path}`, {}, 'content')],
  streamed: [{ buffer_body: false }, (path) => request(`POST ${path}`, {}, 'content')],
  'as a setting that enters a store chooses': [{ buffer_body: chooses }, (path) => request(`POST ${path}`, {}, 'content')],
}

/** What the next request of the connection finds: nothing, each time. */
async function leaks(): Promise<unknown> {
  const seen: Record<string, unknown> = {}
  const responses: Readonly<Record<string, () => HandlerResult>> = {
    text: () => 'x',
    fault: () => { throw new Error('of the handler') },
    writer: () => [function* (out) {
      als.enterWith('of a writer')
      yield* out.write('x')
    }],
  }
  for (const [kind, handler] of Object.entries(kinds)) for (const [body, [config, send]] of Object.entries(bodies)) {
    for (const [what, response] of Object.entries(responses)) {
      // That connection is closed, since its body was not read.
      if (what === 'fault' && body === 'streamed') continue
      const enter = handler(response)
      const found: (string | null)[] = []
      const handle: Handler = (...args) => {
        if (args[1] !== '/look') return enter(...args)
        found.push(store())
        return 'x'
      }
      await virtually(config, handle, function* ({ connect }: World) {
        const client = yield* connect(send('/enter') + send('/look'))
        yield* client.responses(2)
        client.send(send('/enter'))
        yield* client.responses(3)
        yield* lev.sleep(2)
        client.send(send('/look'))
        yield* client.responses(4)
        found.push(store())
        client.stream.close()
      })
      if (found.some((one) => one !== null) || found.length !== 3) seen[`${kind}, ${body}, ${what}`] = found
    }
  }
  return seen
}

/** The same over real sockets: what a request enters reaches neither the next one, nor another connection, nor a timer. */
async function sockets(): Promise<unknown> {
  const seen: Record<string, unknown> = {}
  for (const [kind, handler] of Object.entries(kinds)) {
    const found: (string | null)[] = []
    const enter = handler(() => 'x')
    const served = server.new({ port: 0, log_level: 'error' }, (...args) => {
      if (args[1] === '/enter') return enter(...args)
      found.push(store())
      setTimeout(() => found.push(store()), 1)
      return 'x'
    })
    const done = served.serve()
    const address = await served.listening
    await lev.run(function* () {
      const one = yield* lev.connect(address)
      for (const path of ['/enter', '/look', '/enter', '/look']) {
        yield* one.write(request(`GET ${path}`))
        yield* one.read()
        const other = yield* lev.connect(address)
        yield* other.write(request('GET /look'))
        yield* other.read()
        other.close()
      }
      one.close()
      yield* lev.sleep(0.02)
    })
    await served.stop({ drain: 1 })
    await done
    if (found.length !== 12 || found.some((one) => one !== null)) seen[kind] = found
  }
  return seen
}

type Report = (what: string) => void

/** Content of every kind; each tells of its store when it begins, and after a wait. */
const contents: Readonly<Record<string, (ctx: Context, report: Report) => HandlerResult>> = {
  writer: (_ctx, report) => [function* (out) {
    report('start')
    yield* out.write('x')
    yield* lev.sleep(0.1)
    report('later')
  }],
  'writer that spawns': (_ctx, report) => [function* (out) {
    lev.spawn(function* () {
      report('start')
      yield* lev.sleep(0.1)
      report('later')
    })
    yield* out.write('x')
  }],
  iterable: (_ctx, report) => [(function* () {
    report('start')
    yield 'x'
    report('later')
  })()],
  'async iterable': (_ctx, report) => [(async function* () {
    report('start')
    yield 'x'
    await moment()
    report('later')
  })()],
  'event stream': (_ctx, report) => eventStream(function* (events) {
    report('start')
    yield* events.send('x')
    yield* lev.sleep(0.1)
    report('later')
  }),
  'event stream without an end': (_ctx, report) => eventStream(function* (events) {
    report('start')
    yield* events.send('x')
    yield* lev.sleep(0.1)
    report('later')
  }, { until: null }),
  WebSocket: (ctx, report) => ctx.upgrade(function* (ws) {
    report('start')
    yield* ws.send('x')
    yield* lev.sleep(0.1)
    report('later')
  }),
  'async WebSocket': (ctx, report) => ctx.upgrade(async () => {
    report('start')
    await moment()
    report('later')
  }),
  detached: (ctx, report) => {
    ctx.detach(function* () {
      report('start')
      yield* lev.sleep(0.1)
      report('later')
    })
    return 'x'
  },
}

const handshake = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }

/** What content sees that a handler has handed over, several connections at once: its own request's store. */
function* currentOf(world: World, seen: Record<string, string[]>): Op<void> {
  yield* lev.scope(function* (scope) {
    for (const path of ['/a', '/b', '/c']) scope.spawn(function* () {
      const client = yield* world.connect()
      for (const suffix of ['1', '2']) {
        const before = client.received.length
        client.send(request(`GET ${path}${suffix}`, 'ws' in seen ? handshake : {}))
        while (client.received.length === before && (yield* client.more()));
        yield* lev.sleep(1)
      }
      client.stream.close()
    })
  })
}

async function current(): Promise<unknown> {
  const seen: Record<string, unknown> = {}
  for (const [kind, handler] of Object.entries(kinds)) for (const [what, content] of Object.entries(contents)) {
    const wrong: string[] = []
    let reports = 0
    const handle = handler((ctx, path) => content(ctx, (when) => {
      reports++
      if (store() !== path) wrong.push(`${path}, ${when}: ${String(store())}`)
    }))
    const socket = what.includes('WebSocket')
    await virtually({}, handle, (world) => currentOf(world, socket ? { ws: [] } : {}))
    const expected = socket ? 6 : 12
    if (wrong.length > 0 || reports !== expected) seen[`${kind}, ${what}`] = { wrong, reports }
  }
  return seen
}

/** Handlers that are called within `run`: what is made there sees its store. */
async function around(): Promise<unknown> {
  const seen: Record<string, unknown> = {}
  for (const what of ['event stream', 'event stream without an end', 'WebSocket', 'async WebSocket', 'detached']) {
    for (const kind of ['plain', 'async'] as const) {
      const wrong: string[] = []
      let reports = 0
      const handle: Handler = (_method, path, _args, _headers, _body, ctx) => als.run(path, () => {
        const response = (): HandlerResult => contents[what](ctx, (when) => {
          reports++
          if (store() !== path) wrong.push(`${path}, ${when}: ${String(store())}`)
        })
        return kind === 'plain' ? response() : moment().then(response)
      })
      const socket = what.includes('WebSocket')
      await virtually({}, handle, (world) => currentOf(world, socket ? { ws: [] } : {}))
      if (wrong.length > 0 || reports !== (socket ? 6 : 12)) seen[`${kind}, ${what}`] = { wrong, reports }
    }
  }
  return seen
}

async function within(): Promise<unknown> {
  const seen: Record<string, unknown> = {}
  const inside = <T>(name: string, op: Op<T>): Op<T> => lev.within((run) => als.run(name, run), op)
  function* look(name: string): Op<void> {
    seen[`${name} start`] = store()
    yield* lev.sleep(0.1)
    seen[`${name} later`] = store()
    yield* lev.spawn(function* () {
      seen[`${name} spawned`] = store()
    }).join()
  }
  const reported: unknown[] = []
  await lev.run(function* () {
    yield* inside('a', look('single'))
    seen.after = store()
    yield* inside('a', (function* () {
      yield* inside('b', look('nested'))
      yield* look('outer')
    })())
    seen.value = yield* inside('a', (function* () { return 7 })())
    try {
      yield* inside('a', (function* () { throw new Error('of the operation') })())
    } catch (error) {
      seen.error = String(error)
    }
    const task = lev.spawn(() => inside('a', (function* () {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        yield* lev.sleep(0.1)
        seen.cleanup = store()
      }
    })()))
    yield* lev.sleep(0.1)
    task.cancel()
    yield* task.done()
    seen.cancelled = task.outcome?.kind
    let ran = false
    try {
      yield* lev.within(() => {}, (function* () { ran = true })())
    } catch (error) {
      seen.notCalled = [(error as Error).name, ran]
    }
    try {
      yield* lev.within(() => { throw new Error('of the call') }, (function* () { ran = true })())
    } catch (error) {
      seen.callFails = [String(error), ran]
    }
    seen.unused = yield* lev.within((run) => run(), (function* () { return store() })())
    seen.end = store()
  }, { driver: lev.memory(), report: (error) => reported.push(error) })
  return { ...seen, reported }
}

/** The first use of all is within a nested context of a step: nothing of that reaches the driver's. */
async function nested(): Promise<unknown> {
  const seen: Record<string, unknown> = {}
  await lev.run(function* () {
    als.run('outer', () => als.enterWith('inner'))
    seen.step = store()
    yield* lev.sleep(0.1)
    seen.later = store()
  })
  seen.promise = await Promise.resolve().then(store)
  return { ...seen, next: await lev.run(function* () {
    yield* lev.sleep(0.01)
    return store()
  }) }
}

const scenarios: Readonly<Record<string, () => Promise<unknown>>> = { leaks, sockets, current, around, within, nested }
console.log(JSON.stringify(await scenarios[scenario]()))
