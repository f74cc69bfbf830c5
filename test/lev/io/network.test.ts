import { connect as connectTo, createServer } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { failure } from '../../support/virtual-run.js'
import { clientSecurity, networkKinds, runIn, serverSecurity, streamKinds } from './stream-kinds.js'
import { network, readAll } from '../../support/streams.js'

const anywhere = { ip: '127.0.0.1', port: 0 }

for (const kind of networkKinds) {
  t.test(`listening and connecting: ${kind.name}`, async (t) => {
    t.test('addresses', (t) => runIn(kind, function* () {
      const listener = yield* lev.listen(anywhere)
      t.equal(listener.address.ip, '127.0.0.1')
      t.ok(listener.address.port > 0)
      const connecting = lev.spawn(() => lev.connect(listener.address))
      const accepted = yield* listener.accept()
      const near = yield* connecting.join()
      t.same(near.remote, listener.address)
      t.same(accepted?.local, listener.address)
      t.same(accepted?.remote, near.local)
      near.close()
      accepted?.close()
      listener.close()
    }))

    t.test('a port in use, ports that are none, nobody there', (t) => runIn(kind, function* () {
      const listener = yield* lev.listen(anywhere)
      const { port } = listener.address
      t.match(yield* failure(lev.listen({ ip: '127.0.0.1', port })), {
        code: 'LEV_ADDRESS', message: new RegExp(`^cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`), cause: { code: 'EADDRINUSE' },
      })
      listener.close()
      yield* lev.sleep(0.01)
      const again = yield* lev.listen({ ip: '127.0.0.1', port })
      t.equal(again.address.port, port, 'a closed listener frees its port')
      again.close()
      yield* lev.sleep(0.01)
      t.match(yield* failure(lev.connect({ ip: '127.0.0.1', port })), {
        code: 'LEV_ADDRESS', message: /^cannot connect to 127.0.0.1:\d+: .*ECONNREFUSED/, cause: { code: 'ECONNREFUSED' },
      })
      for (const wrong of [-1, 65536, 1.5, NaN]) {
        t.match(yield* failure(lev.listen({ ip: '127.0.0.1', port: wrong })), { code: 'LEV_ADDRESS', cause: { name: 'RangeError' } })
        t.match(yield* failure(lev.connect({ ip: '127.0.0.1', port: wrong })), { code: 'LEV_ADDRESS', cause: { name: 'RangeError' } })
      }
    }))

    t.test('closing a listener', (t) => runIn(kind, function* () {
      const listener = yield* lev.listen(anywhere)
      const waiting = lev.spawn(() => listener.accept())
      const streams = [yield* lev.connect(listener.address)]
      const first = yield* waiting.join()
      streams.push(yield* lev.connect(listener.address))
      yield* lev.sleep(0.02)
      const idle = yield* lev.listen(anywhere)
      const acceptor = lev.spawn(() => idle.accept())
      yield* lev.yieldNow()
      idle.close()
      idle.close()
      t.equal(yield* acceptor.join(), null, 'who waits is told')
      t.equal(yield* idle.accept(), null)
      listener.close()
      t.match(yield* endOf(streams[1]), /^(null|LEV_CLOSED)$/, 'a connection that nobody accepted is closed')
      yield* first?.write('still open') ?? lev.sleep(0)
      t.equal((yield* streams[0]?.read() ?? nothing())?.toString(), 'still open', 'those accepted are untouched')
      first?.close()
      for (const stream of streams) stream.close()
    }))

    t.test('cancelled while accepting, connecting or binding: nothing is left behind', (t) => runIn(kind, function* () {
      const listener = yield* lev.listen(anywhere)
      for (const start of [() => listener.accept(), () => lev.connect(listener.address), () => lev.listen(anywhere)]) {
        const task = lev.spawn<unknown>(start)
        // Runs right after its first step.
        lev.spawn(function* () {
          t.equal(task.outcome, null)
          task.cancel()
        })
        t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
      }
      const near = yield* lev.connect(listener.address)
      for (;;) {
        const far = yield* listener.accept()
        if (far?.remote.port === near.local.port) {
          far.close()
          break
        }
        t.match(far === null ? '' : yield* endOf(far), /^(null|LEV_CLOSED)$/, 'the abandoned one was closed')
        far?.close()
      }
      near.close()
      listener.close()
    }))

    t.test('a connection that comes while its acceptor is being cancelled is not lost', (t) => runIn(kind, function* () {
      const listener = yield* lev.listen(anywhere)
      const got: (lev.Stream | null)[] = []
      for (let round = 0; round < 20; round++) {
        const accepting = lev.spawn(function* () {
          got.push(yield* lev.timeout(1, lev.timeout(1, listener.accept())))
        })
        const connecting = lev.spawn(() => lev.connect(listener.address))
        for (let count = 0; count < round; count++) yield* lev.yieldNow()
        accepting.cancel()
        const near = yield* connecting.join()
        yield* lev.sleep(0.002)
        if (got.length === 0) got.push(yield* lev.timeout(1, listener.accept()))
        t.equal(got.length, 1, `round ${round}`)
        near.close()
        got.splice(0)[0]?.close()
      }
      listener.close()
    }))
  })
}

