import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { WebSocketOptions } from '../../../lib/websocket/options.js'
import type { WebSocket } from '../../../lib/websocket/websocket.js'
import { seed } from '../../support/seed.js'
import { virtually, type World } from '../../support/virtual.js'
import { echo, story } from './chat.js'
import { accept, closeFrame, frame, handshake, opcodes, Peer } from './wire.js'

const { text, binary, continuation, close, ping, pong } = opcodes

t.test('echo, from the handshake to the close', async (t) => {
  let code: number | null = 0
  await story(function* (ws) {
    yield* echo(ws)
    code = ws.closeCode
  }, function* (world) {
    const peer = new Peer(yield* world.connect(handshake()))
    const head = yield* peer.head()
    t.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    t.match(head, `Sec-WebSocket-Accept: ${accept}\r\n`)
    t.match(head, '\r\nConnection: Upgrade\r\n')
    t.match(head, '\r\nUpgrade: websocket\r\n')
    t.notMatch(head, /Content-Length|Transfer-Encoding|Sec-WebSocket-(Extensions|Protocol)/)
    peer.send(frame(text, 'hello'), frame(binary, Buffer.from([0, 255])))
    t.strictSame(yield* peer.take(2), ['text hello', 'binary 00ff'])
    peer.send(frame(text, 'one, ', { fin: false }), frame(ping, 'there?'), frame(continuation, 'zwölf'), closeFrame(1000, 'bye'))
    t.strictSame((yield* peer.all()).slice(2), ['pong there?', 'text one, zwölf', 'close 1000'])
    t.equal(peer.client.ending, 'end')
    t.equal(code, 1000)
    t.strictSame(world.log.statuses(), [101])
    t.equal(world.log.of('error').length, 0)
  })
})

t.test('messages before a close, a bad frame or a FIN are answered first', async (t) => {
  const endings: [what: string, bytes: Buffer, expected: string[]][] = [
    ['close', closeFrame(3001, 'enough'), ['close 3001']],
    ['close without a code', frame(close), ['close']],
    ['bad frame', frame(3), ['close 1002 unknown opcode']],
    ['bad text', frame(text, Buffer.from([0xff])), ['close 1007 the text is not UTF-8']],
    ['frames behind the close', Buffer.concat([closeFrame(1000), frame(text, 'late'), Buffer.alloc(20_000)]), ['close 1000']],
  ]
  for (const [what, ending, expected] of endings) {
    await story(echo, function* (world) {
      const peer = yield* Peer.open(world, {}, Buffer.concat([frame(text, 'early'), frame(text, 'more'), ending]))
      t.strictSame(yield* peer.all(), ['text early', 'text more', ...expected], what)
    })
  }
})

t.test('a bad frame closes with its code, on both sides', async (t) => {
  const cases: [bytes: Buffer, code: number][] = [
    [frame(text, 'a', { mask: null }), 1002], [frame(continuation), 1002], [frame(ping, 'a', { fin: false }), 1002],
    [frame(text, Buffer.from([0xc0, 0x80])), 1007], [frame(binary, Buffer.alloc(101)), 1009], [closeFrame(1005), 1002],
  ]
  for (const [bytes, code] of cases) {
    let seen: unknown = null
    await story(function* (ws) {
      t.equal(yield* ws.next(), null)
      seen = [ws.closeCode, ws.isOpen]
    }, function* (world) {
      const peer = yield* Peer.open(world, {}, bytes)
      t.match(yield* peer.all(), [new RegExp(`^close ${code} `)])
      t.equal(peer.client.ending, 'end', 'no reset, so that the client can read it')
      yield* lev.sleep(1)
      t.same(seen, [code, false])
    }, { max_message_size: 100 })
  }
})

