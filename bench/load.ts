import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connections, type Scenario } from './scenarios.js'

export const howToInstall = 'wrk is missing, and it makes the load: install it (Debian, Ubuntu: apt install wrk) and try again'

/** What wrk says at its end. */
export interface LoadSummary {
  readonly requests: number
  readonly seconds: number
  /** Failed or late answers, as wrk puts it; empty if all was well. */
  readonly faults: readonly string[]
}

/** Reads what wrk prints. @throws Error if that is no summary */
export function parseWrk(text: string): LoadSummary {
  const total = /^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),/m.exec(text)
  if (total === null) throw new Error(`wrk did not report: ${text.trim()}`)
  const units: Record<string, number> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 }
  const faults = text.split('\n').map((line) => line.trim()).filter((line) => /^(Socket errors|Non-2xx)/.test(line))
  return { requests: Number(total[1]), seconds: Number(total[2]) * units[total[3]], faults }
}

/** wrk's version as `wrk 4.1.0`, or null if it is not installed. */
export function wrkVersion(): string | null {
  const { stdout, error } = spawnSync('wrk', ['--version'], { encoding: 'utf8' })
  if (error !== undefined) return null
  return /^wrk\s+(?:\S*\/)?(\d[\w.]*)/m.exec(stdout)?.[1] ?? 'of unknown version'
}

/** A script that has wrk send exactly these bytes, over and over. It is fixed text to wrk: no Lua runs while it measures. */
export function wrkScript(request: string): string {
  const escaped = Array.from(Buffer.from(request, 'latin1'), (byte) => `\\${String(byte).padStart(3, '0')}`).join('')
  return `wrk.format = function() return "${escaped}" end\n`
}

/** The load of one round: wrk, pinned to its core, until it is stopped. */
export class Load {
  readonly #child: ChildProcess
  readonly #ended: Promise<string>

  /**
   * @param seconds after which it ends by itself, should nobody stop it
   * @param folder where its script is put
   */
  constructor(scenario: Scenario, port: number, seconds: number, folder: string, core: number) {
    const script = join(folder, `${scenario.name}.lua`)
    writeFileSync(script, wrkScript(scenario.request))
    const url = `${scenario.secure ? 'https' : 'http'}://127.0.0.1:${port}/`
    const wrk = ['wrk', '-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '-s', script, url]
    this.#child = spawn('taskset', ['-c', String(core), ...wrk], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#ended = output(this.#child)
    // Waited for in stop(); until then a failure is no unhandled one.
    this.#ended.catch(() => {})
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('wrk did not start')
    return this.#child.pid
  }

  /** Ends the load as Ctrl-C does: wrk then tells what it saw. */
  async stop(): Promise<LoadSummary> {
    this.#child.kill('SIGINT')
    return parseWrk(await this.#ended)
  }

  /** Ends it with nothing asked. Harmless when it has ended. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

function output(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.once('error', reject)
    child.once('close', () => resolve(text))
  })
}
