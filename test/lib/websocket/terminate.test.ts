import t from 'tap'
import * as lev from '../../../lev/index.js'
import { websocket } from '../../../lib/index.js'
import { echo, story } from './chat.js'
import { frame, opcodes } from './wire.js'
import { accepted, rawServer } from '../client/raw-server.js'

t.test('a client terminates: at once, with 1006, and the server notices', async (t) => {
  const ends: unknown[] = []
  await story(function* (ws) {
    yield* echo(ws)
    ends.push(ws.closeCode)
  }, function* (world) {
    const { port } = yield* lev.wait(world.server.listening)
    const ws = yield* websocket(`ws://127.0.0.1:${port}`)
    ws.trySend('one')
    yield* lev.sleep(1)
    const before = lev.now()
    ws.terminate()
    ws.terminate()
    ws.close()
    t.same([ws.isOpen, ws.closeCode, ws.closeReason, ws.trySend('two')], [false, 1006, 'terminated', 0])
    t.equal(yield* ws.next(), null, 'what had arrived is dropped')
    t.equal(lev.now(), before)
    yield* lev.sleep(1)
    t.same(ends, [1006])
  })
})

t.test('a server terminates, also while its handler waits for a message', async (t) => {
  await story(function* (ws) {
    lev.spawn(function* () {
      yield* lev.sleep(2)
      ws.terminate()
    })
    const before = lev.now()
    t.equal(yield* ws.next(), null)
    t.equal(Math.round(lev.now() - before), 2)
  }, function* (world) {
    const { port } = yield* lev.wait(world.server.listening)
    const ws = yield* websocket(`ws://127.0.0.1:${port}`)
    const before = lev.now()
    t.equal(yield* ws.next(), null)
    t.equal(ws.closeCode, 1006)
    t.equal(Math.round(lev.now() - before), 2)
  })
})

t.test('terminating cuts short the wait for the response to a close, and leaves its code', async (t) => {
  await lev.run(() => rawServer(function* (stream, head) {
    yield* stream.write(accepted(head))
  }, function* ({ port, open }) {
    const before = lev.now()
    yield* lev.scope(function* () {
      const ws = yield* websocket(`ws://127.0.0.1:${port}`)
      ws.close(1001)
      ws.terminate()
      t.equal(ws.closeCode, 1001)
    })
    t.ok(lev.now() - before < 5, 'close_timeout is 10 s')
    yield* lev.sleep(1)
    t.equal(open(), 0)
  }), { driver: lev.memory() })
})

t.test('terminating after the peer has closed', async (t) => {
  await lev.run(() => rawServer(function* (stream, head) {
    yield* stream.write(Buffer.concat([Buffer.from(accepted(head)), frame(opcodes.text, 'a', { mask: null }), frame(opcodes.close, '', { mask: null })]))
  }, function* ({ port, open }) {
    const ws = yield* websocket(`ws://127.0.0.1:${port}`)
    yield* lev.sleep(0.1)
    ws.terminate()
    t.equal(yield* ws.next(), null)
    t.equal(ws.closeCode, 1005)
    yield* lev.sleep(1)
    t.equal(open(), 0)
  }), { driver: lev.memory() })
})
