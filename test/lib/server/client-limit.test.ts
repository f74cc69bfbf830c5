// The setting connections_per_client.
import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { defaults, mergeSettings } from '../../../lib/config/settings.js'
import type { Config, Handler } from '../../../lib/index.js'
import { ClientLimit } from '../../../lib/server/client-limit.js'
import { Peer } from '../../../lib/server/peer.js'
import { virtual } from '../../../testing/virtual.js'
import { keptLog } from '../../support/kept-log.js'
import { saysClose } from '../../support/responses.js'
import { eventually, request, serve } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'
import { Certificates } from '../../tls/certificates.js'
import { record } from '../observe/recorded.js'

const handle: Handler = function* (_method, query) {
  if (query === '/work') yield* lev.sleep(100)
  return 'in'
}

/** The status of a request on a new connection, and how the server ended it within 10 ms. */
function* ask(connect: World['connect'], before = ''): Op<{ client: VirtualClient, status: number, ending: VirtualClient['ending'] }> {
  const client = yield* connect(before + request('GET /'))
  const [{ status }] = yield* client.responses(1)
  lev.spawn(function* () {
    while (yield* client.more());
  })
  yield* lev.sleep(0.01)
  return { client, status, ending: client.ending }
}

t.test('more connections get 503 until one has ended; others are not disturbed', async (t) => {
  const seen = record(t)
  await virtually({ connections_per_client: 2 }, handle, function* ({ connect, log }) {
    const first = yield* ask(connect)
    const second = yield* ask(connect)
    t.strictSame([first.status, second.status], [200, 200])
    // Both are parked then, and count.
    yield* lev.sleep(5)
    const third = yield* connect(request('GET /'))
    const [response] = yield* third.responses(1)
    t.equal(response.status, 503)
    t.ok(saysClose(response))
    t.notOk(yield* third.more())
    t.equal(third.ending, 'end')
    t.strictSame(log.statuses(), [200, 200])
    t.match(log.of('warn'), [{ refused: 1, client: '127.0.0.1', connections_per_client: 2 }])
    t.strictSame([first.client.ending, second.client.ending], [null, null])
    first.client.stream.close()
    yield* lev.sleep(0.01)
    t.equal((yield* ask(connect)).status, 200)
    t.equal((yield* ask(connect)).status, 503)
  })
  t.match(seen.all.find(({ name }) => name === 'leveret:reject')?.event,
    { connection: null, client_ip: '127.0.0.1', status: 503, reason: 'too many connections of one client' })
})

t.test('the log has one line a second', async (t) => {
  await virtually({ connections_per_client: 1 }, handle, function* ({ connect, log }) {
    yield* ask(connect)
    for (let count = 0; count < 30; count++) t.equal((yield* ask(connect)).status, 503)
    yield* lev.sleep(1)
    yield* ask(connect)
    t.strictSame(log.of('warn').map(({ refused }) => refused), [1, 30])
  })
})

t.test('one that connection_limit rejects does not count', async (t) => {
  await virtually({ connections_per_client: 2, connection_limit: 1 }, handle, function* ({ connect, log }) {
    const busy = yield* connect(request('GET /work'))
    yield* lev.sleep(0.01)
    for (let count = 0; count < 5; count++) t.equal((yield* ask(connect)).status, 503)
    t.strictSame(log.of('warn').map(({ connection_limit, refused }) => [connection_limit, refused]), [[1, 1]])
    busy.stream.close()
    yield* lev.sleep(0.01)
    t.equal((yield* ask(connect)).status, 200)
  })
})

t.test('a client at its limit costs no other one its idle connection', async (t) => {
  const config: Config = { connections_per_client: 1, connection_limit: 2, proxy_protocol: ['10.0.0.0/8'] }
  await virtually(config, handle, function* ({ connect }) {
    const idle = yield* ask(connect)
    for (let count = 0; count < 5; count++) t.equal((yield* ask(connect)).status, 503)
    t.equal(idle.client.ending, null)
  })
})

const from = (ip: string): string => `PROXY TCP${ip.includes(':') ? 6 : 4} ${ip} ${ip.includes(':') ? '2001:db8::9' : '192.0.2.9'} 1234 80\r\n`

