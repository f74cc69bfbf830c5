import { lookup } from 'node:dns/promises'
import { portal, wait, type Op, type Stream } from '../../../lev/index.js'
import { ArgumentError, StateError } from '../../errors.js'
import { Signal } from '../../signal.js'
import type { Peer } from '../../server/peer.js'
import type { Reply } from './reply.js'
import type { Socket } from './types.js'
import { called } from '../shared/called.js'

/** Pauses the reading of a body. */
export class Hold {
  #held = false
  readonly #changed = new Signal()

  set(held: boolean): void {
    this.#held = held
    this.#changed.tell()
  }

  /** Waits until the body may be read. */
  *over(): Op<void> {
    while (this.#held) yield* this.#changed.wait()
  }
}

/** The connection of a request as its handler sees it. Errors thrown by callbacks go to `failed`. */
export function connectionOf(client: Stream, peer: Peer, reply: Reply, failed: (error: unknown) => void): { conn: Socket; hold: Hold } {
  const world = portal()
  const hold = new Hold()
  const conn: Socket = {
    getpeer: () => [peer.port, peer.ip],
    getaddr: () => [client.local.port, client.local.ip],
    close() {
      client.close()
      reply.end()
    },
    hold: () => hold.set(true),
    unhold: () => hold.set(false),
    dns(domain, callback) {
      if (typeof domain !== 'string' || domain === '') throw new ArgumentError('domain', 'dns: domain must be a host name')
      if (typeof callback !== 'function') throw new ArgumentError('callback', `dns: callback must be a function, got ${typeof callback}`)
      world.run(function* () {
        const ip = yield* wait(lookup(domain, { family: 4 }).then(({ address }) => address, () => null))
        yield* called(() => callback(conn, ip))
      }).catch(failed)
    },
    ttl() {
      throw new StateError('ttl: Node.js has no way to tell or set the time to live of the packets of a connection')
    },
  }
  return { conn, hold }
}
