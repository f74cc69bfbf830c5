import t from 'tap'
import type { Op } from '../../../lev/index.js'
import type { Context } from '../../../lib/context.js'
import type { Handler } from '../../../lib/index.js'
import type { WebSocketOptions } from '../../../lib/websocket/options.js'
import type { WebSocket } from '../../../lib/websocket/websocket.js'
import { virtually, type World } from '../../support/virtual.js'
import { accept, closeFrame, frame, handshake, opcodes, Peer } from './wire.js'

/** A handler that makes a WebSocket of every request. */
function upgrading(handle: (ws: WebSocket, ctx: Context) => Op<unknown>, options?: WebSocketOptions): Handler {
  return (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade((ws) => handle(ws, ctx), options)
}

function* echo(ws: WebSocket): Op<void> {
  for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
}

function story<T>(handler: Handler, tell: (world: World) => Op<T>, config = {}): Promise<T> {
  return virtually(config, handler, tell)
}

t.test('echo, from the handshake to the close', async (t) => {
  let code: number | null = 0
  await story(upgrading(function* (ws) {
    yield* echo(ws)
    code = ws.closeCode
  }), function* (world) {
    const peer = new Peer(yield* world.connect(handshake()))
    const head = yield* peer.head()
    t.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    t.match(head, `Sec-WebSocket-Accept: ${accept}\r\n`)
    t.match(head, '\r\nConnection: Upgrade\r\n')
    t.match(head, '\r\nUpgrade: websocket\r\n')
    t.notMatch(head, /Content-Length|Transfer-Encoding|Sec-WebSocket-(Extensions|Protocol)/)
    peer.send(frame(opcodes.text, 'hello'), frame(opcodes.binary, Buffer.from([0, 255])), frame(opcodes.ping, 'are you there'))
    peer.send(frame(opcodes.text, 'one, ', { fin: false }), frame(opcodes.ping), frame(opcodes.continuation, 'zwölf'), closeFrame(1000, 'bye'))
    t.strictSame((yield* peer.all()).sort(), ['binary 00ff', 'close 1000', 'ping', 'text hello', 'text one, zwölf', 'pong are you there', 'pong'].filter((x) => x !== 'ping').sort())
    t.equal(code, 1000)
    t.strictSame(world.log.statuses(), [101])
    t.equal(world.log.of('error').length, 0)
  })
})

t.test('frames right behind the handshake are not lost', async (t) => {
  await story(upgrading(echo), function* (world) {
    const peer = yield* Peer.open(world, {}, Buffer.concat([frame(opcodes.text, 'early'), closeFrame(1000)]))
    t.strictSame(yield* peer.all(), ['text early', 'close 1000'])
  })
})
