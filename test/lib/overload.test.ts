import t from 'tap'
import * as lev from '../../lev/index.js'
import { defaults, mergeSettings } from '../../lib/config.js'
import { ServerLog } from '../../lib/log.js'
import { Doorkeeper } from '../../lib/overload.js'
import { Service } from '../../lib/service.js'
import { keptLog } from '../support/kept-log.js'
import { saysClose } from '../support/responses.js'
import { eventually, gate, request, serve } from '../support/serving.js'
import { virtually, type World } from '../support/virtual.js'

t.test('over connection_limit: 503 and close, then recovery', async (t) => {
  const { connect, ask, log } = await serve(t, { connection_limit: 3 }, () => 'in')
  const inside = await Promise.all([1, 2, 3].map(async () => {
    const client = await connect(request('GET /'))
    await client.responses(1)
    return client
  }))
  for (let k = 0; k < 5; k++) {
    const outside = await connect(request('GET /'))
    const responses = await outside.all()
    t.strictSame(responses.map(({ status }) => status), [503])
    t.ok(saysClose(responses[0]))
    t.equal(await outside.over, 'end')
    outside.close()
  }
  for (const [k, client] of inside.entries()) {
    client.send(request('GET /'))
    t.equal((await client.responses(2)).length, 2, `connection ${k} is not disturbed`)
  }
  inside[0].close()
  let status = 503
  for (let tries = 0; status === 503 && tries < 1000; tries++) ({ status } = await ask(request('GET /')))
  t.equal(status, 200, 'recovered')
  t.strictSame(log.statuses().filter((status) => status !== 200), [], 'no access lines for those who were not let in')
})

t.test('a refused client receives its 503 whatever it sends meanwhile', async (t) => {
  const { opened, open } = gate()
  const { connect } = await serve(t, { connection_limit: 1 }, () => opened.then(() => 'in'))
  const inside = await connect(request('GET /'))
  await eventually(() => inside.socket.bytesWritten > 0, 'sent')
  for (let k = 0; k < 10; k++) {
    const outside = await connect(request('POST /', { 'Content-Length': '8000000' }))
    outside.send(Buffer.alloc(8_000_000))
    const responses = await outside.all()
    t.strictSame(responses.map(({ status }) => status), [503])
    t.equal(await outside.over, 'end', 'no reset')
    outside.close()
  }
  open()
  await inside.responses(1)
})

t.test('told at most once a second, with how many they were', async (t) => {
  await virtually({ connection_limit: 1 }, () => 'in', function* ({ connect, log }: World) {
    const inside = yield* connect(request('GET /'))
    yield* inside.responses(1)
    for (let k = 0; k < 100; k++) {
      const client = yield* connect()
      const { responses } = yield* client.all()
      t.equal(responses[0]?.status, 503)
      client.stream.close()
      yield* lev.sleep(0.05)
    }
    const lines = log.of('warn')
    t.ok(lines.length >= 4 && lines.length <= 6, `${lines.length} lines in about five seconds`)
    t.match(lines[1], { connection_limit: 1 })
    t.ok(Number(lines[1].refused) > 10, 'each tells how many')
  })
})

t.test('a crowd that says nothing and does not leave: cut after a second, the server stays reachable', async (t) => {
  await virtually({ connection_limit: 1 }, () => 'in', function* ({ connect }: World) {
    const inside = yield* connect(request('GET /'))
    yield* inside.responses(1)
    const crowd = []
    for (let k = 0; k < 200; k++) crowd.push(yield* connect())
    yield* lev.sleep(2)
    let told = 0
    for (const client of crowd) {
      while (yield* client.more());
      if (client.text.startsWith('HTTP/1.1 503 ')) told++
      client.stream.close()
    }
    t.ok(told >= 64, `${told} of 200 were told`)
    inside.send(request('GET /'))
    yield* inside.responses(2)
    inside.stream.close()
    yield* lev.sleep(1)
    const next = yield* connect(request('GET /'))
    t.equal((yield* next.responses(1))[0].status, 200)
  })
})

t.test('connections that have had their last answer, and those in flight, count until they are closed', async (t) => {
  await virtually({ connection_limit: 2 }, () => 'in', function* ({ connect }: World) {
    const clients = []
    for (let k = 0; k < 2; k++) {
      const client = yield* connect(request('GET /', { Connection: 'close' }))
      yield* client.all()
      clients.push(client)
    }
    // Their clients have not closed yet: the server waits a little for them.
    const third = yield* connect(request('GET /'))
    t.equal((yield* third.responses(1))[0].status, 503)
    for (const client of clients) client.stream.close()
    yield* lev.sleep(0.1)
    const fourth = yield* connect(request('GET /'))
    t.equal((yield* fourth.responses(1))[0].status, 200)
  })
})

t.test('a client that is lost before it is told costs nothing', async (t) => {
  await lev.run(function* () {
    const log = keptLog()
    const settings = mergeSettings(defaults, { logger: log })
    const doorkeeper = new Doorkeeper(new Service(settings, () => null, new ServerLog(settings)))
    const [near, far] = lev.pipe()
    near.reset()
    yield* lev.sleep(1)
    t.notOk(far.isOpen)
    yield* doorkeeper.refuse(far)
    t.equal(log.of('warn').length, 1)
  }, { driver: lev.memory() })
})
