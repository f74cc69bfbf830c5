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
  t.match(run('serve().catch(() => {}).then(() => { throw new TypeError("another") })'), { status: 1, stderr: /^file:[^]*TypeError: another/ })
})

t.test('so are a wrong setting and a missing certificate, with their place in the program', async (t) => {
  const run = (code: string): { status: number | null; stdout: string; stderr: string } => {
    const cwd = t.testdir({ 'app.mjs': `import * as server from ${entry}\n${code}` })
    return spawnSync(process.execPath, ['app.mjs'], { cwd, encoding: 'utf8' })
  }
  const wrong = "server.new({ port: '80' }, () => 'x')"
  const message = 'port must be an integer from 0 to 65535, got "80" (did you mean the number 80?)'
  // The column depends on the version of V8.
  const told = (code: string, place: string): void => {
    const { status, stdout, stderr } = run(code)
    t.strictSame([status, stdout, stderr.replace(/:\d+(\)?\n)$/, '$1')], [1, '', `${message}\n    at ${place}\n`], code)
  }
  told(wrong, 'app.mjs:2')
  told(`const start = () => ${wrong}\nstart()`, 'start (app.mjs:2)')
  told(`const go = async () => ${wrong}\nawait go()`, 'go (app.mjs:2)')
  told(`try { server.new({ ip: 1 }, () => 'x') } catch {}\n${wrong}`, 'app.mjs:3')
  told(`await new Promise((resolve) => setTimeout(resolve, 1))\n${wrong}`, 'app.mjs:3')
  const missing = run("server.new({ ssl: { default: { cert: '/nowhere.pem', key: '/nowhere.key' } } }, () => 'x')")
  t.match(missing, { status: 1, stderr: /^[^\n]*\/nowhere\.pem[^\n]*\n {4}at app\.mjs:2:\d+\n$/ })
  t.match(run(`try { ${wrong} } catch (error) { console.log(error.code) }`), { status: 0, stdout: 'LEVERET_CONFIG\n', stderr: '' })
  t.match(run(`process.on('uncaughtException', (error) => console.log(error.code))\n${wrong}`), { status: 0, stdout: 'LEVERET_CONFIG\n', stderr: '' })
  t.match(run(`try { ${wrong} } catch { throw new TypeError('another') }`), { status: 1, stderr: /^file:.*app\.mjs:2\n[^]*TypeError: another/ })
  const worker = run(`import { isMainThread, Worker } from 'node:worker_threads'
    if (isMainThread) new Worker(new URL(import.meta.url)).on('error', (error) => console.log(error.code))
    else ${wrong}`)
  t.match(worker, { status: 0, stdout: 'LEVERET_CONFIG\n', stderr: '' })
})
