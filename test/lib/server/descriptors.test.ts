import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import type { Config, Handler } from '../../../lib/index.js'
import { openResources } from '../../support/memory.js'
import { eventually, request, serve } from '../../support/serving.js'
import { Certificates } from '../../tls/certificates.js'
import { helloFor } from '../../tls/hellos.js'
import { frame, handshake, opcodes } from '../websocket/wire.js'

// Whatever clients do, the sockets of connections that are over are given back to the system.

const made = new Certificates()
t.teardown(() => made.remove())
const ssl = { default: made.issue({ names: ['localhost'] }) }

/** Sockets that this process has open, as the system counts them; where that cannot be asked, as Node does. */
function sockets(): number {
  if (process.platform !== 'linux') return openResources('TCPSocketWrap') + openResources('TCPServerWrap')
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:')
    } catch {
      // That of the folder itself.
      return false
    }
  }).length
}

const short: Config = {
  request_header_timeout: 0.1, request_body_timeout: 0.1, send_timeout: 0.2, tls_handshake_timeout: 0.1, keepalive_idle_timeout: 0.1,
}

const large = Buffer.alloc(20_000_000)

const handle: Handler = (_method, query, _args, _headers, _body, ctx) => {
  switch (query) {
    case '/large':
      return large
    case '/stream':
      return [function* (out) { for (;;) yield* out.write(large.subarray(0, 100_000)) }]
    case '/never':
      return endless()
    case '/promise':
      return new Promise<never>(() => {})
    case '/read':
      return ctx.body.bytes()
    case '/websocket':
      return ctx.upgrade(function* (ws) {
        for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
      }, { ping_interval: 0.1, pong_timeout: 0.1, close_timeout: 0.1 })
    default:
      return 'x'
  }
}

function* endless(): Op<string> {
  yield* lev.sleep(3000)
  return 'x'
}

interface Client {
  readonly plain: net.Socket
  /** What requests go over: `plain` itself, or TLS on it. */
  readonly socket: net.Socket
}

interface Abuse {
  readonly first: string | Buffer
  /** Sent in the place of a TLS handshake. */
  readonly raw?: true
  /** Sent behind a TLS handshake, in the clear. */
  readonly behind?: Buffer
  readonly config?: Config
  /** The server waits for the client, without end. */
  readonly endless?: true
}

const chunked = { 'Transfer-Encoding': 'chunked' }
const upgrade = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from(handshake({}, 'GET /websocket HTTP/1.1')), bytes])

const abuses: Record<string, Abuse> = {
  'nothing': { first: '' },
  'a request': { first: request('GET /') },
  'half a head': { first: 'GET / HT' },
  'a fault': { first: 'nonsense\r\n\r\n' },
  'a fault, and much behind it': { first: `nonsense\r\n\r\n${'x'.repeat(1_000_000)}` },
  'a body that stops': { first: request('POST /', { 'Content-Length': '100' }) },
  'a body that stops, read by its handler': { first: request('POST /read', { 'Content-Length': '100' }), config: { buffer_body: false } },
  'chunks that stop': { first: `${request('POST /', chunked)}5\r\nab` },
  'a malformed chunk': { first: `${request('POST /read', chunked)}5\r\nhellox`, config: { buffer_body: false } },
  'too large a body': { first: request('POST /', { 'Content-Length': '1000000000' }) },
  'a large response': { first: request('GET /large') },
  'pipelined requests': { first: request('GET /large').repeat(100) },
  'a response without end': { first: request('GET /stream') },
  'a handler without end': { first: request('GET /never'), endless: true },
  'a promise that never settles': { first: request('GET /promise'), endless: true },
  'connections over the limit': { first: request('GET /never'), config: { connection_limit: 2 }, endless: true },
  'a WebSocket': { first: upgrade(Buffer.alloc(0)) },
  'a WebSocket, and half a frame': { first: upgrade(frame(opcodes.text, 'hello').subarray(0, 4)) },
  'a WebSocket, and a fault': { first: upgrade(frame(opcodes.text, 'hello', { mask: null })) },
  'a WebSocket, and many messages': { first: upgrade(frame(opcodes.text, 'x'.repeat(60_000))) },
  'plain HTTP': { first: request('GET /'), raw: true },
  'half a ClientHello': { first: helloFor('localhost').subarray(0, 20), raw: true },
  'a ClientHello': { first: helloFor('localhost'), raw: true },
  'no ClientHello': { first: Buffer.from('160303000401000000', 'hex'), raw: true },
  'bytes that are no record': { first: '', behind: Buffer.alloc(100, 'x') },
  'a record that is not authentic': { first: request('GET /never'), behind: Buffer.from(`1703030020${'00'.repeat(32)}`, 'hex') },
}

/** How its client leaves; one that stays does not read, either. */
const leaving: Record<string, (client: Client) => void> = {
  'ends its side': ({ socket }) => socket.end(),
  'closes': ({ socket }) => socket.destroy(),
  'resets': ({ plain }) => plain.resetAndDestroy(),
  'ends its side below TLS': ({ plain }) => plain.end(),
}

