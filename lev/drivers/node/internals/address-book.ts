import { isIPv4, type Socket } from 'node:net'
import type { Address } from '../../driver.js'
import { isOpen } from './gate.js'

const nowhere: Address = { ip: '', port: 0 }

/** Node's internal stream handle of a socket. */
interface NamedHandle {
  getsockname(into: Record<string, unknown>): number
  getpeername(into: Record<string, unknown>): number
}

/**
 * The addresses of sockets. Node's sockets keep each address that was read; here many connections share one object, or
 * its text, which saves 0.3 KiB per connection.
 */
export class AddressBook {
  #local = nowhere
  #remote = nowhere

  local(socket: Socket): Address {
    return (this.#local = this.#address(socket, 'getsockname', this.#local))
  }

  remote(socket: Socket): Address {
    return (this.#remote = this.#address(socket, 'getpeername', this.#remote))
  }

  #address(socket: Socket, ask: keyof NamedHandle, last: Address): Address {
    const { ip, port } = this.#ask(socket, ask)
    if (ip !== last.ip) return ip === '' ? nowhere : { ip, port }
    return port === last.port ? last : { ip: last.ip, port }
  }

  #ask(socket: Socket, ask: keyof NamedHandle): Address {
    const handle: unknown = Reflect.get(socket, '_handle')
    if (isOpen('addressBook') && isNamed(handle)) {
      const into: Record<string, unknown> = {}
      if (handle[ask](into) !== 0 || typeof into.address !== 'string') return nowhere
      return { ip: unmapped(into.address), port: Number(into.port) }
    }
    const { localAddress, localPort, remoteAddress, remotePort } = socket
    return ask === 'getsockname'
      ? { ip: unmapped(localAddress ?? ''), port: localPort ?? 0 }
      : { ip: unmapped(remoteAddress ?? ''), port: remotePort ?? 0 }
  }
}

/** Converts an IPv4-mapped IPv6 address, which a socket bound to `::` reports for IPv4 peers, to the IPv4 address. */
function unmapped(ip: string): string {
  return ip.startsWith('::ffff:') && isIPv4(ip.slice(7)) ? ip.slice(7) : ip
}

function isNamed(value: unknown): value is NamedHandle {
  return typeof value === 'object' && value !== null && 'getsockname' in value && typeof value.getsockname === 'function' &&
    'getpeername' in value && typeof value.getpeername === 'function'
}
