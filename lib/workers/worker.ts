import { run as runTasks, scope, wait } from '../../lev/index.js'
import { messageOf } from '../../lev/internal.js'
import type { ConfigChanges } from '../config/settings.js'
import { WorkerError } from '../errors.js'
import { settled } from '../request/handler.js'
import { Server } from '../server/server.js'
import { exitSoon } from '../server/stop-signals.js'
import type { StopOptions } from '../server/stop-times.js'
import { takePart } from './group-configuration.js'
import { Messages } from './messages.js'
import type { WorkersRules } from './options.js'
import { watchWear } from './wear.js'
import type { StartReply } from './worker-process.js'

/** One of the workers: it serves the sockets of its parent. */
export class Worker {
  /** To the parent. */
  readonly messages = new Messages((message) => process.connected && process.send?.(message))
  readonly #server: Server
  readonly #rules: WorkersRules
  readonly #number: number
  #isStopped = false

  constructor(server: Server, rules: WorkersRules, number: number) {
    this.#server = server
    this.#rules = rules
    this.#number = number
  }

  /** Serves until the parent says so, or is gone. @throws what `serve` does, and what the option `ready` throws */
  async run(): Promise<void> {
    Server.partsOf(this.#server).service.log.tag({ worker: this.#number })
    const { messages } = this
    const receive = (message: unknown): void => messages.receive(message)
    const stop = (): void => this.#stop({})
    const orphaned = (): void => {
      messages.close()
      stop()
    }
    takePart(messages, Server.partsOf(this.#server).configuration)
    messages.on('stop', (request) => this.#stop(request as StopOptions))
    messages.on('retire', (drain) => this.#stop({ pre_drain: 0, drain: drain as number }, true))
    process.on('message', receive).on('disconnect', orphaned)
    // A program may have released it, since it knows of no parent.
    process.channel?.ref()
    // Signals of the terminal go to all processes: the parent tells what they mean. SIGTERM is from someone who means this worker.
    process.on('SIGINT', ignore).on('SIGHUP', ignore).on('SIGTERM', stop)
    try {
      await this.#serve()
    } catch (error) {
      // Else the parent has ended meanwhile, or did not want to wait.
      if (!this.#isStopped) throw error
    } finally {
      process.off('message', receive).off('disconnect', orphaned)
      messages.close()
      if (process.connected) process.disconnect()
      exitSoon()
    }
  }

  async #serve(): Promise<void> {
    const { messages } = this
    const server = this.#server
    const { sockets, shared } = await messages.ask('start') as StartReply
    const { configuration } = Server.partsOf(server)
    // All at once: what the parent asks next comes after them.
    await Promise.all([configuration.shareTickets(shared.ticketSecret), ...shared.changes.map((changes) => configuration.configure(changes))])
    if (this.#isStopped) return
    Server.partsOf(server).run.inherited = sockets
    const served = server.serve()
    try {
      // A server that fails, or stops, ends the wait.
      await Promise.race([this.#begin(), served])
    } catch (error) {
      await server.stop()
      throw error
    }
    const rules = this.#rules
    await runTasks(() => scope(function* (tasks) {
      tasks.background(() => watchWear(rules, (reason) => messages.tell('worn', reason)))
      yield* wait(served)
    }))
  }

  async #begin(): Promise<void> {
    await this.#server.listening
    const { ready } = this.#rules
    const server = this.#server
    if (ready !== null) await runTasks(() => settled(ready(server)))
    this.messages.tell('ready')
  }

  /** Asks the parent, which does not answer: this worker may be gone before all is done. */
  roll(): void {
    this.messages.tell('roll')
  }

  /** Asks the parent, once this worker could make the changes: it knows best what is wrong. @throws as the parent's */
  async configure(changes: ConfigChanges): Promise<void> {
    const prepared = await Server.partsOf(this.#server).configuration.prepare(changes)
    prepared.abort()
    await this.messages.ask('configure', changes).catch((error: unknown) => {
      throw new WorkerError(messageOf(error))
    })
  }

  /** Asks the parent to stop all workers. */
  stop(options: StopOptions): void {
    this.messages.tell('stop', options)
  }

  #stop(options: StopOptions, isReplaced = false): void {
    this.#isStopped = true
    Server.partsOf(this.#server).run.isReplaced = isReplaced
    this.#server.stop(options).catch(() => {})
  }
}

function ignore(): void {}
