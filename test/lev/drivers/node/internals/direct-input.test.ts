import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import t from 'tap'
import * as lev from '../../../../../lev/index.js'
import { DirectInput } from '../../../../../lev/drivers/node/internals/direct-input.js'
import { isOpen } from '../../../../../lev/drivers/node/internals/gate.js'
import type { TransportEvents } from '../../../../../lev/drivers/driver.js'
import { SocketTransport } from '../../../../../lev/drivers/node/socket-transport.js'
import { clientSecurity, serverSecurity } from '../../../io/stream-kinds.js'
import { connectedPair } from '../../../../../testing/streams.js'
import { listen } from '../../../../support/listen.js'

/** Why what is only done below Node's streams is not tested. */
const closed = isOpen('directInput') ? false : 'the gate is closed'

/** Two ends of a TLS connection of Node's after its handshake, the server's first. */
async function secureSockets(): Promise<[near: TLSSocket, far: TLSSocket]> {
  const server = createServer({ allowHalfOpen: true })
  const port = await listen(server)
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const far = connectTls({
    socket: connect({ port, host: '127.0.0.1' }),
    secureContext: clientSecurity.context, rejectUnauthorized: false, checkServerIdentity: () => undefined,
  })
  const near = new TLSSocket(await accepted, { isServer: true, secureContext: serverSecurity.context })
  await Promise.all([once(near, 'secure'), once(far, 'secureConnect')])
  server.close()
  return [near, far]
}

/** Notes what a transport tells. */
function noting(): TransportEvents & { readonly received: string[]; ended: boolean } {
  const received: string[] = []
  return {
    received,
    ended: false,
    onChunk: (bytes) => void received.push(bytes.toString()),
    onBorrowedChunk: () => {},
    onEnd() {
      this.ended = true
    },
    onProgress: () => {},
    onSecure: () => {},
    onClose: () => {},
  }
}

const turns = { beginEvent() {}, tick() {}, scheduleTick() {} }

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}

t.test('this Node.js lets TLS be read directly: no stream stands between', { skip: closed }, async (t) => {
  const [near, far] = await secureSockets()
  const received: Buffer[] = []
  t.ok(DirectInput.of(near, { receive: (bytes) => received.push(bytes) }))
  t.equal(DirectInput.of(new Socket(), { receive: () => {} }), null, 'not one that is not connected')
  near.on('data', () => t.fail('Node has got it'))
  const ended = once(near, 'end')
  const sent = Buffer.alloc(300_000, 'what was sent, ')
  far.end(sent)
  await ended
  t.ok(Buffer.concat(received).equals(sent), 'all of it, in order, before the end')
  near.destroy()
})

t.test('paused, it leaves what comes to the system; resumed, it gets all of it', { skip: closed }, async (t) => {
  const [near, far] = await secureSockets()
  let size = 0
  const input = DirectInput.of(near, {
    receive(bytes) {
      size += bytes.length
      if (size < 1_000_000) input?.pause()
    },
  })
  near.resume()
  far.end(Buffer.alloc(20_000_000))
  await until(() => size > 0)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.ok(size < 200_000, `${size} bytes, for what was read at once is handed over`)
  input?.pause()
  const ended = once(near, 'end')
  while (size < 1_000_000) {
    input?.resume()
    await new Promise((resolve) => setImmediate(resolve))
  }
  input?.resume()
  input?.resume()
  await ended
  t.equal(size, 20_000_000)
  near.destroy()
  input?.pause()
  input?.resume()
})

t.test('where it cannot be done, TLS is read as Node has it', async (t) => {
  const [near, far] = await secureSockets()
  const transport = new SocketTransport(near, turns, serverSecurity)
  // Its stream is out of sight while the transport starts.
  const handle: unknown = Reflect.get(near, '_handle')
  Reflect.set(near, '_handle', null)
  const events = noting()
  transport.start(events)
  Reflect.set(near, '_handle', handle)
  transport.resume()
  far.write('as ')
  await until(() => events.received.length > 0)
  transport.pause()
  transport.resume()
  far.end('ever')
  await until(() => events.ended)
  t.equal(events.received.join(''), 'as ever')
  transport.destroy()
})

t.test('a reader of much gets ready within the event that brings it: no piece waits behind another', { skip: closed }, async (t) => {
  await lev.run(function* () {
    const [far, near] = yield* connectedPair()
    const size = 8 * 2 ** 20
    lev.spawn(function* () {
      yield* far.write(Buffer.alloc(size))
      yield* far.end()
    })
    const pauses = t.capture(SocketTransport.prototype, 'pause', SocketTransport.prototype.pause)
    let got = 0
    for (let piece = yield* near.read(); piece !== null; piece = yield* near.read()) got += piece.length
    t.equal(got, size)
    t.strictSame(pauses(), [], 'the system was never told to wait')
    near.close()
    far.close()
  })
})

// The last: from then on, this process reads as Node does.
t.test('a read that brings other memory than its own is left to Node, and so are all later ones', { skip: closed }, async (t) => {
  const [near, far] = await secureSockets()
  const handle = Reflect.get(near, '_handle') as { bytesRead: number }
  Object.defineProperty(handle, 'bytesRead', { value: 0 })
  const received: Buffer[] = []
  const input = DirectInput.of(near, { receive: (bytes) => received.push(bytes) })
  near.resume()
  const ended = once(near, 'end')
  const sent = Buffer.alloc(300_000, 'what was sent, ')
  far.write(sent)
  await until(() => received.length > 0)
  input?.pause()
  t.ok(near.isPaused())
  near.resume()
  input?.resume()
  far.end(sent)
  await ended
  t.ok(Buffer.concat(received).equals(Buffer.concat([sent, sent])), 'all of it, in order')
  const [other] = await secureSockets()
  t.equal(DirectInput.of(other, { receive: () => {} }), null)
  for (const socket of [near, other]) socket.destroy()
})
