import { networkInterfaces } from 'node:os'
import * as lev from '../../lev/index.js'
import { catchUp } from '../../lev/internal.js'
import type { Address, Listener, Op, Stream } from '../../lev/index.js'
import { IdentityLoader, type LoadedIdentities } from '../../tls/index.js'
import { defaults, mergeSettings, type Config, type ConfigChanges, type Settings } from '../config/settings.js'
import { Connection } from './connection.js'
import { BindError, ConfigError, StateError } from '../errors.js'
import type { Disposition } from '../request/exchange.js'
import type { Handler } from '../request/handler.js'
import { startServing } from './serve-connection.js'
import { ServerLog } from '../log/logger.js'
import { OverloadGuard } from './overload-guard.js'
import { processRequest } from '../request/process-request.js'
import { Service } from './service.js'
import { onStopSignals } from './stop-signals.js'
import { tellOnOneLine } from './uncaught.js'

/** How a server is stopped. */
export interface StopOptions {
  /** Seconds that requests in flight are given to finish. Default: the setting `drain`. */
  readonly drain?: number | null | undefined
}

/** One time of serving, from `serve` to its end. */
interface Serving {
  readonly done: Promise<void>
  stop(drain: number): void
}

/**
 * An HTTP server: `new(config, handle)` makes one, `serve` runs it.
 */
export class Server {
  readonly #service: Service
  /** Connections that `process_request` was called for, with what they keep between requests. */
  readonly #lent = new WeakMap<Stream, Connection>()
  #serving: Serving | null = null
  #listening = deferred<Address>()
  /** Settles when the address is free again. */
  #unbound = deferred<void>()
  readonly #loader = new IdentityLoader()
  /** Ends when all calls of `configure` so far have. */
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
   * Merges `config` into the settings: all of it, or, if anything in it is wrong, nothing. Files of TLS identities are read
   * again, one host after another while the server goes on; what has not changed is not parsed again. Several calls take
   * effect one after another. While serving it holds for new connections, and for the log at once; the address stays as bound.
   * @returns a promise that ends when the settings hold: without TLS they do at once. It rejects with ConfigError, and with
   * IdentityError for a certificate or key that cannot be used
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
   * @returns a promise that ends when the server has stopped; it rejects with BindError, whose message is
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

  /** The bound address, once there is one: with `port: 0` it tells the port. Rejects with what `serve` rejects with. */
  get listening(): Promise<Address> {
    return this.#listening.promise
  }

  /**
   * Stops: no new connections; requests in flight finish, and tell their clients to close; idle connections close. What
   * is left after `drain` seconds is cancelled; of several calls, the one whose time is over first counts. Harmless when the
   * server does not serve.
   * @returns a promise that ends when the server has stopped; it rejects with RangeError for a `drain` that is no time
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const drain = options.drain ?? this.#service.settings.drain
    if (typeof drain !== 'number' || !(drain >= 0)) throw new RangeError(`drain must be a number of seconds, 0 or more; got ${drain}`)
    const serving = this.#serving
    if (serving === null) return
    serving.stop(drain)
    await serving.done
  }

  /** @internal Settles when a server that serves has freed its address: requests in flight may go on for longer. */
  static unbound(server: Server): Promise<void> {
    return server.#unbound.promise
  }

