import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Orders, Report } from '../generators/orders.js'
import { pinned } from '../proc.js'
import { CounterFile } from './counter.js'
import { output, type Load, type LoadSummary } from './load.js'

/** What the generators are told that is not made here. */
export type Task = Omit<Orders, 'file' | 'counter'> & { readonly bytes: Buffer }

/** A load of our own, pinned to its core, where wrk cannot do it: a program of `generators/`. */
export class GeneratorLoad implements Load {
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  readonly #counter: CounterFile

  /** @param folder where its files are put */
  constructor(program: 'websocket' | 'handshake' | 'open-loop', { bytes, ...task }: Task, folder: string, core: number) {
    const file = join(folder, `${program}.bytes`)
    writeFileSync(file, bytes)
    this.#counter = new CounterFile(join(folder, `${program}.count`))
    const path = fileURLToPath(new URL(`../generators/${program}.js`, import.meta.url))
    const orders: Orders = { ...task, file, counter: this.#counter.path }
    const { command, args } = pinned(core, [process.execPath, path, JSON.stringify(orders)])
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#ended = output(this.#child)
    // Waited for later; until then a failure is no unhandled one.
    this.#ended.catch(() => {})
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the load did not start')
    return this.#child.pid
  }

  count(): number {
    return this.#counter.read()
  }

  async stop(): Promise<LoadSummary> {
    this.#child.kill('SIGINT')
    return parseReport<Report>(await this.#ended)
  }

  /** Waits until it ends by itself. */
  async report<T extends Report>(): Promise<T> {
    return parseReport<T>(await this.#ended)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
    this.#counter.close()
  }
}

function parseReport<T extends Report>(text: string): T {
  try {
    return JSON.parse(text) as T
  } catch {
    throw new Error(`the load did not report: ${text.trim()}`)
  }
}
