import net from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { randomFrom, seed } from '../../support/seed.js'
import { eventually, serve } from '../../support/serving.js'
import { echo, story, upgrading } from './chat.js'
import { closeFrame, frame, handshake, opcodes, Peer } from './wire.js'

const { text, binary, ping } = opcodes

t.test('whatever a client sends, the server closes in order and logs no error', async (t) => {
  const random = randomFrom(seed)
  for (let round = 0; round < 150; round++) {
    const pieces: Buffer[] = []
    for (let i = random.below(8); i >= 0; i--) {
      const content = Buffer.from(Array.from({ length: random.pick([0, 3, 125, 126, 700]) }, () => random.below(random.pick([128, 256]))))
      const made = frame(random.pick([0, 1, 1, 2, 2, 8, 9, 10, 3]), content, { fin: random() < 0.8, rsv: random() < 0.3 ? 4 : 0 })
      if (random() < 0.1) made[random.below(made.length)] = random.below(256)
      pieces.push(made)
    }
    await story(echo, function* (world) {
      const peer = yield* Peer.open(world, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
      peer.send(...pieces)
      if (random() < 0.5) peer.send(closeFrame(1000))
      yield* lev.sleep(0.1)
      if (random() < 0.3) peer.client.stream.reset()
      else yield* peer.client.stream.end()
      yield* peer.all()
      yield* lev.sleep(60)
      if (world.log.of('error').length > 0) t.fail(`seed ${seed}, round ${round}: ${JSON.stringify(world.log.of('error'))}`)
    }, { compression: true }, {}, { seed: seed + round, segment: random.pick([3, 50, 65536]) })
  }
  t.pass()
})

t.test('nothing is left behind, however connections end', async (t) => {
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  let running = 0
  let cleaned = 0
  const { connect, server, log } = await serve(t, { connection_limit: 500 }, upgrading(function* (ws) {
    running++
    try {
      yield* echo(ws)
    } finally {
      running--
      cleaned++
    }
  }, { compression: true, close_timeout: 0.2, ping_interval: 0.2, pong_timeout: 0.2 }))
  const before = sockets()
  const endings: ((client: Awaited<ReturnType<typeof connect>>) => void)[] = [
    (client) => client.send(closeFrame(1000)),
    (client) => client.send(frame(3)),
    (client) => client.reset(),
    (client) => client.end(),
    (client) => client.close(),
    (client) => client.send(frame(text, 'half', { fin: false }).subarray(0, 8)),
    () => undefined,
  ]
  for (let round = 0; round < 10; round++) {
    for (const ending of endings) {
      const client = await connect(handshake({ 'Sec-WebSocket-Extensions': 'permessage-deflate' }))
      await client.until(() => (client.text.includes('\r\n\r\n') ? true : undefined))
      client.send(Buffer.concat([frame(binary, Buffer.alloc(5000)), frame(ping)]))
      ending(client)
      client.socket.on('end', () => client.socket.destroy())
    }
  }
  await eventually(() => running === 0 && cleaned === 70, 'every handler has ended')
  await eventually(() => sockets() <= before, 'every socket is closed')
  t.equal(log.of('error').length, 0)
  await server.stop({ drain: 1 })
  await eventually(() => !process.getActiveResourcesInfo().includes('TCPServerWrap'), 'the listener is closed')
})

/** Bytes in use, after garbage was collected. */
function inUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

t.test('an idle compressed connection costs next to nothing', async (t) => {
  const count = 300
  const message = frame(text, JSON.stringify(Array.from({ length: 200 }, (_, i) => ({ i, name: `user ${i}` }))))
  const cost = async (extensions: string | null): Promise<number> => {
    return await story(echo, function* (world) {
      const peers: Peer[] = []
      const open = function* (): lev.Op<void> {
        const peer = yield* Peer.open(world, { 'Sec-WebSocket-Extensions': extensions })
        peer.send(message)
        yield* peer.take(1)
        peers.push(peer)
      }
      for (let i = 0; i < 20; i++) yield* open()
      const before = inUse()
      for (let i = 0; i < count; i++) yield* open()
      const after = inUse()
      for (const peer of peers) peer.client.stream.reset()
      return (after - before) / count
    }, { compression: true, ping_interval: 0 }, { connection_limit: 1000 })
  }
  const plain = await cost(null)
  const compressed = await cost('permessage-deflate')
  t.ok(compressed < 1.25 * plain + 4096, `${Math.round(compressed)} bytes with compression, ${Math.round(plain)} without, both ends`)
  t.ok(compressed < 100_000)
})

t.test('many small messages leave in few writes', async (t) => {
  const { port } = await serve(t, {}, upgrading(function* (ws) {
    yield* ws.next()
    for (let i = 0; i < 1000; i++) ws.trySend(`message ${i}`)
    yield* ws.next()
  }))
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let reads = 0
  let size = 0
  await new Promise<void>((resolve) => {
    socket.once('data', () => {
      socket.on('data', (bytes: Buffer) => {
        reads++
        size += bytes.length
        if (size >= 12_890) resolve()
      })
      socket.write(frame(text, 'go'))
    })
    socket.write(handshake())
  })
  t.ok(reads <= 5, `${reads} reads for 1000 messages`)
})
