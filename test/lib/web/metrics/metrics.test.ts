import { channel } from 'node:diagnostics_channel'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { Config } from '../../../../lib/index.js'
import { mostValues } from '../../../../lib/web/metrics/counts.js'
import { ConnectionCounts } from '../../../../lib/web/metrics/connection-counts.js'
import { collectMetrics, type Metrics } from '../../../../lib/web/metrics/index.js'
import { RequestCounts } from '../../../../lib/web/metrics/request-counts.js'
import type { RequestEnded } from '../../../../lib/observe/index.js'
import { routes } from '../../../../lib/web/router/index.js'
import { developmentIdentities } from '../../../../tls/index.js'
import { eventually, gate, request, serve } from '../../../support/serving.js'
import { readMetrics } from './text-format.js'

/** The value of a sample; undefined if there is none. */
function value(metrics: { text(): string }, sample: string): number | undefined {
  return readMetrics(metrics.text()).get(sample.replace(/\{.*|_(?:bucket|sum|count)(?=\{).*/, ''))?.samples.get(sample)
}

function collect(t: { teardown(call: () => void): void }): Metrics {
  const metrics = collectMetrics()
  t.teardown(() => metrics.stop())
  return metrics
}

t.test('what happens is counted', async (t) => {
  const metrics = collect(t)
  const { ask, connect, log } = await serve(t, { max_body_size: 10 }, routes({
    'GET /todos/:id': () => 'hello',
    'POST /todos/:id': () => [null, 201],
    'GET /fails': () => { throw new Error('no') },
    'GET /socket': ({ ctx }) => ctx.upgrade(function* (ws) {
      yield* ws.send('hello')
      yield* ws.next()
    }),
  }))
  for (const id of [1, 2, 3]) await ask(request(`GET /todos/${id}`))
  await ask(request('POST /todos/1', {}, 'abcde'))
  await ask(request('POST /todos/1', {}, 'x'.repeat(11)))
  await ask(request('POST /todos/1', {}, 'x'.repeat(12)))
  await ask(request('GET /missing'))
  await ask(request('PROPFIND /todos/1'))
  await ask(request('GET /fails'))
  await ask(request('GET / HTTP/9.9'))
  const socket = await connect(request('GET /socket', {
    'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }))
  await socket.until(() => socket.text.includes('hello') || undefined)
  t.equal(value(metrics, 'leveret_websockets'), 1)
  socket.close()
  await eventually(() => value(metrics, 'leveret_connections') === 0, 'the end of all connections')
  const expected: Record<string, number | undefined> = {
    'leveret_requests_total{route="/todos/:id",method="GET",status="200"}': 3,
    'leveret_requests_total{route="/todos/:id",method="POST",status="201"}': 1,
    'leveret_requests_total{route="/todos/:id",method="POST",status="413"}': 2,
    'leveret_requests_total{route="",method="GET",status="404"}': 1,
    'leveret_requests_total{route="/fails",method="GET",status="500"}': 1,
    'leveret_requests_total{route="/socket",method="GET",status="101"}': 1,
    'leveret_requests_total{route="",method="other",status="505"}': 1,
    'leveret_request_duration_seconds_count{route="/todos/:id",method="GET"}': 3,
    'leveret_request_duration_seconds_bucket{route="/todos/:id",method="GET",le="+Inf"}': 3,
    'leveret_request_outcomes_total{outcome="failed"}': 1,
    'leveret_request_outcomes_total{outcome="rejected"}': 3,
    'leveret_request_outcomes_total{outcome="cancelled"}': 0,
    'leveret_request_content_bytes_total': 5,
    'leveret_requests_in_progress': 0,
    'leveret_connections_total': 11,
    'leveret_rejections_total{reason="max_body_size limit violation",status="413"}': 2,
    'leveret_rejections_total{reason="unsupported HTTP version",status="505"}': 1,
    'leveret_websockets': 0,
    'leveret_websockets_total': 1,
    'leveret_websocket_messages_total{direction="sent"}': 1,
    'leveret_websocket_messages_total{direction="received"}': 0,
    'leveret_failed_handshakes_total': 0,
  }
  for (const [sample, count] of Object.entries(expected)) t.equal(value(metrics, sample), count, sample)
  t.equal(value(metrics, 'leveret_request_duration_seconds_count{route="",method="other"}'), 1, 'a rejected head has no duration')
  t.ok(log.of('access').length >= 11)
})

t.test('a request and a connection in progress', async (t) => {
  const metrics = collect(t)
  const { opened, open } = gate()
  const { connect } = await serve(t, {}, async () => {
    await opened
    return 'hello'
  })
  const client = await connect(request('GET /'))
  await eventually(() => value(metrics, 'leveret_requests_in_progress') === 1, 'a request')
  t.equal(value(metrics, 'leveret_connections'), 1)
  // Collected by another from now on: the request is over without having begun.
  const late = collect(t)
  open()
  await client.responses(1, ['GET'])
  await eventually(() => value(metrics, 'leveret_requests_in_progress') === 0, 'its end')
  t.equal(value(late, 'leveret_requests_in_progress'), 0)
  client.close()
  await eventually(() => value(metrics, 'leveret_connections') === 0, 'the end of the connection')
  t.equal(value(late, 'leveret_connections'), 0)
})

t.test('connections that are rejected, and handshakes that fail', async (t) => {
  const metrics = collect(t)
  const config: Config = { ssl: developmentIdentities(t.testdir(), ['localhost'], Date.now() / 1000).ssl, connections_per_client: 1 }
  const { connect } = await serve(t, config, () => 'hello')
  const first = await connect()
  await eventually(() => value(metrics, 'leveret_connections') === 1, 'a connection')
  // It may be reset before the client knows that it is open.
  const second = await connect().catch(() => null)
  await eventually(() => value(metrics, 'leveret_rejections_total{reason="too many connections of one client",status="none"}') === 1, 'a rejection')
  first.send(Buffer.from('16030100050100000100', 'hex'))
  await eventually(() => value(metrics, 'leveret_failed_handshakes_total') === 1, 'a failed handshake')
  first.close()
  second?.close()
})

t.test('labels: any text is escaped, and values are bounded', async (t) => {
  const ended = (route: string, status?: number): RequestEnded => ({
    connection: 1, client_ip: '', count: 1, host: '', method: 'GET', path: '/', headers: new Map<string, string>(), outcome: 'complete', route,
    reason: null, status, bytesIn: 0, bytesOut: 0, duration: 0.3,
  })
  const requests = new RequestCounts()
  requests.end(ended('/"a\\b\n'))
  const hostile = String.raw`leveret_requests_total{route="/\"a\\b\n",method="GET",status="unknown"}`
  t.equal(value(requests, hostile), 1)
  for (let count = 0; count < 2 * mostValues; count++) requests.end(ended(`/page/${count}`, 200))
  const samples = readMetrics(requests.text()).get('leveret_requests_total')?.samples ?? new Map<string, number>()
  t.equal(samples.size, mostValues + 1)
  t.equal(samples.get('leveret_requests_total{route="other",method="GET",status="200"}'), mostValues + 1)
  t.equal(value(requests, 'leveret_request_duration_seconds_bucket{route="/page/0",method="GET",le="0.25"}'), 0)
  t.equal(value(requests, 'leveret_request_duration_seconds_bucket{route="/page/0",method="GET",le="0.5"}'), 1)

  const connections = new ConnectionCounts()
  for (let size = 0; size < 100; size++) connections.reject({ connection: 1, client_ip: '', status: 413, reason: `max_body_size limit violation: ${size}` })
  t.equal(value(connections, 'leveret_rejections_total{reason="max_body_size limit violation",status="413"}'), 100)
})

t.test('the numbers of the process', async (t) => {
  const metrics = collect(t)
  const read = readMetrics(metrics.text())
  const at = (name: string): number => read.get(name)?.samples.get(name) ?? NaN
  t.ok(Math.abs(at('process_start_time_seconds') - Date.now() / 1000) < 3600)
  t.ok(at('process_resident_memory_bytes') > at('nodejs_heap_size_used_bytes'))
  t.ok(at('process_cpu_seconds_total') > 0)
  t.ok(at('nodejs_eventloop_active_seconds_total') > 0)
  if (process.platform === 'linux') t.ok(at('process_open_fds') > 2 && at('process_open_fds') < at('process_max_fds'))
  // A loop that is held up for long is told of once.
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 40))
  await turn()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  await turn()
  const lag = value(metrics, 'nodejs_eventloop_lag_max_seconds') ?? NaN
  t.ok(lag > 0.2, `${lag}`)
})

t.test('the handler', async (t) => {
  const metrics = collect(t)
  const { ask } = await serve(t, {}, metrics.handler)
  await ask(request('GET /'))
  const { status, fields, body } = await ask(request('GET /metrics'))
  t.equal(status, 200)
  t.equal(new Map(fields).get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(readMetrics(body.toString()).get('leveret_requests_total')?.samples.get('leveret_requests_total{route="",method="GET",status="200"}'), 1)
  const compressed = await ask(request('GET /metrics', { 'Accept-Encoding': 'gzip' }))
  t.ok(readMetrics(gunzipSync(compressed.body).toString()).has('leveret_connections'))
})

t.test('stop: nothing listens, and the numbers stay', async (t) => {
  const metrics = collectMetrics()
  const { ask } = await serve(t, {}, () => 'hello')
  await ask(request('GET /'))
  await eventually(() => value(metrics, 'leveret_connections') === 0, 'the end of the connection')
  const counted = (): Map<string, number> | undefined => readMetrics(metrics.text()).get('leveret_requests_total')?.samples
  const before = counted()
  metrics.stop()
  for (const name of ['connection:open', 'connection:close', 'handshake:fail', 'request:start', 'request:end', 'reject', 'websocket:open', 'websocket:message', 'websocket:close']) {
    t.equal(channel(`leveret:${name}`).hasSubscribers, false, name)
  }
  await ask(request('GET /'))
  t.strictSame(counted(), before)
  t.doesNotThrow(() => metrics.stop())
})
