import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { defaults } from '../../../lib/config/settings.js'
import { ServerLog } from '../../../lib/log/logger.js'
import { terminalSink } from '../../../lib/log/terminal.js'

function written(use: (log: ServerLog['logger']) => void): string {
  let text = ''
  use(new ServerLog({ ...defaults, log_level: 'debug' }, terminalSink({ write: (lines) => { text += lines } })).logger)
  return text
}

const access = { vhost: 'a.test', client_ip: '10.0.0.1', method: 'GET', query: '/x', status: 200, size: 12, time: 0.00123, referer: 'http://b.test/' }

t.test('a line a person can read', async (t) => {
  t.match(written((log) => log.access(access)), /^\d\d:\d\d:\d\d {2}200 {2}GET a\.test\/x {2}12 B 1\.2 ms {2}10\.0\.0\.1 {2}referer="http:\/\/b\.test\/"\n$/)
  t.match(written((log) => log.info('Started')), /^\d\d:\d\d:\d\d {2}info {2}Started\n$/)
  t.match(written((log) => log.child({ a: 1 }).warn({ b: 'x y' }, 'told')), /^[\d:]+ {2}warn {2}told {2}a=1 b="x y"\n$/)
  t.match(written((log) => log.error({ err: new Error('broken'), query: '/q' }, 'it failed')),
    /^[\d:]+ {2}error {2}it failed {2}query="\/q"\n {2}Error: broken\n {6}at /)
})

t.test('nothing a client sends can drive the terminal or forge a line', async (t) => {
  const hostile = 'x\x1b[2J\n12:00:00  200  GET\x9b\u202e'
  for (const field of ['vhost', 'query', 'method', 'referer']) {
    const text = written((log) => log.access({ ...access, [field]: hostile }))
    t.equal(text.indexOf('\n'), text.length - 1)
    t.notMatch(text.slice(0, -1), /[^\x20-\x7e]/)
  }
  const stack = written((log) => log.error(new Error(hostile)))
  t.notMatch(stack, /[^\n\x20-\x7e]/)
  for (const line of stack.trimEnd().split('\n').slice(1)) t.match(line, /^ {2}/)
})

t.test('a server logs so on a terminal, and JSON elsewhere', { skip: process.platform !== 'linux' }, async (t) => {
  const entry = JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))
  const file = `${t.testdir({
    'serve.mjs': `import * as server from ${entry}
      const one = server.new({ port: 0 }, () => 'x')
      const done = one.serve()
      await one.listening
      await one.stop()
      await done`,
  })}/serve.mjs`
  const line = `'${process.execPath}' '${file}'`
  const terminal = spawnSync('script', ['-qec', line, '/dev/null'], { encoding: 'utf8' })
  t.match(terminal.stdout, /^\d\d:\d\d:\d\d {2}info {2}Started, listening on http:\/\/127\.0\.0\.1:\d+\r?\n$/, terminal.stderr)
  const piped = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
  t.match(JSON.parse(piped.stdout), { level: 'info', msg: /^Started, listening on http:\/\/127\.0\.0\.1:\d+$/ })
})
