import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { RawClient } from '../../support/raw-client.js'
import { eventually, request, serve } from '../../support/serving.js'

t.test('one line a request, with what it is to tell', async (t) => {
  const { connect, log } = await serve(t, {}, (method, _query, _args, _headers, body) => {
    if (method === 'FAIL') throw new Error('secret')
    return [body ?? 'hello', 201]
  })
  const agent = { 'User-Agent': 'me/1', Referer: 'http://from.test/' }
  const client = await connect(
    request('GET /path?secret=1', agent) +
    request('HEAD /head', {
      Host: 'Other.test:80', 'X-Forwarded-For': '192.0.2.1, 192.0.2.2', 'X-Real-IP': '192.0.2.1',
    }) +
    request('FAIL /x') + request('POST /p', { 'X-Real-IP': '127.0.0.1' }, 'x'.repeat(50)),
  )
  await client.responses(4, ['GET', 'HEAD'])
  const lines = log.of('access')
  t.equal(lines.length, 4)
  t.match(lines[0], {
    vhost: 'test', client_ip: '127.0.0.1', method: 'GET', query: '/path', status: 201, size: 5,
    referer: 'http://from.test/',
    'user-agent': 'me/1',
  })
  t.equal(lines[0].forwarded_for, undefined)
  t.equal(lines[0].forwarded_real_ip, undefined)
  t.equal(typeof lines[0].time, 'number')
  t.match(lines[1], {
    vhost: 'Other.test:80', method: 'HEAD', query: '/head', size: 0, forwarded_for: '192.0.2.1, 192.0.2.2',
    forwarded_real_ip: '192.0.2.1', 'x-real-ip': '192.0.2.1',
  })
  t.match(lines[2], { method: 'FAIL', query: '/x', status: 500 })
  t.match(lines[3], { method: 'POST', size: 50 })
  t.equal(lines[3].forwarded_real_ip, undefined, 'it is the peer')
  t.notMatch(JSON.stringify(lines), /secret/, 'arguments are not logged, nor are errors')
})

t.test('log_headers; requests that were refused', async (t) => {
  const { connect, ask, log } = await serve(t, { log_headers: ['X-Request-Id', 'host'], max_body_size: 5 }, () => 'x')
  await ask(request('GET /', { 'X-Request-ID': 'r1', 'User-Agent': 'me' }))
  t.match(log.of('access')[0], { 'x-request-id': 'r1', host: 'test' })
  t.notOk('user-agent' in log.of('access')[0] && log.of('access')[0]['user-agent'] !== undefined)
  const { body } = await ask(request('POST /big', { 'X-Request-ID': 'r2' }, '123456'))
  t.match(log.of('access')[1], { status: 413, method: 'POST', query: '/big', vhost: 'test', 'x-request-id': 'r2' })
  t.equal(log.of('access')[1].size, body.length)
  const client = await connect('nonsense\r\n\r\n')
  await client.all()
  t.match(log.of('access')[2], { status: 400, method: '', query: '', vhost: '', client_ip: '127.0.0.1' })
  t.equal(log.of('access').length, 3)
})

/** Starts a program with a server that logs to stdout; gives its port and its lines. */
async function program(config: string): Promise<{ port: number; stop(): Promise<string[]> }> {
  const text = `
    import * as server from ${JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))}
    const served = server.new({ port: 0, handle_signals: true, ...${config} }, (method, query, args) => {
      if (query === '/configure') served.configure({ log_level: args })
      if (query === '/fail') throw new Error('a failure\\n{"level":"access","forged":1}')
      return 'x'
    })
    const done = served.serve()
    process.stderr.write(String((await served.listening).port) + '\\n')
    await done
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()))
  await eventually(() => err.includes('\n'), 'the port')
  return {
    port: Number(err.split('\n', 1)[0]),
    async stop() {
      child.kill('SIGTERM')
      await once(child, 'close')
      return out.split('\n').slice(0, -1).filter((line) => !line.includes('"msg":"Started, listening on http'))
    },
  }
}

t.test('on stdout: JSON, a line each; nothing in a request can forge one', async (t) => {
  const { port, stop } = await program('{ log_headers: ["user-agent", "x-evil"] }')
  const evil = '\\n{"level":"access","forged":1} "\\u000a\x85\xa0\xad\xe2\x80\xa8","status":200,"forged":1'
  const requests = [
    request('GET /plain'),
    request('GET /fail'),
    request(`GET /${encodeURIComponent(evil)}`, { 'User-Agent': evil, 'X-Evil': '"},{"forged":1}' }),
    request('GET /%0a%0d{%22forged%22:1}', { 'X-Forwarded-For': evil, 'X-Real-IP': evil, Referer: evil }),
    request(`GET /${'long'.repeat(1500)}`, { 'User-Agent': 'x'.repeat(8000) }),
    request('__proto__ /constructor', { 'x-evil': '__proto__' }),
  ]
  for (const text of requests) {
    const client = await RawClient.connect(port, text)
    await client.responses(1)
    client.close()
  }
  const bad = ['\x1b[31mred\r\n\r\n', 'GET /\x85\xe2\x80\xa8 HTTP/1.1\r\n\r\n', 'A\nB', '{"forged":1}\r\n\r\n']
  for (const text of bad) {
    const client = await RawClient.connect(port, text)
    await client.all()
    client.close()
  }
  const lines = await stop()
  t.equal(lines.length, requests.length + bad.length + 1, 'one a request, and one for the error')
  for (const line of lines) {
    t.notMatch(line, /[\x00-\x1f\x7f-\x9f\u2028-\u202e]/, 'no control character, no line end')
    const parsed = JSON.parse(line) as Record<string, unknown>
    t.notOk('forged' in parsed)
    t.ok(['access', 'error'].includes(String(parsed.level)))
    t.ok(line.length < 20_000)
  }
})

t.test('configure changes the level of the server\'s own log at once, for open connections too', async (t) => {
  const { port, stop } = await program('{}')
  const client = await RawClient.connect(port, request('GET /1'))
  await client.responses(1)
  client.send(request('GET /configure?warn') + request('GET /2'))
  await client.responses(3)
  client.send(request('GET /configure?access') + request('GET /3'))
  await client.responses(5)
  client.close()
  const lines = (await stop()).map((line) => JSON.parse(line) as Record<string, unknown>)
  t.strictSame(lines.map(({ query }) => query), ['/1', '/configure', '/3'])
})

t.test('log_level: access lines are between debug and info', async (t) => {
  for (const [level, count] of [['debug', 1], ['access', 1], ['info', 0], ['warn', 0]] as const) {
    const { port, stop } = await program(`{ log_level: '${level}' }`)
    const client = await RawClient.connect(port, request('GET /'))
    await client.responses(1)
    client.close()
    const lines = (await stop()).map((line) => JSON.parse(line) as Record<string, unknown>)
    t.equal(lines.filter((line) => line.level === 'access').length, count, level)
  }
})
