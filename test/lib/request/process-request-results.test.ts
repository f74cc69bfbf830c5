import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import { keptLog, type KeptLog } from '../../support/kept-log.js'
import { readResponses } from '../../support/responses.js'
import { seed } from '../../support/seed.js'
import { request } from '../../support/serving.js'
import { readAll } from '../../../testing/streams.js'

interface Scene {
  readonly server: server.Server
  readonly log: KeptLog
  /** The client's end of a pipe, and the server's. */
  readonly near: Stream
  readonly far: Stream
}

/** One server and a pipe to call it on, with no listener anywhere. */
async function scene(config: server.Config, handle: server.Handler, play: (scene: Scene) => Op<void>): Promise<void> {
  await lev.run(function* () {
    const log = keptLog()
    const [near, far] = lev.pipe()
    yield* play({ server: server.new({ logger: log, ...config }, handle), log, near, far })
  }, { driver: lev.memory({ seed }) })
}

const hello: server.Handler = () => 'hello'

/** Sends `bytes`, perhaps ends, and gives what process_request says and what the client got. */
async function outcome(
  config: server.Config, handle: server.Handler, bytes: string, { end = false, count = 1 } = {},
): Promise<{ disposition: server.NextAction; text: string; statuses: number[]; log: KeptLog; took: number }> {
  let result = null as Awaited<ReturnType<typeof outcome>> | null
  await scene(config, handle, function* ({ server: served, near, far, log }) {
    if (bytes !== '') near.put(bytes)
    if (end) yield* near.end()
    const began = lev.now()
    const disposition = yield* served.process_request(far, '192.0.2.7', count)
    const took = lev.now() - began
    yield* far.end()
    const output = yield* readAll(near)
    const { responses, fault } = readResponses(output, [bytes.split(' ', 1)[0]], true)
    if (fault !== null) throw new Error(fault)
    result = { disposition, text: output.toString('latin1'), statuses: responses.map(({ status }) => status), log, took }
  })
  if (result === null) throw new Error('nothing came of it')
  return result
}

async function err(
  t: Test, expected: string, status: number | null, config: server.Config, bytes: string, end = false,
): Promise<void> {
  const { disposition, statuses, text } = await outcome(config, hello, bytes, { end })
  t.strictSame(disposition, [null, expected], `${expected}: ${JSON.stringify(bytes.slice(0, 60))}`)
  t.strictSame(statuses, status === null ? [] : [status], `${expected}: status`)
  if (status !== null) t.match(text, /\r\nConnection: close\r\n/)
}

t.test('connection_state', async (t) => {
  const state = async (bytes: string, config: server.Config = {}, handle = hello, count = 1): Promise<unknown> => {
    const { disposition, text } = await outcome(config, handle, bytes, { count })
    t.equal(/\r\nConnection: close\r\n/i.test(text), disposition[0] === 'close', 'the client is told the same')
    return disposition
  }
  t.strictSame(await state(request('GET /')), ['keep-alive', null])
  t.strictSame(await state(request('GET /', { Connection: 'close' })), ['close', null])
  t.strictSame(await state(request('GET / HTTP/1.0', { Connection: 'keep-alive' })), ['keep-alive', null])
  t.strictSame(await state(request('GET / HTTP/1.0')), ['close', null])
  t.strictSame(await state(request('GET /'), { requests_per_connection: 3 }, hello, 2), ['keep-alive', null])
  t.strictSame(await state(request('GET /'), { requests_per_connection: 3 }, hello, 3), ['close', null])
  t.strictSame(await state(request('GET /'), {}, () => ['x', 200, { Connection: 'close' }]), ['close', null])
  const failing: server.Handler = () => {
    throw new Error('secret')
  }
  t.strictSame(await state(request('GET /'), {}, failing), ['keep-alive', null], 'a 500 is a response like any other')
})

t.test('closed', async (t) => {
  await err(t, 'closed', null, {}, '', true)
  await err(t, 'closed', null, {}, 'GET / HT', true)
  await err(t, 'closed', null, {}, '\r\n', true)
  const cutOff = 'the client ended within the body'
  await err(t, cutOff, 400, {}, 'POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nabc', true)
  await err(t, cutOff, 400, {}, 'POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc', true)
  await scene({}, hello, function* ({ server: served, near, far }) {
    near.reset()
    t.strictSame(yield* served.process_request(far, '', 1), [null, 'closed'], 'reset')
  })
  await scene({}, hello, function* ({ server: served, far }) {
    far.close()
    t.strictSame(yield* served.process_request(far, '', 1), [null, 'closed'], 'closed by this side')
  })
  const waits: server.Handler = function* () {
    yield* lev.sleep(10)
    return 'late'
  }
  await scene({}, waits, function* ({ server: served, near, far }) {
    near.put(request('GET /'))
    const responding = lev.spawn(() => served.process_request(far, '', 1))
    yield* lev.sleep(1)
    near.close()
    t.strictSame(yield* responding.join(), [null, 'closed'], 'while the handler was waiting')
  })
})

