import { readFileSync } from 'node:fs'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { new as create, websocket, type Config, type WebSocket } from '../../../lib/index.js'
import { developmentIdentities } from '../../../tls/index.js'
import { keptLog } from '../../support/kept-log.js'

const connections = 20
const sizes = [1, 7, 125, 126, 1021, 5003, 16_385, 65_537, 70_001, 3]

/** Bytes of one end of one connection: every one says whose it is, and where it stands. */
function marked(owner: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (owner * 5 + i * 7) & 0xff
  return bytes
}

/** Sends the messages of `own` while it receives those of `other`. @returns whether these were so, and no more came */
function* exchange(ws: WebSocket, own: number, other: number): Op<boolean> {
  return yield* lev.scope(function* (scope) {
    scope.spawn(function* () {
      for (const size of sizes) {
        yield* ws.send(marked(own, size))
        yield* lev.sleep(0.001 * (own % 3))
      }
    })
    for (const size of sizes) {
      const message = yield* ws.next()
      if (!(message instanceof Buffer) || !message.equals(marked(other, size))) return false
    }
    return true
  })
}

const { ca, ssl } = developmentIdentities(t.testdir(), ['localhost'], Date.now() / 1000)
const tls = { ca: readFileSync(ca) }
const plain: [string, Config, string] = ['plain', {}, 'ws']
const secure: [string, Config, string] = ['TLS', { ssl }, 'wss']

for (const [kind, config, scheme] of [plain, secure]) {
  for (const [network, driver] of [['node', () => undefined], ['memory', () => lev.memory()], ['memory in small segments', () => lev.memory({ segment: 1500 })]] as const) {
    for (const compression of [true, false]) {
      t.test(`no byte of one WebSocket appears on another: ${kind} over ${network}, ${compression ? 'compressed' : 'as it is'}`, async (t) => {
        const right: number[] = []
        const note = (owner: number, good: boolean): void => void (good && right.push(owner))
        await lev.run(function* () {
          const server = create({ port: 0, logger: keptLog(), ...config }, (_method, query, _args, _headers, _body, ctx) => ctx.upgrade(function* (ws) {
            const n = Number(query.slice(1))
            note(2 * n + 1, yield* exchange(ws, 2 * n + 1, 2 * n))
            // The client closes it.
            yield* ws.next()
          }, { compression }))
          const done = server.serve()
          const { port } = yield* lev.wait(server.listening)
          yield* lev.scope(function* (scope) {
            for (let n = 0; n < connections; n++) {
              scope.spawn(function* () {
                const ws = yield* websocket(`${scheme}://localhost:${port}/${n}`, { compression, tls: config.ssl === undefined ? {} : tls })
                note(2 * n, yield* exchange(ws, 2 * n, 2 * n + 1))
                ws.close()
                yield* ws.next()
              })
            }
          })
          yield* lev.wait(server.stop())
          yield* lev.wait(done)
        }, { driver: driver() })
        t.strictSame(right.sort((a, b) => a - b), Array.from({ length: 2 * connections }, (_, n) => n))
      })
    }
  }
}
