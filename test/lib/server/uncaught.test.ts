import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { listen } from '../../support/listen.js'

const entry = JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))

t.test('an uncaught BindError is one line; a caught one, or one with a listener, is the program\'s', async (t) => {
  const taken = createServer()
  t.teardown(() => taken.close())
  const port = await listen(taken)
  const run = (code: string): { status: number | null; stdout: string; stderr: string } => {
    const program = `import * as server from ${entry}; const serve = () => server.new({ port: ${port} }, () => 'x').serve(); ${code}`
    return spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  }
  const line = `failed to bind 127.0.0.1:${port}: address already in use\n`
  for (const code of ['await serve()', 'serve()', 'await Promise.all([serve()])', 'const go = async () => { await serve() }; go()']) {
    t.match(run(code), { status: 1, stdout: '', stderr: line }, code)
    t.equal(run(code).stderr, line, code)
  }
  t.match(run('try { await serve() } catch (error) { console.log(error.code) }'), { status: 0, stdout: 'LEVERET_BIND\n', stderr: '' })
  t.match(run('process.on("uncaughtException", (error) => console.log(error.code)); serve()'), { status: 0, stdout: 'LEVERET_BIND\n' })
  const other = run('serve().catch(() => {}).then(() => { throw new TypeError("another") })')
  t.not(other.status, 0)
  t.match(other.stderr, /TypeError: another/)
})
