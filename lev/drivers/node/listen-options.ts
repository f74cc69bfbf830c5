import { fstatSync } from 'node:fs'
import type { AddressInfo, ListenOptions as NetListenOptions } from 'node:net'
import type { Address, ListenOptions } from '../driver.js'

/** Where to listen, in the form of node:net. */
export function systemOptions(options: ListenOptions): NetListenOptions & { readonly fd?: number } {
  const backlog = options.backlog ?? undefined
  if (options.fd !== undefined) return { fd: options.fd, backlog }
  if (options.path !== undefined) return { path: options.path, backlog }
  return { host: options.ip, port: options.port, backlog, ...(options.reusePort === true ? { reusePort: true } : {}) }
}

/** Node tells the path of a Unix socket that it has bound itself, and null for an inherited one. */
export function addressOf(bound: AddressInfo | string | null): Address {
  return typeof bound === 'object' && bound !== null ? { ip: bound.address, port: bound.port } : { ip: '', port: 0, path: bound ?? '' }
}

/** Why it is useless to try; null: it is not. */
export function faultOf(options: ListenOptions): string | null {
  if ('reusePort' in options && options.reusePort === true && !knowsReusePort()) {
    return `reusePort needs Node.js 22.12, 23.1 or newer: this is ${process.versions.node}`
  }
  return options.fd === undefined ? null : descriptorFault(options.fd)
}

/** Node says "invalid argument" of each of these, and closes a descriptor that it could not use. */
function descriptorFault(fd: number): string | null {
  try {
    return fstatSync(fd).isSocket() ? null : 'the file descriptor is not a socket'
  } catch {
    return 'the file descriptor is not open'
  }
}

/** The error of listening, in words that fit where it was to listen. */
export function listenError(options: ListenOptions, error: Error): Error {
  const code = options.fd !== undefined && 'code' in error ? error.code : null
  if (code === 'EINVAL') return new Error('the socket cannot listen: it is a connection, or not a stream socket')
  return code === 'EEXIST' ? new Error('the file descriptor is in use') : error
}

/** Older versions of Node silently ignore the option. */
function knowsReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
}
