// A whole driver for lev: connections stay within the process, the clock is the system's. docs/contributing/drivers.md explains it.
import type { Address, DrivenLoop, Driver, ListenerTransport, Transport, TransportEvents } from 'leveret/lev'

/** Runs `event` later, as an event of the driver. */
type Post = (event: () => void) => void

/** One end of a connection. */
class Loopback implements Transport {
  readonly local: Address
  readonly remote: Address
  readonly writeSize = 64 * 1024
  /** Written here, and not yet read by the peer. */
  pending = 0
  readonly #post: Post
  #peer: Loopback = this
  #events: TransportEvents | null = null
  /** Arrived and not yet read; null is the end of the peer's output. */
  #receiveQueue: (Buffer | null)[] = []
  #reading = false
  #sawEnd = false
  #ended = false
  #closed = false

  constructor(post: Post, local: Address, remote: Address) {
    this.#post = post
    this.local = local
    this.remote = remote
  }

  static pair(post: Post, left: Address, right: Address): [Loopback, Loopback] {
    const [a, b] = [new Loopback(post, left, right), new Loopback(post, right, left)]
    a.#peer = b
    b.#peer = a
    return [a, b]
  }

  start(events: TransportEvents): void {
    this.#events = events
  }

  pause(): void {
    this.#reading = false
  }

  resume(): void {
    this.#reading = true
    this.#post(() => this.#deliver())
  }

  write(parts: readonly (Buffer | string)[]): void {
    if (this.#closed) return
    if (this.#peer.#closed) return this.#post(() => this.#close(reset()))
    for (const part of parts) {
      this.pending += part.length
      // A copy: what a reader is given belongs to it.
      this.#peer.#receiveQueue.push(typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))
    }
    this.#post(() => this.#peer.#deliver())
  }

  end(): void {
    if (this.#ended || this.#closed) return
    this.#ended = true
    this.#peer.#receiveQueue.push(null)
    this.#post(() => this.#peer.#deliver())
  }

  destroy(abort = false): void {
    if (this.#closed) return
    // As in TCP: a connection that is closed with input unread is reset.
    if (abort || this.#receiveQueue.some((bytes) => bytes !== null)) this.#post(() => this.#peer.#close(reset()))
    else this.end()
    this.#closed = true
    this.#post(() => this.#events?.onClose(null))
  }

  secure(): never {
    throw new Error('this driver has no TLS')
  }

  /** Gives what has arrived to the reader, for as long as it reads. */
  #deliver(): void {
    while (this.#reading && !this.#closed) {
      const bytes = this.#receiveQueue.shift()
      if (bytes === undefined) break
      if (bytes === null) {
        this.#sawEnd = true
        this.#events?.onEnd()
      } else {
        this.#peer.pending -= bytes.length
        this.#events?.onChunk(bytes)
        this.#peer.#post(() => this.#peer.#tellProgress())
      }
    }
    for (const end of [this, this.#peer]) if (this.#sawEnd && this.#peer.#sawEnd) end.#close(null)
  }

  #tellProgress(): void {
    if (!this.#closed) this.#events?.onProgress()
  }

  #close(error: Error | null): void {
    if (this.#closed) return
    this.#closed = true
    this.#events?.onClose(error)
  }
}

function reset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
}

/** A driver for one loop. */
export function loopback(): Driver {
  const now = (): number => performance.now() / 1000
  /** By path or port. */
  const listeners = new Map<string | number, (transport: Transport) => void>()
  let loop: DrivenLoop | null = null
  let heard = now()
  let timer: NodeJS.Timeout | undefined
  let lastPort = 1023

  // Every event is told in a callback of its own, between `beginEvent` and `tick`. Immediates run in their order.
  const post: Post = (event) => {
    setImmediate(() => {
      if (loop === null) return
      loop.beginEvent()
      event()
      loop.tick()
    })
  }

  return {
    now,
    heardUntil: () => heard,
    wallClock: () => Date.now() / 1000,
    start(driven) {
      loop = driven
    },
    wakeAt(time, keeps = true) {
      clearTimeout(timer)
      if (time === Infinity) return
      timer = setTimeout(() => {
        const fired = now()
        // Events that were posted earlier are told first.
        post(() => (heard = fired))
      }, Math.max(1, Math.min(2 ** 31 - 1, Math.ceil((time - now()) * 1000))))
      if (!keeps) timer.unref()
    },
    wakeSoon: () => post(() => {}),
    stop() {
      loop = null
      clearTimeout(timer)
      listeners.clear()
    },
    awaitExternal() {},
    listen(options, accept, done) {
      if (options.fd !== undefined) return post(() => done(new Error('this driver has no file descriptors'), null))
      const { path } = options
      const address: Address = path !== undefined ? { ip: '', port: 0, path } : { ip: options.ip, port: options.port || ++lastPort }
      const place = path ?? address.port
      const taken = listeners.has(place)
      if (!taken) listeners.set(place, accept)
      const listener: ListenerTransport = { address, close: () => listeners.delete(place) }
      post(() => taken ? done(new Error('address already in use'), null) : done(null, listener))
    },
    connect(options, done) {
      let abandoned = false
      post(() => {
        if (abandoned) return
        const { path } = options
        const accept = listeners.get(path ?? options.port)
        if (accept === undefined) return done(new Error('connection refused'), null)
        const ends: [Address, Address] = path !== undefined
          ? [{ ip: '', port: 0, path: '' }, { ip: '', port: 0, path }]
          : [{ ip: '127.0.0.1', port: ++lastPort }, options]
        const [near, far] = Loopback.pair(post, ...ends)
        accept(far)
        done(null, near)
      })
      return () => (abandoned = true)
    },
  }
}
