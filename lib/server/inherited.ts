import { listen, type Address, type Listener, type Op } from '../../lev/index.js'
import { BindError } from '../errors.js'
import type { Bound } from './bind.js'
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
  const bound: Bound<Listener>[] = []
  let all = false
  try {
    for (const { fd, address, place } of sockets) {
      try {
        bound.push({ listener: yield* listen({ fd, backlog }), address, place })
      } catch (error) {
        throw new BindError({ fd }, error)
      }
    }
    all = true
    return bound
  } finally {
    if (!all) for (const { listener } of bound) listener.close()
  }
}
