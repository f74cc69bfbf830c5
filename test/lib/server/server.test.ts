import { spawn } from 'node:child_process'
import net from 'node:net'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as server from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { keptLog } from '../../support/kept-log.js'
import { RawClient } from '../../support/raw-client.js'
import { saysClose, valueOf } from '../../support/responses.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import { listen } from '../../support/listen.js'

t.test('curl: methods, HEAD, compression, versions', async (t) => {
  const { port } = await serve(t, {}, (method, query, args) => `${method} ${query} ${args}`)
  const url = `http://127.0.0.1:${port}`
  t.equal((await curl([`${url}/path?a=b`])).text, 'GET /path a=b')
  t.equal((await curl(['-X', 'OPTIONS', '--request-target', '*', url])).text, 'OPTIONS * ')
  t.equal((await curl(['-d', 'x', url])).text, 'POST / ')
  t.equal((await curl(['-X', 'DELETE', url])).text, 'DELETE / ')
  t.equal((await curl(['--http1.0', url])).text, 'GET / ')
  t.equal((await curl(['--request-target', 'http://elsewhere.test/p', url])).text, 'GET /p ', 'as a proxy is asked')
  const head = await curl(['-I', url])
  t.equal(head.code, 0, 'curl does not wait for content')
  t.match(head.text, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(head.text, /\r\nContent-Length: 7\r\n/)
  const many = await curl([...Array.from({ length: 20 }, (_, k) => `${url}/${k}`), '-w', ' %{num_connects};'])
  t.equal(many.text.split(';').filter((one) => one.endsWith(' 1')).length, 1, 'twenty requests on one connection')
})

t.test('listening, and a name in place of an address', async (t) => {
  const served = server.new({ port: 0, ip: 'localhost', logger: keptLog() }, () => 'x')
  const done = served.serve()
  const address = await served.listening
  t.ok(address.port > 0)
  t.ok(['127.0.0.1', '::1'].includes(address.ip))
  await t.rejects(served.serve(), { name: 'StateError', code: 'LEVERET_STATE' }, 'it serves already')
  t.equal((await served.listening).port, address.port, 'and goes on')
  await served.stop()
  await done
})

t.test('a port in use', async (t) => {
  const other = net.createServer()
  const port = await listen(other)
  const served = server.new({ port, logger: keptLog() }, () => 'x')
  const { listening } = served
  const message = `failed to bind 127.0.0.1:${port}: address already in use`
  await t.rejects(served.serve(), { name: 'BindError', code: 'LEVERET_BIND', message, ip: '127.0.0.1', port })
  await t.rejects(listening, { name: 'BindError', message })
  await served.stop()
  other.close()
  await once(other, 'close')
  const done = served.serve()
  t.equal((await served.listening).port, port, 'the same server serves once the port is free')
  await served.stop()
  await done
})

t.test('an address that is not ours, a name that does not exist', async (t) => {
  const away = server.new({ ip: '192.0.2.1', port: 0, logger: keptLog() }, () => 'x')
  await t.rejects(away.serve(), { name: 'BindError', message: /^failed to bind 192\.0\.2\.1:0: ./ })
  const six = server.new({ ip: '2001:db8::1', port: 0, logger: keptLog() }, () => 'x')
  await t.rejects(six.serve(), { name: 'BindError', message: /^failed to bind \[2001:db8::1\]:0: ./ })
})

t.test('new and configure refuse what is wrong, by name', async (t) => {
  const misspelt = { prot: 1 } as server.Config
  t.throws(() => server.new(misspelt, () => 'x'), { name: 'ConfigError', key: 'prot', message: /port/ })
  t.throws(() => server.new({ request_header_timeout: 10_000 }, () => 'x'), { name: 'ConfigError', message: /seconds/ })
  t.throws(() => server.new({}, null as unknown as server.Handler), { name: 'ConfigError', key: 'handle' })
})

t.test('configure while serving: for new connections and for the log, all or nothing', async (t) => {
  const { server: served, connect, ask } = await serve(
    t, { max_body_size: 10 }, (_m, _q, _a, _h, body) => String(body?.length),
  )
  const old = await connect(request('POST /', {}, '12345'))
  await old.responses(1)
  await served.configure({ max_body_size: 20, compression: { min_size: 1 } })
  t.equal((await ask(request('POST /', {}, 'x'.repeat(20)))).status, 200, 'a new connection')
  await t.rejects(served.configure({ max_body_size: 30, port: -1 }), { name: 'ConfigError', key: 'port' })
  t.equal((await ask(request('POST /', {}, 'x'.repeat(21)))).status, 413, 'nothing of what was refused')
  t.equal(valueOf(await ask(request('GET /', { 'Accept-Encoding': 'gzip' })), 'content-encoding'), 'gzip')
  old.send(request('POST /', {}, 'x'.repeat(15)))
  t.strictSame((await old.all()).map(({ status }) => status), [200, 413], 'the settings that it began with')
  const log = keptLog()
  await served.configure({ logger: log })
  await ask(request('GET /'))
  t.strictSame(log.statuses(), [200])
})

t.test('serve, stop, serve again', async (t) => {
  const served = server.new({ port: 0, logger: keptLog() }, (_method, query) => query)
  await served.stop()
  for (let round = 0; round < 3; round++) {
    const done = served.serve()
    const { port } = await served.listening
    const idle = await RawClient.connect(port, request('GET /idle'))
    await idle.responses(1)
    void idle.over.then(() => idle.end())
    t.equal((await curl([`http://127.0.0.1:${port}/${round}`])).text, `/${round}`)
    await Promise.all([served.stop(), served.stop(), done])
    t.equal(await idle.over, 'end')
    await t.rejects(RawClient.connect(port), { code: 'ECONNREFUSED' }, 'nothing listens')
    idle.close()
  }
})

t.test('a deadline for stop that is none', async (t) => {
  const served = server.new({ port: 0, logger: keptLog() }, () => 'x')
  const done = served.serve()
  const { port } = await served.listening
  for (const drain of [NaN, -1, '5' as unknown as number]) {
    await t.rejects(served.stop({ drain }), { name: 'RangeError', message: /drain/ })
  }
  t.equal((await curl([`http://127.0.0.1:${port}/`])).text, 'x', 'it serves on')
  await served.stop({ drain: Infinity })
  await done
})

t.test('IPv6', async (t) => {
  const seen: unknown[] = []
  const log = keptLog()
  const served = server.new({ ip: '::1', port: 0, logger: log }, (_method, _query, _args, headers, _body, ctx) => {
    seen.push(ctx.client_ip, headers['x-client-ip'], headers['host'])
    return 'six'
  })
  const done = served.serve()
  try {
    const { ip, port } = await served.listening
    t.equal(ip, '::1')
    t.equal((await curl(['-g', `http://[::1]:${port}/`])).text, 'six')
    t.strictSame(seen, ['::1', '::1', `[::1]:${port}`])
    t.match(log.of('access')[0], { vhost: `[::1]:${port}`, client_ip: '::1' })
  } catch (error) {
    if (!(error instanceof server.BindError)) throw error
    t.comment(`no IPv6 here: ${error.message}`)
  }
  await served.stop()
  await done.catch(() => {})
})

t.test('stop at once after serve', async (t) => {
  const log = keptLog()
  const served = server.new({ port: 0, logger: log }, () => 'x')
  const done = served.serve()
  const { listening } = served
  await served.stop()
  await done
  t.strictSame(log.entries.map(({ level, message }) => [level, message]), [['info', `Started, listening on http://127.0.0.1:${(await listening).port}`]])
})

t.test('a connection that is lost in any state costs nothing but itself', async (t) => {
  const { opened, open } = gate()
  const handle: server.Handler = (_method, query) => (query === '/wait' ? opened.then(() => 'x') : 'x')
  const { connect, ask, log } = await serve(t, { connection_limit: 1000 }, handle)
  const texts = [
    '', 'G', 'GET / HTTP/1.1\r\n', request('GET /'), request('GET /wait'), request('GET /').repeat(50),
    'POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n', 'garbage\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n',
  ]
  for (const text of texts) {
    for (const leave of ['end', 'close', 'reset'] as const) {
      for (const wait of [false, true]) {
        const client = await connect(text)
        if (wait) await new Promise((resolve) => setTimeout(resolve, 2))
        client[leave]()
      }
    }
  }
  t.equal((await ask(request('GET /'))).status, 200)
  open()
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.strictSame(log.of('error'), [])
})

t.test('a program that has stopped its server ends by itself', async (t) => {
  const program = `
    import * as server from ${JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))}
    const served = server.new({ port: 0, log_level: 'error' }, () => 'hello')
    const done = served.serve()
    const { port } = await served.listening
    const response = await fetch('http://127.0.0.1:' + port)
    console.log(await response.text())
    await served.stop({ drain: 5 })
    await done
    console.log(process.getActiveResourcesInfo().filter((name) => /Server|Timeout|Immediate/.test(name)).length)
  `
  const child = spawn(
    process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let out = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  const [code] = await once(child, 'close') as [number]
  t.equal(code, 0)
  t.equal(out, 'hello\n0\n', 'and leaves no server, timer or immediate behind')
})

t.test('handle_signals: SIGTERM drains, and the program ends with 0', async (t) => {
  const program = `
    import * as server from ${JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))}
    const served = server.new({ port: 0, log_level: 'error', handle_signals: true }, async () => {
      console.log('called')
      await new Promise((resolve) => setTimeout(resolve, 200))
      return 'finished'
    })
    const done = served.serve()
    console.log((await served.listening).port)
    await done
    console.log('stopped')
  `
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const child = spawn(
      process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let out = ''
    child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
    await eventually(() => out.includes('\n'), 'the port')
    const client = await RawClient.connect(Number(out.split('\n', 1)[0]), request('GET /'))
    await eventually(() => out.includes('called'), 'the call')
    child.kill(signal)
    const [response] = await client.all()
    t.equal(response.body.toString(), 'finished')
    t.ok(saysClose(response))
    client.close()
    const [code] = await once(child, 'close') as [number]
    t.equal(code, 0)
    t.match(out, /stopped\n$/)
  }
})

t.test('reuse_port', async (t) => {
  const first = server.new({ port: 0, reuse_port: true, logger: keptLog() }, () => '')
  const done = first.serve()
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 22 || (major === 22 && minor < 12) || (major === 23 && minor < 1)) {
    const message = `failed to bind 127.0.0.1:0: reusePort needs Node.js 22.12, 23.1 or newer: this is ${process.versions.node}`
    await t.rejects(done, { name: 'BindError', message })
    return
  }
  const { port } = await first.listening
  const second = server.new({ port, reuse_port: true, logger: keptLog() }, () => '')
  const other = second.serve()
  t.equal((await second.listening).port, port)
  await Promise.all([first.stop(), second.stop(), done, other])
})