function* nothing(): Op<null> {
  return null
}

/** How the other side's leaving shows: the end, or the code of an error. */
function* endOf(stream: lev.Stream | undefined): Op<string> {
  try {
    return String((yield* stream?.read() ?? nothing()))
  } catch (error) {
    return error instanceof lev.LevError ? error.code : String(error)
  }
}

for (const kind of streamKinds) {
  t.test(`leaving: ${kind.name}`, async (t) => {
    t.test('what was put before closing arrives, and then the end', (t) => runIn(kind, function* () {
      const [near, far] = yield* kind.pair()
      // TLS says something more after the handshake; closing over that, unread, would be a reset.
      if (kind.secure) yield* lev.sleep(0.02)
      near.put('last words')
      near.close()
      t.equal((yield* readAll(far)).toString(), 'last words')
      far.close()
    }))

    t.test('a reset is no end', (t) => runIn(kind, function* () {
      const [near, far] = yield* kind.pair()
      const gone: string[] = []
      far.onGone = (how) => gone.push(how)
      yield* near.write('some')
      t.equal((yield* far.read())?.toString(), 'some')
      const reading = lev.spawn(() => failure(far.read()))
      yield* lev.yieldNow()
      near.reset()
      t.match(yield* reading.join(), { code: 'LEV_CLOSED', message: /lost/ })
      t.match(yield* failure(far.write('x')), { code: 'LEV_CLOSED' })
      t.same(gone, ['close'])
      near.reset()
      far.close()
    }))

    t.test('onGone tells of an end once, and not of what this side does', (t) => runIn(kind, function* () {
      const [near, far] = yield* kind.pair()
      const gone: string[] = []
      far.onGone = (how) => gone.push(how)
      near.onGone = (how) => gone.push(`near: ${how}`)
      yield* near.write('question')
      yield* near.end()
      yield* lev.sleep(0.02)
      t.same(gone, ['end'], 'though the question was not read')
      yield* far.write('answer')
      near.onGone = null
      yield* far.end()
      t.equal((yield* readAll(near)).toString(), 'answer')
      yield* lev.sleep(0.02)
      t.same(gone, ['end'])
      near.close()
      far.close()
      yield* lev.sleep(0.01)
      t.same(gone, ['end'])
    }))

    t.test('lingering: the other side gets all of an answer though it sent what nobody reads', (t) => runIn(kind, function* () {
      const [near, far] = yield* kind.pair()
      const answer = Buffer.alloc(300_000, 'answer')
      lev.spawn(function* () {
        try {
          for (let count = 0; count < 40; count++) {
            yield* near.write(Buffer.alloc(20_000, 'unread'))
            yield* lev.sleep(0.0005)
          }
          yield* near.end()
        } catch (error) {
          if (!(error instanceof lev.ClosedError)) throw error
        }
      })
      yield* far.read(10)
      const lingering = lev.spawn(function* () {
        yield* far.write(answer)
        yield* far.linger(5, 10_000_000)
      })
      t.equal((yield* readAll(near)).length, answer.length)
      yield* lingering.join()
      t.equal(far.isOpen, false)
      near.close()
    }))

    t.test('lingering is bounded in time and bytes', (t) => runIn(kind, function* () {
      for (const [seconds, limit] of [[0.03, 1e9], [60, 100_000]] as const) {
        const [near, far] = yield* kind.pair()
        const start = lev.now()
        const sending = lev.spawn(() => failure((function* () {
          for (;;) {
            yield* near.write('x'.repeat(10_000))
            yield* lev.sleep(0.001)
          }
        })()))
        far.put('answer')
        yield* far.linger(seconds, limit)
        t.equal(far.isOpen, false)
        if (seconds < 1) t.ok(lev.now() - start >= seconds, 'not early')
        else t.ok(lev.now() - start < 30)
        t.match(yield* sending.join(), { code: 'LEV_CLOSED' })
        near.close()
      }
    }))

    t.test('lingering over a connection that is gone', (t) => runIn(kind, function* () {
      const [near, far] = yield* kind.pair()
      near.reset()
      yield* lev.sleep(0.02)
      yield* far.linger(1, 1000)
      t.equal(far.isOpen, false)
    }))
  })
}

