import type { Socket } from 'node:net'
import type { Address, DrivenLoop, Security, Transport, TransportEvents } from '../driver.js'
import type { Indexed } from '../../core/indexed-set.js'
import { AddressBook } from './internals/address-book.js'
import { DirectInput, type Reader } from './internals/direct-input.js'
import { DirectOutput, type Writer } from './internals/direct-output.js'
import { isSecure, secureFacts, wrapSecure } from './secure.js'
import { tlsOverhead, type Encrypted } from './tls-overhead.js'

/** The loop, as a transport sees it: each event is delivered between `beginEvent` and `tick` or `scheduleTick`. */
export interface TickingLoop extends Pick<DrivenLoop, 'beginEvent' | 'tick'> {
  /** Schedules a tick after the other events that came at the same time. */
  scheduleTick(): void
  /** Called once the socket is closed. */
  forget?(transport: SocketTransport): void
  /** Called when the socket got work to do, so that a virtual clock can wait: the work happens in the real event loop. */
  letTlsRun?(): void
}

/** The addresses of both ends of a connection. */
export type Ends = Pick<Transport, 'local' | 'remote'>

const addresses = new AddressBook()

/** A socket's property for its transport: so all sockets share their listeners, and a connection has no closures (0.7 KiB). */
const owner = Symbol('transport')

interface OwnedSocket extends Socket {
  [owner]?: SocketTransport
}

/** Bytes per write. The system copies only as much as it accepts; TLS takes everything, and holds it encrypted. */
const plainWrite = 1024 * 1024
const secureWrite = 64 * 1024

/** A transport on one of Node's sockets, plain or encrypted. */
export class SocketTransport implements Transport, Reader, Writer, Indexed, Encrypted {
  index = -1
  readonly local: Address
  readonly remote: Address
  readonly writeSize: number
  readonly #socket: OwnedSocket
  readonly #loop: TickingLoop
  readonly #security: Security | null
  /** The transport of the encrypted bytes; null for a plain socket. */
  readonly #around: Transport | null
  /** Null if output goes through the socket's own queue. */
  readonly #output: DirectOutput | null
  /** Null if input comes as the socket's own events. */
  #input: DirectInput | null = null
  #events: TransportEvents | null = null
  #error: Error | null = null
  /** Whether `pending` was above 0 after the last write, so that a writer may be waiting for it to fall. */
  #blocked = false

  /** @param ends the addresses, if the socket does not tell them */
  constructor(
    socket: Socket, loop: TickingLoop, security: Security | null = null, around: Transport | null = null, ends: Ends | null = around,
  ) {
    this.#socket = socket
    this.#loop = loop
    this.#security = security
    this.#around = around
    this.writeSize = security === null ? plainWrite : secureWrite
    this.local = ends?.local ?? addresses.local(socket)
    this.remote = ends?.remote ?? addresses.remote(socket)
    this.#output = DirectOutput.of(socket, this)
    this.#socket[owner] = this
    // A socket may fail before there are other listeners; that must not end the process.
    socket.on('error', onError)
    socket.on('close', onClose)
    if (around instanceof SocketTransport) tlsOverhead.watch(this)
  }

  /** The transport of `socket`, if it has one. */
  static of(socket: Socket): SocketTransport | undefined {
    return (socket as OwnedSocket)[owner]
  }

  /** The decrypted socket. */
  get secured(): Socket {
    return this.#socket
  }

  /** The socket below TLS. */
  get raw(): Socket {
    return this.#around instanceof SocketTransport ? this.#around.#socket : this.#socket
  }

  /** Closes at once, with `error` as the reason. */
  cut(error: Error): void {
    this.#error = error
    this.destroy(true)
  }

  get pending(): number {
    return this.#output === null ? this.#socket.writableLength : this.#output.pending
  }

