import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { listen } from '../../support/listen.js'
import { imports, Running } from '../../support/workers-program.js'

// Real processes: the parent, its workers, and what they share.

const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
t.teardown(() => rmSync(folder, { recursive: true }))
t.jobs = 2

const service = 'server.new({ port: 0, log_level: "info" }, () => `${process.pid} ${workers.number}`)'

async function get(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: 'close' } })
  return await response.text()
}

/** By a Unix socket. */
async function getBy(socketPath: string): Promise<string> {
  const asked = request({ socketPath, path: '/', agent: false }).end()
  const [response] = await once(asked, 'response') as [AsyncIterable<Buffer>]
  let text = ''
  for await (const bytes of response) text += bytes.toString()
  return text
}

t.test('a request that comes before there is a worker is served; a roll replaces all; a signal ends all, and the program goes on', async (t) => {
  const running = new Running(t, `
    await workers.run(() => ${service}, { count: 2 })
    console.log('over', workers.number)`)
  const url = await running.url()
  const [pid, number] = (await get(url)).split(' ')
  t.match(number, /^[12]$/)
  t.ok((await running.workers(2)).includes(Number(pid)))
  running.child.kill('SIGHUP')
  await running.line(/^Rolled/)
  const after = Number((await get(url)).split(' ')[0])
  t.equal(running.pids.length, 4)
  t.ok(running.pids.slice(2).includes(after), 'a new one')
  running.child.kill('SIGTERM')
  t.strictSame(await running.ended, [0, null])
  const over = running.lines.filter(({ msg }) => msg.startsWith('over')).map(({ msg }) => msg)
  t.strictSame(over.sort(), ['over 1', 'over 1', 'over 2', 'over 2', 'over null'])
  t.equal(running.stderr, '')
})

t.test('a program that cannot start ends with its own error and code, once', async (t) => {
  const running = new Running(t, `
    if (workers.number !== null) {
      console.error('no database')
      process.exit(7)
    }
    await workers.run(() => ${service}, { count: 3 })`)
  t.strictSame(await running.ended, [7, null])
  t.equal(running.stderr.trim(), 'no database\nthe program did not start: its first worker ended before it was ready: exit code 7')
})

t.test('a mistake in the settings, or an address in use, ends it before there is a worker', async (t) => {
  const wrong = new Running(t, 'await workers.run(() => server.new({ port: -1 }, () => ""))')
  t.strictSame(await wrong.ended, [1, null])
  t.match(wrong.stderr, /^port must be an integer from 0 to 65535, got -1\n/)
  const first = new Running(t, `await workers.run(() => ${service}, { count: 1 })`)
  const port = new URL(await first.url()).port
  const second = new Running(t, `await workers.run(() => server.new({ port: ${port} }, () => ""), { count: 1 })`)
  t.strictSame(await second.ended, [1, null])
  t.match(second.stderr, new RegExp(`^failed to bind 127.0.0.1:${port}: address already in use`))
})

t.test('workers whose parent was killed end', async (t) => {
  const running = new Running(t, `await workers.run(() => ${service}, { count: 2 })`)
  await running.url()
  await running.workers(2)
  running.child.kill('SIGKILL')
  // All have its stdout: it closes when the last of them has ended.
  t.strictSame(await running.ended, [null, 'SIGKILL'])
})

t.test('a program that cannot be started again says so', async (t) => {
  const input = `${imports}await workers.run(() => ${service}, { count: 1 })`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module'], { input, encoding: 'utf8' })
  t.equal(status, 1)
  t.equal(stderr.trim(), 'workers run the same program: it must be a file, not stdin')
})

t.test('workers that end are started again: killed, or told to stop', async (t) => {
  const running = new Running(t, `await workers.run(() => ${service}, { count: 1 })`)
  const url = await running.url()
  const [first = 0] = await running.workers(1)
  process.kill(first, 'SIGKILL')
  const [, second = 0] = await running.workers(2)
  t.match(await running.line(/^Worker ended/), { worker: 1, pid: first, level: 'error', msg: 'Worker ended: SIGKILL' })
  t.equal(await get(url), `${second} 1`)
  process.kill(second, 'SIGTERM')
  const [, , third = 0] = await running.workers(3)
  await running.line(/^Worker ended: exit code 0/)
  t.equal(await get(url), `${third} 1`)
})

t.test('a worker that is replaced says that the service is ready, one that stops with all others that it is not', async (t) => {
  const running = new Running(t, `
    const service = server.new({ port: 0, log_level: 'info' }, async () => {
      console.log('begun')
      await service.stopping
      return service.ready ? 'ready' : 'stopping'
    })
    await workers.run(() => service, { count: 1 })`)
  const url = await running.url()
  for (const [signal, expected] of [['SIGHUP', 'ready'], ['SIGTERM', 'stopping']] as const) {
    const seen = running.lines.length
    const response = get(url)
    await running.line(/^begun/, seen)
    running.child.kill(signal)
    t.equal(await response, expected, signal)
    if (signal === 'SIGHUP') await running.line(/^Rolled/)
  }
  t.strictSame(await running.ended, [0, null])
})

t.test('Ctrl-C reaches all processes: what is in flight is finished, and the program ends well', async (t) => {
  const running = new Running(t, `
    await workers.run(() => server.new({ port: 0, log_level: 'info' }, async () => {
      console.log('begun')
      await new Promise((resolve) => setTimeout(resolve, 400))
      return 'finished'
    }), { count: 2 })`)
  const url = await running.url()
  await running.workers(2)
  const text = get(url)
  await running.line(/^begun/)
  process.kill(-(running.child.pid ?? 0), 'SIGINT')
  t.equal(await text, 'finished')
  t.strictSame(await running.ended, [0, null])
  t.equal(running.stderr, '')
})

