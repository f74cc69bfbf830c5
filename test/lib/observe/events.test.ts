import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import type { Config, Handler, LogLevel } from '../../../lib/index.js'
import { NO_HEAD } from '../../../lib/http1/request-head.js'
import { ServerLog } from '../../../lib/log/logger.js'
import { ConnectionRecord } from '../../../lib/observe/connection-record.js'
import { observe, type Events } from '../../../lib/observe/index.js'
import { RequestRecord } from '../../../lib/observe/request-record.js'
import { WebSocketRecord } from '../../../lib/observe/websocket-record.js'
import { Peer } from '../../../lib/server/peer.js'
import { keptLog } from '../../support/kept-log.js'
import { request } from '../../support/serving.js'
import { virtual } from '../../../testing/index.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'
import { record, type Seen } from './recorded.js'

// Every path of a connection and of a request: which events it has, each once and in order.

const handlers: Record<string, Handler> = {
  '/plain': () => 'hello',
  *'/generator'() {
    yield* lev.sleep(1)
    return 'hello'
  },
  '/async': async () => {
    await Promise.resolve()
    return ['hello', 201]
  },
  '/stream': () => [new Set(['one', 'two'])],
  '/body': (_method, _query, _args, _headers, body) => body,
  '/itself': (_method, _query, _args, _headers, _body, ctx) => {
    ctx.client.put('HTTP/1.1 204 No Content\r\n\r\n')
    return undefined
  },
  '/nothing': () => undefined,
  '/fails': () => {
    throw new Error('a failure')
  },
  '/fails-late': (_method, _query, _args, _headers, _body, ctx) => {
    ctx.client.put('HTTP/1.1 200 OK\r\n')
    throw new Error('a failure')
  },
  '/content-fails': () => [function* (out) {
    yield* out.write('begun')
    throw new Error('a failure')
  }],
  '/unsendable': () => ['x', 200, { 'X-A': 'a\nb' }],
  *'/waits'() {
    yield* lev.sleep(1000)
    return 'hello'
  },
  '/endless': () => [function* (out) {
    for (;;) {
      yield* out.write('x')
      yield* lev.sleep(1)
    }
  }],
  '/much': () => Buffer.alloc(4_000_000),
  '/form': function* (_method, _query, _args, _headers, _body, ctx) {
    return JSON.stringify(yield* ctx.body.json())
  },
  '/ws': (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* (ws) {
    for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
  }),
}

const missing: Handler = () => ['not found', 404]

const handle: Handler = (method, query, ...rest) => (handlers[query] ?? missing)(method, query, ...rest)

