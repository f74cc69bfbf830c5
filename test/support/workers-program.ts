import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

const entryOf = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href)
/** What stands before each program. */
export const imports = `
import * as server from ${entryOf('../../lib/index.js')}
import * as workers from ${entryOf('../../lib/workers/index.js')}
`

/** A line of its log, or what else it prints, as `msg`. */
export interface Line {
  readonly msg: string
  readonly worker?: number
  readonly pid?: number
  readonly level: string
}

/** A program with workers that is running; in a process group of its own. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<readonly [number | null, string | null]>
  readonly lines: Line[] = []
  stderr = ''
  readonly #watchers = new Set<() => void>()
  #isOver = false

  /**
   * @param program text of a module with `server` and `workers`
   * @param fd a descriptor of this process, which is its 3
   */
  constructor(t: Test, program: string, fd: number | null = null, start: readonly string[] = ['--input-type=module', '-e', imports + program]) {
    const child = spawn(process.execPath, start, { stdio: ['ignore', 'pipe', 'pipe', ...(fd === null ? [] : [fd])], detached: true })
    if (child.stdout === null || child.stderr === null) throw new Error('it has no output')
    this.child = child
    this.ended = once(child, 'close') as Promise<[number | null, string | null]>
    void this.ended.then(() => this.#tell(true))
    createInterface(child.stdout).on('line', (line) => {
      this.lines.push(line.startsWith('{') ? JSON.parse(line) as Line : { msg: line, level: '' })
      this.#tell(false)
    })
    child.stderr.on('data', (text: Buffer) => (this.stderr += text.toString()))
    t.teardown(async () => {
      this.killGroup()
      await this.ended
    })
  }

  /** Ends it and its workers, as far as they have not ended. */
  killGroup(): void {
    try {
      process.kill(-(this.child.pid ?? 0), 'SIGKILL')
    } catch {
      // All have ended.
    }
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

  /** Where it listens; it does so before there are workers. */
  async url(): Promise<string> {
    const [first = ''] = await this.urls()
    return first
  }

  async urls(): Promise<string[]> {
    const { msg } = await this.line(/^Started, listening/)
    return msg.slice('Started, listening on '.length).split(', ')
  }

  /** Waits until `count` workers have started, and returns their processes. */
  async workers(count: number): Promise<number[]> {
    while (this.pids.length < count) await this.line(/^Worker started/, this.lines.length)
    return this.pids
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
