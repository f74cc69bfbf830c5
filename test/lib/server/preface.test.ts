import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { defaults, mergeSettings } from '../../../lib/config/settings.js'
import { ServerLog } from '../../../lib/log/logger.js'
import type { PrefaceStep } from '../../../lib/server/preface.js'
import { Run } from '../../../lib/server/run.js'
import { Service } from '../../../lib/server/service.js'
import { keptLog, type KeptLog } from '../../support/kept-log.js'
import { seed } from '../../support/seed.js'
import { request } from '../../support/serving.js'
import { VirtualClient } from '../../support/virtual.js'
import { virtual } from '../../../testing/virtual.js'

interface World {
  readonly service: Service
  readonly log: KeptLog
  connect(first?: string): Op<VirtualClient>
  /** Stops the server, and waits until it has. */
  stop(drain: number): Op<void>
  /** New connections begin without steps. */
  plain(): void
}

/** Serves connections that begin with `preface`, in virtual worlds; in the end nothing of them may be left. */
async function virtually(preface: readonly PrefaceStep[], story: (world: World) => Op<void>): Promise<void> {
  for (const segment of [1, 1000]) {
    let steps = preface
    await virtual(function* () {
      const log = keptLog()
      const settings = mergeSettings(defaults, { port: 0, logger: log, connection_limit: 3 })
      const service = new Service(settings, (_method, query, _args, _headers, _body, ctx) => `${query} ${ctx.count}`, new ServerLog(settings))
      const run = new Run(service, () => steps)
      const served = lev.spawn(() => run.serve())
      const address = yield* lev.wait(run.listening.promise)
      function* stop(drain: number): Op<void> {
        run.stop({ pre_drain: 0, drain })
        yield* served.join()
      }
      function* connect(first = ''): Op<VirtualClient> {
        const client = new VirtualClient(yield* lev.connect(address))
        client.send(first)
        return client
      }
      yield* story({ service, log, connect, stop, plain: () => (steps = []) })
      yield* stop(0)
      t.equal(service.connections.size, 0, 'no connection is left')
      t.notOk(service.connections.hasIdle, 'no connection is idle')
    }, { seed, segment, latency: [1e-5, 1e-4] })
  }
}

/** Takes `size` bytes of the client, within 5 seconds; `ended` counts its ends on whichever path. */
function taking(size: number, taken: string[], ended: () => void = () => {}): PrefaceStep {
  return function* (connection) {
    const { client } = connection
    try {
      yield* connection.waitForInput(lev.now() + 5)
      while (client.inputEnd - client.inputStart < size) if (!(yield* client.fill())) return false
      taken.push(client.input.toString('latin1', client.inputStart, client.inputStart + size))
      client.consume(size)
      return true
    } catch (error) {
      if (!(error instanceof lev.TimeoutError || error instanceof lev.ClosedError)) throw error
      taken.push(error.name)
      return false
    } finally {
      ended()
    }
  }
}

t.test('the steps run in order before the first request, and not again when the connection was parked', async (t) => {
  const taken: string[] = []
  await virtually([taking(3, taken), taking(5, taken)], function* ({ connect, log }) {
    taken.length = 0
    const client = yield* connect('ONEthree' + request('GET /a') + request('GET /b'))
    yield* client.responses(2)
    // Longer than it takes to be parked, and than the steps' time.
    yield* lev.sleep(8)
    client.send(request('GET /c'))
    const bodies = (yield* client.responses(3)).map(({ body }) => body.toString())
    t.strictSame(bodies, ['/a 1', '/b 2', '/c 3'])
    t.strictSame(taken, ['ONE', 'three'])
    t.strictSame(log.of('error'), [])
    client.stream.close()
  })
})

/** When the server has ended the connection. */
function* over(client: VirtualClient): Op<number> {
  while (yield* client.more());
  client.stream.close()
  return lev.now()
}