t.test('the handler closes', async (t) => {
  await story(function* (ws) {
    t.equal(ws.closeCode, null)
    t.throws(() => ws.close(1005), RangeError)
    t.throws(() => ws.close(1000.5), RangeError)
    t.throws(() => ws.close(1000, 'ä'.repeat(62)), RangeError)
    t.throws(() => Reflect.apply(ws.trySend, ws, [7]), { name: 'TypeError', message: 'trySend: data must be a string or bytes (a Uint8Array), got number' })
    ws.close(4000, 'ä'.repeat(61))
    t.equal(ws.closeCode, 4000, 'at once')
    t.equal(ws.closeReason, 'ä'.repeat(61))
    ws.close(1000)
    t.equal(ws.closeCode, 4000)
    t.equal(yield* ws.next(), null)
    t.equal(ws.trySend('late'), 0)
    try {
      yield* ws.send('late')
      t.fail('sent')
    } catch (error) {
      t.type(error, lev.ClosedError)
      t.match(error, { message: 'the WebSocket is closed' })
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    t.strictSame(yield* peer.take(1), [`close 4000 ${'ä'.repeat(61)}`])
    peer.send(frame(text, 'on its way'), frame(ping), closeFrame(4000))
    const before = lev.now()
    t.equal((yield* peer.all()).length, 1)
    t.ok(lev.now() - before < 1, 'the connection ends with the response')
  })
})

t.test('messages that were not taken are gone once the handler closes', async (t) => {
  let after: unknown = 'nothing'
  await story(function* (ws) {
    yield* ws.next()
    yield* lev.sleep(1)
    ws.close()
    after = yield* ws.next()
  }, function* (world) {
    const peer = yield* Peer.open(world, {}, Buffer.concat([frame(text, 'one'), frame(text, 'two'), frame(text, 'three')]))
    t.strictSame(yield* peer.take(1), ['close 1000'])
    peer.send(closeFrame(1000))
    yield* peer.all()
    t.equal(after, null)
  })
})

t.test('a client that does not respond to the close is left in time', async (t) => {
  await story(function* (ws) {
    ws.close()
    yield* ws.next()
  }, function* (world) {
    const peer = yield* Peer.open(world)
    const before = lev.now()
    t.strictSame(yield* peer.all(), ['close 1000'])
    t.ok(Math.abs(lev.now() - before - 7) < 0.1)
  }, { close_timeout: 7 })
})

t.test('a handler that ends closes with 1000, one that fails with 1011', async (t) => {
  await story(function* (ws) {
    ws.trySend('bye')
  }, function* (world) {
    t.strictSame(yield* (yield* Peer.open(world)).take(2), ['text bye', 'close 1000'])
  })
  await story(function* () {
    throw new Error('secret')
  }, function* (world) {
    t.strictSame(yield* (yield* Peer.open(world)).take(1), ['close 1011'])
    t.match(world.log.of('error'), [{ err: { message: 'secret' }, message: 'the handler failed' }])
  })
  await story(function* (ws) {
    // Sending to a client that has gone.
    for (;;) {
      yield* lev.sleep(1)
      yield* ws.send('tick')
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    peer.send(closeFrame(1000))
    t.strictSame(yield* peer.all(), ['close 1000'], 'at once, though no task reads')
    yield* lev.sleep(30)
    t.equal(world.log.of('error').length, 0)
  })
})

t.test('a handler that does not read: pings are answered and closes noticed for all that', async (t) => {
  await story(function* (ws) {
    while (ws.isOpen) yield* lev.sleep(1)
    t.equal(ws.closeCode, 1001)
  }, function* (world) {
    const peer = yield* Peer.open(world)
    peer.send(frame(ping, 'a'), frame(ping, 'b'))
    t.strictSame(yield* peer.take(2), ['pong a', 'pong b'])
    peer.send(frame(text, 'ignored'), closeFrame(1001))
    t.strictSame(yield* peer.all(), ['pong a', 'pong b', 'close 1001'])
  })
})

t.test('a client that goes without a close', async (t) => {
  for (const how of ['close', 'reset'] as const) {
    const seen: unknown[] = []
    await story(function* (ws, ctx) {
      ctx.signal.addEventListener('abort', () => seen.push('signal'))
      seen.push(yield* ws.next())
      seen.push(yield* ws.next(), ws.closeCode)
    }, function* (world) {
      const peer = yield* Peer.open(world)
      peer.send(frame(text, 'last'))
      yield* lev.sleep(0.1)
      peer.client.stream[how]()
      yield* lev.sleep(1)
    })
    t.same(seen, ['last', 'signal', null, 1006], how)
  }
})

t.test('a handler that does not see the end is cancelled, and cleans up', async (t) => {
  const events: string[] = []
  await story(function* (ws) {
    try {
      events.push(`${String(yield* ws.next())}`)
      yield* lev.sleep(Infinity)
    } finally {
      events.push(`finally after ${Math.round(lev.now())}`)
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    peer.send(frame(text, 'hi'))
    yield* lev.sleep(0.5)
    peer.client.stream.reset()
    yield* lev.sleep(20)
    t.same(events, ['hi', 'finally after 6'])
    t.equal(world.log.of('error').length, 0)
  }, { close_timeout: 5 })
})

t.test('keep-alive pings', async (t) => {
  const options: WebSocketOptions = { ping_interval: 30, pong_timeout: 15 }
  let ended: unknown = null
  function* waiting(ws: WebSocket): Op<void> {
    yield* ws.next()
    ended = [ws.closeCode, Math.round(lev.now())]
  }
  await story(waiting, function* (world) {
    const peer = yield* Peer.open(world)
    t.strictSame(yield* peer.take(1), ['ping'])
    t.equal(Math.round(lev.now()), 30)
    yield* lev.sleep(10)
    peer.send(frame(pong))
    yield* peer.take(2)
    t.equal(Math.round(lev.now()), 70, '30 seconds after the last sign of life')
    peer.send(frame(text, 'any sign will do', { fin: false }))
    yield* peer.take(3)
    t.equal(Math.round(lev.now()), 100)
    yield* peer.all()
    t.equal(Math.round(lev.now()), 115)
    t.equal(peer.client.ending, 'reset')
  }, options)
  t.same(ended, [1006, 115])
  await story(waiting, function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.sleep(10_000)
    t.strictSame(peer.shown, [])
  }, { ping_interval: 0 })
})

t.test('a handler that looks at ctx.draining, before or within its WebSocket, is told; so is the client', async (t) => {
  for (const when of ['before', 'within']) {
    const told: string[] = []
    await virtually({}, (_m, _q, _a, _h, _b, ctx) => {
      const look = (): void => ctx.draining.addEventListener('abort', () => told.push('draining'))
      if (when === 'before') look()
      return ctx.upgrade(function* (ws) {
        if (when === 'within') look()
        while ((yield* ws.next()) !== null);
        told.push(String(ws.closeCode))
      })
    }, function* (world) {
      const peer = yield* Peer.open(world)
      const stopping = world.server.stop({ drain: 5 })
      t.strictSame(yield* peer.take(1), ['close 1001 the server stops'])
      peer.send(closeFrame(1001))
      yield* lev.wait(stopping)
      t.strictSame(told, ['draining', '1001'], when)
    })
  }
})

t.test('the server drains', async (t) => {
  const seen: unknown[] = []
  await story(function* (ws) {
    seen.push(yield* ws.next(), ws.closeCode)
  }, function* (world) {
    const peer = yield* Peer.open(world)
    const stopped = world.server.stop({ drain: 10 })
    t.strictSame(yield* peer.take(1), ['close 1001 the server stops'])
    peer.send(closeFrame(1001))
    yield* peer.all()
    yield* lev.wait(stopped)
  })
  t.same(seen, [null, 1001])
  let cleaned = false
  await story(function* () {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      cleaned = true
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    const before = lev.now()
    const stopped = world.server.stop({ drain: 3 })
    t.strictSame(yield* peer.all(), ['close 1001 the server stops'])
    yield* lev.wait(stopped)
    t.ok(lev.now() - before < 6)
    t.ok(cleaned)
  })
})

/** Reads all that comes, frame heads and all, in a task of its own. */
function* slurp(peer: Peer, pause: number): Op<void> {
  while (yield* peer.client.more(8192)) yield* lev.sleep(pause)
}

t.test('a slow reader: send waits, and the queue stays bounded', async (t) => {
  const big = 'x'.repeat(50_000)
  let largest = 0
  let sent = 0
  await story(function* (ws) {
    for (; sent < 40; sent++) {
      yield* ws.send(big)
      largest = Math.max(largest, ws.unsent)
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.sleep(5)
    t.ok(sent < 40, 'it waits')
    yield* slurp(peer, 0.01)
    t.equal(peer.frames.filter(({ content }) => content.length === 50_000).length, 40)
    t.ok(largest <= 128 * 1024, `${largest} bytes at most`)
  })
})

t.test('pings behind a long queue: the last of them is answered, once that is shorter', async (t) => {
  await story(function* (ws) {
    yield* ws.send('x'.repeat(3_000_000))
    t.equal(yield* ws.next(), 'all is read meanwhile')
    t.ok(ws.unsent > 1_500_000)
    yield* ws.next()
  }, function* (world) {
    const peer = yield* Peer.open(world)
    for (const content of ['a', 'b', 'c']) {
      peer.send(frame(ping, content))
      yield* lev.sleep(1)
    }
    peer.send(frame(text, 'all is read meanwhile'))
    yield* lev.sleep(1)
    yield* slurp(peer, 0.01)
    t.equal(peer.frames[0].content.length, 3_000_000)
    t.same(peer.frames.filter(({ opcode }) => opcode === pong).map(({ content }) => content.toString()), ['c'])
  })
})

t.test('tasks that wait to send, or for the queue, are told of a close at once', async (t) => {
  const told: unknown[] = []
  const note = function* (op: Op<unknown>): Op<void> {
    try {
      for (;;) yield* op
    } catch (error) {
      t.match(error, { code: 'LEV_CLOSED' })
      told.push(lev.now())
    }
  }
  await story(function* (ws) {
    const big = Buffer.alloc(100_000)
    while (ws.trySend(big) > 0);
    for (let count = 0; count < 3; count++) lev.spawn(() => note(ws.send(big)))
    lev.spawn(() => note(ws.drained()))
    yield* lev.sleep(1)
    t.same(told, [])
    const at = lev.now()
    ws.close()
    yield* lev.yieldNow()
    yield* lev.yieldNow()
    t.same(told, [at, at, at, at])
  }, function* (world) {
    yield* Peer.open(world)
    yield* lev.sleep(20)
    t.equal(world.log.of('error').length, 0)
  })
})

t.test('trySend takes what the queue has room for, and tells', async (t) => {
  await story(function* (ws) {
    t.equal(ws.trySend('four'), 6)
    t.equal(ws.trySend('é'), 4)
    t.equal(ws.trySend(Buffer.alloc(200)), 204)
    t.equal(ws.trySend(Buffer.alloc(100_000)), 100_010)
    let calls = 0
    ws.onFull = () => calls++
    t.equal(ws.trySend(Buffer.alloc(200_000)), 0)
    t.equal(calls, 1)
    yield* ws.drained()
    t.ok(ws.unsent <= 100_000)
    t.equal(ws.trySend(Buffer.alloc(100)), 102)
    ws.trySend('end')
    yield* ws.next()
  }, function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.sleep(1)
    const shown = yield* peer.take(6)
    t.equal(shown.at(-1), 'text end')
  }, { queue_limit: 200_000 })
})

t.test('a queue over its limit closes, if so set', async (t) => {
  let code: number | null = null
  await story(function* (ws) {
    try {
      for (;;) yield* ws.send('x'.repeat(10_000))
    } finally {
      code = ws.closeCode
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.sleep(2)
    t.equal(code, 1008)
    const shown = yield* peer.all()
    t.equal(shown.at(-1), 'close 1008 too slow')
    t.equal(world.log.of('error').length, 0)
  }, { on_full: 'close', queue_limit: 300_000, close_timeout: 10 })
  let fast = 0
  await story(function* (ws) {
    for (; fast < 500; fast++) {
      yield* ws.send('x'.repeat(10_000))
      yield* lev.sleep(0.001)
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    yield* slurp(peer, 0)
    t.equal(peer.frames.filter(({ opcode }) => opcode === text).length, 500, 'one that reads is not too slow')
  }, { on_full: 'close', queue_limit: 1_000_000 })
})

t.test('many tasks send at once: messages stay whole, and a cancelled send sent nothing', async (t) => {
  let timeouts = 0
  await story(function* (ws) {
    yield* lev.scope(function* (around) {
      for (let task = 0; task < 10; task++) {
        around.spawn(function* () {
          for (let i = 0; i < 10; i++) {
            const message = `${task}:${i}:`.padEnd(i % 2 === 0 ? 30_000 : 20, '.')
            try {
              if (task === 9) yield* lev.timeout(0.002, ws.send(message))
              else yield* ws.send(message)
            } catch (error) {
              if (!(error instanceof lev.TimeoutError)) throw error
              timeouts++
            }
          }
        })
      }
    })
  }, function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.sleep(1)
    yield* slurp(peer, 0.001)
    const messages = peer.frames.filter(({ opcode }) => opcode === text).map(({ content }) => content.toString())
    t.ok(messages.every((message) => /^\d:\d:\.*$/.test(message)))
    t.equal(messages.length, 100 - timeouts)
    t.ok(timeouts > 0, `${timeouts} timeouts`)
    for (let task = 0; task < 9; task++) {
      t.same(messages.filter((message) => message.startsWith(`${task}:`)).map((message) => message[2]), [...'0123456789'])
    }
  })
})

t.test('a slow handler makes the client wait', async (t) => {
  let taken = 0
  await story(function* (ws) {
    for (;;) {
      if ((yield* ws.next()) === null) return
      taken++
      yield* lev.sleep(0.1)
    }
  }, function* (world) {
    const peer = yield* Peer.open(world)
    const message = frame(binary, Buffer.alloc(10_000))
    let sent = 0
    yield* lev.scope(function* (around) {
      const sending = around.spawn(function* () {
        for (; sent < 300; sent++) yield* peer.client.stream.write(message)
      })
      yield* lev.sleep(0.95)
      // What was taken, and the queues on the way: the receive queue, the stream's window, the network, the writer.
      t.equal(taken, 10)
      t.ok(sent < 10 + 60, `${sent} sent`)
      yield* sending.join()
    })
    peer.send(closeFrame(1000))
    yield* peer.all()
    t.equal(taken, 300)
  })
})

t.test('only one task reads', async (t) => {
  await story(function* (ws) {
    yield* lev.scope(function* (around) {
      const first = around.spawn(() => ws.next())
      yield* lev.sleep(0.1)
      try {
        yield* ws.next()
        t.fail('read')
      } catch (error) {
        t.type(error, lev.UsageError)
      }
      t.equal(yield* first.join(), 'hi')
      try {
        yield* lev.timeout(1, ws.next())
      } catch (error) {
        t.type(error, lev.TimeoutError)
      }
      t.equal(yield* ws.next(), 'later', 'a wait that was cancelled took nothing')
    })
  }, function* (world) {
    const peer = yield* Peer.open(world)
    yield* lev.sleep(0.5)
    peer.send(frame(text, 'hi'))
    yield* lev.sleep(5)
    peer.send(frame(text, 'later'))
    yield* peer.take(1)
  })
})

t.test('any segments of the network', async (t) => {
  for (let round = 0; round < 20; round++) {
    const told = function* (world: World): Op<string[]> {
      const peer = yield* Peer.open(world)
      peer.send(frame(text, 'a'.repeat(300)), frame(binary, Buffer.alloc(50)), frame(ping, 'x'), frame(text, 'é', { fin: false }))
      peer.send(frame(continuation, 'ü'), closeFrame(1000))
      return (yield* peer.all()).filter((shown) => !shown.startsWith('pong'))
    }
    const shown = await story(echo, told, {}, {}, { seed: seed + round, segment: 1 + round * 3 })
    t.same(shown, [`text ${'a'.repeat(300)}`, `binary ${'00'.repeat(50)}`, 'text éü', 'close 1000'], `seed ${seed + round}`)
  }
})
