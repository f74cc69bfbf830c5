import { spawn, type ChildProcess } from 'node:child_process'
import type { ConfigChanges } from '../config/settings.js'
import { WorkerError } from '../errors.js'
import type { InheritedSocket } from '../server/inherited.js'
import type { StopRequest } from '../server/stop-times.js'
import { Messages } from './messages.js'
import type { ConfiguredWorker } from './group-configuration.js'
import type { Worker } from './supervisor.js'

/** Tells a process that it is a worker, and its number. */
export const numberVariable = 'LEVERET_WORKER'

/** Of the descriptors of a worker: those before it are stdin, stdout, stderr and the channel to its parent. */
const firstSocket = 4

/** What a worker learns from its parent before it serves. */
export interface StartReply {
  readonly sockets: readonly InheritedSocket[]
  readonly shared: SharedState
}

/** What all workers have in common. */
export interface SharedState {
  /** For session tickets, where the settings have no `ticket_secret`: every worker resumes the sessions of the others. */
  readonly ticketSecret: string
  /** Changes of the settings, to be made in order. */
  readonly changes: readonly ConfigChanges[]
}

/** A worker that is a process: this program once more. */
export class WorkerProcess implements Worker, ConfiguredWorker {
  readonly number: number
  state: Worker['state'] = 'starting'
  ending = ''
  exitCode = 1
  worn: string | null = null
  /** To the process; the parent may ask once it has `begun`. */
  readonly messages: Messages
  /** Whether it has made its server, and responds. */
  begun = false
  readonly #child: ChildProcess

  /**
   * @param sockets of this process
   * @param shared what else the worker learns, at the time when it asks
   * @throws WorkerError if the program cannot be started again
   */
  constructor(number: number, sockets: readonly InheritedSocket[], shared: () => SharedState, changed: () => void) {
    this.number = number
    const child = spawn(process.execPath, againArguments(), {
      env: workerEnvironment(number),
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...sockets.map(({ fd }) => fd)],
      serialization: 'advanced',
    })
    this.#child = child
    this.messages = new Messages((message) => child.connected && child.send(message))
    this.messages.on('start', () => {
      this.begun = true
      return { shared: shared(), sockets: sockets.map((socket, index) => ({ ...socket, fd: firstSocket + index })) } satisfies StartReply
    })
    this.messages.on('ready', () => {
      if (this.state === 'starting') this.state = 'ready'
      changed()
    })
    this.messages.on('worn', (reason) => {
      this.worn = String(reason)
      changed()
    })
    const end = (ending: string, exitCode: number): void => {
      if (this.state === 'ended') return
      this.state = 'ended'
      this.ending = ending
      this.exitCode = exitCode
      this.messages.close()
      changed()
    }
    child.on('message', (message) => this.messages.receive(message))
    child.on('exit', (code, signal) => end(signal ?? `exit code ${code}`, code ?? 1))
    // Without `exit` if it could not be started; also a message that it has not read.
    child.on('error', (error) => child.pid === undefined && end(error.message, 1))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get hasEnded(): boolean {
    return this.state === 'ended'
  }

  stop(request: StopRequest): void {
    this.messages.tell('stop', request)
  }

  retire(drain: number): void {
    this.messages.tell('retire', drain)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** How this program was started. */
function againArguments(): string[] {
  const [, program, ...rest] = process.argv
  const isText = process.execArgv.some((option) => /^(-e|-p|-pe|--eval|--print)$/.test(option))
  if (program === '-' || (program === undefined && !isText)) {
    throw new WorkerError('workers run the same program: it must be a file, not stdin')
  }
  // A debugger's port is for one process.
  const inspects = process.execArgv.some((option) => option.startsWith('--inspect'))
  return [...process.execArgv, ...(inspects ? ['--inspect-port=0'] : []), ...(program === undefined ? [] : [program]), ...rest]
}

/** Without the variable by which `node --watch` has a program report to it: that is for the parent. */
function workerEnvironment(number: number): NodeJS.ProcessEnv {
  const { WATCH_REPORT_DEPENDENCIES: _watched, ...environment } = process.env
  return { ...environment, [numberVariable]: String(number) }
}
