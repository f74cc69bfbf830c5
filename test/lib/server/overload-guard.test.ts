import net from 'node:net'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Config, Handler } from '../../../lib/index.js'
import { defaults, mergeSettings } from '../../../lib/config/settings.js'
import { ServerLog } from '../../../lib/log/logger.js'
import { OverloadGuard } from '../../../lib/server/overload-guard.js'
import { Service } from '../../../lib/server/service.js'
import { keptLog } from '../../support/kept-log.js'
import { RawClient } from '../../support/raw-client.js'
import { saysClose } from '../../support/responses.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'
import { Certificates } from '../../tls/certificates.js'

const made = new Certificates()
t.teardown(() => made.remove())
const ssl: Config['ssl'] = { default: made.issue({ names: ['localhost'] }) }

/** What holds a connection at work until the test lets it go. */
function working(): { handle: Handler; begun: () => number; open: () => void } {
  const { opened, open } = gate()
  let count = 0
  const handle: Handler = (_method, query) => {
    if (query !== '/work') return 'in'
    count++
    return opened.then(() => 'done')
  }
  return { handle, begun: () => count, open }
}

t.test('over connection_limit, all at work: 503 and close, then recovery', async (t) => {
  const { handle, begun, open } = working()
  const { connect, ask, log } = await serve(t, { connection_limit: 3 }, handle)
  const inside = await Promise.all([1, 2, 3].map(async () => await connect(request('GET /work'))))
  await eventually(() => begun() === 3, 'all are at work')
  for (let k = 0; k < 5; k++) {
    const outside = await connect(request('GET /'))
    const responses = await outside.all()
    t.strictSame(responses.map(({ status }) => status), [503])
    t.ok(saysClose(responses[0]))
    t.equal(await outside.over, 'end')
    outside.close()
  }
  open()
  for (const [k, client] of inside.entries()) {
    client.send(request('GET /'))
    t.equal((await client.responses(2)).length, 2, `connection ${k} is not disturbed`)
  }
  inside[0].close()
  let status = 503
  for (let tries = 0; status === 503 && tries < 1000; tries++) ({ status } = await ask(request('GET /')))
  t.equal(status, 200, 'recovered')
  t.strictSame(log.statuses().filter((status) => status !== 200), [], 'no access lines for those who were not let in')
})

t.test('a place without TLS of a server with TLS responds too', async (t) => {
  const { handle, begun, open } = working()
  const { connect } = await serve(t, { ssl, listen: [{ port: 0, ssl: false }], connection_limit: 1 }, handle)
  await connect(request('GET /work'))
  await eventually(() => begun() === 1, 'it is at work')
  const outside = await connect(request('GET /'))
  t.strictSame((await outside.all()).map(({ status }) => status), [503])
  open()
})

t.test('a refused client receives its 503 whatever it sends meanwhile', async (t) => {
  const { opened, open } = gate()
  const { connect } = await serve(t, { connection_limit: 1 }, () => opened.then(() => 'in'))
  const inside = await connect(request('GET /'))
  await eventually(() => inside.socket.bytesWritten > 0, 'sent')
  for (let k = 0; k < 10; k++) {
    const outside = await connect(request('POST /', { 'Content-Length': '8000000' }))
    outside.send(Buffer.alloc(8_000_000))
    const responses = await outside.all()
    t.strictSame(responses.map(({ status }) => status), [503])
    t.equal(await outside.over, 'end', 'no reset')
    outside.close()
  }
  open()
  await inside.responses(1)
})

/** Works for ten seconds. */
const sleeps: Handler = function* (_method, query) {
  if (query === '/work') yield* lev.sleep(10)
  return 'in'
}

t.test('at connection_limit the connection that has been idle the longest gives way', async (t) => {
  for (const secure of [false, true]) {
    const { connect: plain, log, port } = await serve(t, { connection_limit: 3, ...(secure ? { ssl } : {}) }, () => 'in')
    const connect = secure ? () => RawClient.overTls(port) : plain
    const clients = [await connect(), await connect(), await connect()]
    const ask = async (client: RawClient, count: number) => {
      client.send(request('GET /'))
      t.equal((await client.responses(count)).at(-1)?.status, 200)
    }
    for (const client of clients) await ask(client, 1)
    await ask(clients[0], 2)
    for (const expected of [1, 2, 0]) {
      const next = await connect()
      await ask(next, 1)
      await clients[expected].over
      t.strictSame(clients.map(({ ended }) => ended), [expected === 0, true, expected !== 1])
      await ask(next, 2)
      clients.push(next)
      clients.splice(3)
    }
    t.ok(log.of('warn').some(({ idle_closed, connection_limit }) => Number(idle_closed) > 0 && connection_limit === 3))
    t.strictSame(log.of('error'), [])
  }
})

t.test('those that are parked have been idle longer than those that are not yet', async (t) => {
  await virtually({ connection_limit: 3 }, sleeps, function* ({ connect }: World) {
    const clients: VirtualClient[] = []
    for (let k = 0; k < 3; k++) {
      const client = yield* connect(request('GET /'))
      lev.spawn(function* () {
        while (yield* client.more());
      })
      clients.push(client)
      yield* lev.sleep(0.4)
    }
    // The first is parked since 0.2 s, the others not yet; then all; then one of them has been at work.
    const endings = () => clients.map(({ ending }) => ending)
    for (const [pause, expected] of [[0, ['end', null, null]], [3, ['end', 'end', null]]] as const) {
      yield* lev.sleep(pause)
      const next = yield* connect(request('GET /work'))
      yield* lev.sleep(0.1)
      t.strictSame(endings(), expected)
      t.equal(next.ending, null)
    }
    clients[2].send(request('GET /work'))
    yield* lev.sleep(0.1)
    const refused = yield* connect(request('GET /'))
    t.equal((yield* refused.responses(1))[0].status, 503, 'all three are at work')
  })
})

