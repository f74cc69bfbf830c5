// What the sink for stdout does that pino's own destination (SonicBoom) does not: why it is there.
import t from 'tap'
import { inProcess } from '../../support/in-process.js'

const imports = `
  import fs from 'node:fs'
  import { syncBuiltinESMExports } from 'node:module'
  import { pino } from 'pino'
  const { ServerLog } = await import(${JSON.stringify(new URL('../../../lib/log/logger.js', import.meta.url).href)})
  const { writeSync } = fs
  const settings = { log_level: 'info', logger: null }`

const destinations: Readonly<Record<string, string>> = {
  own: 'undefined',
  synchronous: 'pino.destination({ dest: 1, sync: true })',
  asynchronous: 'pino.destination({ dest: 1, sync: false })',
}

function run(destination: string, program: string): string[] {
  const source = `${imports}
    const destination = ${destinations[destination]}
    const { logger } = new ServerLog(settings, destination)
    ${program}
    syncBuiltinESMExports()
    for (let n = 0; n < 3; n++) logger.info({}, \`line \${n}\`)`
  const output = inProcess(['--input-type=module', '-e', source])
  return Array.from(output.matchAll(/line \d|waited/g), ([found]) => found)
}

t.test('while a pipe is full the program goes on: a synchronous destination waits in each line', async (t) => {
  // Full until the program has had a turn, or it was tried three times without one.
  const full = `
    let [turned, tries] = [false, 0]
    setImmediate(() => (turned = true))
    fs.writeSync = (...given) => {
      if (turned || ++tries > 3) return writeSync(...given)
      throw Object.assign(new Error('full'), { code: 'EAGAIN' })
    }
    process.on('exit', () => tries > 3 && writeSync(1, 'waited'))`
  t.strictSame(run('own', full), ['line 0', 'line 1', 'line 2'])
  t.strictSame(run('synchronous', full), ['line 0', 'line 1', 'line 2', 'waited'])
})

t.test('at exit every line is written: an asynchronous destination loses those that the thread pool has not written', async (t) => {
  const busy = `
    fs.write = () => {}
    process.on('exit', () => destination?.flushSync())`
  t.strictSame(run('own', busy), ['line 0', 'line 1', 'line 2'])
  t.strictSame(run('asynchronous', busy), ['line 1', 'line 2'])
})
