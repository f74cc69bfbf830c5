import t from 'tap'
import * as lev from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import type { Context, Handler, HandlerResult } from '../../../lib/index.js'
import { inject, virtual } from '../../../testing/index.js'
import { keptLog } from '../../support/kept-log.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

type Read = (body: Context['body']) => Promise<unknown>

const form = 'a=1&b=2'
const reads: readonly [what: string, read: Read, sent: string, seen: unknown][] = [
  ['bytes', async (body) => String(await body.bytes()), 'bytes', 'bytes'],
  ['text', async (body) => await body.text(), 'text', 'text'],
  ['json', async (body) => await body.json(), '{"a":1}', { a: 1 }],
  ['form', async (body) => (await body.form()).fields['b'], form, '2'],
  ['read', async (body) => [String(await body.read()), await body.read()], 'piece', ['piece', null]],
  ['a returned operation', (body) => (async () => body.text())(), 'text', 'text'],
  ['then', (body) => new Promise((resolve, reject) => {
    body.text().then(resolve, reject)
  }), 'text', 'text'],
  ['the same twice', async (body) => {
    const text = body.text()
    return [await text, await text]
  }, 'text', ['text', 'text']],
  ['after other promises', async (body) => {
    await new Promise((resolve) => setImmediate(resolve))
    return await body.text()
  }, 'text', 'text'],
  ['all', (body) => Promise.allSettled([body.text(), body.text()]).then((all) => all.map(({ status }) => status)), 'text', ['fulfilled', 'rejected']],
]

const post = (body: string, type = 'application/x-www-form-urlencoded'): object => ({ path: '/', method: 'POST', body, headers: { 'Content-Type': type } })

for (const buffer_body of [true, false]) {
  for (const [what, read, sent, seen] of reads) {
    t.test(`${what}, ${buffer_body ? 'buffered' : 'from the connection'}`, async (t) => {
      const handle: Handler = async (_method, _query, _args, _headers, _body, ctx) => JSON.stringify(await read(ctx.body))
      const service = server.new({ buffer_body, logger: keptLog() }, handle)
      const { path, method, body, headers } = post(sent) as { path: string; method: string; body: string; headers: Record<string, string> }
      t.strictSame((await inject(service, { path, method, body, headers })).json(), seen)
      await virtual(function* () {
        t.strictSame((yield* inject(service, { path, method, body, headers })).json(), seen, 'on the memory driver')
      })
    })
  }
}

t.test('an operation as the result of a handler', async (t) => {
  const kinds: Readonly<Record<string, Handler>> = {
    plain: (_method, _query, _args, _headers, _body, ctx) => ctx.body.text() as lev.Op<HandlerResult>,
    async: async (_method, _query, _args, _headers, _body, ctx) => ctx.body.text(),
    *generator(_method, _query, _args, _headers, _body, ctx) {
      return yield* ctx.body.text()
    },
  }
  for (const [kind, handle] of Object.entries(kinds)) {
    for (const buffer_body of [true, false]) {
      const service = server.new({ buffer_body, logger: keptLog() }, handle)
      t.equal((await inject(service, { path: '/', method: 'POST', body: 'text' })).text(), 'text', kind)
    }
  }
})

t.test('an operation may be handed to lev', async (t) => {
  const service = server.new({ logger: keptLog() }, function* (_method, query, _args, _headers, _body, ctx) {
    if (query === '/timeout') return yield* lev.timeout(5, ctx.body.text())
    if (query === '/spawn') return yield* lev.spawn(() => ctx.body.text()).join()
    return ''
  })
  for (const path of ['/timeout', '/spawn']) {
    t.equal((await inject(service, { path, method: 'POST', body: 'text' })).text(), 'text', path)
  }
})

t.test('errors', async (t) => {
  for (const buffer_body of [true, false]) {
    const log = keptLog()
    const service = server.new({ buffer_body, logger: log }, async (_method, query, _args, _headers, _body, ctx) => {
      if (query === '/caught') return await ctx.body.json().then(() => 'parsed', (error: Error) => error.message)
      return JSON.stringify(await ctx.body.json())
    })
    const wrong = await inject(service, { path: '/', method: 'POST', body: 'not JSON' })
    t.strictSame([wrong.status, wrong.text()], [400, 'Bad Request: the body is not JSON\n'])
    t.equal((await inject(service, { path: '/caught', method: 'POST', body: 'not JSON' })).text(), 'the body is not JSON')
    t.strictSame(log.of('error'), [])
  }
})

t.test('a client that leaves: as for async iteration', async (t) => {
  const story = async (read: Read): Promise<unknown[]> => {
    const events: unknown[] = []
    const handle: Handler = async (_method, _query, _args, _headers, _body, ctx) => {
      try {
        return JSON.stringify(await read(ctx.body))
      } catch (error) {
        events.push((error as Error).name)
        throw error
      }
    }
    await virtually({ buffer_body: false }, handle, function* ({ connect, log }: World) {
      const client = yield* connect(`${request('POST /', { 'Content-Length': '10' })}half`)
      yield* lev.sleep(1)
      client.stream.reset()
      yield* lev.sleep(1)
      yield* lev.wait(new Promise((resolve) => setImmediate(resolve)))
      events.push(log.statuses(), log.of('error'))
    })
    return events
  }
  const awaited = await story(async (body) => await body.text())
  const iterated = await story(async (body) => {
    const pieces: string[] = []
    for await (const piece of body) pieces.push(String(piece))
    return pieces
  })
  t.strictSame(awaited, ['ClosedError', [499], []])
  t.strictSame(awaited, iterated)
})

t.test('after the request', async (t) => {
  const read = new Promise<string>((resolve) => {
    const service = server.new({ buffer_body: false, logger: keptLog() }, async (_method, _query, _args, _headers, _body, ctx) => {
      const { body } = ctx
      setTimeout(() => void body.text().then(() => resolve('read'), (error: Error) => resolve(error.name)), 10)
      return 'early'
    })
    void inject(service, { path: '/', method: 'POST', body: 'body' })
  })
  t.equal(await read, 'ClosedError')
})