  start(events: TransportEvents): void {
    const begun = this.#events !== null
    this.#events = events
    if (begun) return
    const socket = this.#socket
    this.#input = this.#security === null ? null : DirectInput.of(socket, this)
    if (this.#input === null) socket.on('data', onData)
    socket.on('end', onEnd)
    if (this.#security !== null) socket.once('secure', onSecure)
    // It may have been closed before the listeners were added.
    if (socket.closed) process.nextTick(() => this.closed())
  }

  pause(): void {
    if (this.#input === null) this.#socket.pause()
    else this.#input.pause()
  }

  resume(): void {
    this.#socket.resume()
    this.#input?.resume()
    this.#loop.letTlsRun?.()
  }

  write(parts: readonly (Buffer | string)[]): void {
    if (this.#output === null) this.#writeQueued(parts)
    else this.#output.write(parts)
    this.#loop.letTlsRun?.()
  }

  #writeQueued(parts: readonly (Buffer | string)[]): void {
    const socket = this.#socket
    if (parts.length > 1) socket.cork()
    for (const part of parts) {
      if (typeof part === 'string') socket.write(part, 'latin1', () => this.#written())
      else socket.write(part, () => this.#written())
    }
    if (parts.length > 1) socket.uncork()
    this.#blocked = socket.writableLength > 0
  }

  end(): void {
    if (this.#output === null) this.#socket.end()
    else this.#output.end()
    this.#loop.letTlsRun?.()
  }

  /** Closes at once. */
  release(): void {
    this.#socket.destroy()
  }

  destroy(reset = false): void {
    const socket = this.#socket
    // Only the transport below TLS can send a reset.
    if (reset && this.#around !== null) this.#around.destroy(true)
    // node:net cannot reset while the end of the output is pending.
    if (reset && this.#around === null && (!socket.writableEnded || socket.writableFinished)) socket.resetAndDestroy()
    else socket.destroy()
    this.#loop.letTlsRun?.()
  }

  keep(alive: boolean): void {
    if (alive) this.#socket.ref()
    else this.#socket.unref()
  }

  secure(security: Security, received: Buffer): Transport {
    const socket = this.#socket
    socket.off('data', onData)
    socket.off('end', onEnd)
    this.#events = null
    socket.pause()
    return new SocketTransport(wrapSecure(socket, security, received), this.#loop, security, this)
  }

  /**
   * Takes the first `size` bytes of `buffer`, which belongs to the driver again afterwards.
   *
   * Input that arrives at the same time, on all sockets, is handled in one tick: reading everything first and writing afterwards
   * takes 5 to 8 % less CPU time for a small request than alternating. But after a full buffer, Node reads this socket again
   * next: so its reader runs first, and can provide the place for the next bytes. A body of 1 MB that has to wait in pieces
   * lives long enough to become old for the garbage collector, which makes it cost half as much again.
   */
  receiveBorrowed(buffer: Buffer, size: number): void {
    this.#loop.beginEvent()
    this.#events?.onBorrowedChunk(buffer, size)
    if (size === buffer.length) this.#loop.tick()
    else this.#loop.scheduleTick()
  }

  /** Takes bytes, which belong to the receiver from now on. */
  receive(bytes: Buffer): void {
    this.#loop.beginEvent()
    this.#events?.onChunk(bytes)
    this.#loop.scheduleTick()
  }

  /** @internal */
  ended(): void {
    this.#loop.beginEvent()
    this.#events?.onEnd()
    this.#tick()
  }

  /** @internal */
  handshakeDone(): void {
    if (!isSecure(this.#socket) || this.#security === null) return
    try {
      const facts = secureFacts(this.#socket, this.#security)
      this.#loop.beginEvent()
      this.#events?.onSecure(facts)
      this.#tick()
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #written(): void {
    if (!this.#blocked) return
    this.#blocked = this.#socket.writableLength > 0
    this.progress()
  }

  /** Reports that `pending` has fallen. */
  progress(): void {
    this.#loop.beginEvent()
    this.#events?.onProgress()
    this.#tick()
  }

  /**
   * Runs the loop, but not inside an event of a TLS socket: node:tls may be in the middle of delivering input, and loses the
   * rest of it if the output is ended then.
   */
  #tick(): void {
    if (this.#security === null) this.#loop.tick()
    else this.#loop.scheduleTick()
  }

  /** @internal */
  failed(error: Error): void {
    this.#error = error
  }

  /** @internal */
  closed(): void {
    if (this.#around !== null) tlsOverhead.forget(this)
    this.#loop.forget?.(this)
    if (this.#events === null) return
    this.#loop.beginEvent()
    this.#events.onClose(this.#error)
    this.#tick()
  }
}

function onData(this: OwnedSocket, bytes: Buffer): void {
  this[owner]?.receive(bytes)
}

function onEnd(this: OwnedSocket): void {
  this[owner]?.ended()
}

function onSecure(this: OwnedSocket): void {
  this[owner]?.handshakeDone()
}

function onError(this: OwnedSocket, error: Error): void {
  this[owner]?.failed(error)
}

function onClose(this: OwnedSocket): void {
  this[owner]?.closed()
}
