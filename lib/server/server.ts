import { networkInterfaces } from 'node:os'
import * as lev from '../../lev/index.js'
import type { Address, Listener, Op, Stream } from '../../lev/index.js'
import { IdentityLoader, type LoadedIdentities } from '../../tls/index.js'
import { defaults, mergeSettings, type Config, type ConfigChanges, type Settings } from '../config/settings.js'
import { Connection } from './connection.js'
import { BindError, ConfigError, StateError } from '../errors.js'
import type { NextAction } from '../request/exchange.js'
import type { Handler } from '../request/handler.js'
import { Acceptor } from './accept.js'
import { serveListener } from './serve-listener.js'
import { ServerLog } from '../log/logger.js'
import { processRequest } from '../request/process-request.js'
import { Peer } from './peer.js'
import { Service } from './service.js'
import { onStopSignals } from './stop-signals.js'
import { tellOnOneLine } from './uncaught.js'

/** Options of `stop`. */
export interface StopOptions {
  /** Seconds that requests in flight may take to finish. Default: the setting `drain`. */
  readonly drain?: number | null | undefined
}

/** One run of `serve`. */
interface Serving {
  readonly done: Promise<void>
  stop(drain: number): void
}

/**
 * An HTTP server: `new(config, handle)` makes one, `serve` runs it.
 */
export class Server {
  readonly #service: Service
  /** Connections of streams passed to `process_request`, which keep state between requests. */
  readonly #lent = new WeakMap<Stream, Connection>()
  #serving: Serving | null = null
  #listening = deferred<Address>()
  /** Settles when the address is released. */
  #unbound = deferred<void>()
  readonly #loader = new IdentityLoader()
  /** Settles when all calls of `configure` so far are complete; null: none is pending. */
  #configuring: Promise<void> | null = null

  /** @internal */
  constructor(config: Config, handle: Handler) {
    if (typeof handle !== 'function') throw new ConfigError('handle', `handle must be a function, got ${typeof handle}`)
    const settings = mergeSettings(defaults, config)
    const identities = settings.ssl === null ? null : this.#loader.load(settings.ssl, lev.systemTime())
    this.#service = new Service(settings, handle, new ServerLog(settings))
    this.#install(settings, identities)
  }

