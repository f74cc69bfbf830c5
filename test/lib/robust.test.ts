import t from 'tap'
import * as lev from '../../lev/index.js'
import type { HandlerResult, Logger } from '../../lib/index.js'
import { eventually, request, serve } from '../support/serving.js'

t.test('a logger of the user\'s that throws: responses go out, the server lives', async (t) => {
  const fail = (): never => {
    throw new Error('the log is broken')
  }
  const told = t.capture(console, 'error')
  const logger: Logger = {
    debug: fail, access: fail, info: fail, warn: fail, error: fail, child: fail, isLevelEnabled: () => true,
  }
  const { ask } = await serve(t, { logger }, (_method, query) => {
    if (query === '/fail') throw new Error('x')
    return query
  })
  for (let k = 0; k < 3; k++) {
    t.equal((await ask(request('GET /fine'))).body.toString(), '/fine')
    t.equal((await ask(request('GET /fail'))).status, 500)
    t.equal((await ask('nonsense\r\n\r\n')).status, 400)
  }
  t.equal(told().length, 1, 'told once, where programs tell such things')
})

t.test('responses and errors that bite', async (t) => {
  const bite = (): never => {
    throw new Error('bitten')
  }
  const biting = new Proxy({}, { get: bite, has: bite, ownKeys: bite, getOwnPropertyDescriptor: bite })
  const responses: Record<string, () => unknown> = {
    proxy: () => biting,
    then: () => Object.defineProperty({}, 'then', { get: bite }),
    array: () => new Proxy(['x', 200], { get: bite }),
    headers: () => ['x', 200, biting],
    headerGetter: () => ['x', 200, Object.defineProperty({}, 'X-A', { enumerable: true, get: bite })],
    content: () => [biting, 200],
    thrown: () => {
      throw biting
    },
    message: () => {
      throw Object.defineProperty(new Error('x'), 'message', { get: bite })
    },
    stack: () => {
      throw Object.defineProperty(new Error('x'), 'stack', { get: bite })
    },
    cause: () => {
      const error: Error = new Error('x')
      error.cause = error
      throw error
    },
    rejected: async () => await Promise.reject(biting as Error),
    generator: function* () {
      yield biting
    },
    yieldsPromise: function* () {
      yield Promise.resolve('x')
    },
    yieldsNothing: function* () {
      yield
    },
    iterator: () => [1, 2][Symbol.iterator](),
    endless: () => ({ next: bite, throw: bite, return: bite, [Symbol.iterator]: bite }),
    overflow: () => {
      const deeper = (n: number): number => deeper(n + 1) + 1
      return String(deeper(0))
    },
    hugeName: () => ['x', 200, { ['X'.repeat(100_000)]: '1', 'X-A': '\n' }],
  }
  const { connect, ask } = await serve(t, {}, (_method, query) => responses[query.slice(1)]() as HandlerResult)
  for (const path of Object.keys(responses)) {
    const client = await connect(request(`GET /${path}`))
    const [response] = await client.responses(1)
    t.equal(response?.status, 500, path)
    t.equal((await ask(request('GET /cause'))).status, 500, `${path}: the server lives`)
    client.close()
  }
})

t.test('a handler that goes on after its client has gone does no harm', async (t) => {
  let writes = 0
  const { connect, ask, log } = await serve(t, {}, async (_method, query, _args, _headers, _body, ctx) => {
    if (query === '/') return 'x'
    for (let k = 0; k < 20; k++) {
      await new Promise((resolve) => setTimeout(resolve, 2))
      try {
        ctx.client.put('late')
        writes++
      } catch {
        // closed: what a program sees that writes on
      }
    }
    throw new Error('late')
  })
  const client = await connect(request('GET /late'))
  await eventually(() => client.received.length > 0, 'its first bytes')
  client.reset()
  await eventually(() => log.statuses().length === 1, 'its line')
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.ok(writes < 20)
  t.strictSame(log.statuses(), [499])
  t.equal((await ask(request('GET /'))).status, 200)
})

t.test('tasks that handlers spawn: what becomes of them is no affair of the server', async (t) => {
  const events: string[] = []
  const later = function* (what: string, fails: boolean): lev.Op<void> {
    yield* lev.sleep(0.01)
    events.push(what)
    if (fails) throw new Error(what)
  }
  const { connect, ask, log, server, done } = await serve(t, {}, (_method, query, _args, _headers, _body, ctx) => {
    if (query === '/plain') lev.spawn(() => later('plain', false))
    if (query === '/failing') lev.spawn(() => later('failing', true))
    if (query === '/endless') lev.spawn(() => lev.sleep(Infinity))
    if (query === '/outlives') ctx.detach(() => later('outlives', true))
    if (query !== '/generator') return 'x'
    return (function* () {
      lev.spawn(() => later('generator', true))
      yield* lev.sleep(0)
      return 'x'
    })()
  })
  const bystander = await connect(request('GET /'))
  t.equal((await ask(request('GET /plain'))).status, 200)
  t.same(events, ['plain'], 'a handler is done when its tasks are')
  t.equal((await ask(request('GET /failing'))).status, 500)
  t.match(log.of('error')[0], { err: { message: 'failing' } })
  t.equal((await ask(request('GET /generator'))).status, 500)
  t.match(log.of('error')[1], { err: { message: 'generator' } })
  t.equal((await ask(request('GET /outlives'))).status, 200, 'answered before it failed')
  await eventually(() => log.of('error').length === 3, 'a line about the task that failed')
  t.match(log.of('error')[2], { err: { message: 'outlives' } })
  const endless = await connect(request('GET /endless'))
  bystander.send(request('GET /'))
  t.equal((await bystander.responses(2)).length, 2, 'the others are not disturbed')
  bystander.close()
  endless.close()
  await server.stop({ drain: 10 })
  await done
})

t.test('a promise that is rejected at once, on a busy machine, is not taken for one without a handler', async (t) => {
  let unhandled = 0
  const count = (): void => {
    unhandled++
  }
  process.on('unhandledRejection', count)
  const { connect, log } = await serve(t, {}, () => {
    // Long enough for the loop to let other events in before it goes on.
    for (const end = performance.now() + 4; performance.now() < end;);
    return Promise.reject(new Error('x'))
  })
  const clients = await Promise.all(Array.from({ length: 30 }, async () => await connect()))
  for (const client of clients) client.send(request('GET /') + request('GET /'))
  for (const client of clients) {
    const responses = await client.responses(2)
    t.strictSame(responses.map(({ status }) => status), [500, 500])
  }
  process.off('unhandledRejection', count)
  t.equal(unhandled, 0)
  t.equal(log.of('error').length, 60)
})

t.test('stop, called by a handler', async (t) => {
  const { server, ask, done } = await serve(t, {}, () => {
    void server.stop({ drain: 10 })
    return 'stopping'
  })
  t.equal((await ask(request('GET /'))).body.toString(), 'stopping')
  await done
})
