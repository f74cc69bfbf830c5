import t from 'tap'
import type { Handler } from '../../../lib/index.js'
import { saysClose, valueOf } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'

/** Tells what the handler was given. */
const mirror: Handler = (method, query, args, headers, body) => [
  JSON.stringify({ method, query, args, headers, body: body === null ? null : body.toString('latin1') }), 200,
  { 'Content-Type': 'application/json' },
]

interface Seen {
  method: string
  query: string
  args: string
  headers: Record<string, string>
  body: string | null
}

t.test('the request as the handler sees it', async (t) => {
  const { ask } = await serve(t, {}, mirror)
  const see = async (text: string): Promise<Seen> => JSON.parse((await ask(text)).body.toString()) as Seen

  t.match(await see(request('GET /')), { method: 'GET', query: '/', args: '', body: null })
  t.match(
    await see(request('GET /a%20b/%2e%2E/ü?'.replace('ü', '%C3%BC'))), { query: '/a%20b/%2e%2E/%C3%BC', args: '' },
  )
  t.match(await see(request('GET /p?a=1&b=%26?c')), { query: '/p', args: 'a=1&b=%26?c' })
  t.match(await see(request('GET //double//slash')), { query: '//double//slash' })
  t.match(await see(request('OPTIONS *')), { method: 'OPTIONS', query: '*', args: '' })
  t.match(await see(request('GET http://other.test:81/x?y')), { query: '/x', args: 'y' })
  t.match(await see(request('get /')), { method: 'get' }, 'methods are case-sensitive, and any token will do')
  t.match(await see(request('M-SEARCH /x')), { method: 'M-SEARCH' })
  for (const method of ['PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND', 'QUERY']) {
    t.match(await see(request(`${method} /`)), { method, body: null })
  }
  t.match(await see(request('POST /', {}, 'a\0b\xff')), { method: 'POST', body: 'a\0b\xff' })
  t.match(await see(request('POST /', { 'Content-Length': '0' })), { body: null })
  t.match(await see(request('GET /', {}, 'a GET may have a body')), { method: 'GET', body: 'a GET may have a body' })
  const chunks = '3;ext="a;b"\r\nabc\r\n001\r\nd\r\n0\r\nX-T: 1\r\n\r\n'
  t.match(await see(request('POST /', { 'Transfer-Encoding': 'Chunked' }, chunks)), { body: 'abcd' })
})

t.test('headers: lowercase names, joined values, the peer', async (t) => {
  const { ask, port } = await serve(t, {}, mirror)
  const lines = [
    'GET / HTTP/1.1', `Host: 127.0.0.1:${port}`, 'X-Twice: one', 'x-twice:  two \t', 'Cookie: a=1', 'cookie: b=2',
    'Empty:',
    'Latin: caf\xe9', 'X-Client-IP: 6.6.6.6', 'constructor: c', '__proto__: p', '', '',
  ]
  const { headers } = JSON.parse((await ask(lines.join('\r\n'))).body.toString()) as Seen
  t.equal(headers['host'], `127.0.0.1:${port}`)
  t.equal(headers['x-twice'], 'one, two')
  t.equal(headers['cookie'], 'a=1; b=2')
  t.equal(headers['empty'], '')
  t.equal(headers['latin'], 'caf\xe9')
  t.equal(headers['x-client-ip'], '127.0.0.1', 'always the peer, whatever was sent')
  t.equal(headers['x-real-ip'], '127.0.0.1', 'the peer, too')
  t.equal(headers['constructor'], 'c')
  const proxied = JSON.parse((await ask(request('GET /', { 'X-Real-IP': '192.0.2.1' }))).body.toString()) as Seen
  t.equal(proxied.headers['x-real-ip'], '127.0.0.1', 'a stranger is not believed')
  t.equal(proxied.headers['x-client-ip'], '127.0.0.1')
})

t.test('ctx', async (t) => {
  const seen: Record<string, unknown>[] = []
  const handle: Handler = (_method, _query, _args, _headers, _body, ctx) => {
    seen.push({
      client_ip: ctx.client_ip, count: ctx.count, size: ctx.cfg.max_body_size, idle: ctx.cfg.keepalive_idle_timeout,
      frozen: Object.isFrozen(ctx.cfg), redis: ctx.redis, tls: ctx.tls, server_name: ctx.server_name,
      port: ctx.client.local.port, remote: ctx.client.remote.ip, aborted: ctx.signal.aborted,
    })
    ctx.logger.info({ from: 'handler' }, 'said')
    return null
  }
  const { connect, log, port } = await serve(t, { max_body_size: 777 }, handle)
  const client = await connect(request('GET /') + request('GET /'))
  await client.responses(2)
  const expected = {
    client_ip: '127.0.0.1', size: 777, idle: 15, frozen: true, redis: null, tls: null, server_name: null, port,
    remote: '127.0.0.1', aborted: false,
  }
  t.match(seen, [{ count: 1, ...expected }, { count: 2, ...expected }])
  const said = { from: 'handler', message: 'said' }
  t.match(log.of('info'), [{ message: `Started, listening on http://127.0.0.1:${port}` }, said, said])
  t.equal(log.of('info').length, 3)
})

