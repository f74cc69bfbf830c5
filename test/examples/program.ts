import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** How a process ended. */
export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface StartOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Whether its ports are replaced by free ones; `port` tells which. Default: true. */
  readonly anyPort?: boolean
}

const anyPortFile = fileURLToPath(new URL('any-port.js', import.meta.url))

/** Seconds after which waiting for a program is given up. */
const patience = 600

/** Path of a file of the repository as it was built: `examples/hello.js`. */
export function built(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

/** A program of the documentation or an example, run in a process of its own. */
export class Program {
  readonly ended: Promise<End>
  /** What it printed, stdout and stderr. */
  output = ''
  readonly #process: ChildProcess
  readonly #ports = new Map<number, number>()
  readonly #watchers = new Set<() => void>()
  #end: End | null = null

  constructor(file: string, { cwd, env = {}, anyPort = true }: StartOptions) {
    const preload = anyPort ? ['--import', anyPortFile] : []
    this.#process = spawn(process.execPath, [...preload, file], {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
        this.#changed()
      })
    }
    this.#process.on('message', ({ wanted, bound }: { wanted: number; bound: number }) => {
      this.#ports.set(wanted, bound)
      this.#changed()
    })
    this.ended = new Promise((resolve, reject) => {
      this.#process.on('error', reject)
      this.#process.on('close', (code, signal) => {
        this.#end = { code, signal }
        this.#changed()
        resolve(this.#end)
      })
    })
  }

  /** Waits until it has printed `pattern`. */
  printed(pattern: RegExp): Promise<RegExpMatchArray> {
    return this.#until(String(pattern), () => pattern.exec(this.output))
  }

  /** Waits until what it printed is as `look` wants it. */
  shows(look: (output: string) => boolean): Promise<boolean> {
    return this.#until('such output', () => (look(this.output) ? true : null))
  }

  /** One of the ports that it has, once it listens. */
  anyPort(): Promise<number> {
    return this.#until('port', () => this.#ports.values().next().value)
  }

  /** The port that it has in place of `wanted`, once it listens. */
  port(wanted: number): Promise<number> {
    return this.#until(`port ${wanted}`, () => this.#ports.get(wanted))
  }

  /** Every `:PORT` in `text` replaced by the one that the program has in its place. */
  async withPorts(text: string): Promise<string> {
    let result = text
    for (const [wanted] of new Set(text.match(/(?<=:)(?:8080|8443)\b/g))?.entries() ?? []) {
      result = result.replaceAll(`:${wanted}`, `:${await this.port(Number(wanted))}`)
    }
    return result
  }

  /** Sends a signal, Ctrl-C if not said otherwise, and waits for the end. */
  stop(signal: NodeJS.Signals = 'SIGINT'): Promise<End> {
    if (this.#end === null) this.#process.kill(signal)
    return this.ended
  }

  /** Sends a signal that does not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Ends it in any case: for the end of a test. */
  kill(): void {
    if (this.#end === null) this.#process.kill('SIGKILL')
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  #until<T>(what: string, look: () => T | null | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const give = (act: () => void): void => {
        clearTimeout(timer)
        this.#watchers.delete(watch)
        act()
      }
      const missed = (why: string): void => give(() => reject(new Error(`no ${what}: ${why}\n${this.output}`)))
      const watch = (): void => {
        const found = look()
        if (found !== null && found !== undefined) give(() => resolve(found))
        else if (this.#end !== null) missed('the program has ended')
      }
      const timer = setTimeout(() => missed(`nothing in ${patience} s`), patience * 1000)
      this.#watchers.add(watch)
      watch()
    })
  }
}

/** What a user's shell has: without what the test runner adds for its own processes. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(TAP|NODE|npm)_/i.test(name) && name !== 'TAP')
  return Object.fromEntries(kept)
}

export interface ShellResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a line or a script in a shell, as a user would. */
export function shell(script: string, cwd: string): Promise<ShellResult> {
  return new Promise((resolve) => {
    execFile('bash', ['-c', script], { cwd, env: cleanEnvironment(), encoding: 'utf8' }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr })
    })
  })
}

/** The curl lines of a text: of what a program printed, or of the comment at its top. */
export function curlLines(text: string): string[] {
  return Array.from(text.matchAll(/^(?:\/\/)?\s*(curl .*)$/gm), ([, line = '']) => line)
}
