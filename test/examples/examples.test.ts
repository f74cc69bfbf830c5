import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { built, curlLines, Program, shell } from './program.js'

/** The source of an example: the commands at its top are what a user types. */
function source(name: string): string {
  return readFileSync(built(`../examples/${name}.ts`), 'utf8')
}

function start(t: Test, name: string): Program {
  const program = new Program(built(`examples/${name}.js`), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  return program
}

t.jobs = 2

t.test('every example is short', async (t) => {
  for (const name of ['hello', 'many-hosts', 'cancellation', 'memory-test', 'loopback-driver-tests', 'static', 'workers']) {
    t.ok(source(name).split('\n').length <= 60, name)
  }
})

t.test('hello', { buffered: true }, async (t) => {
  const program = start(t, 'hello')
  const lines = curlLines(source('hello'))
  t.equal(lines.length, 1)
  t.match(await shell(await program.withPorts(lines[0] ?? ''), '.'), { code: 0, stdout: 'Hello from /world\n' })
  t.same(await program.stop(), { code: 0, signal: null })
})

t.test('static', { buffered: true }, async (t) => {
  const program = new Program(built('examples/static.js'), { cwd: t.testdir({ 'index.html': '<p>files</p>' }) })
  t.teardown(() => program.kill())
  const responses: string[] = []
  for (const line of curlLines(source('static'))) responses.push((await shell(await program.withPorts(line), '.')).stdout)
  t.strictSame(responses, ['<p>files</p>', '<p>fi'])
  t.same(await program.stop(), { code: 0, signal: null })
})

t.test('workers', { buffered: true }, async (t) => {
  // Its parent binds the port beside the code that would choose another one.
  const program = new Program(built('examples/workers.js'), { cwd: t.testdir(), env: { PORT: '0' }, anyPort: false })
  t.teardown(() => program.kill())
  const [, port = ''] = await program.printed(/listening on http:\/\/127\.0\.0\.1:(\d+)/)
  const [where = '', password = ''] = curlLines(source('workers')).map((line) => line.replace('8080', port))
  t.match((await shell(where, '.')).stdout, /^worker [12], process \d+\n$/)
  t.match((await shell(password, '.')).stdout, /^[0-9a-f]{64}\n$/)
  program.signal('SIGHUP')
  await program.printed(/Rolled: all workers are new/)
  t.match((await shell(where, '.')).stdout, /^worker [12]/)
  t.same(await program.stop(), { code: 0, signal: null })
})

t.test('many-hosts', { buffered: true }, async (t) => {
  const program = start(t, 'many-hosts')
  const responses: string[] = []
  for (const line of curlLines(source('many-hosts'))) {
    const { stdout, stderr } = await shell(await program.withPorts(line), t.testdirName)
    responses.push(stdout === '' ? stderr : stdout)
  }
  t.strictSame(responses, ['This is one.test\n', 'This is shop.two.test, one of many\n', 'This is the default host\n'])
  t.same(await program.stop('SIGTERM'), { code: 0, signal: null })
})

t.test('cancellation', { buffered: true }, async (t) => {
  const program = start(t, 'cancellation')
  const [both = '', late = '', leaving = '', ...rest] = curlLines(source('cancellation'))
  t.equal(rest.length, 0)
  t.match(await shell(await program.withPorts(both), '.'), { stdout: 'stock after 0.2 s, price after 0.5 s\n' })
  t.match(program.output, /^stock: done\nprice: done\n$/)
  program.output = ''
  t.match(await shell(await program.withPorts(late), '.'), { code: 0, stdout: 'an upstream took too long\n' })
  t.match(program.output, /^stock: done\nprice: cancelled\n$/)
  program.output = ''
  t.match(await shell(await program.withPorts(leaving), '.'), { code: 28 })
  await program.printed(/price: cancelled/)
  t.same(await program.stop(), { code: 0, signal: null })
})

t.test('memory-test', { buffered: true }, async (t) => {
  const program = start(t, 'memory-test')
  t.same(await program.ended, { code: 0, signal: null })
  t.match(program.output, /[#ℹ] pass 2\n[#ℹ] fail 0/)
})

t.test('loopback-driver-tests', { buffered: true }, async (t) => {
  const program = start(t, 'loopback-driver-tests')
  t.same(await program.ended, { code: 0, signal: null })
  t.match(program.output, /[#ℹ] pass [1-9]\d\n[#ℹ] fail 0/)
})
