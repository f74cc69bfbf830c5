import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Scenario } from './scenarios.js'
import type { Message, Sample } from './servers/child.js'

/** A server that takes part: the program in `servers/` that serves a scenario's task. */
export interface Contender {
  readonly name: string
  readonly title: string
}

/** The others are compared with the last one. */
export const contenders: readonly Contender[] = [
  { name: 'leveret', title: 'Leveret' },
  { name: 'node-http', title: 'node:http' },
]

/** PEM files for the scenarios over TLS. */
export interface PemFiles {
  readonly cert: string
  readonly key: string
}

/** A contender's server, running in a process of its own. */
export class RunningServer {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  /** Starts it and waits until it listens. @param core null: wherever the system likes @throws Error if it cannot */
  static async start(contender: Contender, scenario: Scenario, pem: PemFiles, core: number | null): Promise<RunningServer> {
    const program = fileURLToPath(new URL(`servers/${contender.name}.js`, import.meta.url))
    const files = scenario.secure ? [pem.cert, pem.key] : []
    const node = [process.execPath, program, scenario.task, ...files]
    // taskset becomes the server's process: the channel and the pid are the server's.
    const [command, ...args] = core === null ? node : ['taskset', '-c', String(core), ...node]
    const env = { ...process.env, NODE_ENV: 'production' }
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
    const message = await next(child, contender)
    if (!('port' in message)) throw new Error(`${contender.title} did not tell its port`)
    return new RunningServer(child, message.port)
  }

  /** Asks where the server stands. It answers between two events of its own, in turn with its clients. */
  async sample(): Promise<Sample> {
    this.#child.send('sample')
    const message = await next(this.#child, null)
    if (!('sample' in message)) throw new Error('the server did not tell where it stands')
    return message.sample
  }

  /** Ends the process. Harmless when it has ended. */
  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

function next(child: ChildProcess, contender: Contender | null): Promise<Message> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      child.off('message', onMessage)
      child.off('error', onError)
      child.off('exit', onExit)
    }
    const onMessage = (message: unknown): void => {
      done()
      resolve(message as Message)
    }
    const onError = (error: Error): void => {
      done()
      reject(error)
    }
    const onExit = (code: number | null): void => {
      done()
      reject(new Error(`the server ${contender?.title ?? ''} ended with ${code ?? 'a signal'}`))
    }
    child.on('message', onMessage)
    child.on('error', onError)
    child.on('exit', onExit)
  })
}
