import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { Context } from '../../../lib/request/context.js'
import type { Handler } from '../../../lib/index.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

// That a connection was parked is seen from outside of the server by one thing alone: a context that a handler has kept
// gives a closed stream, although the connection is open.

const worlds = [{}, { seed: 3, segment: 7 }]

t.test('an idle connection is parked, and goes on where it was', async (t) => {
  for (const options of worlds) {
    const kept: Context[] = []
    const handler: Handler = (_method, query, _args, _headers, body, ctx) => {
      kept.push(ctx)
      // What dialects look at.
      t.equal(Context.peer(ctx).ip, ctx.client_ip)
      t.ok(Context.fieldLines(ctx).length > 0)
      return `${query} ${ctx.count} ${String(body)}`
    }
    await virtually({ requests_per_connection: 4 }, handler, function* ({ connect }: World) {
      const client = yield* connect(request('GET /a'))
      yield* client.responses(1)
      yield* lev.sleep(5)
      client.send(request('POST /b', {}, 'some content'))
      yield* client.responses(2)
      yield* lev.sleep(0.5)
      client.send(request('GET /c'))
      yield* client.responses(3)
      yield* lev.sleep(14)
      client.send(request('GET /d'))
      const { responses } = yield* client.all()
      t.strictSame(responses.map(({ body }) => body.toString()), ['/a 1 null', '/b 2 some content', '/c 3 null', '/d 4 null'])
      t.equal(new Set(kept.map(({ client_ip }) => client_ip)).size, 1)
      t.equal(new Set(kept.map((ctx) => Context.peer(ctx))).size, 1, 'the peer is kept')
      t.notOk(kept[0].client.isOpen)
    }, options)
  }
})

t.test('a handler that has looked at its stream, or written to it, bars it from being parked only until it ends', async (t) => {
  const contexts: Context[] = []
  const handlers: Record<string, Handler> = {
    plain: (_method, _query, _args, _headers, _body, ctx) => `from ${ctx.client.remote.ip}`,
    *generator(_method, _query, _args, _headers, _body, ctx) {
      const { client } = ctx
      yield* lev.sleep(1)
      return `from ${client.remote.ip}`
    },
    *itself(_method, _query, _args, _headers, _body, ctx) {
      yield* ctx.client.write(`HTTP/1.1 200 OK\r\nDate: ${new Date(0).toUTCString()}\r\nContent-Length: 2\r\n\r\nok`)
      yield* lev.sleep(1)
      return undefined
    },
    async async(_method, _query, _args, _headers, _body, ctx) {
      const { client } = ctx
      await Promise.resolve()
      return `from ${client.remote.ip}`
    },
  }
  for (const [name, handler] of Object.entries(handlers)) {
    const keeping: Handler = (...request) => {
      contexts.push(request[5])
      return handler(...request)
    }
    await virtually({}, keeping, function* ({ connect }: World) {
      const client = yield* connect(request('GET /'))
      t.equal((yield* client.responses(1))[0].status, 200)
      t.ok(contexts.at(-1)?.client.isOpen, name)
      yield* lev.sleep(3)
      t.notOk(contexts.at(-1)?.client.isOpen, `${name}: parked`)
      client.send(request('GET /'))
      t.equal((yield* client.responses(2)).length, 2)
      client.stream.close()
    })
  }
})

t.test('a detached task does not bar its connection from being parked', async (t) => {
  const contexts: Context[] = []
  let ended = 0
  const handler: Handler = (_method, query, _args, _headers, _body, ctx) => {
    contexts.push(ctx)
    if (query === '/task') {
      ctx.detach(function* () {
        yield* lev.sleep(8)
        ended++
      })
    }
    return 'ok'
  }
  await virtually({}, handler, function* ({ connect }: World) {
    const client = yield* connect(request('GET /task'))
    yield* client.responses(1)
    yield* lev.sleep(3)
    t.notOk(contexts.at(-1)?.client.isOpen)
    client.send(request('GET /'))
    t.equal((yield* client.responses(2)).length, 2)
    client.stream.close()
    yield* lev.sleep(6)
    t.equal(ended, 1)
  })
})

t.test('a parked connection ends in its time, when its client leaves, and with the server', async (t) => {
  for (const options of worlds) {
    await virtually({ keepalive_idle_timeout: 20 }, () => 'ok', function* ({ server, connect }: World) {
      function* parked(): Op<VirtualClient> {
        const client = yield* connect(request('GET /'))
        yield* client.responses(1)
        yield* lev.sleep(3)
        return client
      }
      const late = yield* parked()
      const began = lev.now()
      const { ending, responses, at } = yield* late.all()
      t.strictSame([ending, responses.length], ['end', 1])
      t.ok(Math.abs(at - began - 18) < 0.1, `after ${at - began} s`)

      const left = yield* parked()
      left.stream.reset()
      const half = yield* parked()
      yield* half.stream.end()
      t.equal((yield* half.all()).ending, 'end')

      const stopped = yield* parked()
      const asking = yield* parked()
      const stopping = server.stop({ drain: 30 })
      yield* lev.sleep(0.1)
      asking.send(request('GET /'))
      t.equal((yield* asking.all()).responses.length, 2, 'a request that was on its way')
      t.equal((yield* stopped.all()).ending, 'end')
      for (const client of [late, half, stopped, asking]) client.stream.close()
      const time = lev.now()
      yield* lev.wait(stopping)
      t.ok(lev.now() - time < 1)
    }, options)
  }
})

t.test('blank lines wake a connection, and do not make its time longer', async (t) => {
  for (const options of worlds) {
    await virtually({ keepalive_idle_timeout: 20 }, () => 'ok', function* ({ server, connect }: World) {
      const client = yield* connect(request('GET /'))
      yield* client.responses(1)
      const began = lev.now()
      const sending = lev.spawn(function* () {
        for (;;) {
          yield* lev.sleep(5)
          client.send('\r\n')
        }
      })
      const { at, ending } = yield* client.all()
      sending.cancel()
      t.equal(ending, 'end')
      t.ok(Math.abs(at - began - 21) < 0.1, `after ${at - began} s`)

      const other = yield* connect(request('GET /'))
      yield* other.responses(1)
      yield* lev.sleep(5)
      const time = lev.now()
      const stopping = server.stop({ drain: 30 })
      yield* lev.sleep(0.1)
      other.send('\r\n')
      t.ok((yield* other.all()).at - time < 1, 'a server that stops does not wait for it')
      for (const { stream } of [client, other]) stream.close()
      yield* lev.wait(stopping)
    }, options)
  }
})
