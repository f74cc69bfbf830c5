import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Handler } from '../../../lib/index.js'
import { randomFrom, seed } from '../../support/seed.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

t.test('answered in order, whatever each takes; never two handlers at once on one connection', async (t) => {
  const random = randomFrom(seed)
  let most = 0
  const busy = new Map<string, number>()
  const handle: Handler = function* (_method, query, args, _headers, body) {
    const now = (busy.get(args) ?? 0) + 1
    most = Math.max(most, now)
    busy.set(args, now)
    if (random() < 0.7) yield* lev.sleep(random() * 0.01)
    busy.set(args, (busy.get(args) ?? 0) - 1)
    return `${query} ${String(body)}`
  }
  const { connect } = await serve(t, {}, handle)
  const count = 40
  await Promise.all([1, 2, 3, 4].map(async (number) => {
    const texts = Array.from({ length: count }, (_, k) => `/${number}.${k}`)
    const requests = texts.map((path, k) =>
      (k % 3 === 0 ? request(`GET ${path}?${number}`) : request(`POST ${path}?${number}`, {}, 'x'.repeat(k))))
    const client = await connect(requests.join(''))
    const responses = await client.responses(count)
    t.strictSame(responses.map(({ body }) => body.toString().split(' ')[0]), texts, `seed ${seed}`)
  }))
  t.equal(most, 1)
})

t.test('a mix of plain, async and failing handlers keeps the order', async (t) => {
  const handle: Handler = (method, query) => {
    const kind = Number(query.slice(1)) % 5
    if (kind === 0) return query
    if (kind === 1) return Promise.resolve().then(() => query)
    if (kind === 2) return new Promise((resolve) => setImmediate(() => resolve(query)))
    if (kind === 3) throw new Error(method)
    return [null, 204]
  }
  const { connect } = await serve(t, {}, handle)
  const client = await connect(Array.from({ length: 100 }, (_, k) => request(`GET /${k}`)).join(''))
  const responses = await client.responses(100)
  for (const [k, { status, body }] of responses.entries()) {
    const kind = k % 5
    t.equal(status, kind === 3 ? 500 : kind === 4 ? 204 : 200)
    if (kind < 3) t.equal(body.toString(), `/${k}`)
  }
})

t.test('a stuck handler holds up its own connection only, and no handler is called behind it', async (t) => {
  const { opened, open } = gate()
  let calls = 0
  const { connect } = await serve(t, {}, (_method, query) => {
    calls++
    return query === '/stuck' ? opened.then(() => 'free') : query
  })
  const stuck = await connect(request('GET /stuck') + request('GET /behind').repeat(1000))
  await eventually(() => calls === 1, 'the first call')
  const other = await connect(request('GET /a') + request('GET /b'))
  t.strictSame((await other.responses(2)).map(({ body }) => body.toString()), ['/a', '/b'])
  t.equal(calls, 3)
  t.equal(stuck.received.length, 0)
  open()
  const responses = await stuck.until(() => (stuck.ended ? true : undefined)).then(async () => stuck.all())
  t.equal(responses.length, 512, 'up to requests_per_connection')
  t.equal(responses[0].body.toString(), 'free')
})

t.test('responses to pipelined requests are gathered: few writes for many responses', async (t) => {
  await virtually({}, () => 'x', function* ({ connect }: World) {
    const client = yield* connect(request('GET /').repeat(100))
    let reads = 0
    while (client.received.length < 100 * 100 && (yield* client.more())) reads++
    yield* client.responses(100)
    t.ok(reads <= 10, `${reads} pieces for 100 responses`)
  })
})

t.test('an endless pipeline does not starve other connections', async (t) => {
  let flood = 0
  const { connect } = await serve(t, { requests_per_connection: 1_000_000 }, (_method, query) => {
    if (query === '/flood') return String(++flood)
    return String(flood)
  })
  const client = await connect(request('GET /flood').repeat(30_000))
  client.socket.resume()
  const other = await connect()
  const at: number[] = []
  for (let k = 1; k <= 20; k++) {
    other.send(request('GET /'))
    at.push(Number((await other.responses(k)).at(-1)?.body.toString()))
  }
  t.ok(at[0] < 30_000, `the first response came after ${at[0]} of the flood's`)
  t.ok(at[19] < 30_000, `the twentieth came after ${at[19]}`)
  const last = await client.responses(30_000)
  t.equal(last.at(-1)?.body.toString(), '30000')
})

t.test('a pipeline in pieces of any size', async (t) => {
  const text = Array.from({ length: 30 }, (_, k) => request(`POST /${k}`, {}, `body of ${k}`)).join('')
  for (const segment of [1, 2, 3, 7, 50, 1000]) {
    const handle: Handler = (_method, query, _args, _headers, body) => `${query}: ${String(body)}`
    await virtually({}, handle, function* ({ connect }: World) {
      const client = yield* connect(text)
      const responses = yield* client.responses(30)
      t.strictSame(
        responses.map(({ body }) => body.toString()), Array.from({ length: 30 }, (_, k) => `/${k}: body of ${k}`),
      )
    }, { segment })
  }
})

t.test('behind a refused request nothing is answered', async (t) => {
  const calls: string[] = []
  const { connect } = await serve(t, {}, (_method, query) => {
    calls.push(query)
    return query
  })
  const client = await connect(request('GET /1') + 'GET /bad HTTP/1.1\r\n\r\n' + request('GET /2'))
  const responses = await client.all()
  t.strictSame(responses.map(({ status }) => status), [200, 400])
  t.strictSame(calls, ['/1'])
})