t.test('a second signal ends all at once', async (t) => {
  const running = new Running(t, `
    await workers.run(() => server.new({ port: 0, log_level: 'info' }, () => {
      console.log('begun')
      return new Promise(() => {})
    }), { count: 2 })`)
  const url = await running.url()
  await running.workers(2)
  const text = get(url).catch(() => 'lost')
  await running.line(/^begun/)
  running.child.kill('SIGTERM')
  // However slow the machine is: one of them comes late enough to be another one.
  const insisting = setInterval(() => running.child.kill('SIGINT'), 200)
  const [code, signal] = await running.ended
  // A library that listens for signals leaves the end to the program.
  t.ok(signal === 'SIGINT' || code === 130, `and the workers, which have its stdout: ${signal ?? code}`)
  clearInterval(insisting)
  t.equal(await text, 'lost')
})

t.test('a roll is given up when the check of the new worker fails; the old one serves on', async (t) => {
  const flag = join(folder, 'flag')
  const running = new Running(t, `
    import { existsSync } from 'node:fs'
    import { sleep } from ${JSON.stringify(new URL('../../../lev/index.js', import.meta.url).href)}
    const ready = function* (served) {
      yield* sleep(0.01)
      if (existsSync(${JSON.stringify(flag)})) throw new Error('no database at ' + served.addresses[0].ip)
    }
    await workers.run(() => ${service}, { count: 1, ready })`)
  const url = await running.url()
  const [pid] = await running.workers(1)
  writeFileSync(flag, '')
  running.child.kill('SIGHUP')
  const { msg, level } = await running.line(/^The workers were not replaced/)
  t.match(msg, /the old ones stay: the new worker 1 \(process \d+\) ended before it was ready: exit code 1$/)
  t.equal(level, 'error')
  t.match(running.stderr, /Error: no database at 127\.0\.0\.1/)
  t.equal(await get(url), `${pid} 1`)
})

t.test('roll and stop, from a handler', async (t) => {
  const running = new Running(t, `
    await workers.run(() => server.new({ port: 0, log_level: 'info' }, (method, path) => {
      if (path === '/roll') workers.roll()
      if (path === '/stop') workers.stop({ drain: 5 })
      return path
    }), { count: 1 })`)
  const url = await running.url()
  t.equal(await get(`${url}/roll`), '/roll')
  await running.line(/^Rolled/)
  t.equal(await get(`${url}/stop`), '/stop')
  t.strictSame(await running.ended, [0, null])
})

t.test('Unix sockets, names of hosts, inherited descriptors, each as its setting says', async (t) => {
  const [path, stale] = [join(folder, 'app.sock'), join(folder, 'stale.sock')]
  // What a server leaves that was killed.
  const left = new Running(t, `server.new({ listen: [{ path: ${JSON.stringify(stale)} }], log_level: 'info' }, () => '').serve()`)
  await left.line(/^Started/)
  left.killGroup()
  await left.ended
  const tcp = net.createServer()
  const port = await listen(tcp)
  const { fd } = Reflect.get(tcp, '_handle') as { fd: number }
  const running = new Running(t, `
    const listen = [{ path: ${JSON.stringify(path)}, mode: 0o620 }, { path: ${JSON.stringify(stale)} }, { port: 0, ip: 'localhost', redirect: 4430 }, { fd: 3 }]
    const handle = () => JSON.stringify(served.addresses)
    const served = server.new({ listen, log_level: 'info' }, handle)
    await workers.run(() => served, { count: 1 })`, fd)
  tcp.close()
  const urls = await running.urls()
  t.strictSame(urls.slice(0, 2), [`unix:${path}`, `unix:${stale}`])
  t.equal(urls[3], `http://127.0.0.1:${port}`)
  t.equal(statSync(path).mode & 0o777, 0o620)
  const text = await getBy(path)
  t.match(JSON.parse(text), [{ path }, { path: stale }, { port: Number(new URL(urls[2] ?? '').port) }, { port }], 'workers know the addresses')
  t.equal(await getBy(stale), text)
  t.equal(await get(urls[3] ?? ''), text)
  const redirected = await fetch(urls[2] ?? '', { redirect: 'manual' })
  t.match(redirected.headers.get('location'), /^https:\/\/localhost:4430|^https:\/\/127|^https:\/\/\[::1\]:4430/)
  running.child.kill('SIGHUP')
  await running.line(/^Rolled/)
  t.equal(await getBy(path), text, 'the file is still there')
  running.child.kill('SIGTERM')
  t.strictSame(await running.ended, [0, null])
  t.notOk(existsSync(path))
  t.notOk(existsSync(stale))
  t.equal(running.stderr, '')
})

t.test('node --watch restarts the whole program', async (t) => {
  const file = join(folder, 'watched.mjs')
  const write = (version: string): void => writeFileSync(file, `${imports}
    await workers.run(() => server.new({ port: 0, log_level: 'info', drain: 3600 }, () => '${version} ' + process.env.WATCH_REPORT_DEPENDENCIES), { count: 1 })`)
  write('one')
  const running = new Running(t, '', null, ['--watch', file])
  const url = await running.url()
  t.equal(await get(url), 'one undefined', 'a worker does not report to the watcher')
  await running.workers(1)
  const before = running.lines.length
  write('two')
  const { msg } = await running.line(/^Started, listening/, before)
  t.equal(await get(/http:\S+/.exec(msg)?.[0] ?? ''), 'two undefined')
  running.child.kill('SIGTERM')
  await running.ended
})
