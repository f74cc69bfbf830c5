import * as lev from '../../lev/index.js'
import type { Address, Op, Stream } from '../../lev/index.js'
import { IdentityLoader } from '../../tls/index.js'
import { defaults, mergeSettings, type Config, type ConfigChanges } from '../config/settings.js'
import { watchCertificates } from './certificate-watch.js'
import { Configuration, install } from './configuration.js'
import { Connection } from './connection.js'
import { BindError, ConfigError, StateError } from '../errors.js'
import type { NextAction } from '../request/exchange.js'
import type { Handler } from '../request/handler.js'
import { ServerLog } from '../log/logger.js'
import { processRequest } from '../request/process-request.js'
import { Peer } from './peer.js'
import { Run } from './run.js'
import { Service } from './service.js'
import { stopRequest, type StopOptions, type StopRequest } from './stop-times.js'
import { tellOnOneLine } from './uncaught.js'

/**
 * An HTTP server: `new(config, handle)` makes one, `serve` runs it.
 */
export class Server {
  readonly #service: Service
  /** Connections of streams passed to `process_request`, which keep state between requests. */
  readonly #connections = new WeakMap<Stream, Connection>()
  /** The run that goes on, or else the next one. */
  #run: Run
  /** Settles when the run has ended; null: none goes on. */
  #done: Promise<void> | null = null
  readonly #configuration: Configuration

  /** @internal */
  constructor(config: Config, handle: Handler) {
    if (typeof handle !== 'function') throw new ConfigError('handle', `handle must be a function, got ${typeof handle}`)
    const settings = mergeSettings(defaults, config)
    const loader = new IdentityLoader()
    const identities = settings.ssl === null ? null : loader.load(settings.ssl, lev.systemTime())
    this.#service = new Service(settings, handle, new ServerLog(settings))
    this.#configuration = new Configuration(this.#service, loader)
    this.#service.beside = () => watchCertificates(this.#service, this.#configuration)
    this.#run = new Run(this.#service)
    install(this.#service, settings, identities)
  }

  /**
   * Merges `config` into the settings, all or nothing: every value is checked before any is applied. Files of TLS identities are
   * read again, host by host while the server keeps serving; unchanged ones are not parsed again. Calls take effect in order.
   * The settings apply to new connections, and to the log immediately; the bound address does not change.
   * @returns a promise that resolves when the settings are in effect: immediately without TLS. It rejects with ConfigError, and
   * with IdentityError for a certificate or key that cannot be used
   */
  async configure(config: ConfigChanges): Promise<void> {
    await this.#configuration.configure(config)
  }

  /**
   * Binds every address and serves until `stop` is called.
   * @returns a promise that resolves when the server has stopped; it rejects with BindError, whose message is
   * `failed to bind IP:PORT: reason`, and with StateError if the server is serving already
   */
  serve(): Promise<void> {
    if (this.#done !== null) return Promise.reject(new StateError('the server is serving already'))
    const run = this.#run
    const served = lev.run(() => run.serve())
    served.catch((error: unknown) => error instanceof BindError && tellOnOneLine(error))
    this.#done = served.finally(() => {
      this.#done = null
      this.#run = new Run(this.#service)
    })
    return this.#done
  }

  /** The addresses at which it listens, in the order of the setting `listen`; empty before they are bound and after the end. */
  get addresses(): readonly Address[] {
    return this.#run.addresses
  }

  /**
   * The bound address, once there is one, the first of several; with `port: 0` it has the actual port. Rejects as `serve` does if
   * binding fails.
   */
  get listening(): Promise<Address> {
    return this.#run.listening.promise
  }

  /**
   * Whether it listens and was not told to stop: what a readiness probe is to hear. A worker that stops because another has taken its
   * place stays ready.
   */
  get ready(): boolean {
    return this.#run.ready
  }

  /**
   * Resolves when it begins to stop, by a signal or by `stop`, with the seconds that it may take. With a server that serves again
   * there is a new one.
   */
  get stopping(): Promise<StopRequest> {
    return this.#run.stopping.promise
  }

  /**
   * Stops gracefully. For `pre_drain` seconds it serves on, while `ready` is false. Then new connections are not accepted, idle ones
   * close, and requests in flight finish with `Connection: close`. After `drain` seconds the rest is cancelled; of several calls the
   * earliest times count. Harmless when the server does not serve.
   * @returns a promise that resolves when the server has stopped; it rejects with RangeError for an option that is not a number
   * of seconds, 0 or more
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const request = stopRequest(options, this.#service.settings)
    const done = this.#done
    if (done === null) return
    this.#run.stop(request)
    await done
  }

  /** @internal What `leveret/workers` needs: the shared state, and the run that goes on, or else the next one. */
  static partsOf(server: Server): { readonly service: Service; readonly configuration: Configuration; readonly run: Run } {
    return { service: server.#service, configuration: server.#configuration, run: server.#run }
  }

  /** @internal Settles when a server that stops has released its address: requests in flight may take longer. */
  static async unbound(server: Server): Promise<void> {
    if (server.#done !== null) await server.#run.released.promise
  }

  /**
   * Serves one request on any stream.
   * @param client_ip address of the peer, for the handler and the log
   * @param count number of the request on its connection, from 1; the one that equals `requests_per_connection` is the last
   * @param redis_module passed to the handler as `ctx.redis`
   * @returns `['keep-alive', null]`, `['close', null]`, or `[null, err]`. The caller closes the stream unless it is kept alive
   */
  *process_request(client: Stream, client_ip: string, count: number, redis_module: unknown = null): Op<NextAction> {
    let connection = this.#connections.get(client)
    if (connection === undefined || connection.peer.ip !== client_ip || connection.redis !== redis_module) {
      connection = new Connection(this.#service, client, new Peer(client_ip, client.remote.port), redis_module)
      this.#connections.set(client, connection)
    }
    return yield* processRequest(connection, count)
  }
}
