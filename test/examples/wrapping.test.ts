import * as server from 'leveret'
import type { Handler, HandlerResult } from 'leveret'
import * as packed from 'leveret/lev'
import { cors, withRequestId } from 'leveret/router'
import t from 'tap'
import * as lev from '../../lev/index.js'
import { errorsMapped, NotFound, timed, withToken } from '../../examples/wrapping.js'
import { request } from '../support/serving.js'
import { valueOf, type WireResponse } from '../support/responses.js'
import { virtually } from '../support/virtual.js'

/** The same handler, written in each way. */
const kinds: Record<string, (respond: (...request: Parameters<Handler>) => HandlerResult) => Handler> = {
  plain: (respond) => respond,
  generator: (respond) => function* (...request) {
    yield* lev.sleep(1)
    return respond(...request)
  },
  async: (respond) => async (...request) => {
    await Promise.resolve()
    return respond(...request)
  },
}

async function ask(handler: Handler, line: string, headers: Record<string, string> = {}): Promise<WireResponse> {
  return await virtually({}, handler, function* ({ connect }) {
    const client = yield* connect(request(line, headers))
    const [response] = yield* client.responses(1, [line.split(' ')[0]])
    return response
  })
}

for (const [kind, made] of Object.entries(kinds)) {
  t.test(kind, async (t) => {
    t.test('cors', async (t) => {
      const handler = cors(made((method) => [`${method} it is`, 200, { Vary: 'Accept' }]), { origins: ['https://a.test'] })
      const own = await ask(handler, 'GET /', { Origin: 'https://a.test' })
      t.equal(own.body.toString(), 'GET it is')
      t.equal(valueOf(own, 'access-control-allow-origin'), 'https://a.test')
      t.match(valueOf(own, 'vary'), /Accept.*Origin/)
      const other = await ask(handler, 'GET /', { Origin: 'https://b.test' })
      t.equal(other.status, 200)
      t.equal(valueOf(other, 'access-control-allow-origin'), undefined)
      t.match(valueOf(other, 'vary'), /Origin/)
      const asking = { 'Access-Control-Request-Method': 'POST' }
      const preflight = await ask(handler, 'OPTIONS /', { Origin: 'https://a.test', ...asking })
      t.equal(preflight.status, 204)
      t.equal(valueOf(preflight, 'access-control-allow-origin'), 'https://a.test')
      t.match(valueOf(preflight, 'access-control-allow-methods'), /POST/)
      t.equal(valueOf(await ask(handler, 'OPTIONS /', { Origin: 'https://b.test', ...asking }), 'access-control-allow-origin'), undefined)
      t.equal((await ask(handler, 'OPTIONS /')).body.toString(), 'OPTIONS it is', 'no preflight')
    })

    t.test('authorization', async (t) => {
      let calls = 0
      const handler = withToken(made(() => `call ${++calls}`), 'secret')
      for (const given of ['', 'Bearer secre', 'Basic secret', 'Bearer secret2']) {
        const refused = await ask(handler, 'GET /', { Authorization: given })
        t.equal(refused.status, 401)
        t.equal(valueOf(refused, 'www-authenticate'), 'Bearer')
      }
      t.equal((await ask(handler, 'GET /', { Authorization: 'Bearer secret' })).body.toString(), 'call 1')
    })

    t.test('request id', async (t) => {
      const handler = withRequestId(made((_method, _query, _args, headers) => [headers['x-request-id'] ?? '', 200, { 'X-Other': '1' }]))
      const one = await ask(handler, 'GET /', { 'X-Request-Id': 'the client chooses' })
      const two = await ask(handler, 'GET /')
      for (const response of [one, two]) {
        t.match(response.body.toString(), /^[0-9a-f-]{36}$/)
        t.equal(valueOf(response, 'x-request-id'), response.body.toString())
        t.equal(valueOf(response, 'x-other'), '1')
      }
      t.not(one.body.toString(), two.body.toString())
    })

    t.test('timing', async (t) => {
      t.match(valueOf(await ask(timed(made(() => 'hello')), 'GET /'), 'server-timing'), /^handler;dur=\d+\.\d$/)
    })

    t.test('errors', async (t) => {
      const handler = errorsMapped(made((_method, query) => {
        if (query === '/') return 'hello'
        throw query === '/none' ? new NotFound('there is no such thing') : new Error('secret')
      }))
      t.equal((await ask(handler, 'GET /')).body.toString(), 'hello')
      const mapped = await ask(handler, 'GET /none')
      t.equal(`${mapped.status} ${mapped.body.toString()}`, '404 there is no such thing\n')
      const other = await ask(handler, 'GET /other')
      t.equal(`${other.status} ${other.body.toString()}`, '500 Internal Server Error\n')
    })

    t.test('all together, around content that streams', async (t) => {
      const handler = made((_method, query) => {
        if (query === '/none') throw new NotFound('nothing here')
        return [new Set(['a', 'b'])]
      })
      const service = withRequestId(timed(cors(errorsMapped(withToken(handler, 'secret')), { origins: ['https://a.test'] })))
      const headers = { Origin: 'https://a.test', Authorization: 'Bearer secret' }
      for (const [query, status, body] of [['/', 200, 'ab'], ['/none', 404, 'nothing here\n']] as const) {
        const response = await ask(service, `GET ${query}`, headers)
        t.equal(response.status, status)
        t.equal(response.body.toString(), body)
        for (const name of ['x-request-id', 'server-timing', 'access-control-allow-origin']) t.ok(valueOf(response, name), name)
      }
    })
  })
}

t.test('a WebSocket passes through all of them', async (t) => {
  const service = withRequestId(timed(cors(errorsMapped(withToken(
    (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* (ws) {
      yield* ws.send('hello')
    }), 'secret',
  )), { origins: [] })))
  const served = server.new({ port: 0, log_level: 'error' }, service)
  const done = served.serve()
  const { port } = await served.listening
  const message = await packed.run(function* () {
    const ws = yield* server.websocket(`ws://127.0.0.1:${port}/`, { headers: { Authorization: 'Bearer secret' } })
    return yield* ws.next()
  })
  t.equal(message, 'hello')
  await served.stop()
  await done
})
