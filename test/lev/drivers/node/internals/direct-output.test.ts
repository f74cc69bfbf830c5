import { createServer, connect, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { TLSSocket } from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import fc from 'fast-check'
import * as lev from '../../../../../lev/index.js'
import { DirectOutput } from '../../../../../lev/drivers/node/internals/direct-output.js'
import { isOpen } from '../../../../../lev/drivers/node/internals/gate.js'
import { SocketTransport } from '../../../../../lev/drivers/node/socket-transport.js'
import { streamKinds } from '../../../io/stream-kinds.js'
import { readAll } from '../../../../../testing/streams.js'
import { listen } from '../../../../support/listen.js'

/** Why what is only done below Node's streams is not tested. */
const closed = isOpen('directOutput') ? false : 'the gate is closed'

/** Two ends of a connection of Node's. */
async function sockets(): Promise<[near: Socket, far: Socket]> {
  const server = createServer({ allowHalfOpen: true })
  const port = await listen(server)
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const far = await accepted
  await new Promise<void>((resolve) => (near.readyState === 'open' ? resolve() : near.once('connect', resolve)))
  server.close()
  return [near, far]
}

t.test('this Node.js lets sockets be written to directly', { skip: closed }, async (t) => {
  const [near, far] = await sockets()
  t.ok(DirectOutput.of(near, { progress: () => {} }), 'a plain one')
  t.ok(DirectOutput.of(new TLSSocket(near), { progress: () => {} }), 'TLS')
  t.equal(DirectOutput.of(new Socket(), { progress: () => {} }), null, 'not one that is not connected')
  near.destroy()
  far.destroy()
})

t.test('text and bytes arrive in order, whatever their lengths and whenever the peer reads', { skip: closed }, async (t) => {
  const length = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 15_000, max: 70_000 }), fc.constant(300_000))
  const part = fc.record({ length, text: fc.boolean() })
  const writes = fc.array(fc.array(part, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 })
  await fc.assert(fc.asyncProperty(writes, fc.boolean(), async (all, readLate) => {
    const [near, far] = await sockets()
    let waiting = (): void => {}
    const output = DirectOutput.of(near, { progress: () => waiting() })
    if (output === null) throw new Error('no direct output')
    const received = readLate ? new Promise((resolve) => setImmediate(resolve)).then(() => buffer(far)) : buffer(far)
    const expected: Buffer[] = []
    let seed = 0
    for (const parts of all) {
      const made = parts.map(({ length, text }) => {
        const bytes = Buffer.alloc(length, `${seed++}:\xe9 `, 'latin1')
        expected.push(bytes)
        return text ? bytes.toString('latin1') : bytes
      })
      output.write(made)
      if (output.pending > 1_000_000) await new Promise<void>((resolve) => (waiting = resolve))
    }
    output.end()
    const got = await received
    near.destroy()
    far.destroy()
    if (!got.equals(Buffer.concat(expected))) throw new Error(`${got.length} bytes of ${Buffer.concat(expected).length}`)
  }), { numRuns: 60 })
  t.pass('all of them')
})

t.test('a write that waits holds on to its bytes, and its end is told', { skip: closed }, async (t) => {
  const [near, far] = await sockets()
  let told = 0
  const output = DirectOutput.of(near, { progress: () => void told++ })
  if (output === null) throw new Error('no direct output')
  const text = 'x'.repeat(60_000)
  let put = 0
  while (output.pending === 0) {
    output.write([text])
    put += text.length
  }
  output.write(['y'.repeat(60_000), Buffer.from('z')])
  t.ok(output.pending > 0)
  t.equal(told, 0)
  output.end()
  const got = await buffer(far)
  t.equal(got.length, put + 60_001)
  t.equal(got.toString('latin1', put, put + 2), 'yy')
  t.equal(got.toString('latin1', got.length - 2), 'yz')
  t.equal(output.pending, 0)
  t.ok(told > 0)
  near.destroy()
  far.destroy()
})

t.test('short text before bytes is kept alive, too, while its write waits', { skip: closed }, async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const [near, far] = await sockets()
  const output = DirectOutput.of(near, { progress() {} })
  if (output === null) throw new Error('no direct output')
  let before = 0
  for (; output.pending === 0; before += 60_000) output.write(['x'.repeat(60_000)])
  const count = 400
  const head = (index: number): string => `${index} `.repeat(500).slice(0, 1000)
  for (let index = 0; index < count; index++) output.write([head(index), Buffer.alloc(3000, 'b')])
  output.end()
  for (let round = 0; round < 5; round++) {
    collect()
    // Whatever memory was given back is written over.
    for (let size = 1; size < 2000; size++) Buffer.from('#'.repeat(size * 2), 'latin1')
    await new Promise((resolve) => setImmediate(resolve))
  }
  const got = await buffer(far)
  t.equal(got.length, before + count * 4000)
  const wrong = Array.from({ length: count }, (_, index) => index)
    .filter((index) => got.toString('latin1', before + index * 4000, before + index * 4000 + 1000) !== head(index))
  t.strictSame(wrong, [])
  near.destroy()
  far.destroy()
})

t.test('what is written to a connection that is lost fails the socket, once', { skip: closed }, async (t) => {
  const [near, far] = await sockets()
  const errors: string[] = []
  near.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? error.message))
  const closed = new Promise<void>((resolve) => near.once('close', () => resolve()))
  const output = DirectOutput.of(near, { progress: () => {} })
  far.resetAndDestroy()
  const writing = setInterval(() => output?.write(['x'.repeat(100_000)]), 1)
  await closed
  clearInterval(writing)
  t.equal(errors.length, 1)
  t.match(errors[0], /^(EPIPE|ECONNRESET)$/)
  output?.write(['more'])
  t.equal(output?.pending, 0, 'nothing is kept for a socket that is gone')
})

t.test('where it cannot be done, sockets are written to as Node has it', async (t) => {
  const [near, far] = await sockets()
  // Its stream is out of sight while the transport is made.
  const handle: unknown = Reflect.get(near, '_handle')
  Reflect.set(near, '_handle', null)
  const transport = new SocketTransport(near, { beginEvent() {}, tick() {}, scheduleTick() {} })
  Reflect.set(near, '_handle', handle)
  const received = buffer(far)
  transport.write(['text, ', Buffer.from('bytes, '), 'and text'])
  t.type(transport.pending, 'number')
  transport.end()
  t.equal((await received).toString(), 'text, bytes, and text')
  transport.destroy()
  far.destroy()
})

for (const kind of streamKinds.filter(({ name }) => name.endsWith('node'))) {
  t.test(`a lot of text and bytes to a reader that is slow at first: ${kind.name}`, async (t) => {
    await lev.run(function* () {
      const [near, far] = yield* kind.pair()
      const parts = Array.from({ length: 40 }, (_, index) => Buffer.alloc(100_000, `${index} `))
      lev.spawn(function* () {
        for (const [index, part] of parts.entries()) yield* near.write(index % 2 === 0 ? part : part.toString('latin1'))
        yield* near.end()
      })
      yield* lev.sleep(0.02)
      const got = yield* readAll(far)
      t.ok(got.equals(Buffer.concat(parts)))
      near.close()
      far.close()
    }, { driver: kind.driver() })
  })
}
