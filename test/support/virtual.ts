import * as lev from '../../lev/index.js'
import type { Op, Stream } from '../../lev/index.js'
import * as server from '../../lib/index.js'
import { GrowingBuffer } from './growing.js'
import { keptLog, type KeptLog } from './kept-log.js'
import { ResponseReader, type WireResponse } from './responses.js'
import { seed } from './seed.js'
import { virtual } from '../../testing/virtual.js'

/** A server in a virtual world: the clock jumps, and the same seed gives the same run. */
export interface World {
  readonly server: server.Server
  readonly log: KeptLog
  /** Opens a connection and sends `first` on it. */
  connect(first?: string): Op<VirtualClient>
}

export interface WorldOptions {
  readonly seed?: number
  /** Bytes that one flight over the network carries at most. */
  readonly segment?: number
  /** Shortest and longest time of one flight, in seconds. */
  readonly latency?: readonly [number, number]
}

/** Serves `handle` on the memory driver while `story` runs; a hang there is a DeadlockError. */
export async function virtually<T>(
  config: server.Config, handle: server.Handler, story: (world: World) => Op<T>, options: WorldOptions = {},
): Promise<T> {
  const log = keptLog()
  return await virtual(function* () {
    const served = server.new({ port: 0, logger: log, ...config }, handle)
    const done = served.serve()
    const address = yield* lev.wait(served.listening)
    const connect = function* (first = ''): Op<VirtualClient> {
      const client = new VirtualClient(yield* lev.connect(address))
      if (first !== '') client.stream.put(first)
      return client
    }
    try {
      return yield* story({ server: served, log, connect })
    } finally {
      yield* lev.wait(served.stop({ drain: 0 }))
      yield* lev.wait(done)
    }
  }, { seed, latency: [1e-5, 1e-4], ...options })
}

/** The client's end of a connection in a virtual world. */
export class VirtualClient {
  readonly stream: Stream
  readonly #reader = new ResponseReader()
  readonly #received = new GrowingBuffer()
  /** How the server ended the connection; null while it has not. */
  ending: 'end' | 'reset' | null = null

  constructor(stream: Stream) {
    this.stream = stream
  }

  get received(): Buffer {
    return this.#received.bytes
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  /** A string is sent as latin1. */
  send(data: string | Buffer): void {
    this.stream.put(data)
  }

  /** Takes what comes next; false once the connection has ended. */
  *more(max?: number): Op<boolean> {
    if (this.ending !== null) return false
    try {
      const bytes = yield* this.stream.read(max)
      if (bytes === null) this.ending = 'end'
      else this.#received.add(bytes)
    } catch (error) {
      if (!(error instanceof lev.ClosedError)) throw error
      this.ending = 'reset'
    }
    return this.ending === null
  }

  /** The first final responses, at least `count` of them. @throws if they are wrong, or the connection ends before */
  *responses(count: number, methods: readonly string[] = []): Op<WireResponse[]> {
    for (;;) {
      const finals = this.#finals(methods)
      if (finals.length >= count) return finals
      if (!(yield* this.more())) throw new Error(
        `${this.ending} before response ${count}: ${JSON.stringify(this.text.slice(0, 500))}`,
      )
    }
  }

  /** Every final response, and when, in the world's seconds, the connection ended. @throws what is wrong with them */
  *all(methods: readonly string[] = []): Op<{ responses: WireResponse[]; at: number; ending: 'end' | 'reset' }> {
    while (yield* this.more());
    return { responses: this.#finals(methods), at: lev.now(), ending: this.ending ?? 'end' }
  }

  #finals(methods: readonly string[]): WireResponse[] {
    if (methods.length > 0) this.#reader.methods = methods
    const { responses, fault } = this.#reader.read(this.received, this.ending !== null)
    if (fault !== null) throw new Error(fault)
    return responses.filter(({ status }) => status >= 200)
  }
}
