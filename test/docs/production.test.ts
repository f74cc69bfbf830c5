// What the page "In production" shows and no program can show of itself: the configurations of proxies, each with the page's service
// behind it, and the tables of settings and times.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import ts from 'typescript'
import * as lev from '../../lev/index.js'
import * as server from '../../lib/index.js'
import { collectMetrics } from '../../lib/web/metrics/index.js'
import { developmentIdentities } from '../../tls/index.js'
import { Program, shell } from '../examples/program.js'
import { isInstalled, startProxy, type Proxy } from '../support/proxies.js'
import { request, serve } from '../support/serving.js'
import { virtually } from '../support/virtual.js'
import { blocksOf, pages, readPage, root, says, type Block } from './blocks.js'

const page = 'docs/guide/production.md'

/** The address of the services and proxies of this process, so that every port is free on it. Only Linux has it without being asked. */
const ip = `127.${process.pid >> 16 & 0x7f}.${process.pid >> 8 & 0xff}.${process.pid & 0xff}`
/** The address of clients. */
const clientIp = '127.9.9.9'
/** In place of 443. */
const port = 10443

const folder = t.testdir()
const { ca, ssl: { default: identity } } = developmentIdentities(join(folder, 'dev-certs'), ['example.com'], Date.now() / 1000)
const { cert, key } = identity as { cert: string; key: string }
const certAndKey = join(folder, 'both.pem')
writeFileSync(certAndKey, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'))

type Change = readonly [what: string, by: string]

/** The file of the program of the page that has `mark` in it, changed as said. */
function writeService(mark: string, changes: readonly Change[]): string {
  const block = blocksOf(page).find(({ language, text }) => language === 'ts' && text.includes(mark))
  let source = (block?.text ?? '').replaceAll(/ port(?=: \d|,)/g, ` ip: '${ip}', port`)
  for (const [what, by] of changes) {
    if (!source.includes(what)) throw new Error(`the program with ${mark} has no ${what}`)
    source = source.replace(what, by)
  }
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext } })
  // In the project, where `leveret` is the built package.
  mkdirSync(join(root, '.build', 'docs-production'), { recursive: true })
  const file = join(root, '.build', 'docs-production', `${mark.replaceAll(/\W/g, '')}.mjs`)
  writeFileSync(file, outputText)
  return file
}

async function startService(t: Test, mark: string, changes: readonly Change[]): Promise<Program> {
  const program = new Program(writeService(mark, changes), { cwd: folder, anyPort: false })
  t.teardown(async () => {
    program.kill()
    await program.ended
  })
  await program.printed(/listening on/)
  return program
}

/** A configuration of the page, with the addresses and files of this test. */
function proxyOf({ language, words, text }: Block): Proxy {
  const fitted = text
    .replace(/(listen |bind )(?:\S*:)?443/, `$1${ip}:${port}`)
    .replaceAll('127.0.0.1:', `${ip}:`)
    // A tenth; pre_drain is a third.
    .replace('inter 1s', 'inter 100ms')
    .replace('/etc/ssl/example.com.pem', cert)
    .replace('/etc/ssl/example.com.key', key)
    .replace('/etc/haproxy/example.com.pem', certAndKey)
  if (language === 'haproxy') {
    const ready = text.includes('mode tcp') ? 'tcp-request content reject' : 'http-request return status 204'
    return { name: 'HAProxy', program: 'haproxy', configuration: (path) => `${fitted}\nfrontend ready\n  bind unix@${path}\n  ${ready}\n` }
  }
  const frame = (folder: string): string => `
    daemon off; master_process off; pid ${folder}/pid; error_log stderr crit; events { worker_connections 256; }`
  if (words.includes('stream')) {
    return {
      name: 'nginx, stream', program: 'nginx',
      configuration: (path, folder) => `
        load_module /usr/lib/nginx/modules/ngx_stream_module.so; ${frame(folder)}
        stream { server { listen unix:${path}; return ready; } ${fitted} }`,
    }
  }
  return {
    name: 'nginx', program: 'nginx',
    configuration: (path, folder) => `${frame(folder)}
      http { access_log off; client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
        uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5; server { listen unix:${path}; return 204; } ${fitted} }`,
  }
}

interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly agent?: https.Agent
}

function start(path: string, { method = 'GET', headers, body, agent }: Asked = {}): ReturnType<typeof https.request> {
  return https.request({
    host: ip, port, localAddress: clientIp, path, method, servername: 'example.com', ca: readFileSync(ca), agent: agent ?? false,
    headers: { Host: 'example.com', ...headers, ...body === undefined ? {} : { 'Content-Length': body.length } },
  }).end(body)
}

async function ask(path: string, asked?: Asked): Promise<{ status: number | undefined; headers: IncomingMessage['headers']; text: string; bytes: number }> {
  const [response] = await once(start(path, asked), 'response') as [IncomingMessage]
  const body = Buffer.concat(await response.toArray() as Buffer[])
  return { status: response.statusCode, headers: response.headers, text: body.toString('latin1'), bytes: body.length }
}

/** A number of both services together. */
async function metric(name: string): Promise<number> {
  const texts = await Promise.all([9091, 9092].map(numbersOf))
  return texts.map((text) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])).reduce((sum, value) => sum + value)
}

const spoofed = { 'X-Forwarded-For': '203.0.113.66', 'X-Forwarded-Proto': 'http', 'X-Forwarded-Host': 'evil.test' }

/** The service behind a proxy that terminates TLS. */
async function checkRequests(t: Test): Promise<void> {
  const first = await ask('/api/who', { headers: spoofed })
  t.strictSame(JSON.parse(first.text), { client: clientIp, scheme: 'https', host: 'example.com' }, 'who the client is')
  t.match(first.headers['x-request-id'], /\w/)

  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
  const before = await metric('leveret_connections_total')
  for (let count = 0; count < 10; count++) t.equal((await ask('/api/who', { agent })).status, 200)
  agent.destroy()
  // The readings of the numbers are among them.
  t.ok(await metric('leveret_connections_total') - before <= 7, 'connections to the server are used again')

  const body = Buffer.alloc(3_000_000, 'x')
  t.equal((await ask('/api/upload', { method: 'POST', body })).text, '{"bytes":3000000}')
  t.equal((await ask('/api/download')).bytes, 20 * 2 ** 20)

  const [events] = await once(start('/api/events'), 'response') as [IncomingMessage]
  const [event] = await once(events, 'data') as [Buffer]
  t.match(event.toString(), 'data: {"count":1}', 'an event is there at once, and not when more have filled a buffer')
  events.destroy()

  const upgrade = start('/api/echo', { headers: {
    'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Origin': 'https://example.com',
  } })
  const [{ statusCode }, socket, head] = await once(upgrade, 'upgrade') as [IncomingMessage, NodeJS.ReadWriteStream & { destroy(): void }, Buffer]
  t.equal(statusCode, 101, 'a WebSocket of a page of the host')
  socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
  const echo = head.length > 0 ? head : (await once(socket, 'data') as [Buffer])[0]
  t.equal(echo.toString('latin1'), '\x81\x02hi')
  socket.destroy()
}