t.test('a step that ends the connection, or fails: nothing after it runs', async (t) => {
  let later = 0
  const after: PrefaceStep = function* () {
    later++
    return true
  }
  const mistake = ['127.0.0.1 a mistake']
  const steps: [name: string, step: PrefaceStep, text: string, logged: readonly string[]][] = [
    ['false', function* () {
      return false
    }, '', []],
    ['a response', function* (connection) {
      connection.client.put('no\r\n')
      yield* connection.linger()
      return false
    }, 'no\r\n', []],
    ['throws', function* () {
      throw new TypeError('a mistake')
    }, '', mistake],
    ['throws once there is input', function* (connection) {
      yield* connection.waitForInput(lev.now() + 5)
      throw new TypeError('a mistake')
    }, '', mistake],
    ['with a task of its own', function* ({ tasks }) {
      tasks?.spawn(() => lev.sleep(1000))
      return false
    }, '', []],
  ]
  for (const [name, step, text, logged] of steps) {
    await virtually([step, after], function* ({ connect, log, service, plain }) {
      const client = yield* connect(request('GET /'))
      t.ok((yield* over(client)) < 5, name)
      if (text !== '') t.equal(client.text, text, name)
      yield* lev.sleep(1)
      t.equal(service.connections.size, 0, name)
      t.strictSame(log.of('error').map(({ client_ip, err }) => `${String(client_ip)} ${(err as Error).message}`), logged, name)
      t.strictSame(log.of('access'), [], name)
      // The server goes on.
      plain()
      const next = yield* connect(request('GET /next'))
      t.equal((yield* next.responses(1))[0].body.toString(), '/next 1', name)
      next.stream.close()
    })
  }
  t.equal(later, 0)
})

t.test('a step whose client is silent, or leaves', async (t) => {
  const taken: string[] = []
  let open = 0
  const step = taking(3, taken, () => open--)
  const counted: PrefaceStep = (connection) => {
    open++
    return step(connection)
  }
  await virtually([counted], function* ({ connect, service }) {
    taken.length = 0
    const silent = yield* connect()
    const slow = yield* connect('ON')
    const began = lev.now()
    for (const client of [silent, slow]) {
      const at = yield* over(client)
      t.ok(Math.abs(at - began - 5) < 0.1, `after ${at - began} s`)
    }
    const half = yield* connect('ON')
    yield* half.stream.end()
    yield* over(half)
    const gone = yield* connect('ON')
    yield* lev.sleep(1)
    gone.stream.reset()
    yield* lev.sleep(1)
    t.strictSame(taken, ['TimeoutError', 'TimeoutError', 'ClosedError'])
    t.strictSame([open, service.connections.size], [0, 0])
  })
})

t.test('a connection that has sent nothing counts as idle: a server that is full, or stops, does not wait for it', async (t) => {
  await virtually([taking(3, [])], function* ({ connect, stop, service }) {
    const silent = [yield* connect(), yield* connect(), yield* connect()]
    yield* lev.sleep(1)
    const more = yield* connect('ONE' + request('GET /'))
    t.equal((yield* more.responses(1)).length, 1)
    const began = lev.now()
    t.ok((yield* over(silent[0])) - began < 1, 'the one that has been idle the longest is closed for another')
    t.equal(service.connections.size, 3)
    const left = [more, silent[1], silent[2]].map((client) => lev.spawn(() => over(client)))
    yield* stop(100)
    for (const one of left) t.ok((yield* one.join()) - began < 1)
  })
})

t.test('a step under way is waited for when the server stops, and cancelled when the time for that is over', async (t) => {
  const events: string[] = []
  const step = taking(3, [], () => events.push('ended'))
  await virtually([step], function* ({ connect, stop, service }) {
    events.length = 0
    const inTime = yield* connect('ON')
    const tooSlow = yield* connect('ON')
    yield* lev.sleep(1)
    const began = lev.now()
    const finishing = lev.spawn(function* () {
      yield* lev.sleep(2)
      inTime.send('E' + request('GET /'))
      t.equal((yield* inTime.responses(1))[0].body.toString(), '/ 1')
    })
    yield* stop(3)
    yield* finishing.join()
    t.ok(Math.abs(lev.now() - began - 3) < 0.1)
    t.strictSame(events, ['ended', 'ended'])
    t.equal(service.connections.size, 0)
    for (const client of [inTime, tooSlow]) yield* over(client)
  })
})
