import { channel, now, scope, timeout, TimeoutError, type Address, type Channel, type Op } from '../../lev/index.js'
import { Acceptor } from './accept.js'
import { bindAll, type BoundSource } from './bind.js'
import { listeningTexts } from './listening-texts.js'
import { prefaceOf } from './preface.js'
import type { Service } from './service.js'
import { onStopSignals } from './stop-signals.js'

/** One run of a server, from binding its address until everything that it has served is over. */
export class Run {
  /** The bound address, the first of several. Rejects with BindError. */
  readonly listening = deferred<Address>()
  /** The bound addresses, in the order of the setting. */
  addresses: readonly Address[] = []
  /** Resolves when the address is released. */
  readonly released = deferred<void>()
  readonly #service: Service
  readonly #preface: typeof prefaceOf
  /** Receives the seconds to wait, once for each call of `stop`. */
  readonly #stopping = channel<number>(Infinity)

  /** @param preface the steps of a connection before its first request */
  constructor(service: Service, preface = prefaceOf) {
    this.#service = service
    this.#preface = preface
  }

  /** Begins to stop; after `drain` seconds the connections that are left are cancelled. The earliest end counts. */
  stop(drain: number): void {
    this.#stopping.trySend(drain)
  }

  /** Ends after `stop`: when all connections are closed and no detached task runs, or their time is over. @throws BindError */
  *serve(): Op<void> {
    const service = this.#service
    service.draining = false
    // Installed before binding, so that no signal is missed.
    const forget = service.settings.handle_signals ? onStopSignals((restarts) => this.stop(restarts ? 0 : service.settings.drain)) : () => {}
    try {
      yield* this.#serveSources(yield* this.#bind())
    } finally {
      this.released.resolve()
      forget()
    }
  }

  *#bind(): Op<BoundSource[]> {
    const { log, settings } = this.#service
    try {
      const sources = yield* bindAll(settings)
      const texts = sources.flatMap(({ listener, place }) => listeningTexts(listener.address, settings.ssl !== null && !place.isPlain))
      log.logger.info(`Started, listening on ${texts.join(', ')}`)
      this.addresses = sources.map(({ listener }) => listener.address)
      const [first] = this.addresses
      if (first !== undefined) this.listening.resolve(first)
      return sources
    } catch (error) {
      this.listening.reject(error)
      throw error
    }
  }

  *#serveSources(sources: readonly BoundSource[]): Op<void> {
    const { released } = this
    const service = this.#service
    const stopping = this.#stopping
    const acceptors = sources.map((source) => new Acceptor(service, source, this.#preface))
    const close = (): void => sources.forEach(({ listener }) => listener.close())
    try {
      yield* scope(function* (tasks) {
        service.spawn = (start) => tasks.spawn(start)
        for (const acceptor of acceptors) tasks.spawn(() => acceptor.run(tasks))
        const drain = (yield* stopping.receive()) ?? 0
        service.drain()
        tasks.spawn(function* () {
          yield* scope(function* (finishing) {
            for (const acceptor of acceptors) finishing.spawn(() => acceptor.finishBacklog())
          })
          close()
          released.resolve()
          yield* service.emptied()
          stopping.trySend(0)
        })
        yield* countDown(drain, stopping)
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

/** Waits for at most `seconds`: each value received from `limits` is another maximum, counted from its arrival. */
function* countDown(seconds: number, limits: Channel<number>): Op<void> {
  let end = now() + seconds
  do {
    try {
      const limit = yield* timeout(end - now(), limits.receive())
      end = Math.min(end, now() + (limit ?? 0))
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      return
    }
  } while (now() < end)
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
