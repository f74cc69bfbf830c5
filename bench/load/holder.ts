import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pinned } from '../proc.js'

type Reply = { readonly closed: number } | { readonly failed: string }

/** Holds idle connections to a server, in a process of its own. */
export class Holder {
  readonly #child: ChildProcess

  constructor(port: number, core: number) {
    const program = fileURLToPath(new URL('../generators/idle.js', import.meta.url))
    const { command, args } = pinned(core, [process.execPath, program, String(port)])
    this.#child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  }

  /** Waits until `wanted` connections are held in all. @throws Error if they are not */
  async hold(wanted: number): Promise<void> {
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.#child.once('message', (message) => resolve(message as Reply))
      this.#child.once('exit', (code) => reject(new Error(`what holds the connections ended with ${code}`)))
      this.#child.send(wanted)
    })
    if ('failed' in reply) throw new Error(`of ${wanted} connections one failed: ${reply.failed}`)
    if (reply.closed > 0) throw new Error(`of ${wanted} connections the server closed ${reply.closed}`)
  }

  kill(): void {
    this.#child.removeAllListeners()
    this.#child.kill('SIGKILL')
  }
}
