import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Config, Handler } from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { RawClient } from '../../support/raw-client.js'
import { saysClose } from '../../support/responses.js'
import { eventually, request, serve, type Served } from '../../support/serving.js'
import { Certificates } from '../../tls/certificates.js'

const made = new Certificates()
t.teardown(() => made.remove())
const ca = made.issue({ names: ['Test CA'], ca: true })
const identity = made.issue({ names: ['localhost'], by: ca, kind: 'p256' })
const trusted = readFileSync(ca.cert)

interface SecureServed extends Served {
  /** Opens an encrypted connection, closed with the test; `plain` is what it runs on. */
  secure(first?: string, options?: tls.ConnectionOptions): Promise<RawClient & { plain: net.Socket }>
}

async function serveSecure(t: Test, config: Config, handle: Handler): Promise<SecureServed> {
  const served = await serve(t, { ssl: { default: identity }, ...config }, handle)
  return {
    ...served,
    async secure(first = '', options = {}) {
      const plain = net.connect({ host: '127.0.0.1', port: served.port, allowHalfOpen: true, noDelay: true })
      plain.on('error', () => {})
      const given: tls.ConnectionOptions & { allowHalfOpen: boolean } =
        { socket: plain, servername: 'localhost', ca: trusted, allowHalfOpen: true, ...options }
      const socket = tls.connect(given)
      await once(socket, 'secureConnect')
      const client = new RawClient(socket)
      t.teardown(() => plain.destroy())
      if (first !== '') client.send(first)
      return Object.assign(client, { plain })
    },
  }
}

const versions: tls.SecureVersion[] = ['TLSv1.2', 'TLSv1.3']

for (const version of versions) {
  const options = { minVersion: version, maxVersion: version }

  t.test(`${version}: a client that goes away, in whatever way: its handler is cancelled`, async (t) => {
    const events: string[] = []
    const { secure, log } = await serveSecure(t, {}, function* (_method, query) {
      try {
        events.push(`${query} began`)
        yield* lev.sleep(3000)
        return 'x'
      } finally {
        events.push(`${query} ended`)
      }
    })
    const ways: Record<string, (client: { socket: net.Socket; plain: net.Socket }) => void> = {
      '/close-notify': ({ socket }) => socket.end(),
      '/fin': ({ plain }) => plain.end(),
      '/reset': ({ plain }) => plain.resetAndDestroy(),
    }
    for (const [count, [path, leave]] of Object.entries(ways).entries()) {
      const client = await secure(request(`POST ${path}`, {}, 'body'), options)
      await eventually(() => events.includes(`${path} began`), 'its call')
      leave(client)
      await eventually(() => log.statuses().length === count + 1, `the line of ${path}`)
      t.ok(events.includes(`${path} ended`))
    }
    t.strictSame(log.statuses(), [499, 499, 499])
    t.strictSame(log.of('error'), [])
  })

  t.test(`${version}: a refused client receives why, although it keeps sending`, async (t) => {
    const { secure } = await serveSecure(t, { max_body_size: 1000 }, () => 'x')
    for (const text of [request('POST /', { 'Content-Length': '8000000' }), 'nonsense\r\n\r\n']) {
      const client = await secure(text, options)
      client.socket.pause()
      for (let k = 0; k < 10; k++) await client.sendAll(Buffer.alloc(300_000, 'GET / HTTP/1.1\r\n'))
      client.end()
      client.socket.resume()
      const responses = await client.all()
      t.equal(responses.length, 1)
      t.ok(saysClose(responses[0]))
      t.equal(await client.over, 'end')
    }
  })
}

t.test('curl: large contents both ways, keep-alive, compression', async (t) => {
  const { port } = await serveSecure(t, { max_body_size: 50_000_000 }, (_method, query, _args, _headers, body) =>
    body ?? 'text '.repeat(Number(query.slice(1))))
  const args = ['--cacert', ca.cert, '--resolve', `localhost:${port}:127.0.0.1`]
  const url = `https://localhost:${port}`
  const bytes = randomBytes(20_000_000)
  const echoed = await curl([...args, '-T', '-', url], bytes)
  t.equal(echoed.code, 0, echoed.stderr)
  t.ok(echoed.stdout.equals(bytes))
  t.equal((await curl([...args, '--compressed', `${url}/1000000`])).stdout.length, 5_000_000)
  const two = await curl([...args, '-w', '%{num_connects}', `${url}/1`, `${url}/1`])
  t.equal(two.text, 'text 1text 0')
})

t.test('timeouts: idle, head, and a handshake that is not begun or not finished', async (t) => {
  const settings = { keepalive_idle_timeout: 0.2, request_header_timeout: 0.2, tls_handshake_timeout: 0.2 }
  const { secure, connect, log } = await serveSecure(t, settings, () => 'x')
  const idle = await secure(request('GET /'))
  t.equal((await idle.all()).length, 1)
  t.equal(await idle.over, 'end')
  const slow = await secure('GET / HT')
  t.strictSame((await slow.all()).map(({ status }) => status), [408])
  const silent = await connect()
  await silent.over
  const half = await connect('\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03')
  await half.over
  t.equal(silent.received.length + half.received.length, 0)
  t.equal(log.of('debug').filter(({ message }) => message === 'TLS handshake failed').length, 2)
  t.strictSame(log.of('error'), [])
})

t.test('handshakes count towards connection_limit', async (t) => {
  const { secure, connect, log } = await serveSecure(t, { connection_limit: 2, tls_handshake_timeout: 0.5 }, () => 'x')
  // The beginning of a hello: those that have sent nothing give way.
  const silent = [await connect('\x16\x03\x01'), await connect('\x16\x03\x01')]
  // The reset may come before the client knows that it was connected.
  const over = async (client: RawClient): Promise<string> => `${await client.over} ${client.received.length}`
  const third = await connect().then(over, () => 'reset 0')
  t.equal(third, 'reset 0', 'no client could be told: closed before the handshake')
  await Promise.all(silent.map(async (client) => await client.over))
  for (const client of silent) client.close()
  const next = await secure(request('GET /'))
  t.equal((await next.responses(1))[0].status, 200, 'there is room once they are cut')
  t.equal(log.of('warn').length, 1)
})

t.test('stop: what is in flight finishes, what is idle or in its handshake closes', async (t) => {
  const handle: Handler = function* (_method, query) {
    if (query === '/slow') yield* lev.sleep(0.3)
    return query
  }
  // Neither time is waited for, or this test would not end.
  const { secure, connect, server, done } = await serveSecure(t, { tls_handshake_timeout: 3600 }, handle)
  const idle = await secure(request('GET /idle'))
  await idle.responses(1)
  const silent = await connect()
  const busy = await secure(request('GET /slow') + request('GET /behind'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  const stopped = server.stop({ drain: 3600 })
  const responses = await busy.all()
  t.strictSame(responses.map(({ body }) => body.toString()), ['/slow'])
  t.ok(saysClose(responses[0]))
  t.equal((await idle.all()).length, 1)
  t.equal(await idle.over, 'end')
  await silent.over
  for (const client of [idle, busy, silent]) client.close()
  await stopped
  await done
})

t.test('a client that does not read is cut', async (t) => {
  const { secure, log } = await serveSecure(t, { send_timeout: 0.3 }, () => Buffer.alloc(50_000_000))
  const client = await secure()
  client.plain.pause()
  client.socket.pause()
  client.send(request('GET /'))
  await eventually(() => log.statuses().length > 0, 'its line')
  t.strictSame(log.statuses(), [499])
  t.strictSame(log.of('error'), [])
})