t.test('keep-alive and close, in HTTP/1.0 and 1.1', async (t) => {
  const { connect } = await serve(
    t, {}, (_method, query) => (query === '/bye' ? ['', 200, { connection: 'Close' }] : query),
  )
  const cases: [version: string, connection: string | null, lives: boolean][] = [
    ['1.1', null, true], ['1.1', 'keep-alive', true], ['1.1', 'close', false], ['1.1', 'CLOSE', false],
    ['1.1', 'keep-alive, Close', false], ['1.1', ' , x-thing ,close', false], ['1.1', 'closed', true],
    ['1.1', 'x-close', true],
    ['1.0', null, false], ['1.0', 'keep-alive', true], ['1.0', 'Keep-Alive', true], ['1.0', 'close', false],
    ['1.0', 'keep-alive, close', false], ['1.0', 'x, KEEP-ALIVE', true], ['1.0', 'keepalive', false],
  ]
  for (const [version, connection, lives] of cases) {
    const what = `HTTP/${version}, Connection: ${connection ?? 'absent'}`
    const text = request(`GET /x HTTP/${version}`, connection === null ? {} : { Connection: connection })
    const client = await connect(text)
    const [first] = await client.responses(1)
    t.equal(first.body.toString(), '/x', what)
    t.equal(saysClose(first), !lives, `${what}: Connection: ${valueOf(first, 'connection')}`)
    if (lives && version === '1.0') t.equal(
      valueOf(first, 'connection')?.toLowerCase(), 'keep-alive', 'a 1.0 client has to be told',
    )
    if (!lives) {
      t.equal(await client.over, 'end', `${what}: closed`)
      continue
    }
    client.send(request(`GET /bye HTTP/${version}`, { Connection: 'keep-alive' }))
    const responses = await client.all()
    t.equal(responses.length, 2, `${what}: a second one is answered`)
    t.equal(await client.over, 'end', 'closed by the handler\'s header')
    t.ok(saysClose(responses[1]))
  }
})

t.test('Connection: close in several field lines', async (t) => {
  const { connect } = await serve(t, {}, () => 'x')
  const client = await connect(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n' + request('GET /'),
  )
  const responses = await client.all()
  t.equal(responses.length, 1, 'what was sent behind it is not answered')
})

t.test('requests_per_connection: the last one says so', async (t) => {
  const { connect, log } = await serve(t, { requests_per_connection: 3 }, (_method, query) => query)
  const client = await connect([1, 2, 3, 4, 5].map((n) => request(`GET /${n}`)).join(''))
  const responses = await client.all()
  t.strictSame(responses.map((response) => response.body.toString()), ['/1', '/2', '/3'])
  t.strictSame(responses.map(saysClose), [false, false, true])
  t.equal(await client.over, 'end')
  t.equal(log.statuses().length, 3)
})

t.test('blank lines before a request are skipped, a few of them', async (t) => {
  const { connect } = await serve(t, {}, (_method, query) => query)
  const client = await connect('\r\n' + request('GET /1') + '\r\n\r\n' + request('GET /2'))
  const responses = await client.responses(2)
  t.strictSame(responses.map((response) => response.body.toString()), ['/1', '/2'])
})

t.test('a request that comes byte by byte', async (t) => {
  const { connect } = await serve(t, {}, mirror)
  const client = await connect()
  for (const byte of request('POST /slow?x=y', { 'X-A': 'b' }, 'content')) {
    client.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const [response] = await client.responses(1)
  t.match(JSON.parse(response.body.toString()), {
    method: 'POST', query: '/slow', args: 'x=y', body: 'content', headers: { 'x-a': 'b' },
  })
})

t.test('absolute-form overrides Host, for the log too', async (t) => {
  const { ask, log } = await serve(t, {}, mirror)
  await ask(request('GET http://Real.Test:8080/p', { Host: 'other.test' }))
  t.match(log.of('access')[0], { vhost: 'Real.Test:8080', query: '/p' })
})

t.test('HTTP/1.0 without Host, and CONNECT', async (t) => {
  const { ask, connect, log } = await serve(t, {}, (method, query) => [`${method} ${query}`, method === 'CONNECT' ? 403 : 200])
  const old = await ask('GET /old HTTP/1.0\r\n\r\n')
  t.equal(old.body.toString(), 'GET /old')
  t.match(log.of('access')[0], { vhost: '' })
  const tunnel = await connect(
    'CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n' + request('GET /inside'),
  )
  const responses = await tunnel.all(['POST'])
  t.equal(responses.length, 1, 'what follows CONNECT is not a request to this server')
  t.equal(responses[0].body.toString(), 'CONNECT example.test:443')
})