t.test('the client that a PROXY header names counts, not the proxy', async (t) => {
  const seen = record(t)
  await virtually({ connections_per_client: 2, proxy_protocol: ['loopback'] }, handle, function* ({ connect, log }) {
    const clients = ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2:0:0:1', '2001:db8::3', '2001:db8:0:1::1']
    const statuses: number[] = []
    for (const ip of clients) statuses.push((yield* ask(connect, from(ip))).status)
    t.strictSame(statuses, [200, 200, 503, 200, 200, 200, 503, 200])
    const refused = yield* ask(connect, from('192.0.2.1'))
    t.strictSame([refused.status, refused.ending], [503, 'end'])
    t.match(log.of('warn'), [{ refused: 1, client: '192.0.2.1' }])
    // Connections of the proxy's own.
    for (let count = 0; count < 4; count++) t.equal((yield* ask(connect, 'PROXY UNKNOWN\r\n')).status, 200)
  })
  const reasons = seen.all.filter(({ name }) => name === 'leveret:reject').map(({ event }) => event)
  t.match(reasons[0], { client_ip: '192.0.2.1', status: 503, reason: 'too many connections of one client' })
})

t.test('IPv6 clients by networks of another size', async (t) => {
  for (const [client_ipv6_prefix, expected] of [[56, [200, 503, 503, 200]], [128, [200, 200, 503, 200]]] as const) {
    const config: Config = { connections_per_client: 1, client_ipv6_prefix, proxy_protocol: ['loopback'] }
    await virtually(config, handle, function* ({ connect }) {
      const statuses: number[] = []
      for (const ip of ['2001:db8:0:1::1', '2001:db8:0:2::1', '2001:db8:0:2::1', '2001:db8:0:100::1']) {
        statuses.push((yield* ask(connect, from(ip))).status)
      }
      t.strictSame(statuses, expected, `/${client_ipv6_prefix}`)
    })
  }
})

t.test('proxies whose fields name the clients do not count, behind a PROXY header either', async (t) => {
  for (const [config, before] of [
    [{ trusted_proxies: ['loopback'] }, ''],
    [{ trusted_proxies: ['10.0.0.0/8'], proxy_protocol: ['loopback'] }, from('10.1.1.1')],
  ] as const) {
    await virtually({ connections_per_client: 1, ...config }, handle, function* ({ connect }) {
      for (let count = 0; count < 4; count++) t.equal((yield* ask(connect, before)).status, 200)
    })
  }
})

const made = new Certificates()
t.teardown(() => made.remove())
const ssl: Config['ssl'] = { default: made.issue({ names: ['localhost'] }) }

t.test('with TLS the connection is closed before the handshake', async (t) => {
  for (const before of ['', from('192.0.2.1')]) {
    const seen = record(t)
    const { connect, port } = await serve(t, { ssl, connections_per_client: 1, proxy_protocol: before === '' ? [] : ['loopback'] }, () => 'in')
    const first = await connect(before)
    if (before === '') {
      const client = tls.connect({ socket: first.socket, rejectUnauthorized: false })
      await new Promise((resolve) => client.once('secureConnect', resolve))
    }
    await eventually(() => seen.all.length > 0, 'the first')
    // It may be reset before it knows that it is open.
    const second = net.connect({ port, host: '127.0.0.1' })
    const received: Buffer[] = []
    second.on('error', () => {}).on('data', (bytes: Buffer) => received.push(bytes)).write(before)
    await new Promise((resolve) => second.once('close', resolve))
    t.strictSame(received, [])
    t.match(seen.all.find(({ name }) => name === 'leveret:reject')?.event, { client_ip: before === '' ? '127.0.0.1' : '192.0.2.1', status: null })
  }
})

t.test('nothing is kept of clients that have left, nor of connections before the setting', async (t) => {
  const log = keptLog()
  await virtual(function* () {
    yield* lev.sleep(0)
    const limit = new ClientLimit()
    const off = mergeSettings(defaults, { logger: log })
    const on = mergeSettings(off, { connections_per_client: 2 })
    const peers = Array.from({ length: 3 }, () => new Peer('192.0.2.1', 1))
    t.strictSame(peers.map((peer) => limit.enter(peer, off, log)), [true, true, true])
    t.equal(limit.size, 0)
    t.strictSame(peers.map((peer) => limit.enter(peer, on, log)), [true, true, false])
    t.ok(limit.enter(peers[0], on, log), 'is counted already')
    t.ok(limit.enter(new Peer('', 0), on, log), 'a Unix socket')
    t.equal(limit.size, 1)
    for (const peer of [...peers, ...peers]) limit.leave(peer)
    t.equal(limit.size, 0)
    t.ok(limit.enter(new Peer('::ffff:192.0.2.1', 1), on, log))
    t.ok(limit.enter(new Peer('192.0.2.1', 1), on, log))
    t.notOk(limit.enter(new Peer('192.0.2.1', 1), on, log), 'both spellings are one client')
  })
})
