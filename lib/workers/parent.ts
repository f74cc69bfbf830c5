import { randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import { run as runTasks, scope, wait, type ListenOptions, type Op } from '../../lev/index.js'
import { SocketHolder, type HeldSocket } from '../../lev/internal.js'
import type { ConfigChanges, Settings } from '../config/settings.js'
import { BindError, WorkerError } from '../errors.js'
import type { Bound } from '../server/bind.js'
import type { InheritedSocket } from '../server/inherited.js'
import { Server } from '../server/server.js'
import { onStopSignals } from '../server/stop-signals.js'
import { atOnce, stopRequest, type StopOptions, type StopRequest } from '../server/stop-times.js'
import { tellOnOneLine } from '../server/uncaught.js'
import { manager } from '../systemd/manager.js'
import { allSent } from '../systemd/notify.js'
import { keepAlive, tellReady, tellReloading, tellStopping } from '../systemd/report.js'
import { GroupConfiguration } from './group-configuration.js'
import type { WorkersRules } from './options.js'
import { Supervisor, type GroupState } from './supervisor.js'
import { WorkerProcess, type SharedState } from './worker-process.js'

/** The parent of the workers: it binds, and never accepts. */
export class Parent {
  readonly #server: Server
  readonly #rules: WorkersRules
  readonly #processes = new Set<WorkerProcess>()
  /** What each new worker learns besides its sockets, at the time when it asks. */
  readonly #shared: SharedState
  readonly #configuration: GroupConfiguration
  #supervisor: Supervisor | null = null
  #stopRequest: StopRequest = atOnce

  /** @param server it tells the settings, and never serves */
  constructor(server: Server, rules: WorkersRules) {
    this.#server = server
    this.#rules = rules
    this.#configuration = new GroupConfiguration(Server.partsOf(server).configuration, () => this.workers, rules.readyWithin)
    this.#shared = { ticketSecret: randomBytes(32).toString('base64'), changes: this.#configuration.changes }
  }

  /** The workers that respond to messages. */
  get workers(): readonly WorkerProcess[] {
    return Array.from(this.#processes).filter(({ begun, state }) => begun && state !== 'ended')
  }

  /** @throws BindError; WorkerError if the program does not start */
  async run(): Promise<void> {
    try {
      await runTasks(() => this.#run())
    } catch (error) {
      if (error instanceof BindError) tellOnOneLine(error)
      if (error instanceof WorkerError) tellOnOneLine(error, error.exitCode)
      throw error
    } finally {
      await allSent()
    }
  }

  /** Replaces all workers, one after the other; the log tells how that went. */
  roll(): void {
    this.#supervisor?.roll().catch(() => {})
  }

  /** Changes the settings of all workers, or of none. @throws ConfigError; IdentityError; WorkerError */
  configure(changes: ConfigChanges): Promise<void> {
    return this.#configuration.configure(changes)
  }

  /** Stops all workers. @throws RangeError */
  stop(options: StopOptions): void {
    this.#stop(stopRequest(options, this.#settings))
  }

  #stop(request: StopRequest): void {
    this.#stopRequest = request
    this.#supervisor?.stop(request)
  }

  get #settings(): Settings {
    return Server.partsOf(this.#server).service.settings
  }

  *#run(): Op<void> {
    const holder = new SocketHolder()
    try {
      yield* this.#supervise(yield* Server.partsOf(this.#server).run.bind(function* (where: ListenOptions): Op<HeldSocket> {
        return yield* wait(holder.hold(where))
      }))
    } finally {
      holder.end()
    }
  }

  *#supervise(bound: readonly Bound<HeldSocket>[]): Op<void> {
    const { log: { logger } } = Server.partsOf(this.#server).service
    // Before a worker starts, which is not to report in its place.
    const watchdog = manager()?.watchdog ?? null
    const close = (): void => bound.forEach(({ listener }) => listener.close())
    const sockets = bound.map(({ listener, address, place }) => ({ fd: listener.fd, address, place }))
    const supervisor = new Supervisor(
      { ...this.#rules, drain: () => this.#settings.drain, random: Math.random },
      (number, changed) => this.#start(number, sockets, changed),
      logger,
      // Connections that wait in the queue are then served by the last worker to stop listening.
      (state) => this.#tell(state, close),
    )
    this.#supervisor = supervisor
    let killedBy: NodeJS.Signals | null = null
    const roll = (): void => this.roll()
    const forget = onStopSignals((restarts) => this.#stop(restarts ? atOnce : stopRequest({}, this.#settings)), (signal) => {
      killedBy = signal
      supervisor.kill()
    })
    process.on('SIGHUP', roll)
    try {
      yield* scope(function* (tasks) {
        tasks.spawn(() => keepAlive(watchdog))
        yield* supervisor.run()
        tasks.cancel('drain')
      })
      logger.info('Stopped: all workers have ended')
    } finally {
      this.#supervisor = null
      process.off('SIGHUP', roll)
      forget()
      // It has not ended the process if a library listens for it, too: then its code tells the same.
      if (killedBy !== null) process.exitCode = 128 + constants.signals[killedBy]
    }
  }

  #tell(state: GroupState, close: () => void): void {
    if (state === 'ready') tellReady(this.#server.addresses)
    if (state === 'rolling') tellReloading()
    if (state === 'stopping') tellStopping(this.#stopRequest)
    if (state === 'draining') close()
  }

  #start(number: number, sockets: readonly InheritedSocket[], changed: () => void): WorkerProcess {
    const started = new WorkerProcess(number, sockets, () => this.#shared, () => {
      if (started.state === 'ended') this.#processes.delete(started)
      changed()
    })
    started.messages.on('roll', () => this.roll())
    started.messages.on('configure', (changes) => this.configure(changes as ConfigChanges))
    started.messages.on('stop', (options) => this.stop(options as StopOptions))
    this.#processes.add(started)
    return started
  }
}
