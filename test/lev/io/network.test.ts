import { connect as connectTo, createServer } from 'node:net'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { failure } from '../../../testing/virtual.js'
import { clientSecurity, networkKinds, runAll, serverSecurity } from './stream-kinds.js'
import { networkTests } from '../../../testing/network-tests.js'
import { connectedPair, readAll } from '../../../testing/streams.js'
import { listen } from '../../support/listen.js'

for (const kind of networkKinds) {
  t.test(`listening and connecting: ${kind.name}`, async (t) => {
    runAll(t, networkTests(kind))
  })
}

t.test('TLS: what the other side is told', async (t) => {
  for (const driver of [() => undefined, () => lev.memory()]) {
    await lev.run(function* () {
      const [near, far] = yield* connectedPair()
      const shaking = lev.spawn(() => failure(far.secure(serverSecurity)))
      near.put('this is no handshake\r\n\r\n')
      t.match(yield* shaking.join(), { code: 'LEV_HANDSHAKE' })
      t.equal(far.isOpen, false)
      near.close()

      const [left, right] = yield* connectedPair()
      right.readDeadline = lev.now() + 0.03
      t.match(yield* failure(right.secure(serverSecurity)), { code: 'LEV_TIMEOUT' }, 'the read deadline holds')
      left.close()

      const [one, other] = yield* connectedPair()
      const responding = lev.spawn(function* () {
        yield* other.write('go ahead')
        const facts = yield* other.secure(serverSecurity)
        yield* other.write('now it is secret')
        return facts
      })
      t.equal((yield* one.read())?.toString(), 'go ahead')
      t.match(yield* one.secure(clientSecurity), { alpn: 'http/1.1', authorized: true })
      t.equal((yield* one.read())?.toString(), 'now it is secret')
      t.match(yield* responding.join(), { serverName: 'one.test', protocol: 'TLSv1.3' })
      one.close()
      other.close()

      const [a, b] = yield* connectedPair()
      const cancelled = lev.spawn(() => b.secure(serverSecurity))
      yield* lev.yieldNow()
      cancelled.cancel()
      t.match(yield* failure(cancelled.join()), { code: 'LEV_CANCELLED' })
      a.close()
      b.close()
    }, { ...(driver() === undefined ? {} : { driver: lev.memory() }) })
  }
})

t.test('node: a client that knows nothing of lev', async (t) => {
  const server = createServer((socket) => socket.end('hello'))
  const port = await listen(server)
  await lev.run(function* () {
    const stream = yield* lev.connect({ ip: 'localhost', port })
    t.equal((yield* readAll(stream)).toString(), 'hello')
    stream.close()
    t.match(yield* failure(lev.connect({ ip: 'no.such.name.invalid', port })), { code: 'LEV_ADDRESS', cause: { code: /ENOTFOUND|EAI_AGAIN/ } })
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    const plain = connectTo(listener.address.port, '127.0.0.1')
    plain.on('error', () => {})
    const far = yield* listener.accept()
    if (far === null) throw new Error('the listener was closed')
    plain.write('from outside')
    t.equal(String(yield* far.read()), 'from outside')
    plain.destroy()
    t.equal(yield* far.read(), null)
    far.close()
    listener.close()
  })
  server.close()
})