t.test('timeouts', async (t) => {
  const about = (actual: number, expected: number): void => {
    t.ok(Math.abs(actual - expected) < 0.06, `${actual} s, expected ${expected} s`)
  }
  const cases: [string, server.Config, string, number | null, number][] = [
    ['keepalive timeout', { request_header_timeout: 3 }, '', null, 3],
    ['request header timeout', { request_header_timeout: 4 }, 'G', 408, 4],
    ['request header timeout', { request_header_timeout: 4 }, 'GET / HTTP/1.1\r\nHost: t\r\n', 408, 4],
    ['request body timeout', { request_body_timeout: 5 },
      'PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n', 408, 5],
    ['request body timeout', { request_body_timeout: 5, min_transfer_rate: 1 },
      'PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n12', 408, 7],
    ['request body timeout', { request_body_timeout: 5 },
      'PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n', 408, 5],
  ]
  for (const [expected, config, bytes, status, seconds] of cases) {
    const { disposition, statuses, took, log } = await outcome(config, hello, bytes)
    t.strictSame(disposition, [null, expected])
    t.strictSame(statuses, status === null ? [] : [status])
    about(took, seconds)
    t.strictSame(log.statuses(), status === null ? [] : [status])
    t.equal(log.of('error').length, 0)
  }
})

t.test('limits', async (t) => {
  const line = 'x'.repeat(100)
  await err(
    t, 'header line limit violation: 101', 414, { request_line_limit: 100 }, `GET /${line} HTTP/1.1\r\nHost: t\r\n\r\n`,
  )
  await err(t, 'header line limit violation: 101', 414, { request_line_limit: 100 }, `GET /${line}`)
  await err(t, 'header line limit violation: 101', 431, { request_line_limit: 100 },
    `GET / HTTP/1.1\r\nHost: t\r\nX: ${line}\r\n\r\n`)
  await err(t, 'header line limit violation: 101', 431, { request_line_limit: 100 }, `GET / HTTP/1.1\r\n${line}y`)
  await err(t, 'max_body_size limit violation: 11', 413, { max_body_size: 10 }, request('POST /', {}, '12345678901'))
  await err(t, 'max_body_size limit violation: 11', 413, { max_body_size: 10 },
    'POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n')
  await err(t, 'max_body_size limit violation: 5000', 413, { max_body_size: 10 }, 'POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n')
  await err(t, 'max_body_size limit violation: 1', 413, { max_body_size: 0 }, request('POST /', {}, '1'))
  await err(t, 'header count limit violation: 3', 431, { header_count_limit: 2 },
    'GET / HTTP/1.1\r\nHost: t\r\nA: 1\r\nB: 2\r\n\r\n')
  await err(t, 'header size limit violation: 65', 431, { header_size_limit: 64 },
    `GET / HTTP/1.1\r\nHost: t\r\nA: ${line.slice(0, 40)}\r\n\r\n`)
  const exactly = await outcome({ max_body_size: 10, request_line_limit: 16, header_count_limit: 2 }, hello,
    request('POST /', { Host: 'a' }, '1234567890'))
  t.strictSame(exactly.disposition, [null, 'header line limit violation: 17'], 'Content-Length: 10 has 18 bytes')
  const fits = await outcome({ max_body_size: 10, request_line_limit: 18, header_count_limit: 2 }, hello,
    request('POST /', { Host: 'a' }, '1234567890'))
  t.strictSame(fits.disposition, ['keep-alive', null], 'a limit is the last value that is allowed')
})