t.test('what has begun to send is at work, and so is what is still being sent to', async (t) => {
  for (const [first, status] of [
    ['', 200], ['GET', 503], [request('POST /', { 'Content-Length': '10' }), 503], [request('GET /large'), 503],
  ] as const) {
    const handle: Handler = (_method, query) => (query === '/large' ? 'x'.repeat(250_000) : 'in')
    await virtually({ connection_limit: 1, compression: { enabled: false } }, handle, function* ({ connect }: World) {
      yield* connect(first)
      yield* lev.sleep(0.5)
      const next = yield* connect(request('GET /'))
      t.equal((yield* next.responses(1))[0].status, status, JSON.stringify(first))
    })
  }
})

t.test('over TLS, a connection is at work from the first byte of its handshake', async (t) => {
  for (const [first, room] of [['', true], ['\x16\x03\x01', false]] as const) {
    const { connect, port } = await serve(t, { ssl, connection_limit: 1 }, () => 'in')
    const silent = await connect(first)
    // Once its bytes have been read.
    await new Promise((resolve) => setTimeout(resolve, 50))
    const next = await RawClient.overTls(port).then((client) => client, () => null)
    t.equal(next !== null, room, JSON.stringify(first))
    if (room) await silent.over
    next?.close()
    silent.close()
  }
})

t.test('a request that has arrived with the newcomer keeps its connection', async (t) => {
  const { handle, begun, open } = working()
  const { connect, port } = await serve(t, { connection_limit: 1 }, handle)
  const inside = await connect(request('GET /'))
  await inside.responses(1)
  const newcomer = net.connect(port, '127.0.0.1')
  inside.send(request('GET /work'))
  // Both are there when the process looks again.
  for (const until = performance.now() + 50; performance.now() < until;);
  await eventually(() => begun() === 1, 'the request of the connection inside')
  const outside = await connect(request('GET /'))
  t.equal((await outside.responses(1))[0].status, 503)
  open()
  t.equal((await inside.responses(2)).at(-1)?.status, 200)
  newcomer.destroy()
})

t.test('told at most once a second, with how many they were', async (t) => {
  await virtually({ connection_limit: 1 }, sleeps, function* ({ connect, log }: World) {
    yield* connect(request('GET /work'))
    yield* lev.sleep(0.1)
    for (let k = 0; k < 100; k++) {
      const client = yield* connect()
      const { responses } = yield* client.all()
      t.equal(responses[0]?.status, 503)
      client.stream.close()
      yield* lev.sleep(0.05)
    }
    const lines = log.of('warn')
    t.ok(lines.length >= 4 && lines.length <= 6, `${lines.length} lines in about five seconds`)
    t.match(lines[1], { connection_limit: 1 })
    t.ok(Number(lines[1].refused) > 10, 'each tells how many')
  })
})

t.test('a crowd that says nothing and does not leave: cut after a second, the server stays reachable', async (t) => {
  await virtually({ connection_limit: 1 }, sleeps, function* ({ connect }: World) {
    const inside = yield* connect(request('GET /work'))
    yield* lev.sleep(0.1)
    const crowd = []
    for (let k = 0; k < 200; k++) crowd.push(yield* connect())
    yield* lev.sleep(2)
    let told = 0
    for (const client of crowd) {
      while (yield* client.more());
      if (client.text.startsWith('HTTP/1.1 503 ')) told++
      client.stream.close()
    }
    t.ok(told >= 64, `${told} of 200 were told`)
    yield* inside.responses(1)
    inside.stream.close()
    yield* lev.sleep(1)
    const next = yield* connect(request('GET /'))
    t.equal((yield* next.responses(1))[0].status, 200)
  })
})

t.test('connections that have had their last response, and those in flight, count until they are closed', async (t) => {
  await virtually({ connection_limit: 2 }, () => 'in', function* ({ connect }: World) {
    const clients = []
    for (let k = 0; k < 2; k++) {
      const client = yield* connect(request('GET /', { Connection: 'close' }))
      yield* client.all()
      clients.push(client)
    }
    // Their clients have not closed yet: the server waits a little for them.
    const third = yield* connect(request('GET /'))
    t.equal((yield* third.responses(1))[0].status, 503)
    for (const client of clients) client.stream.close()
    yield* lev.sleep(0.1)
    const fourth = yield* connect(request('GET /'))
    t.equal((yield* fourth.responses(1))[0].status, 200)
  })
})

t.test('a client that is lost before it is told costs nothing', async (t) => {
  await lev.run(function* () {
    const log = keptLog()
    const settings = mergeSettings(defaults, { logger: log })
    const guard = new OverloadGuard(new Service(settings, () => null, new ServerLog(settings)))
    const [near, far] = lev.pipe()
    near.reset()
    yield* lev.sleep(1)
    t.notOk(far.isOpen)
    yield* guard.reject(far)
    t.equal(log.of('warn').length, 1)
  }, { driver: lev.memory() })
})
