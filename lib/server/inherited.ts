import { listen, type Address, type Listener, type Op } from '../../lev/index.js'
import { BindError } from '../errors.js'
import { allOrNone, type Bound } from './bind.js'
import type { Place } from './place.js'

/** A listening socket that the parent of this process has bound. */
export interface InheritedSocket {
  readonly fd: number
  /** As bound: for an inherited Unix socket the system does not tell its path. */
  readonly address: Address
  readonly place: Place
}

/** Listens on all of them, or none. @throws BindError */
export function* listenInherited(sockets: readonly InheritedSocket[], backlog: number): Op<Bound<Listener>[]> {
  return yield* allOrNone(sockets, function* ({ fd, address, place }) {
    try {
      return { listener: yield* listen({ fd, backlog }), address, place }
    } catch (error) {
      throw new BindError({ fd }, error)
    }
  })
}
