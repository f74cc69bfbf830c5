import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { notify, reload, serve } from '../../../lib/systemd/index.js'
import { eventually } from '../../support/serving.js'
import { notifySocket } from '../../support/notify-socket.js'

// Programs that tell systemd of themselves by its own systemd-notify, and a receiver that does what systemd does.

const linux = { skip: process.platform === 'linux' && isInstalled() ? false : 'there is no systemd-notify' }
const [entry, ownEntry, workersEntry] = ['index.js', 'systemd/index.js', 'workers/index.js'].map((file) => JSON.stringify(new URL(`../../../lib/${file}`, import.meta.url).href))

function isInstalled(): boolean {
  try {
    execFileSync('systemd-notify', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

interface Program {
  readonly child: ChildProcess
  readonly folder: string
  /** The next line that it prints. */
  line(): Promise<string>
  /** What it has printed to stderr. */
  stderr(): string
  /** Its exit code, once it has ended. */
  ended(): Promise<number>
}

/** Runs a program, which may use `server`, `systemd` and the folder `folder`. */
function start(t: Test, text: string, env: NodeJS.ProcessEnv): Program {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
  const child = spawn(process.execPath, ['--input-type=module', '-e', `
    import * as server from ${entry}
    import * as systemd from ${ownEntry}
    const folder = ${JSON.stringify(folder)}
    ${text}`], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
    rmSync(folder, { recursive: true })
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  let told = ''
  child.stderr.on('data', (piece: Buffer) => (told += piece.toString()))
  return {
    child,
    folder,
    line: async () => String((await lines.next()).value),
    stderr: () => told,
    ended: async () => Number((await closed)[0]),
  }
}

const serving = `
  const service = server.new({ port: 0, log_level: 'error', handle_signals: true, drain: 100, pre_drain: 0.001 }, () => 'hello')
  const done = systemd.serve(service)
  service.listening.then(({ port }) => console.log(port, Object.keys(process.env).filter((name) => /^(NOTIFY|WATCHDOG)_/.test(name)).length))
  await done`

t.test('ready, reloading, ready again, stopping', linux, async (t) => {
  const socket = await notifySocket(t)
  const program = start(t, `process.on('SIGHUP', () => systemd.reload(() => service.configure({ drain: 200 })))${serving}`, { NOTIFY_SOCKET: socket.path })
  const [port, left] = (await program.line()).split(' ')
  t.equal(left, '0', 'its own children do not report in its place')
  const ready = await socket.next()
  t.strictSame(ready.state, { READY: '1', STATUS: `Listening on 127.0.0.1:${port}` })
  if (process.getuid?.() === 0) t.equal(ready.pid, program.child.pid, 'of root, the message counts as the own')

  program.child.kill('SIGHUP')
  const reloading = await socket.next()
  t.match(reloading.state, { RELOADING: '1', MONOTONIC_USEC: /^\d+$/ })
  const age = reloading.time - Number(reloading.state['MONOTONIC_USEC'])
  t.ok(age >= 0 && age < reloading.time - ready.time, 'the clock of systemd')
  t.strictSame((await socket.next()).state, { READY: '1' })

  program.child.kill('SIGTERM')
  t.strictSame((await socket.next()).state, { STOPPING: '1', STATUS: 'Stopping', EXTEND_TIMEOUT_USEC: '215001000' })
  t.equal(await program.ended(), 0)
  t.equal(program.stderr(), '')
  t.strictSame(socket.waiting, [])
})

t.test('workers: their parent tells, also that it rolls', linux, async (t) => {
  const socket = await notifySocket(t)
  const program = start(t, `
    import * as workers from ${workersEntry}
    if (workers.number !== null) console.log(Object.keys(process.env).filter((name) => /^(NOTIFY|WATCHDOG)_/.test(name)).length)
    await workers.run(() => server.new({ port: 0, log_level: 'error', drain: 7 }, () => 'hello'), { count: 1 })`, { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '100000' })
  t.equal(await program.line(), '0', 'the workers do not report')
  t.match((await socket.next()).state, { READY: '1', STATUS: /^Listening on 127\.0\.0\.1:[1-9]\d*$/ })
  t.strictSame((await socket.any()).state, { WATCHDOG: '1' })
  program.child.kill('SIGHUP')
  t.match((await socket.next()).state, { RELOADING: '1', MONOTONIC_USEC: /^\d+$/ })
  t.match((await socket.next()).state, { READY: '1' })
  program.child.kill('SIGTERM')
  t.match((await socket.next()).state, { STOPPING: '1', EXTEND_TIMEOUT_USEC: '22000000' })
  t.equal(await program.ended(), 0)
  t.equal(program.stderr(), '')
})

t.test('the watchdog is fed while the event loop turns', linux, async (t) => {
  const socket = await notifySocket(t)
  const program = start(t, `
    import { existsSync, writeFileSync } from 'node:fs'
    process.on('SIGUSR2', () => {
      writeFileSync(folder + '/blocked', '')
      while (!existsSync(folder + '/go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    })${serving}`, { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '100000' })
  await program.line()
  await socket.next()
  for (let count = 0; count < 3; count++) t.strictSame((await socket.any()).state, { WATCHDOG: '1' })

  program.child.kill('SIGUSR2')
  await eventually(() => existsSync(join(program.folder, 'blocked')), 'it blocks')
  while (socket.waiting.length > 0) await socket.any()
  await new Promise((resolve) => setTimeout(resolve, 400))
  t.ok(socket.waiting.length <= 1, 'at most the message that was on its way')
  writeFileSync(join(program.folder, 'go'), '')
  while (socket.waiting.length > 0) await socket.any()
  t.strictSame((await socket.any()).state, { WATCHDOG: '1' })

  program.child.kill('SIGTERM')
  t.match((await socket.next()).state, { STOPPING: '1' })
  t.equal(await program.ended(), 0)
})

t.test('the watchdog of another process is not fed', linux, async (t) => {
  const socket = await notifySocket(t)
  const program = start(t, `${serving}
    `, { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' })
  await program.line()
  await socket.next()
  program.child.kill('SIGTERM')
  t.match((await socket.any()).state, { STOPPING: '1' })
  t.equal(await program.ended(), 0)
})

t.test('without a systemd that wants to be told, no program is started', async (t) => {
  const program = start(t, serving, { PATH: '/nowhere', NOTIFY_SOCKET: '' })
  await program.line()
  program.child.kill('SIGTERM')
  t.equal(await program.ended(), 0)
  t.equal(program.stderr(), '')
  t.equal(await reload(() => 'done'), 'done')
})

const failures: readonly [what: string, script: string | null, reason: RegExp][] = [
  ['is not there', null, /spawn systemd-notify ENOENT/],
  ['fails', 'echo "no such socket" >&2; exit 1', /no such socket/],
]

for (const [what, script, reason] of failures) {
  t.test(`a systemd-notify that ${what} is reported once, and the service goes on`, { skip: process.platform === 'win32' }, async (t) => {
    const bin = mkdtempSync(join(tmpdir(), 'leveret-'))
    t.teardown(() => rmSync(bin, { recursive: true }))
    if (script !== null) {
      writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\n${script}\n`)
      chmodSync(join(bin, 'systemd-notify'), 0o755)
    }
    const program = start(t, serving, { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '20000', PATH: bin })
    const [port] = (await program.line()).split(' ')
    await eventually(() => program.stderr() !== '', 'it is reported')
    t.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'hello')
    program.child.kill('SIGTERM')
    t.equal(await program.ended(), 0)
    t.match(program.stderr(), /^leveret: systemd could not be told READY=1 STATUS=Listening on 127.0.0.1:\d+: .*; more failures are not reported\n$/)
    t.match(program.stderr(), reason)
  })
}

t.test('what cannot be bound tells nothing; a reload that fails is told as over; many messages arrive in order', linux, async (t) => {
  const socket = await notifySocket(t)
  const program = start(t, `
    await systemd.serve(server.new({ listen: [{ fd: 99 }], log_level: 'error' }, () => 'x')).catch(({ code }) => console.log(code))
    await systemd.reload(async () => { throw new Error('bad') }).catch(({ message }) => console.log(message))
    for (let n = 0; n < 4; n++) void systemd.notify({ STATUS: 'a=b ' + n, ERRNO: n })`, { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '10000000' })
  t.equal(await program.line(), 'LEVERET_BIND')
  t.equal(await program.line(), 'bad')
  t.match((await socket.any()).state, { RELOADING: '1' })
  t.strictSame((await socket.any()).state, { READY: '1' })
  for (let n = 0; n < 4; n++) t.strictSame((await socket.any()).state, { STATUS: `a=b ${n}`, ERRNO: String(n) })
  t.equal(await program.ended(), 0)
})

t.test('wrong arguments', async (t) => {
  for (const [state, argument] of [[{ STATUS: 'a\nREADY=1' }, 'STATUS'], [{ 'A=B': 1 }, 'A=B'], [{ '--help': '' }, '--help'], [{ A: NaN }, 'A'], [{ A: null }, 'A'], [{ A: 1n }, 'A'], [null, 'state'], ['READY=1', 'state'], [{}, 'state']] as const) {
    t.throws(() => notify(state as never), { code: 'LEVERET_ARGUMENT', argument })
  }
  t.throws(() => notify({ A: NaN }), { message: 'A must be a number, or text of one line; got NaN' })
  await t.rejects(reload(1 as never), { code: 'LEVERET_ARGUMENT', argument: 'work' })
  t.type(serve, 'function')
})
