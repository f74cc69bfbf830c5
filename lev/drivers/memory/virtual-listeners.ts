import { isIP } from 'node:net'
import type { Transport } from '../driver.js'

/** A listener in a virtual network. */
export interface Bound {
  readonly ip: string
  readonly port: number
  readonly accept: (transport: Transport) => void
}

/** The range of ports assigned to listeners on port 0. */
const firstPort = 49152
const lastPort = 65535

/** The listeners of a virtual network, by port. */
export class VirtualListeners {
  readonly #byPort = new Map<number, Set<Bound>>()
  /** The port that was assigned last. */
  #given = lastPort

  /** Binds an address; port 0 means any free port. Null if it is taken. */
  bind(ip: string, wanted: number, accept: Bound['accept']): Bound | null {
    const port = wanted === 0 ? this.#freePort(ip) : wanted
    if (port === null || this.find(ip, port) !== undefined) return null
    const bound = { ip, port, accept }
    const others = this.#byPort.get(port)
    if (others === undefined) this.#byPort.set(port, new Set([bound]))
    else others.add(bound)
    return bound
  }

  /** Frees the address. */
  delete(bound: Bound): void {
    const others = this.#byPort.get(bound.port)
    others?.delete(bound)
    if (others?.size === 0) this.#byPort.delete(bound.port)
  }

  /** The listener whose address overlaps with this one. */
  find(ip: string, port: number): Bound | undefined {
    for (const bound of this.#byPort.get(port) ?? []) if (overlap(bound.ip, ip)) return bound
    return undefined
  }

  clear(): void {
    this.#byPort.clear()
  }

  /** Assigns ports in turn, so that the search is short even with many listeners. */
  #freePort(ip: string): number | null {
    for (let tries = lastPort - firstPort; tries >= 0; tries--) {
      this.#given = this.#given === lastPort ? firstPort : this.#given + 1
      if (this.find(ip, this.#given) === undefined) return this.#given
    }
    return null
  }
}

/** Whether two addresses overlap, as in a system. Any host name matches: the virtual network has no names. */
function overlap(one: string, other: string): boolean {
  return one === other || isIP(one) === 0 || isIP(other) === 0 || includes(one, other) || includes(other, one)
}

/** `::` stands for every address, `0.0.0.0` for all IPv4 addresses. */
function includes(wildcard: string, ip: string): boolean {
  return wildcard === '::' || (wildcard === '0.0.0.0' && isIP(ip) === 4)
}
