import type { Listener, Op, Scope, Stream } from '../../lev/index.js'
import { catchUp } from '../../lev/internal.js'
import { rejections } from '../http1/rejection.js'
import type { Bound } from './bind.js'
import { Connection } from './connection.js'
import { OverloadGuard } from './overload-guard.js'
import { Peer } from './peer.js'
import type { Place } from './place.js'
import type { prefaceOf } from './preface.js'
import { startServing } from './serve-connection.js'
import type { Service } from './service.js'

/** Accepts the connections of one listener, and admits or rejects each. */
export class Acceptor {
  readonly #service: Service
  readonly #listener: Listener
  readonly #place: Place
  readonly #prefaceOf: typeof prefaceOf
  readonly #guard: OverloadGuard
  /** Length of the system's queue. */
  readonly #backlog: number
  #accepted = 0

  /** @param preface the steps of a connection before its first request */
  constructor(service: Service, { listener, place }: Bound<Listener>, preface: typeof prefaceOf) {
    this.#service = service
    this.#listener = listener
    this.#backlog = service.settings.backlog
    this.#place = place
    this.#prefaceOf = preface
    this.#guard = new OverloadGuard(service, place)
  }

  /** Accepts until the listener is closed. A connection over the limit has a task in `tasks` until it is served or rejected. */
  *run(tasks: Scope): Op<void> {
    for (;;) {
      const client = yield* this.#listener.accept()
      if (client === null) return
      this.#accepted++
      const { connections, full, log, settings } = this.#service
      const peer = new Peer(client.remote.ip, client.remote.port)
      // Before a place is made: a client with too many connections must not cost another one its own.
      if (!connections.clients.enter(peer, settings, log.logger)) tasks.spawn(() => this.#guard.turnAway(client, rejections.tooManyOfClient))
      else if (full) tasks.spawn(() => this.#admit(client, peer))
      else this.#serve(client, peer)
    }
  }

  /**
   * Waits until `run` has accepted the connections in the system's queue: closing the listener would reset them, though their
   * clients may have sent requests. New ones may arrive meanwhile; it waits for at most the length of the queue in all.
   */
  *finishBacklog(): Op<void> {
    const most = this.#accepted + this.#backlog
    let before: number
    do {
      before = this.#accepted
      yield* catchUp()
    } while (this.#accepted > before && this.#accepted < most)
  }

  /** Serves a connection over the limit if an idle one can be closed for it; else rejects it. */
  *#admit(client: Stream, peer: Peer): Op<void> {
    let admitted = false
    try {
      admitted = yield* this.#guard.makeRoom(client)
    } finally {
      if (!admitted) this.#service.connections.clients.leave(peer)
    }
    if (admitted) this.#serve(client, peer)
    else yield* this.#guard.reject(client)
  }

  #serve(client: Stream, peer: Peer): void {
    peer.place = this.#place
    const connection = new Connection(this.#service, client, peer, null)
    this.#service.connections.add(connection)
    startServing(connection, this.#prefaceOf(this.#service, this.#place))
  }
}
