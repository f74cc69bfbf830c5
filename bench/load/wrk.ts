import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSslConfig } from '../cipher.js'
import { pinned } from '../proc.js'
import type { HttpScenario } from '../scenarios.js'
import { CounterFile } from './counter.js'
import { output, type Load, type LoadSummary } from './load.js'

export const howToInstall = 'wrk is missing, and it makes the load: install it (Debian, Ubuntu: apt install wrk) and try again'

/** Reads what wrk prints. @throws Error if that is no summary */
export function parseWrk(text: string): LoadSummary {
  const total = /^\s*(\d+) requests in [\d.]+(?:us|ms|s|m|h),/m.exec(text)
  if (total === null) throw new Error(`wrk did not report: ${text.trim()}`)
  const faults = text.split('\n').map((line) => line.trim()).filter((line) => /^(Socket errors|Non-2xx)/.test(line))
  return { requests: Number(total[1]), faults: faults.map((fault) => `wrk: ${fault}`) }
}

/** wrk's version, or null if it is not installed. */
export function wrkVersion(): string | null {
  const { stdout, error } = spawnSync('wrk', ['--version'], { encoding: 'utf8' })
  if (error !== undefined) return null
  return /^wrk\s+(?:\S*\/)?(\d[\w.]*)/m.exec(stdout)?.[1] ?? 'of unknown version'
}

/**
 * A script that has wrk send exactly the bytes in `files`, in turns, over and over, and keep count in the file `counter`,
 * which it shares its memory with: that costs some 0.1 us a request, for the load.
 */
export function wrkScript(files: readonly string[], depth: number, counter: string): string {
  return `local ffi = require('ffi')
ffi.cdef [[ int open(const char *, int); void *mmap(void *, size_t, int, int, int, long); ]]
local count = ffi.cast('double *', ffi.C.mmap(nil, 8, 3, 1, ffi.C.open(${quoted(counter)}, 2), 0))
local texts, turn = {}, 0
for index, path in ipairs({ ${files.map(quoted).join(', ')} }) do
  local file = io.open(path, 'rb')
  texts[index] = file:read('*a')
  file:close()
end
request = function()
  count[0] = count[0] + ${depth}
  turn = turn % #texts + 1
  return texts[turn]
end
`
}

function quoted(text: string): string {
  const bytes = Array.from(Buffer.from(text), (byte) => `\\${String(byte).padStart(3, '0')}`)
  return `"${bytes.join('')}"`
}

/** wrk, pinned to its core: closed loops on all the scenario's connections. */
export class WrkLoad implements Load {
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  readonly #counter: CounterFile
  /** Requests that may be on their way when it stops, and the first ones, which wrk makes to look at them. */
  readonly #underWay: number

  /**
   * @param seconds after which it ends by itself, if it is not stopped
   * @param folder where its files are put
   */
  constructor(scenario: HttpScenario, port: number, seconds: number, folder: string, core: number) {
    this.#underWay = (scenario.connections + 1) * scenario.depth
    const files = scenario.requests().map((text, index) => {
      const file = join(folder, `${scenario.name}-${index}.http`)
      writeFileSync(file, text, 'latin1')
      return file
    })
    this.#counter = new CounterFile(join(folder, `${scenario.name}.count`))
    const script = join(folder, `${scenario.name}.lua`)
    writeFileSync(script, wrkScript(files, scenario.depth, this.#counter.path))
    const env = { ...process.env, OPENSSL_CONF: join(folder, 'openssl.cnf') }
    writeFileSync(env.OPENSSL_CONF, openSslConfig)
    const url = `${scenario.secure ? 'https' : 'http'}://127.0.0.1:${port}/`
    const wrk = ['wrk', '-t1', `-c${scenario.connections}`, `-d${Math.ceil(seconds)}s`, '--timeout', '10s', '-s', script, url]
    const { command, args } = pinned(core, wrk)
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    this.#ended = output(this.#child)
    // Waited for in stop(); until then a failure is no unhandled one.
    this.#ended.catch(() => {})
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('wrk did not start')
    return this.#child.pid
  }

  count(): number {
    return this.#counter.read()
  }

  /** Ends it as Ctrl-C does: wrk then tells what it saw. */
  async stop(): Promise<LoadSummary> {
    this.#child.kill('SIGINT')
    const { requests, faults } = parseWrk(await this.#ended)
    const lost = this.count() - requests
    return { requests, faults: lost > this.#underWay ? [...faults, `wrk: ${lost} requests got no response`] : faults }
  }

  kill(): void {
    this.#child.kill('SIGKILL')
    this.#counter.close()
  }
}