for (const kind of streamKinds) {
  t.test(`ending while more has arrived loses none of it: ${kind.name}`, (t) => runIn(kind, function* () {
    for (let round = 0; round < 5; round++) {
      const [near, far] = yield* kind.pair()
      lev.spawn(function* () {
        // Two records of TLS, which arrive together.
        yield* far.write(Buffer.alloc(16385))
        yield* far.end()
      })
      yield* near.fill()
      lev.spawn(() => near.end())
      t.equal((yield* readAll(near)).length, 16385)
      t.equal(yield* far.read(), null)
      near.close()
      far.close()
    }
  }))
}

t.test('TLS: what the other side is told', async (t) => {
  for (const driver of [() => undefined, () => lev.memory()]) {
    await lev.run(function* () {
      const [near, far] = yield* network()
      const shaking = lev.spawn(() => failure(far.secure(serverSecurity)))
      near.put('this is no handshake\r\n\r\n')
      t.match(yield* shaking.join(), { code: 'LEV_HANDSHAKE' })
      t.equal(far.isOpen, false)
      near.close()

      const [left, right] = yield* network()
      right.readDeadline = lev.now() + 0.03
      t.match(yield* failure(right.secure(serverSecurity)), { code: 'LEV_TIMEOUT' }, 'the read deadline holds')
      left.close()

      const [one, other] = yield* network()
      const answering = lev.spawn(function* () {
        yield* other.write('go ahead')
        const facts = yield* other.secure(serverSecurity)
        yield* other.write('now it is secret')
        return facts
      })
      t.equal((yield* one.read())?.toString(), 'go ahead')
      t.match(yield* one.secure(clientSecurity), { alpn: 'http/1.1', authorized: true })
      t.equal((yield* one.read())?.toString(), 'now it is secret')
      t.match(yield* answering.join(), { serverName: 'one.test', protocol: 'TLSv1.3' })
      one.close()
      other.close()

      const [a, b] = yield* network()
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
  const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  await lev.run(function* () {
    const stream = yield* lev.connect({ ip: 'localhost', port })
    t.equal((yield* readAll(stream)).toString(), 'hello')
    stream.close()
    t.match(yield* failure(lev.connect({ ip: 'no.such.name.invalid', port })), { code: 'LEV_ADDRESS', cause: { code: /ENOTFOUND|EAI_AGAIN/ } })
    const listener = yield* lev.listen(anywhere)
    const plain = connectTo(listener.address.port, '127.0.0.1')
    plain.on('error', () => {})
    const far = yield* listener.accept()
    plain.write('from outside')
    t.equal((yield* far?.read() ?? nothing())?.toString(), 'from outside')
    plain.destroy()
    t.equal(yield* far?.read() ?? nothing(), null)
    far?.close()
    listener.close()
  })
  server.close()
})
