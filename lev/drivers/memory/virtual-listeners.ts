import { isIP } from 'node:net'
import type { Address, ConnectOptions, Transport } from '../driver.js'

/** A listener in a virtual network. */
interface Bound {
  readonly address: Address
  readonly accept: (transport: Transport) => void
}

/** The range of ports assigned to listeners on port 0. */
const firstPort = 49152
const lastPort = 65535

/** The listeners of a virtual network, by path or port. */
export class VirtualListeners {
  readonly #byPlace = new Map<string | number, Set<Bound>>()
  /** The port that was assigned last. */
  #given = lastPort

  /** Binds an address; port 0 means any free port. Null if it is taken. */
  bind(wanted: ConnectOptions, accept: Bound['accept']): Bound | null {
    const address = this.#addressFor(wanted)
    if (address === null || this.find(address) !== undefined) return null
    const bound = { address, accept }
    const others = this.#byPlace.get(placeOf(address))
    if (others === undefined) this.#byPlace.set(placeOf(address), new Set([bound]))
    else others.add(bound)
    return bound
  }

  /** Frees the address. */
  delete(bound: Bound): void {
    const place = placeOf(bound.address)
    const others = this.#byPlace.get(place)
    others?.delete(bound)
    if (others?.size === 0) this.#byPlace.delete(place)
  }

  /** The listener whose address overlaps with this one. */
  find(where: ConnectOptions): Bound | undefined {
    for (const bound of this.#byPlace.get(placeOf(where)) ?? []) {
      if (where.path !== undefined || overlap(bound.address.ip, where.ip)) return bound
    }
    return undefined
  }

  clear(): void {
    this.#byPlace.clear()
  }

  #addressFor(wanted: ConnectOptions): Address | null {
    if (wanted.path !== undefined) return { ip: '', port: 0, path: wanted.path }
    const port = wanted.port === 0 ? this.#freePort(wanted.ip) : wanted.port
    return port === null ? null : { ip: wanted.ip, port }
  }

  /** Assigns ports in turn, so that the search is short even with many listeners. */
  #freePort(ip: string): number | null {
    for (let tries = lastPort - firstPort; tries >= 0; tries--) {
      this.#given = this.#given === lastPort ? firstPort : this.#given + 1
      if (this.find({ ip, port: this.#given }) === undefined) return this.#given
    }
    return null
  }
}

function placeOf(where: ConnectOptions): string | number {
  return where.path ?? where.port
}

/** Whether two addresses overlap, as in a system. Any host name matches: the virtual network has no names. */
function overlap(one: string, other: string): boolean {
  return one === other || isIP(one) === 0 || isIP(other) === 0 || includes(one, other) || includes(other, one)
}

/** `::` stands for every address, `0.0.0.0` for all IPv4 addresses. */
function includes(wildcard: string, ip: string): boolean {
  return wildcard === '::' || (wildcard === '0.0.0.0' && isIP(ip) === 4)
}
