import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'

// Real processes: the parent, its workers, and what they share.

const entryOf = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href)
const imports = `
import * as server from ${entryOf('../../../lib/index.js')}
import * as workers from ${entryOf('../../../lib/workers/index.js')}
`

interface Line {
  readonly msg: string
  readonly worker?: number
  readonly pid?: number
  readonly level: string
}

/** A program with workers that is running. */
class Running {
  readonly child: ChildProcess
  readonly ended: Promise<readonly [number | null, string | null]>
  readonly lines: Line[] = []
  stderr = ''
  readonly #watchers = new Set<() => void>()
  #isOver = false

  constructor(t: Test, program: string, options: readonly string[] = []) {
    const child = spawn(process.execPath, [...options, '--input-type=module', '-e', imports + program], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.child = child
    this.ended = once(child, 'close') as Promise<[number | null, string | null]>
    void this.ended.then(() => this.#tell(true))
    createInterface(child.stdout).on('line', (line) => {
      this.lines.push(line.startsWith('{') ? JSON.parse(line) as Line : { msg: line, level: '' })
      this.#tell(false)
    })
    child.stderr.on('data', (text: Buffer) => (this.stderr += text.toString()))
    t.teardown(async () => {
      child.kill('SIGKILL')
      await this.ended
    })
  }

  /** The first line since `after` that fits. */
  async line(pattern: RegExp, after = 0): Promise<Line> {
    for (;;) {
      const found = this.lines.slice(after).find(({ msg }) => pattern.test(msg))
      if (found !== undefined) return found
      if (this.#isOver) throw new Error(`it has ended: ${this.stderr}${JSON.stringify(this.lines)}`)
      await new Promise<void>((resolve) => this.#watchers.add(resolve))
    }
  }

  async url(): Promise<string> {
    const { msg } = await this.line(/^Started, listening/)
    return /https?:\/\/\S+/.exec(msg)?.[0] ?? ''
  }

  /** The processes of the workers that have started so far. */
  get pids(): number[] {
    return this.lines.filter(({ msg }) => msg === 'Worker started').map(({ pid = 0 }) => pid)
  }

  #tell(isOver: boolean): void {
    this.#isOver ||= isOver
    for (const wake of this.#watchers) wake()
    this.#watchers.clear()
  }
}

const service = 'server.new({ port: 0, log_level: "info" }, () => `${process.pid} ${workers.number}`)'

async function get(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: 'close' } })
  return await response.text()
}

t.test('two workers serve; a roll replaces both; a signal ends all, and the program goes on', async (t) => {
  const running = new Running(t, `
    await workers.run(() => ${service}, { count: 2 })
    console.log('over', workers.number)`)
  const url = await running.url()
  await running.line(/^Worker started/)
  const [pid, number] = (await get(url)).split(' ')
  t.ok(running.pids.includes(Number(pid)))
  t.match(number, /^[12]$/)
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
  await running.line(/^Worker started/)
  await running.line(/^Worker started/, running.lines.length)
  running.child.kill('SIGKILL')
  // All have its stdout: it closes when the last of them has ended.
  t.strictSame(await running.ended, [null, 'SIGKILL'])
})

