import { SocketTransport, type TickingLoop } from '../node/socket-transport.js'
import type { Address, Driver, Security, Transport, TransportEvents } from '../driver.js'
import { TransportDuplex } from '../node/transport-duplex.js'
import { wrapSecure } from '../node/secure.js'

/** Bytes that one direction holds for a reader that does not read, like the buffers of a kernel. */
const window = 64 * 1024

/** Stops a virtual clock for a moment, because node:tls works in the real event loop. */
export function waitForTlsWork(driver: Pick<Driver, 'awaitExternal'>): void {
  driver.awaitExternal(1, true)
  setImmediate(() => setImmediate(() => driver.awaitExternal(-1, true)))
}

/** The environment of a pair of memory transports. */
export interface VirtualNetwork extends TickingLoop {
  /** Runs `deliver` after the latency of the network: later, never inside this call. */
  deliverLater(deliver: () => void): void
  /** Maximum number of bytes of the next delivery. */
  segment(): number
  /** Lets the real event loop run for a moment, because node:tls works in it. */
  letTlsRun(): void
}

/** One end of a connection that exists only in memory; behaves like TCP. */
export class MemoryTransport implements Transport {
  readonly writeSize = 64 * 1024
  readonly local: Address
  readonly remote: Address
  readonly #network: VirtualNetwork
  #peer: MemoryTransport | null = null
  #events: TransportEvents | null = null
  /** Written bytes that have not arrived at the peer yet. */
  #sendQueue: Buffer[] = []
  #sendQueueSize = 0
  #ended = false
  #peerSawEnd = false
  #delivering = false
  /** Whether the connection is broken, so that nothing is sent any more. */
  #broken = false
  /** Bytes that have arrived but were not read yet. */
  #receiveQueue: Buffer[] = []
  #receiveQueueSize = 0
  #peerEnded = false
  #endTold = false
  #reading = false
  #closed = false

  constructor(network: VirtualNetwork, local: Address, remote: Address) {
    this.#network = network
    this.local = local
    this.remote = remote
  }

  /** Creates both ends of a connection. */
  static pair(network: VirtualNetwork, left: Address, right: Address): [MemoryTransport, MemoryTransport] {
    const a = new MemoryTransport(network, left, right)
    const b = new MemoryTransport(network, right, left)
    a.#peer = b
    b.#peer = a
    return [a, b]
  }

  get pending(): number {
    return this.#sendQueueSize
  }

  start(events: TransportEvents): void {
    this.#events = events
  }

  pause(): void {
    this.#reading = false
  }

  resume(): void {
    if (this.#reading) return
    this.#reading = true
    this.#network.deliverLater(() => this.#read())
  }

  write(parts: readonly (Buffer | string)[]): void {
    if (this.#closed) return
    for (const part of parts) {
      this.#sendQueue.push(typeof part === 'string' ? Buffer.from(part, 'latin1') : part)
      this.#sendQueueSize += part.length
    }
    this.#depart()
  }

  end(): void {
    if (this.#ended || this.#closed) return
    this.#ended = true
    this.#depart()
  }

  /** As in TCP: bytes that the system has taken still arrive, unless input is unread, which makes the close a reset. */
  destroy(reset = false): void {
    if (this.#closed) return
    const peer = this.#peer
    const abort = reset || this.#receiveQueueSize > 0
    this.#release()
    if (abort) {
      this.#breakOff()
      this.#network.deliverLater(() => peer?.abort())
    } else {
      if (this.#sendQueueSize > window) this.#sendQueue = [this.#take(window)]
      this.#sendQueueSize = Math.min(this.#sendQueueSize, window)
      this.#ended = true
      this.#depart()
    }
    this.#network.deliverLater(() => this.#tell((events) => events.onClose(null)))
  }

  secure(security: Security, received: Buffer): Transport {
    this.#events = null
    this.pause()
    const duplex = new TransportDuplex(this, () => this.#network.letTlsRun())
    return new SocketTransport(wrapSecure(duplex, security, received), this.#network, security, this)
  }

  /** Breaks the connection, as a reset from the peer's machine does: unread bytes are lost. */
  abort(): void {
    this.#breakOff()
    if (this.#closed) return
    this.#release()
    this.#tell((events) => events.onClose(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })))
  }

  /** Takes bytes from the peer, or null for the end of its output. */
  #arrive(bytes: Buffer | null): void {
    if (this.#closed) {
      if (bytes !== null) this.#peer?.abort()
      return
    }
    if (bytes === null) this.#peerEnded = true
    else {
      this.#receiveQueue.push(bytes)
      this.#receiveQueueSize += bytes.length
    }
    this.#read()
  }

  /** Sends the next bytes, unless some are on their way or the peer's buffer is full. */
  #depart(): void {
    const peer = this.#peer
    if (this.#delivering || this.#broken || peer === null) return
    if (this.#sendQueueSize === 0 && (!this.#ended || this.#peerSawEnd)) return
    if (this.#sendQueueSize > 0 && peer.#receiveQueueSize >= window && !peer.#closed) return
    this.#delivering = true
    this.#network.deliverLater(() => {
      this.#delivering = false
      if (this.#broken) return
      if (this.#sendQueueSize === 0) return this.#departEnd(peer)
      peer.#arrive(this.#take(Math.min(this.#network.segment(), window)))
      if (!this.#closed) this.#tell((events) => events.onProgress())
      this.#depart()
    })
  }

  #departEnd(peer: MemoryTransport): void {
    this.#peerSawEnd = true
    peer.#arrive(null)
    this.#closeIfBothEnded()
    peer.#closeIfBothEnded()
  }

  /** The next bytes to send, at most `limit`, as a copy: the two ends of a connection share no memory. */
  #take(limit: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(Math.min(limit, this.#sendQueueSize))
    let at = 0
    while (at < bytes.length) {
      const first = this.#sendQueue[0]
      const count = first.copy(bytes, at)
      at += count
      if (count === first.length) this.#sendQueue.shift()
      else this.#sendQueue[0] = first.subarray(count)
    }
    this.#sendQueueSize -= at
    return bytes
  }

  /** Passes arrived bytes to the reader, as long as it reads. */
  #read(): void {
    while (this.#reading && this.#receiveQueue.length > 0) {
      const bytes = this.#receiveQueue.shift() ?? Buffer.alloc(0)
      this.#receiveQueueSize -= bytes.length
      this.#tell((events) => events.onChunk(bytes))
    }
    const peer = this.#peer
    if (peer !== null) peer.#depart()
    if (this.#reading && this.#receiveQueue.length === 0 && this.#peerEnded && !this.#endTold) {
      this.#endTold = true
      this.#tell((events) => events.onEnd())
      this.#closeIfBothEnded()
    }
  }

  #closeIfBothEnded(): void {
    if (this.#closed || !this.#endTold || !this.#peerSawEnd) return
    this.#release()
    this.#network.deliverLater(() => this.#tell((events) => events.onClose(null)))
  }

  /** Closes this end. */
  #release(): void {
    this.#closed = true
    this.#receiveQueue = []
    this.#receiveQueueSize = 0
  }

  #breakOff(): void {
    this.#broken = true
    this.#sendQueue = []
    this.#sendQueueSize = 0
  }

  #tell(what: (events: TransportEvents) => void): void {
    this.#network.beginEvent()
    if (this.#events !== null) what(this.#events)
    this.#network.tick()
  }
}