t.test('bad requests', async (t) => {
  await err(t, 'no Host header', 400, {}, 'GET / HTTP/1.1\r\n\r\n')
  await err(t, 'malformed request line', 400, {}, 'GET /\r\n\r\n')
  await err(t, 'unsupported HTTP version', 505, {}, 'GET / HTTP/2.0\r\nHost: t\r\n\r\n')
  await err(
    t, 'unsupported transfer coding', 501, {}, 'POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  )
  await err(t, 'unsupported expectation', 417, {}, 'POST / HTTP/1.1\r\nHost: t\r\nExpect: more\r\n\r\n')
})

t.test('failed to send response: a client that leaves, or does not read', async (t) => {
  const large: server.Handler = () => Buffer.alloc(1024 * 1024)
  await scene({}, large, function* ({ server: served, near, far, log }) {
    near.put(request('GET /'))
    const responding = lev.spawn(() => served.process_request(far, '', 1))
    yield* near.read()
    near.reset()
    const [state, err] = yield* responding.join()
    t.equal(state, null)
    t.match(err, /^failed to send response: ./)
    t.strictSame(log.statuses(), [499])
    t.strictSame(log.of('error'), [], 'no fault of the server')
  })
  await scene({ send_timeout: 20, min_transfer_rate: 0 }, large, function* ({ server: served, near, far, log }) {
    near.put(request('GET /'))
    const began = lev.now()
    const [state, err] = yield* served.process_request(far, '', 1)
    t.equal(state, null)
    t.match(err, /^failed to send response: ./)
    t.ok(Math.abs(lev.now() - began - 20) < 0.06)
    t.strictSame(log.statuses(), [499])
    t.strictSame(log.of('error'), [])
    near.close()
  })
})

t.test('one stream after another: the reader of a connection goes with its stream', async (t) => {
  await scene({}, (_method, query) => query, function* ({ server: served, near, far }) {
    near.put(request('GET /1') + request('POST /2', {}, 'x') + request('GET /3') + 'GET /4')
    const [, other] = lev.pipe()
    for (let count = 1; count <= 3; count++) t.strictSame(
      yield* served.process_request(far, 'ip', count), ['keep-alive', null],
    )
    const waiting = lev.spawn(() => served.process_request(far, 'ip', 4))
    yield* lev.sleep(0.1)
    t.equal(waiting.outcome, null)
    other.close()
    t.strictSame(yield* served.process_request(other, 'ip', 1), [null, 'closed'])
    near.put(' HTTP/1.1\r\nHost: test\r\n\r\n')
    t.strictSame(yield* waiting.join(), ['keep-alive', null])
    yield* far.end()
    const { responses, fault } = readResponses(yield* readAll(near), [], true)
    t.equal(fault, null)
    t.strictSame(responses.map(({ body }) => body.toString()), ['/1', '/2', '/3', '/4'])
  })
})

t.test('a connection without an IP address has an empty client_ip', async (t) => {
  const served = server.new({ logger: keptLog() }, (_method, _query, _args, headers, _body, ctx) => {
    return JSON.stringify([ctx.client_ip, headers['x-client-ip'], headers['x-real-ip'], ctx.client.local.path])
  })
  await lev.run(function* () {
    const listener = yield* lev.listen({ path: '/run/one.sock' })
    const near = yield* lev.connect(listener.address)
    const far = yield* listener.accept()
    if (far === null) throw new Error('the listener was closed')
    near.put(request('GET /', { Connection: 'close' }))
    t.strictSame(yield* served.process_request(far, far.remote.ip, 1), ['close', null])
    yield* far.end()
    const { responses } = readResponses(yield* readAll(near), [], true)
    t.strictSame(responses.map(({ body }) => body.toString()), ['["","","","/run/one.sock"]'])
    near.close()
    far.close()
    listener.close()
  }, { driver: lev.memory({ seed }) })
})

t.test('what a handler is told: client_ip, count and redis are those given', async (t) => {
  const redis = { get: () => 'value' }
  const handle: server.Handler = (_method, _query, _args, headers, _body, ctx) => {
    t.equal(ctx.client_ip, '192.0.2.8')
    t.equal(ctx.count, 5)
    t.equal(ctx.redis, redis)
    t.equal(headers['x-client-ip'], '192.0.2.8')
    t.equal(headers['x-real-ip'], '192.0.2.8')
    return null
  }
  await scene({}, handle, function* ({ server: served, near, far, log }) {
    near.put(request('GET /', { 'X-Client-IP': '6.6.6.6' }))
    t.strictSame(yield* served.process_request(far, '192.0.2.8', 5, redis), ['keep-alive', null])
    t.match(log.of('access')[0], { client_ip: '192.0.2.8' })
  })
})

t.test('a client that was lost before its request had its turn', async (t) => {
  const events: string[] = []
  const handle: server.Handler = (_method, query, _args, _headers, _body, ctx) => {
    if (query === '/plain') return 'x'
    events.push('called')
    ctx.signal.addEventListener('abort', () => events.push('aborted'))
    if (ctx.signal.aborted) events.push('aborted')
    return (function* () {
      yield* lev.sleep(100)
      events.push('slept')
      return 'x'
    })()
  }
  await scene({}, handle, function* ({ server: served, near, far, log }) {
    near.put(request('GET /plain') + request('GET /slow'))
    t.strictSame(yield* served.process_request(far, 'ip', 1), ['keep-alive', null])
    near.reset()
    yield* lev.sleep(1)
    t.notOk(far.isOpen)
    const began = lev.now()
    t.strictSame(yield* served.process_request(far, 'ip', 2), [null, 'closed'])
    t.ok(lev.now() - began < 1, 'at once')
    t.notOk(events.includes('slept'))
    t.equal(events.includes('called'), events.includes('aborted'), 'if it was called at all, it was told')
    t.equal(log.of('error').length, 0)
  })
})
