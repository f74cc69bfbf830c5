import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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

/** A headless browser that shows one page, in a profile of its own. */
export class Browser {
  readonly #process: ChildProcess
  readonly #profile = mkdtempSync(join(tmpdir(), 'leveret-chromium-'))
  readonly #ended: Promise<void>

  constructor(chromium: string, url: string) {
    this.#process = spawn(chromium, [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
      '--ignore-certificate-errors', `--user-data-dir=${this.#profile}`, url,
    ], { stdio: 'ignore', detached: true })
    this.#ended = new Promise((resolve) => this.#process.once('close', () => resolve()))
  }

  /** Ends it with all its processes, and removes the profile. */
  async close(): Promise<void> {
    if (this.#process.pid !== undefined && this.#process.exitCode === null) process.kill(-this.#process.pid, 'SIGKILL')
    await this.#ended
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
