import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as lev from '../lev/index.js'
import type { Op } from '../lev/index.js'
import { match } from './match.js'
import { driverTests, type DriverTest, type DriverTestBodies, type StreamSetup } from './setup.js'
import { failure } from './virtual.js'

const anywhere = { ip: '127.0.0.1', port: 0 }

const tests: DriverTestBodies = {
  * 'addresses'() {
    const listener = yield* lev.listen(anywhere)
    assert.equal(listener.address.ip, '127.0.0.1')
    assert.ok(listener.address.port > 0)
    const connecting = lev.spawn(() => lev.connect(listener.address))
    const accepted = yield* listener.accept()
    const near = yield* connecting.join()
    assert.deepEqual({ ...near.remote }, { ...listener.address })
    assert.deepEqual({ ...accepted?.local }, { ...listener.address })
    assert.deepEqual({ ...accepted?.remote }, { ...near.local })
    near.close()
    accepted?.close()
    listener.close()
  },

  * 'a port in use, invalid ports, a port without a listener'() {
    const listener = yield* lev.listen(anywhere)
    const { port } = listener.address
    match(yield* failure(lev.listen({ ip: '127.0.0.1', port })), {
      code: 'LEV_ADDRESS', message: new RegExp(`^cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`), cause: { code: 'EADDRINUSE' },
    })
    listener.close()
    yield* lev.sleep(0.01)
    const again = yield* lev.listen({ ip: '127.0.0.1', port })
    assert.equal(again.address.port, port, 'a closed listener frees its port')
    again.close()
    yield* lev.sleep(0.01)
    match(yield* failure(lev.connect({ ip: '127.0.0.1', port })), {
      code: 'LEV_ADDRESS', message: /^cannot connect to 127.0.0.1:\d+: .*ECONNREFUSED/, cause: { code: 'ECONNREFUSED' },
    })
    for (const wrong of [-1, 65536, 1.5, NaN]) {
      match(yield* failure(lev.listen({ ip: '127.0.0.1', port: wrong })), { code: 'LEV_ADDRESS', cause: { name: 'RangeError' } })
      match(yield* failure(lev.connect({ ip: '127.0.0.1', port: wrong })), { code: 'LEV_ADDRESS', cause: { name: 'RangeError' } })
    }
  },

  * 'Unix sockets'() {
    const path = join(tmpdir(), `leveret-${randomBytes(6).toString('hex')}.sock`)
    match(yield* failure(lev.connect({ path })), { code: 'LEV_ADDRESS', message: `cannot connect to ${path}: connect ENOENT ${path}` })
    const listener = yield* lev.listen({ path })
    assert.deepEqual({ ...listener.address }, { ip: '', port: 0, path })
    match(yield* failure(lev.listen({ path })), {
      code: 'LEV_ADDRESS', message: new RegExp(`^cannot listen on ${path}: .*EADDRINUSE`), cause: { code: 'EADDRINUSE' },
    })
    const connecting = lev.spawn(() => lev.connect(listener.address))
    const accepted = yield* listener.accept()
    if (accepted === null) throw new Error('the listener was closed')
    const near = yield* connecting.join()
    const unnamed = { ip: '', port: 0, path: '' }
    assert.deepEqual([near.local, near.remote].map((one) => ({ ...one })), [unnamed, { ip: '', port: 0, path }])
    assert.deepEqual([accepted.local, accepted.remote].map((one) => ({ ...one })), [{ ip: '', port: 0, path }, unnamed])
    yield* near.write('there')
    assert.equal(String(yield* accepted.read()), 'there')
    yield* accepted.write('and back')
    assert.equal(String(yield* near.read()), 'and back')
    near.close()
    assert.equal(yield* accepted.read(), null)
    accepted.close()
    listener.close()
    yield* lev.sleep(0.01)
    match(yield* failure(lev.connect({ path })), { cause: { code: 'ENOENT' } }, 'a closed listener removes its socket')
    const again = yield* lev.listen({ path })
    again.close()
    match(yield* failure(lev.connect(near.local)), { message: /: the path is empty$/ })
  },

  * 'invalid paths of Unix sockets'() {
    const path = join(tmpdir(), 'leveret')
    const faults: Readonly<Record<string, string>> = {
      'is not a string': JSON.parse('null') as string, 'is empty': '', 'contains a zero byte': `${path}\0`, 'is longer than \\d+ bytes': path.padEnd(300, 'x'),
    }
    for (const [fault, wrong] of Object.entries(faults)) {
      for (const start of [() => lev.listen({ path: wrong }), () => lev.connect({ path: wrong })]) {
        match(yield* failure(start()), { code: 'LEV_ADDRESS', message: new RegExp(`: the path ${fault}$`), cause: { name: 'RangeError' } })
      }
    }
  },

  * 'invalid file descriptors'() {
    for (const fd of [-1, 1.5, NaN]) {
      match(yield* failure(lev.listen({ fd })), {
        code: 'LEV_ADDRESS', message: new RegExp(`^cannot listen on fd ${fd}: a file descriptor is a whole number`), cause: { name: 'RangeError' },
      })
    }
    match(yield* failure(lev.listen({ fd: 100_000 })), { code: 'LEV_ADDRESS', message: /^cannot listen on fd 100000: (?:the file descriptor is not open|listen E)/ })
  },

  * 'closing a listener'() {
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
    assert.equal(yield* acceptor.join(), null, 'a waiting acceptor gets null')
    assert.equal(yield* idle.accept(), null)
    listener.close()
    match(yield* endOf(streams[1]), /^(null|LEV_CLOSED)$/, 'a connection that was not accepted is closed')
    yield* first?.write('still open') ?? lev.sleep(0)
    assert.equal((yield* streams[0]?.read() ?? nothing())?.toString(), 'still open', 'accepted connections stay open')
    first?.close()
    for (const stream of streams) stream.close()
  },

  * 'cancelled while accepting, connecting or binding: nothing is left behind'() {
    const listener = yield* lev.listen(anywhere)
    for (const start of [() => listener.accept(), () => lev.connect(listener.address), () => lev.listen(anywhere)]) {
      const task = lev.spawn<unknown>(start)
      // Runs right after its first step.
      lev.spawn(function* () {
        assert.equal(task.outcome, null)
        task.cancel()
      })
      match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
    }
    const near = yield* lev.connect(listener.address)
    for (;;) {
      const far = yield* listener.accept()
      if (far?.remote.port === near.local.port) {
        far.close()
        break
      }
      match(far === null ? '' : yield* endOf(far), /^(null|LEV_CLOSED)$/, 'the abandoned one was closed')
      far?.close()
    }
    near.close()
    listener.close()
  },

  * 'a connection that arrives while its acceptor is cancelled is not lost'() {
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
      assert.equal(got.length, 1, `round ${round}`)
      near.close()
      got.splice(0)[0]?.close()
    }
    listener.close()
  },
}

/** The tests of `listen` and `connect`, for drivers with TCP and Unix sockets and with the error codes of an operating system. */
export function networkTests(setup: StreamSetup): DriverTest[] {
  return driverTests(setup, tests)
}

function* nothing(): Op<null> {
  return null
}

/** How the end of the peer shows: null, or the code of an error. */
function* endOf(stream: lev.Stream | undefined): Op<string> {
  try {
    return String((yield* stream?.read() ?? nothing()))
  } catch (error) {
    return error instanceof lev.LevError ? error.code : String(error)
  }
}
