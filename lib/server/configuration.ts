import { run, systemTime, yieldNow, type Op } from '../../lev/index.js'
import { IdentityLoader, type LoadedIdentities, type TlsConfig } from '../../tls/index.js'
import { mergeSettings, type ConfigChanges, type Settings } from '../config/settings.js'
import type { Service } from './service.js'
import { Signal } from '../signal.js'

/** Changes that are checked and loaded; one of the two is to be called. */
export interface PreparedChanges {
  /** Puts them into effect; they are when the promise resolves. */
  install(): Promise<void>
  /** Forgets them. */
  abort(): void
}

/** How the settings of one server change: all or nothing, and one change after the other. */
export class Configuration {
  readonly #service: Service
  #loader: IdentityLoader
  /** Settles when all changes so far are complete; null: none is pending. */
  #pending: Promise<void> | null = null
  /** Told when settings were put into effect. */
  readonly changed = new Signal()

  /** @param loader has loaded the identities of `service` */
  constructor(service: Service, loader: IdentityLoader) {
    this.#service = service
    this.#loader = loader
  }

  /** Checks `changes`, loads the identities, and puts both into effect: at once without TLS. @throws ConfigError; IdentityError */
  configure(changes: ConfigChanges): Promise<void> {
    return this.#inOrder(async () => {
      const settings = mergeSettings(this.#service.settings, changes)
      this.#install(settings, settings.ssl === null ? null : await this.#load(settings.ssl))
    })
  }

  /**
   * Reads the files of the identities again.
   * @returns the hosts of those that have changed, which are in use now
   * @throws IdentityError; then the former ones stay
   */
  reload(): Promise<string[]> {
    return this.#inOrder(async () => {
      const { settings, identities } = this.#service
      if (settings.ssl === null) return []
      const loaded = await this.#load(settings.ssl)
      const former = new Set(identities)
      const changed = Array.from(loaded.identities).filter((identity) => !former.has(identity)).map(({ host }) => host)
      if (changed.length > 0) this.#install(settings, loaded)
      return changed
    })
  }

  /** Has the keys of session tickets derived from `secret` where the settings have none, from now on. @throws IdentityError */
  shareTickets(secret: string): Promise<void> {
    return this.#inOrder(async () => {
      const { settings } = this.#service
      this.#loader = new IdentityLoader(secret)
      if (settings.ssl !== null) this.#service.configure(settings, (await this.#load(settings.ssl)).identities)
    })
  }

  /**
   * Checks `changes` and loads the identities, as `configure` does. Nothing is in effect yet, and other changes wait, until one of the
   * functions that it returns is called.
   * @throws ConfigError; IdentityError
   */
  prepare(changes: ConfigChanges): Promise<PreparedChanges> {
    return new Promise((resolve, reject) => {
      const done = this.#inOrder(async () => {
        const settings = mergeSettings(this.#service.settings, changes)
        const identities = settings.ssl === null ? null : await this.#load(settings.ssl)
        const isWanted = await new Promise<boolean>((decide) => resolve({
          install: () => {
            decide(true)
            return done
          },
          abort: () => decide(false),
        }))
        if (isWanted) this.#install(settings, identities)
      })
      done.catch(reject)
    })
  }

  #inOrder<T>(change: () => Promise<T>): Promise<T> {
    const before = this.#pending
    const changing = before === null ? change() : before.then(change)
    const settled = changing.then(() => {}, () => {}).then(() => {
      if (this.#pending === settled) this.#pending = null
    })
    this.#pending = settled
    return changing
  }

  #load(ssl: TlsConfig): Promise<LoadedIdentities> {
    return run(() => inTurns(this.#loader.steps(ssl, systemTime())))
  }

  #install(settings: Settings, identities: LoadedIdentities | null): void {
    install(this.#service, settings, identities)
    this.changed.tell()
  }
}

/** Puts settings and identities into effect, and logs what is unusual about the identities. */
export function install(service: Service, settings: Settings, identities: LoadedIdentities | null): void {
  service.configure(settings, identities?.identities ?? null)
  for (const warning of identities?.warnings ?? []) service.log.logger.warn(warning)
}

/** Runs the steps with other tasks in between. */
function* inTurns<T>(steps: Generator<undefined, T>): Op<T> {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    yield* yieldNow()
  }
}
