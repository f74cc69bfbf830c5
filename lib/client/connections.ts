import { Duplex } from 'node:stream'
import type { Agent, buildConnector } from 'undici'

/**
 * The connections of an agent of undici's, which are kept for later requests. Alone it goes on with a connection that is being
 * made, and makes a new one in place of each that was aborted, also when nobody waits for an answer any more: that would leave
 * sockets behind, and hold the process for up to 10 seconds.
 */
export class Connections {
  readonly agent: Agent
  /** Requests that wait for an answer. */
  #waiting = 0
  readonly #beginning = new Set<Duplex>()

  constructor(undici: { readonly Agent: typeof Agent; readonly buildConnector: typeof buildConnector }, options: buildConnector.BuildOptions) {
    const begin = undici.buildConnector(options)
    this.agent = new undici.Agent({ connect: (to, done) => this.#connect(begin, to, done) })
  }

  /** Runs a request, which nobody waits for any more once `signal` aborts: undici itself sees that only when it is connected. */
  async during<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    let waits = true
    const leave = (): void => {
      if (waits) this.#leave()
      waits = false
    }
    this.#waiting++
    signal.addEventListener('abort', leave)
    try {
      return await request()
    } finally {
      leave()
    }
  }

  #leave(): void {
    this.#waiting--
    if (this.#waiting === 0) for (const socket of this.#beginning) socket.destroy(new Error('nobody waits for it'))
  }

  #connect(begin: buildConnector.connector, to: buildConnector.Options, done: buildConnector.Callback): void {
    if (this.#waiting === 0) return done(new Error('nobody waits for it'), null)
    // It does return the socket, though its type does not tell.
    const socket: unknown = begin(to, (...outcome) => {
      if (socket instanceof Duplex) this.#beginning.delete(socket)
      done(...outcome)
    })
    if (socket instanceof Duplex) this.#beginning.add(socket)
  }
}
