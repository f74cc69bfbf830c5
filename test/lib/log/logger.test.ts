import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { pino } from 'pino'
import t from 'tap'
import { defaults } from '../../../lib/config/settings.js'
import { ServerLog } from '../../../lib/log/logger.js'

function keep(): { lines: string[]; write(line: string): void } {
  const lines: string[] = []
  return { lines, write: (line) => lines.push(line) }
}

t.test('levels, names and shape of a line', async (t) => {
  const sink = keep()
  const { logger } = new ServerLog({ ...defaults, log_level: 'debug' }, sink)
  logger.debug('a')
  logger.access({ b: 1 })
  logger.info('c %s %d')
  logger.warn({ d: 1 }, 'e')
  logger.error(new Error('f'), 'g')
  logger.child({ h: 1 }).error({ i: 2 })
  const parsed = sink.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.strictSame(parsed.map((line) => line.level), ['debug', 'access', 'info', 'warn', 'error', 'error'])
  for (const line of parsed) t.match(line.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.match(parsed, [{ msg: 'a' }, { b: 1 }, { msg: 'c %s %d' }, { d: 1, msg: 'e' },
    { err: { type: 'Error', message: 'f', stack: /logger\.test/ }, msg: 'g' }, { h: 1, i: 2 }])
})

t.test('each level hides what is below it', async (t) => {
  const names = ['debug', 'access', 'info', 'warn', 'error'] as const
  const sink = keep()
  const log = new ServerLog(defaults, sink)
  for (const [at, level] of names.entries()) {
    log.configure({ ...defaults, log_level: level })
    sink.lines.length = 0
    for (const name of names) log.logger[name](name)
    t.strictSame(sink.lines.map((line) => (JSON.parse(line) as { msg: string }).msg), names.slice(at))
    for (const [index, name] of names.entries()) t.equal(log.logger.isLevelEnabled(name), index >= at)
  }
})

t.test('tags stand in every line, of the own logger and of a user\'s; levels change as before', async (t) => {
  const sink = keep()
  const log = new ServerLog({ ...defaults, log_level: 'info' }, sink)
  log.logger.info('before')
  log.tag({ worker: 2 })
  log.logger.info('own')
  log.logger.child({ b: 1 }).warn({ c: 1 }, 'child')
  log.logger.access('hidden')
  log.configure({ ...defaults, log_level: 'access' })
  log.logger.access({ d: 1 })
  const lines: string[] = []
  const theirs = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  log.configure({ ...defaults, logger: theirs })
  log.logger.info('theirs')
  log.configure(defaults)
  log.logger.info('own again')
  const shown = [...sink.lines, ...lines].map((line) => {
    const { worker, msg } = JSON.parse(line) as { worker?: number; msg?: string }
    return `${worker} ${msg}`
  })
  t.strictSame(shown, ['undefined before', '2 own', '2 child', '2 undefined', '2 own again', '2 theirs'])
  const given = keep()
  const other = new ServerLog({ ...defaults, logger: pino({ base: null }, { write: given.write }) })
  other.tag({ worker: 3 })
  other.logger.info('a')
  t.match(JSON.parse(given.lines[0] ?? ''), { worker: 3, msg: 'a' })
})

t.test("a user's pino: used through its info, or its access level if it has one; its level stays", async (t) => {
  const lines: string[] = []
  const sink = { write: (line: string) => { lines.push(line) } }
  const plain = pino({ level: 'warn' }, sink)
  const log = new ServerLog({ log_level: 'debug', log_format: 'json', logger: plain }, keep())
  log.logger.access({ x: 1 })
  t.notOk(log.logger.isLevelEnabled('access'))
  t.strictSame(lines, [])
  t.equal(plain.level, 'warn')
  log.configure({ log_level: 'error', log_format: 'json', logger: plain })
  t.equal(plain.level, 'warn')
  plain.level = 'info'
  t.ok(log.logger.isLevelEnabled('access'), 'its level is followed')
  log.logger.access({ x: 1 })
  log.logger.warn({ y: 1 }, 'text')
  log.logger.child({ z: 1 }).error('child')
  t.match(lines.map((line) => JSON.parse(line) as unknown), [
    { level: 30, x: 1 }, { level: 40, y: 1, msg: 'text' }, { level: 50, z: 1, msg: 'child' },
  ])
  const custom = pino({ level: 'access', customLevels: { access: 25 } }, sink)
  lines.length = 0
  log.configure({ log_level: 'error', log_format: 'json', logger: custom })
  log.logger.access({ x: 2 })
  t.match(lines.map((line) => JSON.parse(line) as unknown), [{ level: 25, x: 2 }])
})

t.test('back to the own logger, with the level of the settings', async (t) => {
  const sink = keep()
  const log = new ServerLog({ log_level: 'error', log_format: 'json', logger: pino({ level: 'silent' }) }, sink)
  log.logger.error('hidden')
  log.configure({ log_level: 'warn', log_format: 'json', logger: null })
  log.logger.info('hidden')
  log.logger.warn('shown')
  t.match(sink.lines.map((line) => JSON.parse(line) as unknown), [{ msg: 'shown' }])
})

t.test('a logger with nothing but four methods', async (t) => {
  class Small {
    readonly #kept: unknown[] = []
    get kept(): unknown[] { return this.#kept }
    debug(...given: unknown[]): void { this.#kept.push(['debug', ...given]) }
    info(...given: unknown[]): void { this.#kept.push(['info', ...given]) }
    warn(...given: unknown[]): void { this.#kept.push(['warn', ...given]) }
    error(...given: unknown[]): void { this.#kept.push(['error', ...given]) }
  }
  const small = new Small()
  const { logger } = new ServerLog({ ...defaults, logger: small }, keep())
  const error = new Error('e')
  t.ok(logger.isLevelEnabled('access'))
  logger.access({ time: 1 })
  logger.child({ a: 1 }).child({ b: 2 }).warn({ c: 3 }, 'text')
  logger.child({ a: 1 }).error(error)
  logger.child({ a: 1 }).info('text')
  t.strictSame(small.kept, [
    ['info', { time: 1 }],
    ['warn', { a: 1, b: 2, c: 3 }, 'text'],
    ['error', { a: 1, err: error }],
    ['info', { a: 1 }, 'text'],
  ])
})

/** Runs `program` in a process of its own, with `logger` and `say` (to the parent, on stderr) in scope. */
function run(program: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const source = `
    import { writeSync } from 'node:fs'
    const { ServerLog } = await import(${JSON.stringify(new URL('../../../lib/log/logger.js', import.meta.url).href)})
    const log = new ServerLog({ log_level: 'debug', log_format: 'json', logger: null })
    const { logger } = log
    const say = (text) => writeSync(2, text + '\\n')
    ${program}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] })
  return child as ChildProcess & { stdout: NodeJS.ReadableStream }
}

async function heard(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

interface Line { readonly n?: number; readonly msg?: string }

function linesOf(output: string): Line[] {
  return output.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Line)
}

const count = 3000
const logAll = `for (let n = 0; n < ${count}; n++) logger.info({ n, filler: 'x'.repeat(200) });`
const numbers = Array.from({ length: count }, (_, n) => n)

t.test('nothing is lost at the end of the process, whatever ends it', async (t) => {
  for (const [end, code, signal] of [
    ['', 0, null],
    ['process.exit(3)', 3, null],
    ['throw new Error("crash")', 1, null],
    // The system may take its time to deliver the signal: the program must still be there then.
    ['setImmediate(() => process.kill(process.pid, "SIGTERM")); setInterval(() => {}, 1000)', null, 'SIGTERM'],
    ['process.once("SIGTERM", () => { logger.info({ n: -1 }); process.exit(0) }); ' +
      'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)', 0, null],
  ] as const) {
    // More than a pipe holds would wait for its reader, and a signal that kills does not.
    const few = code === null ? logAll.replace(String(count), '100') : logAll
    const child = run(few + end)
    child.stderr?.resume()
    const [output, ended] = await Promise.all([heard(child.stdout), once(child, 'exit')])
    t.strictSame(ended, [code, signal])
    const got = linesOf(output).map((line) => line.n).filter((n) => n !== -1)
    t.strictSame(got, code === null ? numbers.slice(0, 100) : numbers, end)
  }
})

t.test('a stdout that is not read holds up neither the program nor its memory; a late reader gets all', async (t) => {
  const child = run(`${logAll} setTimeout(() => say('alive'), 1)`)
  child.stdout.pause()
  t.match(String((await once(child.stderr as NodeJS.ReadableStream, 'data'))[0]), /alive/)
  const [output, ended] = await Promise.all([heard(child.stdout), once(child, 'exit')])
  t.strictSame(ended, [0, null])
  t.strictSame(linesOf(output).map((line) => line.n), numbers)
})

t.test('what a reader takes too late is lost, counted and told', async (t) => {
  const lots = 20000
  const child = run(`for (let n = 0; n < ${lots}; n++) logger.info({ n, filler: 'x'.repeat(200) });
    setTimeout(() => say('alive'), 1)`)
  child.stdout.pause()
  t.match(String((await once(child.stderr as NodeJS.ReadableStream, 'data'))[0]), /alive/)
  const lines = linesOf(await heard(child.stdout))
  const got = lines.map((line) => line.n).filter((n) => n !== undefined)
  t.strictSame(got, Array.from({ length: got.length }, (_, n) => n), 'whole lines, in order')
  t.ok(got.length < lots)
  const lost = lines.map((line) => Number(/^(\d+) log lines were lost/.exec(line.msg ?? '')?.[1] ?? 0))
  t.equal(lost.reduce((sum, n) => sum + n, 0) + got.length, lots)
})

t.test('a reader that goes away ends the log and not the program', async (t) => {
  const child = run(`logger.info('first')
    let rounds = 0
    const timer = setInterval(() => { ${logAll} if (++rounds === 5) { clearInterval(timer); say('done') } }, 10)`)
  await once(child.stdout, 'data')
  ;(child.stdout as NodeJS.ReadableStream & { destroy(): void }).destroy()
  const [said, ended] = await Promise.all([heard(child.stderr as NodeJS.ReadableStream), once(child, 'exit')])
  t.equal(said, 'done\n')
  t.strictSame(ended, [0, null])
})

t.test('a reader that goes away while the log waits for it', async (t) => {
  const child = run(`${logAll} setTimeout(() => say('alive'), 1)
    setTimeout(() => { logger.info('x'); say('done') }, 300)`)
  child.stdout.pause()
  const said = heard(child.stderr as NodeJS.ReadableStream)
  await once(child.stderr as NodeJS.ReadableStream, 'data')
  ;(child.stdout as NodeJS.ReadableStream & { destroy(): void }).destroy()
  t.strictSame(await once(child, 'exit'), [0, null])
  t.equal(await said, 'alive\ndone\n')
})

t.test('goes along with console.log, and with code that replaces process.stdout.write', async (t) => {
  const child = run(`console.log('{"n":1}'); logger.info({ n: 2 })
    await null; console.log('{"n":3}'); logger.info({ n: 4 })
    setImmediate(() => {
      const { write } = process.stdout
      const seen = []
      process.stdout.write = (text) => seen.push(text)
      logger.info({ n: 5 })
      setImmediate(() => { process.stdout.write = write; logger.info({ n: 6 }); say(seen.join('').trim()) })
    })`)
  const [output, said] = await Promise.all([heard(child.stdout), heard(child.stderr as NodeJS.ReadableStream)])
  t.strictSame(linesOf(output).map((line) => line.n).sort(), [1, 2, 3, 4, 6])
  t.match(linesOf(said), [{ n: 5 }])
})

t.test('a stdout of another kind that is always behind gets no listener for each loss, and all losses are told', async (t) => {
  const child = run(`
    const { Writable } = await import('node:stream')
    const written = []
    const waiting = []
    const slow = new Writable({ decodeStrings: false, write: (text, _encoding, done) => { written.push(text); waiting.push(done) } })
    Object.defineProperty(process, 'stdout', { value: slow })
    const turn = () => new Promise(setImmediate)
    let logged = 0
    const log1 = async (filler) => { logger.info({ n: logged++, filler }); await turn() }
    for (let round = 0; round < 30; round++) {
      while (slow.writableLength <= 1024 * 1024) await log1('x'.repeat(60_000))
      await log1('')
      waiting.shift()()
      await turn()
    }
    const listeners = slow.listenerCount('drain')
    for (let done = waiting.shift(); done !== undefined; done = waiting.shift()) { done(); await turn() }
    say(JSON.stringify({ listeners, logged, left: slow.listenerCount('drain'), lines: written.join('').replace(/x{9,}/g, '').split('\\n').slice(0, -1) }))`)
  const said = JSON.parse(await heard(child.stderr as NodeJS.ReadableStream)) as { listeners: number; logged: number; left: number; lines: string[] }
  t.strictSame([said.listeners, said.left], [1, 0])
  const lines = said.lines.map((line) => JSON.parse(line) as Line)
  const lost = lines.map((line) => Number(/^(\d+) log lines were lost/.exec(line.msg ?? '')?.[1] ?? 0)).filter((number) => number > 0)
  t.ok(lost.length > 10, `${lost.length} times`)
  t.equal(lines.length - lost.length + lost.reduce((sum, number) => sum + number, 0), said.logged)
})
