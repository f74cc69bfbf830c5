import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { WebSocket } from '../../../lib/websocket/websocket.js'
import { constant, growth, type Arrange } from '../../support/growth.js'

const limits = {
  max_message_size: 1024 * 1024, message_rate: null, ping_interval: 0, pong_timeout: 5, close_timeout: 5, queue_limit: 1024 * 1024, on_full: 'wait' as const,
}

/** Has `count` tasks do `one` on one WebSocket, whose other side receives what they send. */
function together(one: (ws: WebSocket) => Op<unknown>): Arrange {
  return function* (count) {
    const [near, far] = lev.pipe()
    const ws = new WebSocket(near, { client: false, protocol: '', compression: null }, limits)
    const peer = new WebSocket(far, { client: true, protocol: '', compression: null }, limits)
    for (const each of [ws, peer]) lev.background(() => each.pump())
    lev.background(function* () {
      while ((yield* peer.next()) !== null);
    })
    return function* () {
      const tasks = Array.from({ length: count }, () => lev.spawn(() => one(ws)))
      for (const task of tasks) yield* task.join()
    }
  }
}

const costs: [string, number, Arrange][] = [
  ['tasks that send', 4000, together((ws) => ws.send(Buffer.alloc(16 * 1024)))],
  ['tasks that wait for a pong', 16_000, together((ws) => ws.ping())],
]

for (const [name, total, arrange] of costs) {
  t.test(name, async (t) => {
    const grown = await growth(total, arrange)
    t.ok(grown < constant, `eight times as many on one WebSocket: ${grown.toFixed(1)} times as long for each`)
  })
}

t.test('tasks that wait for room send in the order of asking, also those that would have room', (t) => lev.run(function* () {
  const [near, far] = lev.pipe()
  const ws = new WebSocket(near, { client: false, protocol: '', compression: null }, limits)
  const peer = new WebSocket(far, { client: true, protocol: '', compression: null }, limits)
  const sent: string[] = []
  for (const [name, size] of [['a', 100_000], ['b', 100_000], ['c', 120_000], ['d', 10], ['e', 1]] as const) {
    lev.spawn(function* () {
      yield* ws.send(name.repeat(size))
      sent.push(name)
    })
  }
  const received = []
  for (let count = 0; count < 5; count++) received.push(String(yield* peer.next())[0])
  t.same(received, ['a', 'b', 'c', 'd', 'e'])
  t.same(sent, received)
  near.close()
  far.close()
}, { driver: lev.memory() }))
