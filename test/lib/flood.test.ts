import t from 'tap'
import type { Handler, Logger } from '../../lib/index.js'
import { bytesInUse, openResources } from '../support/memory.js'
import { RawClient } from '../support/raw-client.js'
import { eventually, request, serve } from '../support/serving.js'
import { virtually, type World } from '../support/virtual.js'

const MiB = 1024 * 1024

/** A logger that keeps nothing. */
const silent: Logger = {
  debug() {}, access() {}, info() {}, warn() {}, error() {}, child: () => silent, isLevelEnabled: () => false,
}

const chunkedHead = 'POST /chunks HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n'

t.test('100,000 one-byte chunks: taken, while others are answered', async (t) => {
  const order: string[] = []
  const { connect } = await serve(t, {}, (_method, query, _args, _headers, body) => {
    order.push(query)
    return String(body?.length ?? 0)
  })
  const other = await connect(request('GET /warm'))
  await other.responses(1)
  const client = await connect(chunkedHead + '1\r\nx\r\n'.repeat(50_000))
  for (let k = 0; k < 20; k++) {
    client.send('1\r\nx\r\n'.repeat(2500))
    other.send(request(`GET /${k}`))
    await other.responses(k + 2)
  }
  t.equal(order.length, 21, 'each got its response while the chunks came')
  client.send('0\r\n\r\n')
  const [response] = await client.responses(1)
  t.equal(response.body.toString(), '100000')
})

t.test('all chunks at once: the others have their turn before the end', async (t) => {
  const order: string[] = []
  const { connect } = await serve(t, {}, (_method, query, _args, _headers, body) => {
    order.push(query)
    return String(body?.length ?? 0)
  })
  const other = await connect(request('GET /warm'))
  await other.responses(1)
  const client = await connect(chunkedHead + '1\r\nx\r\n'.repeat(400_000) + '0\r\n\r\n')
  other.send(request('GET /other'))
  await other.responses(2)
  t.strictSame(order, ['/warm', '/other'], 'answered first')
  t.equal((await client.responses(1))[0].body.toString(), '400000')
})

t.test('one-byte chunks cost no more memory than the body', async (t) => {
  const { connect } = await serve(t, { logger: silent }, () => 'x')
  const client = await connect(chunkedHead)
  await client.sendAll('1\r\nx\r\n'.repeat(1000))
  const before = await bytesInUse()
  for (let k = 0; k < 10; k++) await client.sendAll('1\r\nx\r\n'.repeat(100_000))
  const growth = await bytesInUse() - before
  t.ok(growth < 6 * MiB, `a million of them: ${(growth / MiB).toFixed(1)} MiB`)
  client.send('0\r\n\r\n')
  t.equal((await client.responses(1))[0].status, 200)
})

t.test('floods of bytes that are no content are cut early', async (t) => {
  const floods: Record<string, [start: string, more: string]> = {
    'zeros of a chunk size': [chunkedHead, '0'],
    'one extension': [`${chunkedHead}1;`, 'x'],
    'many extensions': [chunkedHead, '1;extension=value-of-it\r\nx\r\n'],
    'padded sizes and extensions': [chunkedHead, '000000000000001;a\r\nx\r\n'],
    'trailers': [`${chunkedHead}0\r\n`, 'X: y\r\n'],
    'one trailer': [`${chunkedHead}0\r\nX: `, 'y'],
    'blank lines': ['', '\r\n'],
    'blank lines between requests': [request('GET /'), '\r\n'],
    'a method': ['', 'A'],
    'a target': ['GET /', 'a'],
    'a field': ['GET / HTTP/1.1\r\nA: ', 'b'],
    'spaces before a value': ['GET / HTTP/1.1\r\nA:', ' '],
    'fields': ['GET / HTTP/1.1\r\n', 'A: b\r\n'],
  }
  await virtually({ connection_limit: 1000 }, () => 'x', function* ({ connect }: World) {
    for (const [what, [start, more]] of Object.entries(floods)) {
      const client = yield* connect(start)
      let sent = 0
      // What the server has thrown away while it lingers counts too: so the flood stops with the first response.
      while (sent < 4 * MiB && !/HTTP\/1\.1 [45]/.test(client.text) && client.ending === null) {
        client.send(more.repeat(Math.ceil(4096 / more.length)))
        sent += 4096
        yield* client.stream.flush()
        if (client.stream.inputEnd > client.stream.inputStart) yield* client.more()
      }
      t.match(client.text, /HTTP\/1\.1 4(00|13|14|31) |HTTP\/1\.1 501 /, `${what}: refused`)
      t.ok(sent < MiB, `${what}: after ${sent} bytes`)
      client.stream.close()
    }
  })
})

t.test('thousands of pipelined requests of a client that does not read: responses do not pile up', async (t) => {
  let calls = 0
  const response = Buffer.alloc(10_000, 'x')
  const handle: Handler = () => {
    calls++
    return response
  }
  const { connect, ask } = await serve(t, { logger: silent, requests_per_connection: 1_000_000 }, handle)
  const before = await bytesInUse()
  const clients = await Promise.all([1, 2, 3, 4].map(async () => {
    const client = await connect()
    client.socket.pause()
    client.send(request('GET /').repeat(50_000))
    return client
  }))
  let last = -1
  while (calls !== last) {
    last = calls
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  // The system's own buffers take some megabytes for each.
  t.ok(calls < 4 * 2000, `${calls} of 200,000 were answered`)
  const growth = await bytesInUse() - before - 4 * 50_000 * request('GET /').length
  t.ok(growth < 12 * MiB, `${(growth / MiB).toFixed(1)} MiB for four clients`)
  t.equal((await ask(request('GET /'))).status, 200, 'others are served')
  for (const client of clients) client.reset()
})

t.test('many connections: each is served, and nothing of them stays', async (t) => {
  const handle: Handler = (_method, query) => (query === '/fail' ? Promise.reject(new Error('x')) : query.repeat(10))
  const { port } = await serve(t, { logger: silent, connection_limit: 2000, compression: { min_size: 10 } }, handle)
  const texts = [
    request('GET /plain'), request('GET /fail'), request('GET /gzip', { 'Accept-Encoding': 'gzip' }),
    request('POST /body', {}, 'x'.repeat(1000)), `${chunkedHead}3\r\nabc\r\n0\r\n\r\n`, 'nonsense\r\n\r\n',
    request('GET /1') + request('GET /2'), request('GET /bye', { Connection: 'close' }),
  ]
  const round = async (): Promise<number> => {
    for (let k = 0; k < 10; k++) {
      const clients = await Promise.all(
        Array.from({ length: 50 }, async (_, n) => RawClient.connect(port, texts[(k + n) % texts.length])),
      )
      await Promise.all(clients.map(async (client) => await client.responses(1)))
      for (const [n, client] of clients.entries()) {
        if (n % 3 === 0) client.reset()
        else client.close()
      }
    }
    await eventually(() => openResources('TCPSocketWrap') === 0, 'all sockets closed')
    return await bytesInUse()
  }
  await round()
  const after = await round()
  const growth = await round() - after
  t.ok(growth < 500 * 1000, `${growth} bytes more after 500 more connections`)
  t.equal(openResources('TCPSocketWrap'), 0)
})
