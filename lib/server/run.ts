import { listen, scope, type Address, type Listener, type ListenOptions, type Op } from '../../lev/index.js'
import { Acceptor } from './accept.js'
import { bindAll, type Bound } from './bind.js'
import { type InheritedSocket, listenInherited } from './inherited.js'
import { listeningTexts } from './listening-texts.js'
import { prefaceOf } from './preface.js'
import type { Service } from './service.js'
import { onStopSignals } from './stop-signals.js'
import { atOnce, StopTimes, type StopRequest } from './stop-times.js'

/** One run of a server, from binding its address until everything that it has served is over. */
export class Run {
  /** The bound address, the first of several. Rejects with BindError. */
  readonly listening = deferred<Address>()
  /** The bound addresses, in the order of the setting. */
  addresses: readonly Address[] = []
  /** Resolves with the first call of `stop`. */
  readonly stopping = deferred<StopRequest>()
  /** Resolves when the address is released. */
  readonly released = deferred<void>()
  /** The sockets to serve, of a worker: its parent binds them, tells so, and handles signals. Null: those of the settings. */
  inherited: readonly InheritedSocket[] | null = null
  /** Whether another process serves in its place while it stops: those who probe it hear of the service, which stays ready. */
  isReplaced = false
  readonly #service: Service
  readonly #preface: typeof prefaceOf
  readonly #stopTimes = new StopTimes()
  #isStopping = false

  /** @param preface the steps of a connection before its first request */
  constructor(service: Service, preface = prefaceOf) {
    this.#service = service
    this.#preface = preface
  }

  /** Whether it is bound, and `stop` was not called, except for a roll of workers. */
  get ready(): boolean {
    return this.addresses.length > 0 && (!this.#isStopping || this.isReplaced)
  }

  /** Begins to stop. */
  stop({ pre_drain, drain }: StopRequest): void {
    if (this.ready && pre_drain > 0) this.#service.log.logger.info(`Not ready any more, and stopping in ${pre_drain} s`)
    this.#isStopping = true
    const request = { pre_drain, drain }
    this.stopping.resolve(request)
    this.#stopTimes.add(request)
  }

  /** Ends after `stop`: when all connections are closed and no detached task runs, or their time is over. @throws BindError */
  *serve(): Op<void> {
    const service = this.#service
    service.draining = false
    // Installed before binding, so that no signal is missed.
    const { inherited } = this
    const handlesSignals = service.settings.handle_signals && inherited === null
    const forget = handlesSignals ? onStopSignals((restarts) => this.stop(restarts ? atOnce : service.settings)) : () => {}
    try {
      yield* this.#serveSources(inherited === null ? yield* this.bind(listen) : yield* this.#inherit(inherited))
    } finally {
      this.released.resolve()
      forget()
    }
  }

  /** Binds every source by `listen` and tells so, or none. @throws BindError */
  *bind<T extends Pick<Listener, 'address' | 'close'>>(listen: (where: ListenOptions) => Op<T>): Op<Bound<T>[]> {
    const { log, settings } = this.#service
    try {
      const sources = yield* bindAll(settings, listen)
      const texts = sources.flatMap(({ address, place }) => listeningTexts(address, settings.ssl !== null && !place.isPlain))
      log.logger.info(`Started, listening on ${texts.join(', ')}`)
      this.#tellBound(sources)
      return sources
    } catch (error) {
      this.listening.reject(error)
      throw error
    }
  }

  *#inherit(sockets: readonly InheritedSocket[]): Op<Bound<Listener>[]> {
    const sources = yield* listenInherited(sockets, this.#service.settings.backlog)
    this.#tellBound(sources)
    return sources
  }

  #tellBound(sources: readonly Bound<Pick<Listener, 'address' | 'close'>>[]): void {
    this.addresses = sources.map(({ address }) => address)
    const [first] = this.addresses
    if (first !== undefined) this.listening.resolve(first)
  }

  *#serveSources(sources: readonly Bound<Listener>[]): Op<void> {
    const { released } = this
    const service = this.#service
    const stopTimes = this.#stopTimes
    const acceptors = sources.map((source) => new Acceptor(service, source, this.#preface))
    const close = (): void => sources.forEach(({ listener }) => listener.close())
    try {
      yield* scope(function* (tasks) {
        service.spawn = (start) => tasks.spawn(start)
        if (service.beside !== null) tasks.background(service.beside)
        for (const acceptor of acceptors) tasks.spawn(() => acceptor.run(tasks))
        yield* stopTimes.untilDrain()
        service.drain()
        tasks.spawn(function* () {
          yield* scope(function* (finishing) {
            for (const acceptor of acceptors) finishing.spawn(() => acceptor.finishBacklog())
          })
          close()
          released.resolve()
          yield* service.emptied()
          stopTimes.add(atOnce)
        })
        yield* stopTimes.untilEnd()
        tasks.cancel('drain')
      })
    } finally {
      service.spawn = null
      close()
      // A connection whose task was cancelled before its first step has not closed itself.
      service.connections.close()
    }
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  // No caller has to await it: `serve` rejects with the same error.
  promise.catch(() => {})
  return { promise, resolve, reject }
}
