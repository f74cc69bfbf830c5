import { run, timeout, wait } from '../../lev/index.js'
import { messageOf } from '../../lev/internal.js'
import type { ConfigChanges } from '../config/settings.js'
import { fieldsOf, show } from '../config/validators.js'
import { ConfigError, WorkerError } from '../errors.js'
import type { Configuration, PreparedChanges } from '../server/configuration.js'
import type { Messages } from './messages.js'

/** A worker, as changes of the settings see it. */
export interface ConfiguredWorker {
  readonly number: number
  readonly hasEnded: boolean
  readonly messages: Pick<Messages, 'ask' | 'tell'>
  kill(): void
}

/**
 * The settings of all workers, which change in two steps: every worker checks them and loads the identities, as the parent does; if all
 * could, all put them into effect.
 */
export class GroupConfiguration {
  /** All changes so far: a worker that starts makes them before it serves. */
  readonly changes: ConfigChanges[] = []
  readonly #own: Configuration
  readonly #workers: () => readonly ConfiguredWorker[]
  readonly #within: number
  #pending: Promise<unknown> = Promise.resolve()

  /**
   * @param own that of the parent's server
   * @param workers those that have been told `changes`, now
   * @param within seconds in which a worker must respond
   */
  constructor(own: Configuration, workers: () => readonly ConfiguredWorker[], within: number) {
    this.#own = own
    this.#workers = workers
    this.#within = within
  }

  /** Changes all or none; calls take effect in order. @throws ConfigError; IdentityError; WorkerError */
  configure(changes: ConfigChanges): Promise<void> {
    const configured = this.#pending.then(() => this.#configure(changes))
    this.#pending = configured.catch(() => {})
    return configured
  }

  async #configure(changes: ConfigChanges): Promise<void> {
    const own = await this.#own.prepare(changes)
    const asked = this.#workers()
    const problems = await Promise.all(asked.map((worker) => this.#problem(worker, 'prepare', changes)))
    const index = problems.findIndex((problem) => problem !== null)
    if (index >= 0) {
      for (const { messages } of asked) messages.tell('abort')
      own.abort()
      throw new WorkerError(`the settings stay as they are: worker ${asked[index].number}: ${problems[index]}`)
    }
    // Without a wait in between: a worker that starts learns them, is here, or was asked.
    if (Object.keys(changes).length > 0) this.changes.push(changes)
    const late = this.#workers().filter((worker) => !asked.includes(worker))
    await Promise.all([
      own.install(),
      ...asked.map((worker) => this.#settle(worker, 'commit', null)),
      ...late.map((worker) => this.#settle(worker, 'configure', changes)),
    ])
  }

  /** Why the worker cannot do it. Null: it can, or has ended: its successor learns the changes when it starts. */
  async #problem(worker: ConfiguredWorker, name: string, value: unknown): Promise<string | null> {
    try {
      await run(() => timeout(this.#within, wait(worker.messages.ask(name, value))))
      return null
    } catch (error) {
      return worker.hasEnded ? null : messageOf(error)
    }
  }

  /** Ends a worker that does not do what the others do. */
  async #settle(worker: ConfiguredWorker, name: string, value: unknown): Promise<void> {
    if (await this.#problem(worker, name, value) !== null) worker.kill()
  }
}

/** Has a worker take part in changes of all. */
export function takePart(messages: Messages, configuration: Configuration): void {
  let prepared: PreparedChanges | null = null
  let count = 0
  const abort = (): void => {
    count++
    prepared?.abort()
    prepared = null
  }
  messages.on('prepare', async (changes) => {
    abort()
    const mine = count
    const done = await configuration.prepare(changes as ConfigChanges)
    if (mine === count) prepared = done
    else done.abort()
  })
  messages.on('abort', abort)
  messages.on('commit', async () => {
    const done = prepared
    prepared = null
    await done?.install()
  })
  messages.on('configure', (changes) => configuration.configure(changes as ConfigChanges))
}

/** Settings as data, which can be sent to other processes. @throws ConfigError for a function, a logger and the like */
export function asData(config: unknown): ConfigChanges {
  const fields = fieldsOf(config, 'config', 'an object of settings')
  for (const [name, value] of fields) {
    if (!isData(value) || (name === 'logger' && value !== null)) {
      throw new ConfigError(name, `${name} cannot be changed for all workers: ${show(value)} cannot be sent to them; the program, which each of them runs, can set it`)
    }
  }
  return Object.fromEntries(fields)
}

function isData(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}
