import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { curl } from '../../support/curl.js'
import { listen } from '../../support/listen.js'
import { Certificates } from '../../tls/certificates.js'

// The sockets that systemd passes, by its own systemd-socket-activate: it starts a program for the first connection.

const activator = 'systemd-socket-activate'
const posix = { skip: process.platform === 'linux' && isInstalled() ? false : `there is no ${activator}` }
const entry = JSON.stringify(new URL('../../../lib/index.js', import.meta.url).href)
const made = new Certificates()
t.teardown(() => made.remove())

function isInstalled(): boolean {
  try {
    execFileSync(activator, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

interface Activated {
  readonly folder: string
  /** The next line that the program prints. */
  line(): Promise<string>
  stop(): Promise<void>
}

/**
 * Lets the activator listen on the sockets `names` of a folder, and start `program`, which it may start by way of `starter`.
 * It passes on a TCP socket before those, since it does not let the system choose a port.
 */
async function activate(t: Test, names: readonly string[], options: readonly string[], program: string, starter: readonly string[] = []): Promise<Activated> {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
  const portable = process.env['LEVERET_PORTABLE'] === undefined ? [] : ['-E', 'LEVERET_PORTABLE']
  const tcp = net.createServer()
  await listen(tcp)
  const { fd } = Reflect.get(tcp, '_handle') as { fd: number }
  const child = spawn('/bin/sh', [
    '-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', activator, ...names.flatMap((name) => ['-l', join(folder, name)]), ...portable, ...options, ...starter, process.execPath, '--input-type=module', '-e', `import * as server from ${entry}\n${program}`,
  ], { stdio: ['ignore', 'pipe', 'pipe', fd] })
  tcp.close()
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  })
  const [, stdout, stderr] = child.stdio
  if (!(stdout instanceof Readable) || !(stderr instanceof Readable)) throw new Error('it has no output')
  const lines = createInterface(stdout)[Symbol.asyncIterator]()
  let told = ''
  await new Promise<void>((resolve) => stderr.on('data', (text: Buffer) => {
    told += text.toString()
    if (told.split('Listening on').length > names.length && told.endsWith('\n')) resolve()
  }))
  return {
    folder,
    line: async () => {
      const { value, done } = await lines.next()
      return done === true ? `ended: ${told}` : String(value)
    },
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

const get = async (folder: string, name: string, url = 'http://localhost/a'): Promise<string> =>
  (await curl(['--insecure', '--unix-socket', join(folder, name), url])).text

t.test('all sockets, of several families; the first request waits for the start, and the file stays', posix, async (t) => {
  const { folder, line, stop } = await activate(t, ['app.sock'], [], `
    const service = server.new({ listen: 'systemd', log_level: 'error', handle_signals: true }, (method, path) => path)
    service.serve()
    await service.listening
    console.log(JSON.stringify(service.addresses))
    console.log(Object.keys(process.env).filter((name) => name.startsWith('LISTEN_')).length)
    const { execFileSync } = await import('node:child_process')
    console.log(String(execFileSync('ls', ['-l', '/proc/self/fd'])).match(/ ([3-9]|\\d\\d+) -> socket:/g))`)
  t.equal(await get(folder, 'app.sock'), '/a')
  const [tcp, socket] = JSON.parse(await line()) as { path?: string, ip: string, port: number }[]
  t.strictSame(socket, { ip: '', port: 0, path: '' })
  t.equal(tcp?.ip, '127.0.0.1')
  t.equal((await curl([`http://127.0.0.1:${tcp?.port}/b`])).text, '/b')
  t.equal(await line(), '0', 'its own children do not take the variables for theirs')
  t.equal(await line(), 'null', 'nor do they get the sockets')
  await stop()
  t.ok(existsSync(join(folder, 'app.sock')), 'it belongs to systemd')
})

t.test('by name, one name may have several', posix, async (t) => {
  const ssl = JSON.stringify({ default: made.issue({ names: ['localhost'] }) })
  const { folder, line } = await activate(t, ['a', 'b', 'c'], ['--fdname=tcp:web:admin:web'], `
    const config = { ssl: ${ssl}, log_level: 'error' }
    const web = server.new({ ...config, listen: [{ fd: 'web' }] }, () => 'web')
    const admin = server.new({ ...config, listen: [{ fd: 'admin', ssl: false }] }, () => 'admin')
    for (const service of [web, admin]) service.serve()
    await web.listening
    await admin.listening
    console.log(web.addresses.length, admin.addresses.length)
    await server.new({ listen: [{ fd: 'other' }], log_level: 'error' }, () => '').serve().catch((error) => console.log(error.message, error.fd, error.code))`)
  t.equal(await get(folder, 'a', 'https://localhost/'), 'web')
  t.equal(await get(folder, 'b'), 'admin')
  t.equal(await get(folder, 'c', 'https://localhost/'), 'web')
  t.equal(await line(), '2 1')
  t.equal(await line(), 'failed to bind fd "other": systemd has passed no socket of this name, but "tcp", "web", "admin" null LEVERET_BIND')
})

const failing = `
  const listen = process.argv[1] === undefined ? 'systemd' : [{ fd: process.argv[1] }]
  await server.new({ listen, log_level: 'error' }, () => '').serve().catch((error) => console.log(error.message))`

const faults: readonly [what: string, options: readonly string[], starter: readonly string[], message: RegExp][] = [
  ['started by something that systemd has started', [], ['/bin/sh', '-c', '"$@"; exit', 'sh'],
    /^failed to bind the sockets of systemd: they are for process \d+, and this is \d+: let systemd start node itself, not npm or a shell$/],
  ['no variables', [], ['/usr/bin/env', '-u', 'LISTEN_PID'],
    /^failed to bind the sockets of systemd: systemd has passed none: LISTEN_PID or LISTEN_FDS is not set$/],
  ['no number', [], ['/usr/bin/env', 'LISTEN_FDS=x'], /^failed to bind the sockets of systemd: LISTEN_FDS is "x", not a number of sockets$/],
  ['too few names', [], ['/usr/bin/env', 'LISTEN_FDNAMES=a'],
    /^failed to bind the sockets of systemd: LISTEN_FDNAMES has 1 names, and LISTEN_FDS is 2$/],
  ['a number that is closed, or not a socket', [], ['/usr/bin/env', 'LISTEN_FDS=9'], /^failed to bind fd \d+: the file descriptor is not (open|a socket)$/],
  ['a connection', ['--accept'], [], /^failed to bind fd 3: the socket cannot listen: it is a connection, or not a stream socket$/],
]

for (const [what, options, starter, message] of faults) {
  t.test(what, posix, async (t) => {
    const { folder, line } = await activate(t, ['app.sock'], options, failing, starter)
    await get(folder, 'app.sock')
    t.match(await line(), message)
  })
}
