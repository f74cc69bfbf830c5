import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { Running } from '../../support/workers-program.js'
import { Certificates } from '../../tls/certificates.js'
import { sClient } from '../../tls/s-client.js'

const made = new Certificates()
t.teardown(() => made.remove())
const certificate = made.issue({ names: ['localhost'] })
const versions = ['-tls1_2', '-tls1_3']

/** Responds with the number of the worker, and whether the session was resumed, to the request `GET /`. */
const program = (ssl: object): string => `
  await workers.run(() => server.new({ port: 0, ssl: ${JSON.stringify(ssl)}, log_level: 'info' }, (method, path, args, headers, body, ctx) =>
    'worker ' + workers.number + ' resumed ' + ctx.tls.resumed), { count: 2 })`

async function ask(port: number, args: readonly string[]): Promise<{ worker: string; resumed: boolean }> {
  const { output } = await sClient(port, [...args, '-ign_eof'], ['GET / HTTP/1.0\r\n\r'])
  const [, worker = '', resumed = ''] = /worker (\d) resumed (true|false)/.exec(output) ?? []
  if (worker === '') throw new Error(output.slice(-500))
  return { worker, resumed: resumed === 'true' }
}

async function start(t: Test, ssl: object): Promise<{ running: Running; port: number }> {
  const running = new Running(t, program(ssl))
  const port = Number(new URL(await running.url()).port)
  await running.workers(2)
  return { running, port }
}

t.test('a session is resumed by every worker, also after a roll', async (t) => {
  const { running, port } = await start(t, { default: certificate })
  const begun = await Promise.all(versions.map(async (version) => {
    const session = made.path(`session${version}`)
    t.equal((await ask(port, [version, '-sess_out', session])).resumed, false)
    return { version, session }
  }))
  const everyWorker = async (): Promise<void> => {
    for (const { version, session } of begun) {
      const asked = new Set<string>()
      for (let tries = 0; tries < 100 && asked.size < 2; tries++) {
        const all = await Promise.all([1, 2, 3].map(() => ask(port, [version, '-sess_in', session])))
        for (const { worker, resumed } of all) {
          asked.add(worker)
          if (!resumed) t.fail(`not resumed by worker ${worker} over ${version}`)
        }
      }
      t.strictSame([...asked].sort(), ['1', '2'], version)
    }
  }
  await everyWorker()
  running.child.kill('SIGHUP')
  await running.line(/^Rolled/)
  await everyWorker()
})

t.test('two programs with one ticket_secret resume the sessions of each other; without one they do not', async (t) => {
  for (const [ssl, resumed] of [[{ default: certificate, ticket_secret: randomBytes(32).toString('base64') }, true], [{ default: certificate }, false]] as const) {
    const [first, second] = await Promise.all([start(t, ssl), start(t, ssl)])
    const session = made.path('shared')
    await ask(first.port, ['-tls1_3', '-sess_out', session])
    t.equal((await ask(second.port, ['-tls1_3', '-sess_in', session])).resumed, resumed)
    first.running.killGroup()
    second.running.killGroup()
  }
})
