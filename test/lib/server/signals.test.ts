import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const entry = JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))

/** Two servers in one program; each `GET` takes `seconds`. */
function program(seconds: number): string {
  return `
    import * as server from ${entry}
    const handle = () => new Promise((resolve) => setTimeout(() => resolve('finished'), ${seconds * 1000}))
    const settings = { port: 0, log_level: 'error', handle_signals: true }
    const servers = [server.new(settings, handle), server.new(settings, handle)]
    const done = servers.map((one) => one.serve())
    await servers[1].listening
    console.log((await servers[0].listening).port)
    await Promise.all(done)
    console.log('stopped')
  `
}

async function start(t: Test, seconds: number): Promise<{ child: ChildProcess; text: Promise<string> }> {
  const args = ['--input-type=module', '-e', program(seconds)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [port] = child.stdout === null ? [''] : await once(child.stdout, 'data') as [Buffer]
  const text = fetch(`http://127.0.0.1:${String(port).trim()}/`).then((response) => response.text(), () => 'lost')
  await delay(100)
  return { child, text }
}

t.test('a signal that comes twice at once is one: npm passes on the Ctrl-C that its child had already', async (t) => {
  const { child, text } = await start(t, 0.4)
  child.kill('SIGINT')
  await delay(20)
  child.kill('SIGINT')
  t.equal(await text, 'finished')
  t.strictSame(await once(child, 'close'), [0, null])
})

const unshare = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc']
const namespaces = { skip: spawnSync('unshare', [...unshare, 'true']).status === 0 ? false : 'there are no namespaces' }

t.test('a second one ends process 1 of a container, also if a library listens', namespaces, async (t) => {
  const text = `
    import * as server from ${entry}
    process.on('SIGTERM', () => {})
    const service = server.new({ port: 0, log_level: 'error', handle_signals: true }, () => {
      setInterval(() => process.kill(process.pid, 'SIGTERM'), 200)
      return new Promise(() => {})
    })
    service.listening.then(({ port }) => console.log(port))
    await service.serve()`
  const child = spawn('unshare', [...unshare, process.execPath, '--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [port] = child.stdout === null ? [''] : await once(child.stdout, 'data') as [Buffer]
  fetch(`http://127.0.0.1:${String(port).trim()}/`).catch(() => {})
  t.strictSame(await once(child, 'close'), [143, null])
})

t.test('a second one ends the program', async (t) => {
  const { child, text } = await start(t, 60)
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  // However slow the machine is: one of them comes late enough to be another one.
  const insisting = setInterval(() => child.kill('SIGINT'), 200)
  t.strictSame(await closed, [null, 'SIGINT'])
  clearInterval(insisting)
  t.equal(await text, 'lost')
})
