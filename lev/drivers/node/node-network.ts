import { connect, createServer, Socket, type Server } from 'node:net'
import { AddressError } from '../../core/errors.js'
import type { Address, Completion, ConnectOptions, DrivenLoop, ListenerTransport, ListenOptions, Transport } from '../driver.js'
import { IndexedSet, type Indexed } from '../../core/indexed-set.js'
import { addressOf, faultOf, listenError, systemOptions } from './listen-options.js'
import { acceptHandles, sharedSockets } from './internals/shared-read.js'
import { holdPermissions } from './socket-file.js'
import { SocketTransport, type Ends, type TickingLoop } from './socket-transport.js'

/** An open resource, to be released when the driver stops. */
interface Open extends Indexed {
  readonly release: () => void
}

/** Listens and connects with node:net, for one loop, and keeps track of open resources so that `stop` can release them. */
export class NodeNetwork {
  readonly #loop: DrivenLoop
  readonly #transportLoop: TickingLoop
  /** For accepted connections, whose transports are themselves the members of `#open`. */
  readonly #acceptedLoop: TickingLoop
  readonly #open = new IndexedSet<Open>()

  /** @param wakeSoon requests a tick after the events that are already waiting */
  constructor(loop: DrivenLoop, wakeSoon: () => void) {
    this.#loop = loop
    this.#transportLoop = { beginEvent: () => loop.beginEvent(), tick: () => loop.tick(), scheduleTick: wakeSoon }
    this.#acceptedLoop = { ...this.#transportLoop, forget: (transport) => this.#open.delete(transport) }
  }

  listen(options: ListenOptions, accept: (transport: Transport) => void, done: Completion<ListenerTransport>): void {
    const loop = this.#loop
    const failed = (error: Error): void => {
      loop.beginEvent()
      done(error, null)
      loop.tick()
    }
    const fault = faultOf(options)
    if (fault !== null) return queueMicrotask(() => failed(new Error(fault)))
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
    const admit = (transport: Transport): void => {
      loop.beginEvent()
      accept(transport)
      loop.tick()
    }
    let ends: Ends | null = null
    server.on('connection', (socket) => admit(new SocketTransport(this.#keep(socket), this.#transportLoop, null, null, ends)))
    server.once('error', (error) => failed(listenError(options, error)))
    server.once('listening', () => {
      this.#keep(server)
      try {
        permissions?.set()
      } catch (error) {
        server.close()
        return failed(error as Error)
      }
      acceptHandles(server, (handle) => admit(this.#accepted(handle)))
      server.removeAllListeners('error')
      // From here on only a single accept can fail (for example, no file descriptors are left); the next may succeed.
      server.on('error', (error) => loop.fault(new AddressError(`cannot accept a connection: ${error.message}`, { cause: error })))
      const address = addressOf(server.address())
      if (address.path !== undefined) ends = { local: address, remote: unnamed }
      loop.beginEvent()
      done(null, { address, close: () => server.close() })
      loop.tick()
    })
    const permissions = holdPermissions(options)
    try {
      server.listen(systemOptions(options))
    } finally {
      permissions?.release()
    }
  }

  connect(options: ConnectOptions, done: Completion<Transport>): () => void {
    const loop = this.#loop
    const { path } = options
    const where = path === undefined ? { host: options.ip, port: options.port, noDelay: true } : { path }
    const ends: Ends | null = path === undefined ? null : { local: unnamed, remote: { ip: '', port: 0, path } }
    const socket = this.#keep(connect({ ...where, allowHalfOpen: true }))
    const failed = (error: Error): void => {
      loop.beginEvent()
      done(error, null)
      loop.tick()
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      socket.pause()
      loop.beginEvent()
      done(null, new SocketTransport(socket, this.#transportLoop, null, null, ends))
      loop.tick()
    })
    return () => {
      socket.off('error', failed)
      socket.on('error', () => {})
      socket.destroy()
    }
  }

  stop(): void {
    for (const open of this.#open) open.release()
  }

  #accepted(handle: object): Transport {
    const transport = new SocketTransport(makeSocket(handle), this.#acceptedLoop)
    this.#open.add(transport)
    return transport
  }

  #keep<T extends Server | Socket>(opened: T): T {
    const open: Open = { index: -1, release: () => void ('destroy' in opened ? opened.destroy() : opened.close()) }
    this.#open.add(open)
    opened.once('close', () => this.#open.delete(open))
    return opened
  }
}

const makeSocket = sharedSockets((socket, buffer, size) => {
  if (socket instanceof Socket) SocketTransport.of(socket)?.receiveBorrowed(buffer, size)
})

/** The end of a Unix connection that has no path. */
const unnamed: Address = { ip: '', port: 0, path: '' }
