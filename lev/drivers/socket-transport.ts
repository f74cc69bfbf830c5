import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Address, Security, Transport, TransportEvents } from './driver.js'
import { secureFacts, wrapSecure } from './secure.js'

const nowhere: Address = { ip: '', port: 0 }

/** A transport on one of Node's own sockets, plain or encrypted. `turn` runs the loop after each event. */
export class SocketTransport implements Transport {
  readonly local: Address
  readonly remote: Address
  readonly #socket: Socket
  readonly #turn: () => void
  readonly #security: Security | null
  #events: TransportEvents | null = null
  #error: Error | null = null
  /** Whether `pending` was above 0 after the last write, so that somebody may wait for it to fall. */
  #blocked = false

  constructor(socket: Socket, turn: () => void, security: Security | null = null, around: Transport | null = null) {
    this.#socket = socket
    this.#turn = turn
    this.#security = security
    this.local = around?.local ?? address(socket.localAddress, socket.localPort)
    this.remote = around?.remote ?? address(socket.remoteAddress, socket.remotePort)
    // A socket may fail before anybody listens; it must not end the process.
    socket.on('error', this.#onError)
  }

  get pending(): number {
    return this.#socket.writableLength
  }

  start(events: TransportEvents): void {
    this.#events = events
    const socket = this.#socket
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onClose)
    if (this.#security !== null) socket.once('secure', this.#onSecure)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  write(parts: readonly (Buffer | string)[]): void {
    const socket = this.#socket
    if (parts.length > 1) socket.cork()
    for (const part of parts) {
      if (typeof part === 'string') socket.write(part, 'latin1', this.#onWritten)
      else socket.write(part, this.#onWritten)
    }
    if (parts.length > 1) socket.uncork()
    this.#blocked = socket.writableLength > 0
  }

  end(): void {
    this.#socket.end()
  }

  destroy(reset = false): void {
    // Only a TCP socket can be reset; under TLS the plain destroy closes both.
    if (reset && !(this.#socket instanceof TLSSocket)) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  secure(security: Security, received: Buffer): Transport {
    const socket = this.#socket
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onClose)
    socket.pause()
    return new SocketTransport(wrapSecure(socket, security, received), this.#turn, security, this)
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#events?.onData(bytes)
    this.#turn()
  }

  readonly #onEnd = (): void => {
    this.#events?.onEnd()
    this.#turn()
  }

  readonly #onSecure = (): void => {
    if (!(this.#socket instanceof TLSSocket) || this.#security === null) return
    try {
      this.#events?.onSecure(secureFacts(this.#socket, this.#security))
      this.#turn()
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  readonly #onWritten = (): void => {
    if (!this.#blocked) return
    this.#blocked = this.#socket.writableLength > 0
    this.#events?.onProgress()
    this.#turn()
  }

  readonly #onError = (error: Error): void => {
    this.#error = error
  }

  readonly #onClose = (): void => {
    this.#events?.onClose(this.#error)
    this.#turn()
  }
}

function address(ip: string | undefined, port: number | undefined): Address {
  return ip === undefined ? nowhere : { ip, port: port ?? 0 }
}