  /**
   * Answers one request on any stream.
   * @param client_ip what the handler and the log are told of the peer
   * @param count which request of its connection this is, from 1; at `requests_per_connection` it is the last
   * @param redis_module given to the handler as `ctx.redis`
   * @returns `['keep-alive', null]`, `['close', null]`, or `[null, err]`. The caller closes the stream unless it is kept alive
   */
  *process_request(client: Stream, client_ip: string, count: number, redis_module: unknown = null): Op<Disposition> {
    let connection = this.#lent.get(client)
    if (connection === undefined || connection.client_ip !== client_ip || connection.redis !== redis_module) {
      connection = new Connection(this.#service, client, client_ip, redis_module)
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
    this.#service.settings = settings
    this.#service.identities = identities?.identities ?? null
    this.#service.log.configure(settings)
    for (const warning of identities?.warnings ?? []) this.#service.log.logger.warn(warning)
  }

  *#serve(stopping: lev.Channel<number>): Op<void> {
    const service = this.#service
    const { settings } = service
    // Before there is anything to stop, so that no signal is too early.
    const forget = settings.handle_signals ? onStopSignals(() => void this.stop().catch(() => {})) : () => {}
    const unbound = this.#unbound
    let listener: Listener | null = null
    service.draining = false
    try {
      const bound = yield* this.#bind(settings)
      listener = bound
      yield* lev.scope(function* (connections) {
        service.spawn = (start) => connections.spawn(start)
        connections.spawn(() => acceptLoop(service, bound, connections))
        const drain = (yield* stopping.receive()) ?? 0
        service.draining = true
        for (const connection of service.connections) connection.drain()
        connections.spawn(function* () {
          yield* backlogAccepted(service, settings.backlog)
          bound.close()
          unbound.resolve()
          yield* service.emptied()
          stopping.trySend(0)
        })
        yield* countDown(drain, stopping)
        connections.cancel('drain')
      })
    } finally {
      service.spawn = null
      listener?.close()
      unbound.resolve()
      // Connections that were cancelled before their first step have not closed themselves.
      for (const connection of service.connections) connection.close()
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

/** The URLs that a bound address is reached by; those of every interface when it is a wildcard. */
function addressTexts({ ip, port }: Address, secure: boolean): string[] {
  const wildcard = ip === '0.0.0.0' || ip === '::'
  const interfaces = wildcard ? Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []) : []
  const ips = interfaces.filter(({ family, scopeid }) => (ip === '::' || family === 'IPv4') && !scopeid).map(({ address }) => address)
  return (ips.length > 0 ? ips : [ip]).map((one) => `http${secure ? 's' : ''}://${one.includes(':') ? `[${one}]` : one}:${port}`)
}

/** Waits for `seconds`, or less: each value of `limits` allows that many seconds from when it comes. */
function* countDown(seconds: number, limits: lev.Channel<number>): Op<void> {
  let end = lev.now() + seconds
  do {
    try {
      const limit = yield* lev.timeout(end - lev.now(), limits.receive())
      end = Math.min(end, lev.now() + (limit ?? 0))
    } catch (error) {
      if (!(error instanceof lev.TimeoutError)) throw error
      return
    }
  } while (lev.now() < end)
}

/**
 * Waits until the server has accepted the connections that the system had accepted for it, whose clients have sent requests: to
 * close the listener would reset them. Others may come meanwhile; there are never more than `backlog` to wait for.
 */
function* backlogAccepted(service: Service, backlog: number): Op<void> {
  const most = service.accepted + backlog
  let before: number
  do {
    before = service.accepted
    yield* catchUp()
  } while (service.accepted > before && service.accepted < most)
}

/** Accepts connections and gives each a task of its own. */
function* acceptLoop(service: Service, listener: Listener, connections: lev.Scope): Op<void> {
  const guard = new OverloadGuard(service)
  for (;;) {
    const client = yield* listener.accept()
    if (client === null) return
    service.accepted++
    if (service.full) connections.spawn(() => acceptMore(service, guard, client))
    else serveClient(service, client)
  }
}

/** Accepts a connection over the limit if another gives way to it. */
function* acceptMore(service: Service, guard: OverloadGuard, client: Stream): Op<void> {
  if (yield* guard.makeRoom(client)) serveClient(service, client)
  else yield* guard.reject(client)
}

function serveClient(service: Service, client: Stream): void {
  const connection = new Connection(service, client, client.remote.ip, null)
  service.connections.add(connection)
  startServing(connection)
}

/** Takes each step in a turn of its own. */
function* inTurns<T>(steps: Generator<undefined, T>): Op<T> {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    yield* lev.breathe()
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
  // Nobody has to look at it: `serve` rejects with the same error.
  promise.catch(() => {})
  return { promise, resolve, reject }
}