/** The numbers of a worker, as soon as it has the port. */
async function numbersOf(port: number): Promise<string> {
  for (;;) {
    const response = await fetch(`http://${ip}:${port}/metrics`).catch(() => null)
    if (response !== null) return await response.text()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Requests all the time, while the workers are replaced. */
async function checkRolls(t: Test, program: Program): Promise<void> {
  const outcomes = new Map<unknown, number>()
  let running = true
  const client = async (agent: https.Agent | null): Promise<void> => {
    while (running) {
      const asked = { method: 'POST', body: Buffer.from('once'), ...agent === null ? {} : { agent } }
      const outcome = await ask('/api/upload', asked).then(({ status }) => status, (error: unknown) => String(error))
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      // New workers need the processor, too.
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    agent?.destroy()
  }
  const load = Promise.all([null, null, new https.Agent({ keepAlive: true }), new https.Agent({ keepAlive: true })].map(client))
  program.signal(reloadSignal)
  await program.printed(/Rolled: all workers are new/)
  running = false
  await load
  for (const port of [9091, 9092]) await numbersOf(port)
  t.strictSame([...outcomes.keys()], [200], 'no request is lost', { outcomes: Object.fromEntries(outcomes) })
}

const unit = blocksOf(page).find(({ language }) => language === 'systemd')?.text ?? ''

/** What `systemctl reload` sends. */
const reloadSignal = `SIG${/^ExecReload=\/bin\/kill -(\w+) \$MAINPID$/m.exec(unit)?.[1]}` as NodeJS.Signals

/** Two are enough to replace one by one. */
const twoWorkers = ['workers.run(() => service)', 'workers.run(() => service, { count: 2 })'] as const

function bothStarted(output: string): boolean {
  return output.split('Worker started').length > 2
}

function hasSocketActivate(): boolean {
  return process.platform === 'linux' && spawnSync('systemd-socket-activate', ['--version']).status === 0
}

const isConfiguration = ({ language }: Block): boolean => language === 'nginx' || language === 'haproxy'

t.test('the service by itself', { skip: process.platform === 'linux' ? false : 'needs an address of its own' }, async (t) => {
  const program = await startService(t, 'withRequestId(app)', [twoWorkers])
  await program.shows(bothStarted)
  const fitted = (language: string): string | undefined => {
    const block = blocksOf(page).find((block) => block.language === language && block.words.includes('production'))
    return block?.text.replaceAll('127.0.0.1:', `${ip}:`)
  }
  const { code, stdout, stderr } = await shell(fitted('sh') ?? '', folder)
  t.equal(code, 0, stderr)
  t.ok(says(fitted('text') ?? '', stdout), stdout)
  t.same(await program.stop('SIGTERM'), { code: 0, signal: null })
})

t.test('the unit fits the service', async (t) => {
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
  const service = blocksOf(page).find(({ language, words }) => language === 'ts' && words.includes('production'))?.text ?? ''
  const setting = (name: string): number => Number(new RegExp(`${name}: (\\d+),`).exec(service)?.[1])
  t.ok(Number(value('TimeoutStopSec')) > setting('drain') + 5, 'the parent kills workers after drain and five seconds')
  t.ok(Number(value('LimitNOFILE')) >= 2 * setting('connection_limit'))
  t.equal(value('KillMode'), 'mixed')
  const file = join(folder, 'app.service')
  writeFileSync(file, unit.replace('/usr/bin/node', process.execPath))
  const { code, stderr } = await shell(`command -v systemd-analyze > /dev/null || exit 0; systemd-analyze verify --man=no ${file}`, folder)
  t.equal(code, 0, stderr)
})

t.test('a socket of systemd holds connections until the service is there', { skip: hasSocketActivate() ? false : 'no systemd here' }, async (t) => {
  const file = writeService('withRequestId(app)', [[`ip: '${ip}', port: 8080`, 'listen: \'systemd\''], twoWorkers])
  // It starts the service with the first connection.
  const activating = spawn('systemd-socket-activate', ['-l', `${ip}:8080`, process.execPath, file], { cwd: folder, stdio: 'ignore' })
  const ended = once(activating, 'close')
  t.teardown(async () => {
    activating.kill('SIGKILL')
    await ended
  })
  let response = null
  while (response === null) {
    response = await fetch(`http://${ip}:8080/health/ready`).catch(() => null)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.equal(await response.text(), 'ready\n')
  activating.kill('SIGTERM')
  t.same(await ended, [0, null])
})

t.test('every configuration of a proxy stands on the page that is tested here', async (t) => {
  t.strictSame(pages().filter((file) => file !== page && blocksOf(file).some(isConfiguration)), [])
  t.equal(blocksOf(page).filter(isConfiguration).length, 4)
})

for (const block of blocksOf(page).filter(isConfiguration)) {
  const proxy = proxyOf(block)
  const passesOn = block.text.includes('mode tcp') || block.words.includes('stream')
  const skip = process.platform !== 'linux' || !isInstalled(proxy) ? `no ${proxy.name} here` : false
  t.test(`${proxy.name}, line ${block.line}`, { skip }, async (t) => {
    if (passesOn) {
      await startService(t, 'redirect: \'https\'', [['ssl: {', 'proxy_protocol: [\'loopback\'], ssl: {']])
      await startProxy(t, proxy, 8443)
      t.equal((await ask('/', { headers: spoofed })).text, `${clientIp} by https\n`)
      return
    }
    // The clients of this test are on loopback addresses, too, and may not tell of others.
    const changes = [['trusted_proxies: [\'loopback\']', 'trusted_proxies: [\'127.0.0.1\']'], ['rate: 20, burst: 100', 'rate: 100_000'], twoWorkers] as const
    const program = await startService(t, 'withRequestId(app)', changes)
    await program.shows(bothStarted)
    await startProxy(t, proxy, 8080)
    await checkRequests(t)
    await checkRolls(t, program)
    t.same(await program.stop('SIGTERM'), { code: 0, signal: null })
  })
}

/** The rows of the table of the page whose head begins with `first`, without their code marks. */
function table(first: string): string[][] {
  const lines = readPage(page).split('\n')
  const at = lines.findIndex((line) => line.startsWith(`| ${first} |`))
  const rows = lines.slice(at + 2, lines.indexOf('', at))
  return rows.map((row) => row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')))
}

t.test('the settings to begin with are settings, and serve', async (t) => {
  const rows = table('setting | on the open internet')
  t.ok(rows.length > 5)
  for (const column of [1, 2, 3]) {
    const config = Object.fromEntries(rows.map((row) => [row[0], JSON.parse(row[column])])) as server.Config
    const { ask } = await serve(t, { ...config, pre_drain: 0 }, () => 'hello')
    server.new(config, () => 'hello')
    t.equal((await ask(request('GET /'))).status, 200, JSON.stringify(config))
  }
})

/** Two requests on one connection, with a pause. Gives the number of responses. */
async function responsesAround(pause: number, keepalive_idle_timeout: number): Promise<number> {
  return await virtually({ keepalive_idle_timeout }, () => 'hello', function* (world) {
    const client = yield* world.connect(request('GET /'))
    while (!client.text.includes('hello')) yield* client.more()
    yield* lev.sleep(pause)
    client.stream.put(request('GET /'))
    let more = true
    while (more && client.text.split('hello').length < 3) more = yield* client.more()
    client.stream.close()
    return client.text.split('hello').length - 1
  }, { latency: [0.01, 0.2] })
}

t.test('the idle times: a balancer that uses a connection again just before it would close it meets an open one', async (t) => {
  const rows = table('in front | idle s')
  t.ok(rows.length > 4)
  for (const [name, idle, timeout] of rows) {
    t.equal(await responsesAround(Number(idle), Number(timeout)), 2, name)
    t.equal(await responsesAround(Number(idle), Number(idle) - 2), 1, `${name}: a shorter time is too short`)
  }
  for (const [name, silent] of table('in front | silent s')) t.ok(Number(silent) > server.defaults.keepalive_idle_timeout, name)
})

t.test('what to watch: the names are those of metrics', async (t) => {
  const metrics = collectMetrics()
  t.teardown(() => metrics.stop())
  const text = metrics.text()
  const rows = table('trouble | look at')
  t.ok(rows.length > 8)
  for (const [trouble, ...cells] of rows) {
    const names = cells.flatMap((cell) => cell.match(/\b(?:leveret|process|nodejs)_\w+/g) ?? [])
    t.ok(names.length > 0, trouble)
    for (const name of names) t.ok(text.includes(`# TYPE ${name.replace(/_bucket$/, '')} `), name)
  }
})
