import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import * as server from 'leveret'
import { makeCertificate } from '../../bench/certificate.js'
import { frame } from '../../bench/frames.js'
import { Holder } from '../../bench/load/holder.js'
import { startLoad } from '../../bench/load/start.js'
import { chooseCores } from '../../bench/proc.js'
import { closed } from '../../bench/scenarios.js'

const cores = process.platform === 'linux' ? chooseCores() : null
const core = cores?.load ?? 0

const echo = server.new({ port: 0, log_level: 'warn' }, (_method, _query, _args, _headers, _body, ctx) => {
  if (!ctx.wantsWebSocket) return 'hi\n'
  return ctx.upgrade(function* (ws) {
    for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
  })
})

t.test('the loads of our own', { skip: cores === null }, async (t) => {
  const pem = makeCertificate(t.testdir(), new Date())
  const secure = server.new({ port: 0, log_level: 'error', ssl: { default: pem } }, () => 'hi\n')
  const done = [echo.serve(), secure.serve()]
  const ports = { plain: (await echo.listening).port, secure: (await secure.listening).port }
  for (const scenario of closed.filter((one) => one.kind === 'websocket' || one.load === 'handshake')) {
    const load = startLoad({ ...scenario, connections: 3 }, scenario.secure ? ports.secure : ports.plain, 10, t.testdirName, core)
    try {
      while (load.count() < 50) await sleep(5)
      const { requests, faults } = await load.stop()
      t.same(faults, [], scenario.name)
      t.ok(requests >= 50, scenario.name)
    } finally {
      load.kill()
    }
  }
  const holder = new Holder(ports.plain, core)
  await holder.hold(5)
  await holder.hold(20)
  await echo.stop({ drain: 0 })
  // It is another process: when it learns of that is its own affair.
  const untilClosed = async (): Promise<never> => {
    for (;;) await holder.hold(20)
  }
  await t.rejects(untilClosed(), /of 20 connections the server closed/)
  holder.kill()
  await secure.stop({ drain: 0 })
  await Promise.all(done)
})

t.test('frames have their lengths in as few bytes as can be', async (t) => {
  t.same(frame(Buffer.from('hi'), true, false), Buffer.from([0x81, 2, 0x68, 0x69]))
  t.equal(frame(Buffer.alloc(125), false, false).length, 127)
  t.equal(frame(Buffer.alloc(126), false, false).length, 130)
  t.equal(frame(Buffer.alloc(65_535), false, true).length, 65_543)
  t.equal(frame(Buffer.alloc(65_536), false, true).length, 65_550)
  const masked = frame(Buffer.from('hello'), true, true)
  t.same(masked.subarray(6).map((byte, index) => byte ^ masked[2 + (index & 3)]), Buffer.from('hello'))
})
