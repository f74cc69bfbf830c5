import { spawnSync } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { defaults } from '../../../lib/config/settings.js'
import { ServerLog } from '../../../lib/log/logger.js'

function written(use: (log: ServerLog['logger']) => void, hasColors = false): string {
  let text = ''
  use(new ServerLog({ ...defaults, log_level: 'debug' }, { write: (lines) => { text += lines } }, { isTerminal: true, hasColors }).logger)
  return text
}

/** The error with this stack in place of its own. */
function withStack<E extends Error>(error: E, ...frames: string[]): E {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join('\n')
  return error
}

/** The lines about an error, without the first. */
function shownError(error: unknown, hasColors?: boolean): string[] {
  return written((log) => log.error({ err: error }, 'it failed'), hasColors).trimEnd().split('\n').slice(1)
}

const lib = new URL('../../../lib/', import.meta.url)
const ours = [
  `respond (${lib.href}request/respond.js:1:2)`,
  `step (${fileURLToPath(new URL('../lev/core/task.js', lib))}:3:4)`,
  // As a source map names it.
  `call (${new URL('../../lib/request/respond.ts', lib).href}:5:6)`,
  'Generator.next (<anonymous>)',
  'node:internal/process/task_queues:95:5',
  'async node:internal/main:1:2',
  'process.run (node:internal/process:1:2)',
]

const access = { vhost: 'a.test', client_ip: '10.0.0.1', method: 'GET', query: '/x', status: 200, size: 12, time: 0.00123, referer: 'http://b.test/' }

t.test('a line a person can read', async (t) => {
  t.match(written((log) => log.access(access)), /^\d\d:\d\d:\d\d {2}200 {2}GET a\.test\/x {2}12 B 1\.2 ms {2}10\.0\.0\.1 {2}referer="http:\/\/b\.test\/"\n$/)
  t.match(written((log) => log.info('Started')), /^\d\d:\d\d:\d\d {2}info {2}Started\n$/)
  t.match(written((log) => log.child({ a: 1 }).warn({ b: 'x y' }, 'told')), /^[\d:]+ {2}warn {2}told {2}a=1 b="x y"\n$/)
  t.match(written((log) => log.error({ err: new Error('broken'), query: '/q' }, 'it failed')),
    /^[\d:]+ {2}error {2}it failed {2}query="\/q"\n {2}Error: broken\n {6}at /)
  t.match(written((log) => log.error({ method: 'GET', query: '/q', a: 1 }, 'it failed')), /^[\d:]+ {2}error {2}it failed {2}GET \/q {2}a=1\n$/)
})

t.test('a stack has the frames of the program, and short paths', async (t) => {
  const app = `${process.cwd()}/app.mjs`
  const frames = [`load (${app}:1:2)`, `async ${pathToFileURL(app).href}:3:4`, 'all (/elsewhere/node_modules/db/index.js:5:6)']
  const own = ['      at load (app.mjs:1:2)', '      at async app.mjs:3:4', '      at all (/elsewhere/node_modules/db/index.js:5:6)']
  const error = withStack(new Error('broken\nin two'), frames[0] ?? '', ...ours, ...frames.slice(1), ...ours)
  t.strictSame(shownError(error), ['  Error: broken', '  in two', ...own])
  t.equal(shownError(withStack(new Error('inside'), ...ours)).length, 1 + ours.length, 'a fault of the server itself keeps all')
  t.strictSame(shownError('text'), ['  "text"'])
})

t.test('causes, members and gathered errors follow', async (t) => {
  const shared = ['save (/app/db.mjs:1:1)', 'handle (/app/app.mjs:2:2)']
  const cause = Object.assign(withStack(new TypeError('low'), 'connect (/app/db.mjs:9:9)', ...shared), { code: 'ECONNREFUSED' })
  const error = Object.assign(withStack(new Error('high', { cause }), ...shared, ...ours), { code: 'BUSY', table: { name: 'todos' } })
  t.strictSame(shownError(error), [
    '  Error: high',
    '      code="BUSY" table={"name":"todos"}',
    '      at save (/app/db.mjs:1:1)',
    '      at handle (/app/app.mjs:2:2)',
    '  caused by: TypeError: low',
    '      at connect (/app/db.mjs:9:9)',
  ])
  const same = withStack(new Error('outer', { cause: withStack(new Error('inner'), ...shared) }), ...shared)
  t.strictSame(shownError(same).slice(3), ['  caused by: Error: inner', '      at save (/app/db.mjs:1:1)'], 'a cause has at least its first frame')
  const several = withStack(new AggregateError([cause, 'text'], 'several'), ...shared)
  several.errors[0] = withStack(new Error('one'), 'first (/app/a.mjs:1:1)')
  t.strictSame(shownError(several), [
    '  AggregateError: several',
    '      at save (/app/db.mjs:1:1)',
    '      at handle (/app/app.mjs:2:2)',
    '    - Error: one',
    '          at first (/app/a.mjs:1:1)',
    '    - "text"',
  ])
})

t.test('colors', async (t) => {
  const text = written((log) => {
    log.access(access)
    log.access({ ...access, status: 404 })
    log.access({ ...access, status: 503 })
    log.warn('careful')
  }, true)
  t.strictSame([...text.matchAll(/\x1b\[3(\d)m(\w+)\x1b\[0m/g)].map(([, color, word]) => `${color} ${word}`), ['2 200', '3 404', '1 503', '3 warn'])
  const [head, own, installed] = shownError(withStack(new Error('\x1b[2J'), 'a (/app/a.mjs:1:1)', 'b (/app/node_modules/b.mjs:1:1)'), true)
  t.strictSame([head, own], ['  Error: \\u001b[2J', '      at a (/app/a.mjs:1:1)'])
  t.equal(installed, '  \x1b[2m    at b (/app/node_modules/b.mjs:1:1)\x1b[0m')
})

t.test('log_format decides, also while the server runs', async (t) => {
  const lines: string[] = []
  const sink = { write: (line: string) => lines.push(line) }
  const shows = (isTerminal: boolean): boolean[] => {
    const log = new ServerLog(defaults, sink, { isTerminal, hasColors: false })
    for (const log_format of ['auto', 'json', 'text', 'auto'] as const) {
      log.configure({ ...defaults, log_format })
      log.logger.info('told')
    }
    return lines.splice(0).map((line) => line.startsWith('{'))
  }
  t.strictSame(shows(true), [false, true, false, false])
  t.strictSame(shows(false), [true, true, false, true])
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
  const line = `NO_COLOR=1 '${process.execPath}' '${file}'`
  const terminal = spawnSync('script', ['-qec', line, '/dev/null'], { encoding: 'utf8' })
  t.match(terminal.stdout, /^\d\d:\d\d:\d\d {2}info {2}Started, listening on http:\/\/127\.0\.0\.1:\d+\r?\n$/, terminal.stderr)
  const colored = spawnSync('script', ['-qec', line.replace('NO_COLOR', 'FORCE_COLOR'), '/dev/null'], { encoding: 'utf8' })
  t.match(colored.stdout, '\x1b[36minfo\x1b[0m  Started')
  const piped = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
  t.match(JSON.parse(piped.stdout), { level: 'info', msg: /^Started, listening on http:\/\/127\.0\.0\.1:\d+$/ })
})
