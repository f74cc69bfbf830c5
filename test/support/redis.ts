import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis as IoRedis } from 'ioredis'
import { createClient } from 'redis'
import type { Test } from 'tap'
import type { RedisClient } from '../../lib/web/limits/index.js'
import { accepts } from './proxies.js'

/** An option of tests that are skipped, with the reason, where redis-server is not installed. */
export const needsRedis: { readonly skip: string | false } = { skip: isInstalled() ? false : 'redis-server is not installed' }

function isInstalled(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A redis-server that keeps nothing on disk, on a Unix socket, until the test is over. */
export class RedisServer {
  readonly path: string
  #child: ChildProcess | null = null

  constructor(t: Test) {
    const folder = mkdtempSync(join(tmpdir(), 'leveret-redis-'))
    this.path = join(folder, 'socket')
    t.teardown(async () => {
      await this.kill()
      rmSync(folder, { recursive: true, force: true })
    })
  }

  /** Resolves when it accepts connections. */
  async start(): Promise<this> {
    const child = spawn('redis-server', ['--port', '0', '--unixsocket', this.path, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
    this.#child = child
    while (!(await accepts(this.path))) {
      if (child.exitCode !== null) throw new Error('redis-server has ended')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return this
  }

  /** Ends it without a word to its clients, paused or not; resolves when it has ended. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** Stops it: connections stay open, and nothing answers. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }
}

/** A client of one of the packages. */
export interface TestClient {
  readonly client: RedisClient
  /** Sends any command. */
  command(...args: [string, ...string[]]): Promise<unknown>
}

/** Connects a client of each package, in its way, and closes it when the test is over. It connects anew soon after it has lost its connection. */
export const redisClients: Readonly<Record<'redis' | 'ioredis', (t: Test, path: string) => Promise<TestClient>>> = {
  async redis(t, path) {
    const client = createClient({ socket: { path, tls: false, reconnectStrategy: 20 } })
    client.on('error', () => {})
    t.teardown(() => client.destroy())
    await client.connect()
    return { client, command: (...args) => client.sendCommand(args) }
  },
  async ioredis(t, path) {
    const client = new IoRedis({ path, retryStrategy: () => 20, lazyConnect: true })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    await client.connect()
    return { client, command: (name, ...args) => client.call(name, ...args) }
  },
}
