import { spawn, spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, closeSync, existsSync, fstatSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import * as server from '../../../lib/index.js'
import { BindError, ConfigError, type Config } from '../../../lib/index.js'
import { listen } from '../../support/listen.js'
import { Certificates } from '../../tls/certificates.js'

const posix = { skip: process.platform === 'win32' }
const made = new Certificates()
t.teardown(() => made.remove())

const entry = JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))

function fdOf(socket: net.Server | net.Socket): number {
  return (Reflect.get(socket, '_handle') as { fd: number }).fd
}

/** Node has it behind a symbol. */
function datagramFd(socket: Socket): number {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')
  const { handle } = Reflect.get(socket, symbol ?? '') as { handle: { fd: number } }
  return handle.fd
}

/** A new folder with a short path: that of a socket is limited. */
function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The text of a response: of `curl`, with these arguments. */
async function curl(...args: string[]): Promise<string> {
  const child = spawn('curl', ['--silent', '--show-error', '--insecure', '--max-time', '60', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (text += piece.toString()))
  await once(child, 'close')
  return text
}

async function started(t: Test, config: Config): Promise<server.Server> {
  const service = server.new({ log_level: 'error', ...config }, (_method, path, _args, _headers, _body, ctx) => `${path} ${ctx.tls !== null}`)
  service.serve().catch(() => {})
  t.teardown(() => service.stop({ drain: 0 }))
  await service.listening
  return service
}

/** Why the server cannot be bound. */
async function bindError(t: Test, config: Config): Promise<BindError> {
  const service = server.new({ log_level: 'error', ...config }, () => 'x')
  const error: unknown = await service.serve().then(() => null, (reason: unknown) => reason)
  if (!(error instanceof BindError)) throw t.fail('it was bound')
  return error
}

t.test('a Unix socket: its mode, and it is removed when the server stops', posix, async (t) => {
  const path = `${folderOf(t)}/app.sock`
  const service = await started(t, { listen: [{ path, mode: 0o620 }] })
  t.strictSame(service.addresses, [{ ip: '', port: 0, path }])
  t.equal(statSync(path).mode & 0o777, 0o620)
  t.equal(await curl('--unix-socket', path, 'http://localhost/a'), '/a false')
  await service.stop()
  t.notOk(existsSync(path))
  t.strictSame(service.addresses, [])
})

/** Watches the file as it is right after the bind. */
function afterBind(t: Test, path: string): { mode: number, umask: number } {
  const seen = { mode: -1, umask: -1 }
  const { prototype } = net.Server
  const original = Reflect.get(prototype, 'listen') as (...args: unknown[]) => net.Server
  t.teardown(() => Reflect.set(prototype, 'listen', original))
  Reflect.set(prototype, 'listen', function (this: net.Server, ...args: unknown[]) {
    const result = original.apply(this, args)
    seen.mode = statSync(path).mode & 0o777
    process.umask(seen.umask = process.umask(0o022))
    return result
  })
  return seen
}

const isRoot = process.getuid?.() === 0

t.test('no other user can connect to a Unix socket before it has its mode and owner', posix, async (t) => {
  const umask = process.umask(0o002)
  t.teardown(() => process.umask(umask))
  for (const [name, given, mode] of [['a', { mode: 0o660 }, 0o660], ['b', { mode: 0o660, gid: process.getgid?.() }, 0o660], ['c', { gid: process.getgid?.() }, 0o775]] as const) {
    const path = `${folderOf(t)}/${name}`
    const seen = afterBind(t, path)
    await started(t, { listen: [{ path, ...given }] })
    t.equal(seen.mode & 0o077, 0, 'at first')
    t.equal(statSync(path).mode & 0o777, mode, 'then')
    t.equal(process.umask(0o002), 0o002, 'the umask is as before')
  }
  const path = `${folderOf(t)}/d`
  t.match(await bindError(t, { listen: [{ path: `${path}/e`, mode: 0o600 }] }), { code: 'LEVERET_BIND' })
  t.equal(process.umask(0o002), 0o002, 'also after an error')
})

t.test('its owner and group, by number', posix, async (t) => {
  const uid = isRoot ? 12345 : process.getuid?.()
  const gid = isRoot ? 54321 : process.getgid?.()
  const path = `${folderOf(t)}/app.sock`
  await started(t, { listen: [{ path, mode: 0o660, uid, gid }] })
  t.match(statSync(path), { uid, gid })
  const grouped = `${folderOf(t)}/app.sock`
  await started(t, { listen: [{ path: grouped, gid }] })
  t.match(statSync(grouped), { uid: process.getuid?.(), gid })
})

t.test('an owner that this user cannot give it is a BindError', { skip: isRoot ? false : 'for root only' }, async (t) => {
  const folder = folderOf(t)
  chmodSync(folder, 0o777)
  process.seteuid?.(12345)
  t.teardown(() => process.seteuid?.(0))
  const path = `${folder}/app.sock`
  const { message } = await bindError(t, { listen: [{ path, uid: 0, gid: 0 }] })
  t.equal(message, `failed to bind ${path}: its file cannot be given to uid 0 gid 0 (EPERM: operation not permitted, lchown '${path}')`)
  t.notOk(existsSync(path))
})

t.test('a worker thread, which has no umask of its own', posix, async (t) => {
  const path = `${folderOf(t)}/app.sock`
  const worker = new Worker(`import(${entry}).then(async (server) => {
    const service = server.new({ listen: [{ path: ${JSON.stringify(path)}, mode: 0o620 }], log_level: 'error' }, () => 'x')
    service.serve()
    await service.listening
    const { parentPort } = await import('node:worker_threads')
    parentPort.postMessage('listening')
  })`, { eval: true })
  t.teardown(() => worker.terminate())
  await once(worker, 'message')
  t.equal(statSync(path).mode & 0o777, 0o620)
})

t.test('the file of a server that is gone is replaced, nothing else is', posix, async (t) => {
  const folder = folderOf(t)
  const path = `${folder}/app.sock`
  // A process that is killed leaves its socket.
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', program])
  t.ok(existsSync(path))
  await started(t, { listen: [{ path }] })
  t.equal(await curl('--unix-socket', path, 'http://localhost/a'), '/a false')

  const message = `failed to bind ${path}: address already in use`
  t.match(await bindError(t, { listen: [{ path }] }), { message, path, ip: '', port: 0 }, 'one that serves stays')
  t.equal(await curl('--unix-socket', path, 'http://localhost/b'), '/b false')
  const file = `${folder}/file`
  writeFileSync(file, 'text')
  t.match(await bindError(t, { listen: [{ path: file }] }), { message: `failed to bind ${file}: address already in use` })
  t.equal(statSync(file).size, 4)
  t.match(await bindError(t, { listen: [{ path: `${folder}/none/app.sock` }] }), { message: `failed to bind ${folder}/none/app.sock: there is no folder ${folder}/none` })
})

t.test('several places, each with or without TLS', posix, async (t) => {
  const path = `${folderOf(t)}/app.sock`
  const ssl = { default: made.issue({ names: ['localhost'] }) }
  const service = await started(t, { ssl, listen: [{ port: 0 }, { port: 0, ip: '127.0.0.1', ssl: false }, { path, ssl: false }] })
  const [secure, plain, socket] = service.addresses
  t.strictSame(await service.listening, secure)
  t.equal(await curl(`https://127.0.0.1:${secure?.port}/a`), '/a true')
  t.equal(await curl(`http://127.0.0.1:${plain?.port}/b`), '/b false')
  t.equal(await curl('--unix-socket', socket?.path ?? '', 'http://localhost/c'), '/c false')
  await service.stop()
  t.equal(existsSync(path), false)
  for (const one of [secure, plain]) t.match(await curl(`http://127.0.0.1:${one?.port}/`), /connect/i, 'it is free')
})

t.test('a place without TLS serves hosts that elsewhere want certificates of their clients', posix, async (t) => {
  const { cert: ca } = made.issue({ names: ['a client'] })
  const ssl = { default: { ...made.issue({ names: ['localhost'] }), ca, client_certificate: 'require' } } as const
  const service = await started(t, { ssl, listen: [{ port: 0 }, { port: 0, ssl: false }, { port: 0, redirect: 'https' }] })
  const [secure, plain, redirecting] = service.addresses
  t.match(await curl(`https://127.0.0.1:${secure?.port}/a`), /^curl: /, 'rejected')
  t.equal(await curl(`http://127.0.0.1:${plain?.port}/b`), '/b false')
  t.equal(await curl(`http://127.0.0.1:${redirecting?.port}/.well-known/acme-challenge/c`), '/.well-known/acme-challenge/c false')
  t.equal(await curl(`http://127.0.0.1:${redirecting?.port}/d`), 'Permanent Redirect: https://127.0.0.1/d\n')
})

t.test('all or none are bound', posix, async (t) => {
  const taken = net.createServer()
  t.teardown(() => taken.close())
  const port = await listen(taken)
  const path = `${folderOf(t)}/app.sock`
  t.match(await bindError(t, { listen: [{ path }, { port }] }), { message: `failed to bind 127.0.0.1:${port}: address already in use` })
  t.notOk(existsSync(path))
})

t.test('a descriptor that the process has inherited', posix, async (t) => {
  const inherited = net.createServer()
  const port = await listen(inherited)
  const program = `
    import * as server from ${entry}
    const service = server.new({ listen: [{ fd: 3 }], log_level: 'error' }, (method, path) => path)
    service.serve()
    await service.listening
    console.log('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit', fdOf(inherited)] })
  t.teardown(() => child.kill('SIGKILL'))
  if (child.stdout !== null) await once(child.stdout, 'data')
  inherited.close()
  t.equal(await curl(`http://127.0.0.1:${port}/a`), '/a')
})

t.test('a descriptor that cannot listen is told', posix, async (t) => {
  const fault = async (fd: number): Promise<string> => {
    const error = await bindError(t, { listen: [{ fd }] })
    t.equal(error.fd, fd)
    return error.message.replace(`fd ${fd}`, 'fd')
  }
  t.equal(await fault(2 ** 20), 'failed to bind fd: the file descriptor is not open')
  const file = openSync(`${folderOf(t)}/file`, 'w')
  t.teardown(() => closeSync(file))
  t.equal(await fault(file), 'failed to bind fd: the file descriptor is not a socket')
  t.doesNotThrow(() => fstatSync(file), 'it stays open')

  const listening = net.createServer()
  const port = await listen(listening)
  t.teardown(() => listening.close())
  t.equal(await fault(fdOf(listening)), 'failed to bind fd: the file descriptor is in use')
  const client = net.connect(port, '127.0.0.1')
  await once(client, 'connect')
  const datagrams = createSocket('udp4').bind(0, '127.0.0.1')
  await once(datagrams, 'listening')
  for (const socket of [client, datagrams]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      import * as server from ${entry}
      server.new({ listen: [{ fd: 3 }], log_level: 'error' }, () => 'x').serve().catch(({ message }) => console.log(message))`,
    ], { stdio: ['ignore', 'pipe', 'inherit', socket instanceof net.Socket ? fdOf(socket) : datagramFd(socket)] })
    t.equal(String(await child.stdout?.toArray()), 'failed to bind fd 3: the socket cannot listen: it is a connection, or not a stream socket\n')
  }
  client.destroy()
  datagrams.close()
})

const wrong: readonly [listen: unknown, key: string, message: string][] = [
  ['/run/app.sock', 'listen', 'listen must be an array of objects, each with port, path or fd, got "/run/app.sock" ("systemd" and null are allowed too)'],
  [[], 'listen', 'listen must be an array of at least one object, got an array (null means ip and port)'],
  [[{}], 'listen[0]', 'listen[0] must be an object with port, path or fd, got an object'],
  [[{ prot: 1 }], 'listen[0].prot', 'unknown setting listen[0].prot; did you mean listen[0].port?'],
  [[{ ip: '::' }], 'listen[0]', 'listen[0] must be an object with port, path or fd, got an object'],
  [[{ port: 1 }, 8080], 'listen[1]', 'listen[1] must be an object with port, path or fd, got 8080'],
  [[{ port: 1, path: '/a' }], 'listen[0]', 'listen[0] must have one of port, path and fd; it has port and path'],
  [[{ port: 65536 }], 'listen[0].port', 'listen[0].port must be an integer from 0 to 65535, got 65536'],
  [[{ port: 1, mode: 0o600 }], 'listen[0].mode', 'unknown setting listen[0].mode'],
  [[{ path: '' }], 'listen[0].path', 'listen[0].path must be the path of a Unix socket, got ""'],
  [[{ path: '\0' }], 'listen[0].path', 'listen[0].path must be the path of a Unix socket, got "\\u0000"'],
  [[{ path: '\0a\0' }], 'listen[0].path', 'listen[0].path must be the path of a Unix socket, got "\\u0000a\\u0000"'],
  [[{ path: '\0a', mode: 0o600 }], 'listen[0].mode', 'listen[0] has an abstract name, which every process may connect to: mode must not be given'],
  [[{ path: '/a', mode: 0o1000 }], 'listen[0].mode', 'listen[0].mode must be an integer from 0 to 511, got 512'],
  [[{ path: '/a', gid: 'www-data' }], 'listen[0].gid', 'listen[0].gid must be an integer from 0 to 4294967294, got "www-data"'],
  [[{ path: '/a', uid: -1 }], 'listen[0].uid', 'listen[0].uid must be an integer from 0 to 4294967294, got -1'],
  [[{ port: 1, gid: 1 }], 'listen[0].gid', 'unknown setting listen[0].gid'],
  [[{ fd: -1 }], 'listen[0].fd', 'listen[0].fd must be an integer from 0 to 2147483647, got -1'],
  [[{ fd: '3' }], 'listen[0].fd', 'listen[0].fd must be an integer from 0 to 2147483647, got "3" (did you mean the number 3?)'],
  [[{ fd: 'a:b' }], 'listen[0].fd', 'listen[0].fd must be the number of a file descriptor, or a name of LISTEN_FDNAMES, got "a:b"'],
  [[{ fd: 3, ssl: 'no' }], 'listen[0].ssl', 'listen[0].ssl must be true or false, got "no"'],
]

const knowsAbstract = process.platform === 'linux' && Number(process.versions.node.split('.')[0]) >= 22

t.test('an abstract name, which other programs find, and which is free again at once', { skip: !knowsAbstract }, async (t) => {
  const name = `leveret-${process.pid}`
  const path = `\0${name}`
  const service = await started(t, { listen: [{ path }] })
  t.strictSame(service.addresses, [{ ip: '', port: 0, path }])
  t.equal(await curl('--abstract-unix-socket', name, 'http://localhost/a'), '/a false')
  t.match(await bindError(t, { listen: [{ path }] }), { message: `failed to bind @${name}: address already in use`, path })
  t.equal((await server.request({ url: 'http://localhost/b', socketPath: path })).body.toString(), '/b false')
  await service.stop()
  await started(t, { listen: [{ path }] })
  t.equal(await curl('--abstract-unix-socket', name, 'http://localhost/c'), '/c false')
})

t.test('without them, an abstract name is a BindError', { skip: knowsAbstract }, async (t) => {
  t.match(await bindError(t, { listen: [{ path: '\0a' }] }), { message: 'failed to bind @a: abstract names need Linux and Node.js 22 or newer' })
})

t.test('wrong settings', async (t) => {
  for (const [listen, key, message] of wrong) {
    const error: unknown = t.throws(() => server.new({ listen } as Config, () => 'x'))
    t.ok(error instanceof ConfigError)
    t.match(error, { key, message }, message)
  }
})