const upgrade = {
  Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

/** What one client does, and the events that come of it. */
interface Scenario {
  readonly config?: Config
  readonly first: string
  act?(client: VirtualClient, world: World): Op<unknown>
  readonly events: readonly string[]
}

function* drained(client: VirtualClient): Op<void> {
  while (yield* client.more());
}

function* leave(client: VirtualClient): Op<void> {
  yield* lev.sleep(1)
  client.stream.reset()
  yield* lev.sleep(1)
}

const opened = (first: string, ...events: string[]): Omit<Scenario, 'act'> => ({ first, events: ['open', ...events, 'close'] })
const last = { Connection: 'close' }

const scenarios: Record<string, Scenario> = {
  'a plain handler': opened(request('GET /plain', last), 'start GET /plain', 'end GET /plain: complete 200 5'),
  'a generator': opened(request('GET /generator', last), 'start GET /generator', 'end GET /generator: complete 200 5'),
  'an async handler': opened(request('GET /async', last), 'start GET /async', 'end GET /async: complete 201 5'),
  'streaming content': opened(request('GET /stream', last), 'start GET /stream', 'end GET /stream: complete 200 6'),
  'HEAD': opened(request('HEAD /plain', last), 'start HEAD /plain', 'end HEAD /plain: complete 200 0'),
  'a body': opened(request('POST /body', last, 'content'), 'start POST /body', 'end POST /body: complete 200 7'),
  'pipelined requests': opened(
    request('GET /plain') + request('GET /missing', last),
    'start GET /plain', 'end GET /plain: complete 200 5', 'start GET /missing', 'end GET /missing: complete 404 9',
  ),
  'a handler that responds itself': opened(
    request('GET /itself') + request('GET /plain', last),
    'start GET /itself', 'end GET /itself: complete 204 27', 'start GET /plain', 'end GET /plain: complete 200 5',
  ),
  'no request at all': { first: '', act: leave, events: ['open', 'close'] },
  'half a head, then the client leaves': { first: 'GET / HTTP/1.1\r\n', act: leave, events: ['open', 'close'] },
  'half a head, then nothing': opened('GET / HTTP/1.1\r\n', 'start  ', 'end  : rejected 408 40 (request header timeout)', 'reject 408 request header timeout'),
  'a head that is no head': opened('nonsense\r\n\r\n', 'start  ', 'end  : rejected 400 30 (malformed method)', 'reject 400 malformed method'),
  'a body over the limit': {
    config: { max_body_size: 3 },
    ...opened(
      request('POST /body', {}, 'content'), 'start POST /body', 
'end POST /body: rejected 413 52 (max_body_size limit violation: 7)', 'reject 413 max_body_size limit violation: 7',
    ),
  },
  'a body that does not come': opened(
    request('POST /body', { 'Content-Length': '9' }), 'start POST /body', 
'end POST /body: rejected 408 38 (request body timeout)', 'reject 408 request body timeout',
  ),
  'a body that its handler cannot read': opened(
    request('POST /form', {}, '{'), 'start POST /form', 'end POST /form: rejected 400 34 (the body is not JSON)', 'reject 400 the body is not JSON',
  ),
  'the client leaves within the body': {
    first: request('POST /body', { 'Content-Length': '9' }), act: leave,
    events: ['open', 'start POST /body', 'end POST /body: client gone 499 0 (closed)', 'close'],
  },
  'a handler that fails': opened(request('GET /fails', last), 'start GET /fails', 'end GET /fails: failed 500 22'),
  'a handler that responds with nothing': opened(request('GET /nothing', last), 'start GET /nothing', 'end GET /nothing: failed 500 22'),
  'a response that cannot be sent': opened(request('GET /unsendable', last), 'start GET /unsendable', 'end GET /unsendable: failed 500 22'),
  'a handler that fails after writing': opened(
    request('GET /fails-late'), 'start GET /fails-late', 'end GET /fails-late: failed 200 17 (the handler failed)',
  ),
  'content that fails': opened(
    request('GET /content-fails'), 'start GET /content-fails', 'end GET /content-fails: failed 200 5 (the content of ...',
  ),
  'the client leaves a handler': {
    first: request('GET /waits'), act: leave, events: ['open', 'start GET /waits', 'end GET /waits: client gone 499 0 (closed)', 'close'],
  },
  'the client leaves content': {
    first: request('GET /endless'),
    act: leave,
    events: ['open', 'start GET /endless', 'end GET /endless: client gone 499 2 (failed to send response: ...)', 'close'],
  },
  'a client that does not read': {
    config: { send_timeout: 5 },
    first: request('GET /much'),
    act: () => lev.sleep(600),
    events: ['open', 'start GET /much', 'end GET /much: client gone 499 0 (failed to send response: ...)', 'close'],
  },
  'a server that stops waiting for a handler': {
    first: request('GET /waits'),
    act: stop,
    events: ['open', 'start GET /waits', 'end GET /waits: cancelled 499 0 (closed)', 'close'],
  },
  'a server that stops waiting for content': {
    first: request('GET /endless'),
    act: stop,
    events: ['open', 'start GET /endless', 'end GET /endless: cancelled 499 1 (closed)', 'close'],
  },
  'a server that stops waiting for a body': {
    first: request('POST /body', { 'Content-Length': '9' }),
    act: stop,
    events: ['open', 'start POST /body', 'end POST /body: cancelled 499 0 (closed)', 'close'],
  },
  'a server that stops while a connection is idle': {
    first: request('GET /plain'),
    act: stop,
    events: ['open', 'start GET /plain', 'end GET /plain: complete 200 5', 'close'],
  },
  'a connection that is parked until it is too old': {
    first: request('GET /plain'),
    act: () => lev.sleep(100),
    events: ['open', 'start GET /plain', 'end GET /plain: complete 200 5', 'close'],
  },
  'a connection that is parked and then used': {
    first: request('GET /plain'),
    *act(client) {
      yield* lev.sleep(5)
      client.send(request('GET /plain'))
      yield* lev.sleep(5)
      client.stream.close()
      yield* lev.sleep(1)
    },
    events: [
      'open', 'start GET /plain', 'end GET /plain: complete 200 5', 'start GET /plain', 'end GET /plain: complete 200 5', 'close',
    ],
  },
  'a connection that is parked when its server stops': {
    first: request('GET /plain'),
    *act(client, world) {
      yield* lev.sleep(5)
      yield* stop(client, world)
    },
    events: ['open', 'start GET /plain', 'end GET /plain: complete 200 5', 'close'],
  },
  'a WebSocket': {
    first: request('GET /ws', upgrade),
    *act(client) {
      yield* lev.sleep(1)
      // Masked with zeros: "hi", then two bytes, then a close with 1000.
      client.send('\x81\x82\0\0\0\0hi\x82\x82\0\0\0\0\x01\x02\x88\x82\0\0\0\0\x03\xe8')
      yield* drained(client)
    },
    events: [
      'open', 'start GET /ws', 'end GET /ws: complete 101 0', 'ws open /ws', 'ws received text 2', 'ws received binary 2', 'ws sent text 2',
      'ws sent binary 2', 'ws close 1000 ', 'close',
    ],
  },
  'a WebSocket that is lost': {
    first: request('GET /ws', upgrade), act: leave,
    events: ['open', 'start GET /ws', 'end GET /ws: complete 101 0', 'ws open /ws', 'ws close 1006 ...', 'close'],
  },
  'a WebSocket when the server stops': {
    first: request('GET /ws', upgrade), act: stop,
    events: ['open', 'start GET /ws', 'end GET /ws: complete 101 0', 'ws open /ws', 'ws close 1001 the server stops', 'close'],
  },
  'a WebSocket that is declined': opened(
    request('GET /ws', last), 'start GET /ws', 'reject 426 this is for WebSockets', 'end GET /ws: complete 426 23',
  ),
}

function* stop(_client: VirtualClient, { server: served }: World): Op<void> {
  yield* lev.sleep(0.5)
  yield* lev.wait(served.stop({ drain: 0 }))
}

for (const [name, { config = {}, first, act, events }] of Object.entries(scenarios)) {
  t.test(name, async (t) => {
    const seen = record(t)
    await virtually(config, handle, function* (world) {
      const client = yield* world.connect(first)
      if (act === undefined) yield* drained(client)
      else yield* act(client, world)
    })
    t.strictSame(seen.lines(events), events)
    paired(t, seen)
  })
}

/** Each beginning has its end, with the same object, and numbers say which belongs to which. */
function paired(t: Pick<Test, 'equal' | 'ok'>, { all }: Seen): void {
  for (const [begun, ended] of [['connection:open', 'connection:close'], ['request:start', 'request:end'], ['websocket:open', 'websocket:close']]) {
    const objects = (kind: string): object[] => all.filter(({ name }) => name === `leveret:${kind}`).map(({ event }) => event)
    t.equal(objects(begun).length, objects(ended).length)
    for (const event of objects(ended)) {
      t.ok(objects(begun).includes(event))
      t.ok('duration' in event && typeof event.duration === 'number' && event.duration >= 0)
    }
  }
  const numbers = new Set(all.map(({ event }) => 'connection' in event ? event.connection : null))
  t.equal(numbers.size, 1)
}

t.test('over connection_limit', async (t) => {
  const seen = record(t)
  await virtually({ connection_limit: 1 }, handle, function* ({ connect }) {
    const busy = yield* connect(request('GET /generator', last))
    yield* lev.sleep(0.5)
    const other = yield* connect(request('GET /plain'))
    yield* drained(other)
    yield* drained(busy)
  })
  const events = ['open', 'start GET /generator', 'reject 503 too many connections', 'end GET /generator: complete 200 5', 'close']
  t.strictSame(seen.lines(events), events)
})

t.test('an idle connection that makes room for another', async (t) => {
  const seen = record(t)
  await virtually({ connection_limit: 1 }, handle, function* ({ connect }) {
    yield* connect(request('GET /plain'))
    yield* lev.sleep(0.5)
    const other = yield* connect(request('GET /plain', last))
    yield* drained(other)
  })
  const one = ['open', 'start GET /plain', 'end GET /plain: complete 200 5', 'close']
  t.strictSame(seen.lines(one), [...one, ...one])
})

t.test('process_request: requests, no connection', async (t) => {
  const seen = record(t)
  await virtual(function* () {
    const served = server.new({ logger: keptLog() }, handle)
    const [near, far] = lev.pipe()
    far.put(request('GET /plain') + request('GET /fails'))
    for (const count of [1, 2]) yield* served.process_request(near, '192.0.2.1', count)
    near.close()
  })
  const events = ['start GET /plain', 'end GET /plain: complete 200 5', 'start GET /fails', 'end GET /fails: failed 500 22']
  t.strictSame(seen.lines(events), events)
  const ended = seen.all.flatMap(({ name, event }) => name === 'leveret:request:end' ? [event as Events['leveret:request:end']] : [])
  t.strictSame(ended.map(({ client_ip, count, host }) => [client_ip, count, host]), [['192.0.2.1', 1, 'test'], ['192.0.2.1', 2, 'test']])
  t.equal(ended[0].connection, ended[1].connection)
  t.equal(ended[0].headers.get('host'), 'test')
})

t.test('WebSockets that the program opens itself are no event', async (t) => {
  const seen = record(t)
  await virtual(function* () {
    const served = server.new({ port: 0, logger: keptLog() }, handle)
    const done = served.serve()
    const { port } = yield* lev.wait(served.listening)
    const ws = yield* server.websocket(`ws://127.0.0.1:${port}/ws`)
    yield* ws.send('hello')
    t.equal(yield* ws.next(), 'hello')
    ws.close()
    yield* lev.wait(served.stop())
    yield* lev.wait(done)
  })
  const events = [
    'open', 'start GET /ws', 'end GET /ws: complete 101 0', 'ws open /ws', 'ws received text 5', 'ws sent text 5', 'ws close ...', 'close',
  ]
  t.strictSame(seen.lines(events), events)
})

t.test('nothing is made without a listener', async (t) => {
  const head = NO_HEAD
  const peer = new Peer('192.0.2.1', 1)
  const settings = { log_headers: [] }
  const made = (level: LogLevel): unknown[] => {
    const { logger } = new ServerLog({ log_level: level, log_format: 'json', logger: null }, { write() {} })
    const asked = { peer, head, count: 1, received: 0, route: null, logger, connection: { settings } }
    return [RequestRecord.begin(asked), RequestRecord.late(asked), ConnectionRecord.open(peer), WebSocketRecord.open(peer, head, '', false)]
  }
  await virtual(function* () {
    t.strictSame(made('info'), [null, null, null, null])
    t.strictSame(made('access').map((one) => one !== null), [true, true, false, false])
    for (const name of ['leveret:request:end', 'leveret:connection:close', 'leveret:websocket:close'] as const) {
      const leaveIt = observe(name, () => {})
      t.ok(made('info').some((one) => one !== null), name)
      leaveIt()
    }
    t.strictSame(made('info'), [null, null, null, null])
  })
})

t.test('bytes of content that were read', async (t) => {
  const chunked = { 'Transfer-Encoding': 'chunked' }
  const bodies: [Config, string, number][] = [
    [{}, request('POST /body', last, 'content'), 7],
    [{}, request('POST /body', { ...chunked, ...last }, '3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n'), 7],
    [{}, request('GET /plain', last), 0],
    [{ max_body_size: 3 }, request('POST /body', {}, 'content'), 0],
    [{ buffer_body: false }, request('POST /form', last, '[1,2]'), 5],
    [{ buffer_body: false }, request('POST /plain', last, 'not read'), 0],
    [{ decode_body: true }, request('POST /body', { ...last, 'Content-Encoding': 'gzip' }, gzipSync('content').toString('latin1')), gzipSync('content').length],
    [{}, request('POST /body', { ...last, 'Content-Length': '100000' }) + 'x'.repeat(70_000), 70_000],
  ]
  for (const segment of [7000, undefined]) {
    for (const [config, first, bytes] of bodies) {
      const seen: number[] = []
      const stopIt = observe('leveret:request:end', ({ bytesIn }) => seen.push(bytesIn))
      await virtually(config, handle, function* ({ connect }) {
        yield* drained(yield* connect(first))
      }, segment === undefined ? {} : { segment })
      stopIt()
      t.strictSame(seen, [bytes], JSON.stringify(first.slice(0, 150)))
    }
  }
})

t.test('an observer that comes and goes while a request is in progress', async (t) => {
  const ends: Events['leveret:request:end'][] = []
  await virtually({}, handle, function* ({ connect }) {
    const client = yield* connect(request('GET /generator') + request('GET /generator') + request('GET /generator', last))
    yield* lev.sleep(0.5)
    const leaveIt = observe('leveret:request:end', (event) => ends.push(event))
    yield* client.responses(1)
    yield* lev.sleep(0.5)
    leaveIt()
    yield* drained(client)
  })
  t.strictSame(ends.map(({ count, status }) => [count, status]), [[1, 200]])
})