  /**
   * Merges `config` into the settings, all or nothing: every value is checked before any is applied. Files of TLS identities are
   * read again, host by host while the server keeps serving; unchanged ones are not parsed again. Calls take effect in order.
   * The settings apply to new connections, and to the log immediately; the bound address does not change.
   * @returns a promise that resolves when the settings are in effect: immediately without TLS. It rejects with ConfigError, and
   * with IdentityError for a certificate or key that cannot be used
   */
  async configure(config: ConfigChanges): Promise<void> {
    const before = this.#configuring
    const configured = before === null ? this.#configure(config) : before.then(() => this.#configure(config))
    const settled = configured.catch(() => {}).then(() => {
      if (this.#configuring === settled) this.#configuring = null
    })
    this.#configuring = settled
    await configured
  }

  /**
   * Binds the address and serves until `stop` is called.
   * @returns a promise that resolves when the server has stopped; it rejects with BindError, whose message is
   * `failed to bind IP:PORT: reason`, and with StateError if the server is serving already
   */
  serve(): Promise<void> {
    if (this.#serving !== null) return Promise.reject(new StateError('the server is serving already'))
    const stopping = lev.channel<number>(Infinity)
    this.#unbound = deferred()
    const served = lev.run(() => this.#serve(stopping))
    served.catch((error: unknown) => error instanceof BindError && tellOnOneLine(error))
    const done = served.finally(() => {
      this.#serving = null
      this.#listening = deferred()
    })
    this.#serving = {
      done,
      stop(drain) {
        stopping.trySend(drain)
      },
    }
    return done
  }

  /** The bound address, once there is one; with `port: 0` it has the actual port. Rejects as `serve` does if binding fails. */
  get listening(): Promise<Address> {
    return this.#listening.promise
  }

  /**
   * Stops gracefully: new connections are not accepted, idle ones close, and requests in flight finish with `Connection: close`.
   * After `drain` seconds the rest is cancelled; of several calls the earliest deadline counts. Harmless when the server does
   * not serve.
   * @returns a promise that resolves when the server has stopped; it rejects with RangeError for a `drain` that is not a number
   * of seconds, 0 or more
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const drain = options.drain ?? this.#service.settings.drain
    if (typeof drain !== 'number' || !(drain >= 0)) throw new RangeError(`drain must be a number of seconds, 0 or more; got ${drain}`)
    const serving = this.#serving
    if (serving === null) return
    serving.stop(drain)
    await serving.done
  }

  /** @internal Settles when a serving server has released its address: requests in flight may take longer. */
  static unbound(server: Server): Promise<void> {
    return server.#unbound.promise
  }

  /**
   * Serves one request on any stream.
   * @param client_ip address of the peer, for the handler and the log
   * @param count number of the request on its connection, from 1; the one that equals `requests_per_connection` is the last
   * @param redis_module passed to the handler as `ctx.redis`
   * @returns `['keep-alive', null]`, `['close', null]`, or `[null, err]`. The caller closes the stream unless it is kept alive
   */
  *process_request(client: Stream, client_ip: string, count: number, redis_module: unknown = null): Op<NextAction> {
    let connection = this.#lent.get(client)
    if (connection === undefined || connection.peer.ip !== client_ip || connection.redis !== redis_module) {
      connection = new Connection(this.#service, client, new Peer(client_ip), redis_module)
      this.#lent.set(client, connection)
    }
    return yield* processRequest(connection, count)
  }

  async #configure(config: ConfigChanges): Promise<void> {
    const settings = mergeSettings(this.#service.settings, config)
    const { ssl } = settings
    const identities = ssl === null ? null : await lev.run(() => inTurns(this.#loader.steps(ssl, lev.systemTime())))
    this.#install(settings, identities)
  }

  #install(settings: Settings, identities: LoadedIdentities | null): void {
    this.#service.configure(settings, identities?.identities ?? null)
    for (const warning of identities?.warnings ?? []) this.#service.log.logger.warn(warning)
  }

  *#serve(stopping: lev.Channel<number>): Op<void> {
    const service = this.#service
    const { settings } = service
    const unbound = this.#unbound
    service.draining = false
    // Installed before binding, so that no signal is missed.
    const forget = settings.handle_signals ? onStopSignals(() => void this.stop().catch(() => {})) : () => {}
    try {
      const listener = yield* this.#bind(settings)
      yield* serveListener(service, new Acceptor(service, listener), stopping, () => {
        listener.close()
        unbound.resolve()
      })
    } finally {
      unbound.resolve()
      forget()
    }
  }

  *#bind(settings: Settings): Op<Listener> {
    const { ip, port, backlog, reuse_port: reusePort } = settings
    try {
      const listener = yield* lev.listen({ ip, port, backlog, reusePort })
      this.#service.log.logger.info(`Started, listening on ${addressTexts(listener.address, settings.ssl !== null).join(', ')}`)
      this.#listening.resolve(listener.address)
      return listener
    } catch (error) {
      const failure = new BindError(ip, port, error)
      this.#listening.reject(failure)
      throw failure
    }
  }
}

/** The URLs of a bound address; for a wildcard, those of every interface. */
function addressTexts({ ip, port }: Address, secure: boolean): string[] {
  const wildcard = ip === '0.0.0.0' || ip === '::'
  const interfaces = wildcard ? Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []) : []
  const ips = interfaces.filter(({ family, scopeid }) => (ip === '::' || family === 'IPv4') && !scopeid).map(({ address }) => address)
  return (ips.length > 0 ? ips : [ip]).map((one) => `http${secure ? 's' : ''}://${one.includes(':') ? `[${one}]` : one}:${port}`)
}

/** Runs the steps with other tasks in between. */
function* inTurns<T>(steps: Generator<undefined, T>): Op<T> {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    yield* lev.yieldNow()
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
