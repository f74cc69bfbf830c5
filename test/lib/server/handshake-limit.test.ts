// The setting handshakes_per_client.
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { Config } from '../../../lib/index.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'
import { Certificates } from '../../tls/certificates.js'
import { record } from '../observe/recorded.js'

const made = new Certificates()
t.teardown(() => made.remove())
const identity = made.issue({ names: ['localhost'] })
const ssl: Config['ssl'] = { default: identity }
const context = createSecureContext({ ca: readFileSync(identity.cert) })

/** Begins a handshake, after `before`; the status of a request, or how the server ended the connection instead. */
function* ask(connect: World['connect'], before = ''): Op<number | 'end' | 'reset'> {
  const client = yield* connect(before)
  try {
    yield* client.stream.secure({ side: 'client', context, alpn: [], serverName: 'localhost', verify: true })
    client.send(request('GET /', { Host: 'localhost', Connection: 'close' }))
    return (yield* client.responses(1))[0].status
  } catch (error) {
    if (!(error instanceof lev.ClosedError || error instanceof lev.HandshakeError)) throw error
    t.notOk(yield* client.more())
    t.equal(client.received.length, 0, 'nothing was sent')
    return client.ending ?? 'end'
  } finally {
    client.stream.close()
  }
}

/** At each time from the start, begins so many handshakes, one after the other; how many were served. */
function* story(connect: World['connect'], tries: readonly [at: number, count: number][], before = ''): Op<number[]> {
  const began = lev.now()
  const served: number[] = []
  for (const [at, count] of tries) {
    yield* lev.sleep(began + at - lev.now())
    const results: unknown[] = []
    for (let n = 0; n < count; n++) results.push(yield* ask(connect, before))
    served.push(results.filter((result) => result === 200).length)
    t.strictSame(results.filter((result) => result !== 200 && result !== 'reset'), [])
  }
  return served
}

t.test('a burst, then the rate; exact', async (t) => {
  const seen = record(t)
  await virtually({ ssl, handshakes_per_client: 4 }, () => 'in', function* ({ connect, log }) {
    // Each try takes less than 2 ms.
    t.strictSame(yield* story(connect, [[0, 6], [0.2, 1], [0.26, 2], [0.49, 1], [0.51, 1], [60, 6]]), [4, 0, 1, 0, 1, 4])
    t.match(log.of('warn'), [{ refused: 1, client: '127.0.0.1', handshakes_per_client: 4 }, { refused: 5 }])
    t.equal(log.of('warn').length, 2, 'the log has one line a second')
    t.strictSame(log.of('error'), [])
  })
  const rejections = seen.all.filter(({ name }) => name === 'leveret:reject').map(({ event }) => event)
  t.equal(rejections.length, 7)
  t.match(rejections[0], { client_ip: '127.0.0.1', status: null, reason: 'too many handshakes of one client' })
  t.equal(seen.all.filter(({ name }) => name === 'leveret:handshake:fail').length, 0)
})

t.test('a handshake counts when its first bytes arrive, whatever becomes of it', async (t) => {
  await virtually({ ssl, handshakes_per_client: 2, tls_handshake_timeout: 1 }, () => 'in', function* ({ connect }) {
    const silent = []
    for (let count = 0; count < 10; count++) silent.push(yield* connect())
    t.strictSame(yield* story(connect, [[0, 3]]), [2], 'connections that say nothing do not count')
    yield* lev.sleep(10)
    for (const first of ['\x16\x03\x01', 'GET / HTTP/1.1\r\n\r\n']) yield* connect(first)
    yield* lev.sleep(0.01)
    t.strictSame(yield* story(connect, [[0, 2]]), [0])
    for (const client of silent) client.stream.close()
  })
})

const from = (ip: string): string => `PROXY TCP${ip.includes(':') ? 6 : 4} ${ip} ${ip.includes(':') ? '2001:db8::9' : '192.0.2.9'} 1234 443\r\n`

t.test('the client that a PROXY header names counts, an IPv6 client by its network; the proxy does not', async (t) => {
  const config: Config = { ssl, handshakes_per_client: 1, client_ipv6_prefix: 56, proxy_protocol: ['loopback'] }
  await virtually(config, () => 'in', function* ({ connect }) {
    const results: unknown[] = []
    const ips = ['192.0.2.1', '192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8:0:ff::1', '2001:db8:0:100::1']
    for (const ip of ips) results.push(yield* ask(connect, from(ip)))
    t.strictSame(results, [200, 'reset', 200, 200, 'reset', 200])
    t.strictSame(yield* story(connect, [[0, 4]], 'PROXY UNKNOWN\r\n'), [4])
  })
})

t.test('proxies whose fields name the clients do not count', async (t) => {
  await virtually({ ssl, handshakes_per_client: 1, trusted_proxies: ['loopback'] }, () => 'in', function* ({ connect }) {
    t.strictSame(yield* story(connect, [[0, 4]]), [4])
  })
})

t.test('without TLS nothing counts, and a setting that changes begins anew', async (t) => {
  await virtually({ handshakes_per_client: 1 }, () => 'in', function* ({ connect, server }) {
    for (let count = 0; count < 4; count++) {
      const client = yield* connect(request('GET /'))
      t.equal((yield* client.responses(1))[0].status, 200)
      client.stream.close()
    }
    yield* lev.wait(server.configure({ ssl }))
    t.strictSame(yield* story(connect, [[0, 3]]), [1])
    yield* lev.wait(server.configure({ handshakes_per_client: 2 }))
    t.strictSame(yield* story(connect, [[0, 3]]), [2])
    yield* lev.wait(server.configure({ handshakes_per_client: null }))
    t.strictSame(yield* story(connect, [[0, 3]]), [3])
  })
})