async function open(port: number, secure: boolean, { first, raw, behind }: Abuse): Promise<Client> {
  const plain = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  plain.on('error', () => {})
  const socket = secure && raw === undefined ? tls.connect({ socket: plain, rejectUnauthorized: false }) : plain
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once(socket === plain ? 'connect' : 'secureConnect', resolve)
    socket.once('close', resolve)
  })
  socket.pause()
  socket.write(first)
  if (behind !== undefined) await new Promise((resolve) => setTimeout(resolve, 5))
  if (behind !== undefined) plain.write(behind)
  return { plain, socket }
}

const each = 4

/** Commits one abuse some times, and gives the clients. */
async function commit(t: Test, secure: boolean, abuse: Abuse): Promise<Client[]> {
  const { port } = await serve(t, { ...short, ...(secure ? { ssl } : {}), connection_limit: 1000, ...abuse.config }, handle)
  return await Promise.all(Array.from({ length: each }, () => open(port, secure, abuse)))
}

for (const secure of [false, true]) {
  const where = secure ? 'over TLS' : 'over TCP'
  const table = Object.entries(abuses).filter(([, { raw, behind }]) => secure || (raw === undefined && behind === undefined))

  for (const [what, leave] of Object.entries(leaving)) {
    if (what.includes('TLS') && !secure) continue
    t.test(`${where}: a client that ${what} leaves no socket open, whatever it has done`, async (t) => {
      for (const [name, abuse] of table) {
        await t.test(name, async (t) => {
          const before = sockets()
          const clients = await commit(t, secure, abuse)
          await new Promise((resolve) => setTimeout(resolve, 5))
          for (const client of clients) leave(client)
          await closed(t, before, 1, clients)
        })
      }
    })
  }

  t.test(`${where}: a connection that is parked is closed, however its client leaves`, async (t) => {
    const before = sockets()
    const parked: Stream[] = []
    const { port } = await serve(t, { ...short, keepalive_idle_timeout: 60, ...(secure ? { ssl } : {}) }, (_m, _q, _a, _h, _b, ctx) => {
      parked.push(ctx.client)
      return 'x'
    })
    const ways = { ...leaving, 'wakes it, and stays': ({ socket }: Client) => void socket.write('GET / HT') }
    const opened = await Promise.all(Object.values(ways).map(async (leave) => ({ leave, client: await open(port, secure, { first: request('GET /') }) })))
    await eventually(() => parked.length === opened.length && parked.every(({ isOpen }) => !isOpen), 'all are parked')
    for (const { leave, client } of opened) leave(client)
    await closed(t, before, 1, opened.map(({ client }) => client))
  })

  t.test(`${where}: a client that neither reads nor leaves is left by the server`, async (t) => {
    const before = sockets()
    const lasting = table.filter(([, { endless }]) => endless === undefined)
    const clients = await Promise.all(lasting.map(([, abuse]) => commit(t, secure, abuse)))
    await closed(t, before, lasting.length, clients.flat())
  })
}

/** Waits until the server has closed its sockets, and then, without its clients, for all to be closed but the listeners. */
async function closed(t: Test, before: number, listeners: number, clients: readonly Client[]): Promise<void> {
  const left = (): number => sockets() - before - listeners
  await eventually(() => left() <= clients.filter(({ plain }) => !plain.destroyed).length, 'the server closes its sockets')
  for (const { plain } of clients) plain.destroy()
  await eventually(() => left() === 0, 'all sockets are closed')
  t.equal(left(), 0)
}

const program = `
  const server = await import(${JSON.stringify(new URL('../../../lib/index.js', import.meta.url).href)})
  const service = server.new({ port: 0, log_level: 'warn', connection_limit: 5000, keepalive_idle_timeout: 600 }, () => 'x')
  service.serve()
  console.log((await service.listening).port)
`

t.test('a process that is out of descriptors serves those who are in, and others once there is room', async (t) => {
  const child = spawn('sh', ['-c', `ulimit -n 400; exec "${process.execPath}" --input-type=module -e "$0"`, program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data') as [Buffer]
  const port = Number(line.toString())
  const clients = await Promise.all(Array.from({ length: 500 }, async () => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(request('GET /'))
    const end = await Promise.race(['data', 'close'].map(async (event) => await once(socket, event).then(() => event, () => 'close')))
    return { socket, end }
  }))
  const inside = clients.filter(({ end }) => end === 'data')
  t.ok(inside.length > 200 && inside.length < 400, `${inside.length} of ${clients.length} are in`)
  for (const { socket } of inside) socket.write(request('GET /'))
  await Promise.all(inside.map(async ({ socket }) => await once(socket, 'data')))
  for (const { socket } of clients) socket.destroy()
  for (let tries = 0, served = false; !served; tries++) {
    t.ok(tries < 1000)
    const socket = net.connect(port, '127.0.0.1')
    socket.write(request('GET /'))
    served = await once(socket, 'data').then(() => true, () => false)
    socket.destroy()
  }
})
