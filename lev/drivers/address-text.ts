import type { Address, ConnectOptions, ListenOptions } from './driver.js'

/** An address as messages show it: `127.0.0.1:80`, `[::1]:80`, `/run/one.sock`, `@one` for an abstract name, or `fd 3`. */
export function addressText(where: Address | ConnectOptions | ListenOptions): string {
  if (where.path !== undefined) return `${where.path}`.replace(/^\0/, '@')
  if ('fd' in where && where.fd !== undefined) return `fd ${where.fd}`
  return `${hostText(where.ip)}:${where.port}`
}

/** An IP address or host name, as it stands in front of a port. */
export function hostText(ip: string): string {
  return /:/.test(ip) ? `[${ip}]` : ip
}
