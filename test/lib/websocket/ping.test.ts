import t from 'tap'
import * as lev from '../../../lev/index.js'
import { websocket } from '../../../lib/index.js'
import { failure } from '../../../testing/virtual.js'
import { accepted } from '../client/raw-server.js'
import { echo, story } from './chat.js'
import { frame, opcodes } from './wire.js'

const { ping: pingOf, pong } = opcodes

t.test('ping gives the time of the round trip, on both sides, whichever task reads', async (t) => {
  await story(function* (ws) {
    const seconds = yield* ws.ping()
    t.ok(seconds >= 0.4 && seconds < 0.5, String(seconds))
    yield* echo(ws)
  }, function* (world) {
    const { port } = yield* lev.wait(world.server.listening)
    const ws = yield* websocket(`ws://127.0.0.1:${port}`)
    yield* lev.sleep(5)
    const seconds = yield* ws.ping()
    t.ok(seconds >= 0.4 && seconds < 0.5, String(seconds))
    const [first, second] = [ws.ping(), ws.ping()]
    yield* lev.sleep(5)
    t.ok((yield* second) < 0.5, 'the pong came before it was waited for')
    t.ok((yield* first) < 0.5)
  }, {}, {}, { latency: [0.2, 0.21] })
})

/** A server that sends what `response` makes of the content of each ping. */
function* responding<T>(response: (content: Buffer) => Buffer[], tell: (url: string, seen: Buffer[]) => lev.Op<T>): lev.Op<T> {
  const seen: Buffer[] = []
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  try {
    return yield* lev.scope(function* (scope) {
      scope.background(function* () {
        const stream = yield* listener.accept()
        if (stream === null) return
        let head = ''
        while (!head.includes('\r\n\r\n')) head += (yield* stream.read())?.toString('latin1') ?? ''
        yield* stream.write(accepted(head))
        for (let bytes = yield* stream.read(); bytes !== null; bytes = yield* stream.read()) {
          for (let at = 0; at + 6 <= bytes.length; at += 6 + (bytes[at + 1] & 0x7f)) {
            if ((bytes[at] & 0x0f) !== pingOf) continue
            const content = Buffer.from(bytes.subarray(at + 6, at + 6 + (bytes[at + 1] & 0x7f)))
            for (let k = 0; k < content.length; k++) content[k] ^= bytes[at + 2 + (k & 3)]
            seen.push(content)
            for (const one of response(content)) yield* stream.write(one)
          }
        }
      })
      return yield* tell(`ws://127.0.0.1:${listener.address.port}`, seen)
    })
  } finally {
    listener.close()
  }
}

const virtual = (main: () => lev.Op<void>): Promise<void> => lev.run(main, { driver: lev.memory() })

t.test('pongs: a late one stands for the pings before it; others are passed over', (t) => virtual(function* () {
  const late: Buffer[] = []
  yield* responding((content) => {
    late.push(content)
    const strange = [frame(pong, '', { mask: null }), frame(pong, 'abcd', { mask: null }), frame(pong, 'abcde', { mask: null })]
    return late.length === 3 ? [...strange, frame(pong, content, { mask: null })] : strange
  }, function* (url, seen) {
    const ws = yield* websocket(url)
    const waiting = [0, 1].map(() => lev.spawn(() => ws.ping()))
    yield* lev.sleep(10)
    t.same(waiting.map(({ outcome }) => outcome), [null, null])
    t.ok((yield* ws.ping()) < 1)
    for (const task of waiting) t.equal(Math.round(yield* task.join()), 10)
    t.equal(new Set(seen.map((content) => content.toString('hex'))).size, 3, 'each ping carries its own')
  })
}))

t.test('a ping that is not answered', (t) => virtual(function* () {
  yield* responding(() => [], function* (url) {
    const ws = yield* websocket(url, { close_timeout: 1 })
    t.match(yield* failure(lev.timeout(5, ws.ping())), { code: 'LEV_TIMEOUT' })
    const waiting = lev.spawn(() => failure(ws.ping()))
    yield* lev.sleep(1)
    ws.close()
    t.match(yield* waiting.join(), { code: 'LEV_CLOSED' })
    t.match(yield* failure(ws.ping()), { code: 'LEV_CLOSED' })
    ws.ping()
  })
}))
