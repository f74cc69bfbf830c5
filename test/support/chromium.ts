import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

/** Where Chromium is; null if it is not installed. */
export function findChromium(): string | null {
  for (const name of [process.env.CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome']) {
    if (name === undefined) continue
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' })
      return name
    } catch {
      // The next one, then.
    }
  }
  return null
}

interface Reply {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** A headless browser that shows one page, in a profile of its own. */
export class Browser {
  readonly #process: ChildProcess
  readonly #profile = mkdtempSync(join(tmpdir(), 'leveret-chromium-'))
  readonly #ended: Promise<void>
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #lastId = 0
  #session: string | null = null

  constructor(chromium: string, url: string) {
    this.#process = spawn(chromium, [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
      '--ignore-certificate-errors', '--remote-debugging-pipe', `--user-data-dir=${this.#profile}`, url,
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true })
    this.#ended = new Promise((resolve) => this.#process.once('close', () => resolve()))
    const [input, output] = [this.#process.stdio[3] as Writable, this.#process.stdio[4] as Readable]
    input.on('error', () => {})
    let text = ''
    output.setEncoding('utf8').on('data', (piece: string) => {
      const messages = (text += piece).split('\0')
      text = messages.pop() ?? ''
      for (const message of messages) this.#receive(JSON.parse(message) as Reply)
    })
  }

  /** Opens another page, for `evaluate`: one that the browser begins with may not be there yet. */
  async open(url: string): Promise<void> {
    this.#session ??= await this.#attach()
    await this.#send('Page.navigate', { url })
  }

  /** The value of an expression in the page that `open` has opened, which may be a promise of one. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }) as {
      result: { value?: unknown }, exceptionDetails?: object
    }
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return result.value
  }

  /** The session with the page, when there is one. */
  async #attach(): Promise<string> {
    for (;;) {
      const { targetInfos } = await this.#send('Target.getTargets', {}) as { targetInfos: { type: string, targetId: string }[] }
      const page = targetInfos.find(({ type }) => type === 'page')
      if (page !== undefined) return (await this.#send('Target.attachToTarget', { targetId: page.targetId, flatten: true }) as { sessionId: string }).sessionId
    }
  }

  async #send(method: string, params: object): Promise<unknown> {
    const id = ++this.#lastId
    const replied = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve))
    const input = this.#process.stdio[3] as Writable
    input.write(`${JSON.stringify({ id, method, params, ...(this.#session === null ? {} : { sessionId: this.#session }) })}\0`)
    const { result, error } = await Promise.race([replied, this.#ended.then((): Reply => ({ error: { message: 'Chromium has ended' } }))])
    if (error !== undefined) throw new Error(error.message)
    return result
  }

  #receive(reply: Reply): void {
    if (reply.id !== undefined) this.#waiting.get(reply.id)?.(reply)
    if (reply.id !== undefined) this.#waiting.delete(reply.id)
  }

  /** Ends it with all its processes, and removes the profile. */
  async close(): Promise<void> {
    if (this.#process.pid !== undefined && this.#process.exitCode === null) process.kill(-this.#process.pid, 'SIGKILL')
    await this.#ended
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
