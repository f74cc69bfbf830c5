import net from 'node:net'
import tls from 'node:tls'
import { once } from 'node:events'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Context, Handler } from '../../../lib/index.js'
import { bytesInUse, openResources } from '../../support/memory.js'
import { eventually, request, serve } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'
import { Certificates } from '../../tls/certificates.js'

// Many parked connections that wake at once.

const made = new Certificates()
t.teardown(() => made.remove())
const ssl = { default: made.issue({ names: ['localhost'] }) }

const get = request('GET /')

/** Responds, and keeps the last context: it gives a closed stream once its connection is parked. */
function keeping(): { handle: Handler; last: () => Context | null } {
  let last: Context | null = null
  return {
    handle: (_method, _query, _args, _headers, _body, ctx) => {
      last = ctx
      return 'x'
    },
    last: () => last,
  }
}

interface Client {
  send(text: string): void
  /** Waits until as many bytes have come. */
  got(size: number): Promise<void>
  /** Size of the first piece that comes. */
  readonly first: Promise<number>
  close(): void
}

/** A client that keeps nothing of what it gets but how many bytes it was. */
async function open(port: number, secure: boolean): Promise<Client> {
  const plain = net.connect({ port, host: '127.0.0.1', noDelay: true })
  const socket = secure ? tls.connect({ socket: plain, rejectUnauthorized: false }) : plain
  await once(socket, secure ? 'secureConnect' : 'connect')
  let received = 0
  let tell = (): void => {}
  socket.on('data', ({ length }) => {
    received += length
    tell()
  })
  return {
    first: once(socket, 'data').then(([bytes]: Buffer[]) => bytes.length),
    send: (text) => void socket.write(text),
    got: (size) => new Promise((resolve) => {
      tell = () => void (received >= size && resolve())
      tell()
    }),
    close: () => void socket.destroy(),
  }
}

for (const secure of [false, true]) {
  t.test(`${secure ? 'over TLS' : 'over TCP'}: all are served at once, again and again, and the memory of the parked does not grow`, async (t) => {
    const count = secure ? 100 : 500
    const sockets = openResources('TCPSocketWrap')
    const { handle, last } = keeping()
    const settings = { ssl: secure ? ssl : null, connection_limit: count, keepalive_idle_timeout: 600, request_header_timeout: 600, logger: null, log_level: 'error' } as const
    const { port } = await serve(t, settings, handle)
    const clients = await Promise.all(Array.from({ length: count }, () => open(port, secure)))
    clients[0].send(get)
    const size = await clients[0].first
    /** All ask, and are answered; then they are parked. */
    const storm = async (number: number): Promise<{ awake: number; parked: number }> => {
      for (const [k, client] of clients.entries()) if (number > 1 || k > 0) client.send(get)
      await Promise.all(clients.map((client) => client.got(number * size)))
      const awake = await bytesInUse()
      await eventually(() => last()?.client.isOpen === false, 'they are parked')
      return { awake, parked: await bytesInUse() }
    }
    const storms = []
    for (const number of [1, 2, 3, 4]) storms.push(await storm(number))
    const [, { parked }, , { parked: later }] = storms
    const awake = Math.max(...storms.map((one) => one.awake))
    const numbers = `awake ${awake}, parked ${parked}, after two storms more ${later}`
    t.ok(later - parked < (awake - parked) / 2, numbers)
    for (const client of clients) client.close()
    await eventually(() => openResources('TCPSocketWrap') === sockets, 'all sockets are closed')
  })
}

t.test('who comes meanwhile is served before a storm of pipelined requests is', async (t) => {
  const [count, each] = [100, 100]
  let served = 0
  let before = -1
  const { handle, last } = keeping()
  const { connect, ask } = await serve(t, { connection_limit: 1000, keepalive_idle_timeout: 600 }, (...given) => {
    if (given[1] === '/other') before = served
    else served++
    return handle(...given)
  })
  const clients = await Promise.all(Array.from({ length: count }, () => connect(get)))
  await Promise.all(clients.map((client) => client.responses(1)))
  await eventually(() => last()?.client.isOpen === false, 'they are parked')
  served = 0
  for (const client of clients) client.send(get.repeat(each))
  await ask(request('GET /other'))
  await Promise.all(clients.map((client) => client.responses(1 + each)))
  t.equal(served, count * each)
  t.ok(before < served / 2, `after ${before} of ${served}`)
})

/** What wakes all of them, and how many responses each has then. */
const wakes: Record<string, readonly [wake: (client: VirtualClient) => void, responses: number]> = {
  'a request': [({ stream }) => stream.put(request('GET /', { Connection: 'close' })), 2],
  'a byte': [({ stream }) => stream.put('G'), 2],
  'blank lines': [({ stream }) => stream.put('\r\n\r\n'), 1],
  'a fault': [({ stream }) => stream.put('nonsense\r\n\r\n'), 2],
  'the end of the client': [({ stream }) => stream.close(), 1],
  'a reset': [({ stream }) => stream.reset(), 1],
  'the end of their time': [() => {}, 1],
}

for (const [what, [wake, count]] of Object.entries(wakes)) {
  t.test(`woken by ${what}: each gets what it is due, and the server is free for others`, async (t) => {
    const crowd = 300
    await virtually({ connection_limit: crowd, keepalive_idle_timeout: 20 }, () => 'x', function* ({ connect, log }: World) {
      const clients: VirtualClient[] = []
      for (let k = 0; k < crowd; k++) clients.push(yield* connect(get))
      for (const client of clients) yield* client.responses(1)
      yield* lev.sleep(5)
      for (const client of clients) wake(client)
      const gone = clients.map((client) => !client.stream.isOpen)
      for (const [k, client] of clients.entries()) if (!gone[k]) t.equal((yield* client.all()).responses.length, count)
      for (const { stream } of clients) stream.close()
      yield* lev.sleep(1)
      const others = []
      for (let k = 0; k < crowd; k++) others.push(yield* connect(get))
      for (const other of others) t.equal((yield* other.responses(1))[0].status, 200)
      for (const { stream } of others) stream.close()
      t.strictSame(log.of('error'), [])
      t.strictSame(log.of('warn'), [], 'none had to give way')
    })
  })
}
