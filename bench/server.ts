import { spawn, type ChildProcess } from 'node:child_process'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer, PemFiles } from './peer.js'
import { pinned, sampleCpu, type CpuSample } from './proc.js'
import type { ClosedScenario } from './scenarios.js'

/** Where servers find what they need. */
export interface Ground {
  readonly pem: PemFiles
  /** Where the content lies. */
  readonly content: string
  /** A folder for files of the moment. */
  readonly folder: string
}

/** How long a server may take to listen, in milliseconds. */
const patience = 10_000

/** A peer's server, running in processes of its own. */
export class RunningServer {
  readonly peer: Peer
  readonly port: number
  readonly #child: ChildProcess
  #fate: string | null = null
  #said = ''

  private constructor(peer: Peer, port: number, child: ChildProcess) {
    this.peer = peer
    this.port = port
    this.#child = child
    child.once('error', (error) => (this.#fate = error.message))
    child.once('exit', (code, signal) => (this.#fate = `it ended with ${code ?? signal}`))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#said = (this.#said + text).slice(-4000)))
  }

  /** Starts it and waits until it listens. @param core null: wherever the system likes @throws Error if it cannot */
  static async start(peer: Peer, scenario: ClosedScenario, ground: Ground, core: number | null): Promise<RunningServer> {
    const port = await freePort()
    const { content, folder, pem } = ground
    const order = { task: scenario.task, port, content, folder, pem: scenario.secure ? pem : null }
    const { command, args } = pinned(core, peer.command(order))
    const env = { ...process.env, NODE_ENV: 'production' }
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env, cwd: folder })
    const server = new RunningServer(peer, port, child)
    try {
      await server.#listening()
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.peer.title} did not start`)
    return this.#child.pid
  }

  /** @throws Error with what the server had to say, if it has ended */
  cpu(): CpuSample {
    this.demandAlive()
    return sampleCpu(this.pid)
  }

  demandAlive(): void {
    if (this.#fate !== null) throw new Error(`${this.peer.title}: ${this.#fate} ${this.#said}`.trim())
  }

  /** Ends its processes. Harmless when they have ended. */
  async stop(): Promise<void> {
    if (this.#fate !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    // Asked kindly, as one of several processes ends its others only then.
    this.#child.kill('SIGTERM')
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    await ended
    clearTimeout(killer)
  }

  async #listening(): Promise<void> {
    for (const end = performance.now() + patience; performance.now() < end; await sleep(10)) {
      this.demandAlive()
      if (await responds(this.port)) return
    }
    throw new Error(`${this.peer.title} does not listen after ${patience / 1000} s ${this.#said}`.trim())
  }
}

function responds(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
