import { existsSync, lstatSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { connect, type Address, type ListenOptions, type Op } from '../../lev/index.js'
import type { ListenSource } from '../config/listen-settings.js'
import type { Settings } from '../config/settings.js'
import { BindError } from '../errors.js'
import type { Place } from './place.js'
import { systemdSockets } from './systemd-sockets.js'

/** A bound source; how it is bound is up to the caller of `bindAll`. */
export interface Bound<T extends Closable> {
  readonly listener: T
  readonly address: Address
  readonly place: Place
}

interface Closable {
  readonly address: Address
  close(): void
}

type Listen<T> = (where: ListenOptions) => Op<T>

/** Binds every source of a server by `listen`, or none. @throws BindError */
export function* bindAll<T extends Closable>(settings: Settings, listen: Listen<T>): Op<Bound<T>[]> {
  const wanted = sourcesOf(settings).flatMap((source) => (
    optionsOf(source, settings).map((options) => ({ options, place: placeOf(source) }))
  ))
  return yield* allOrNone(wanted, function* ({ options, place }) {
    const listener = yield* bind(options, listen)
    return { listener, address: listener.address, place }
  })
}

/** Opens each of `wanted`; if one fails, the others are closed. */
export function* allOrNone<W, T extends Closable>(wanted: readonly W[], open: (one: W) => Op<Bound<T>>): Op<Bound<T>[]> {
  const bound: Bound<T>[] = []
  let all = false
  try {
    for (const one of wanted) bound.push(yield* open(one))
    all = true
    return bound
  } finally {
    if (!all) for (const { listener } of bound) listener.close()
  }
}

function sourcesOf({ listen, port }: Settings): readonly ListenSource[] {
  return listen === 'systemd' ? systemdSockets(null).map((fd) => ({ fd })) : listen ?? [{ port }]
}

function placeOf({ ssl, redirect }: ListenSource): Place {
  return { isPlain: ssl === false, redirect: redirect === 'https' ? 443 : redirect ?? null }
}

/** Where to listen for one source, which names several sockets if systemd has passed several of its name. */
function optionsOf(source: ListenSource, { ip, backlog, reuse_port: reusePort }: Settings): readonly ListenOptions[] {
  if (source.port !== undefined) return [{ ip: source.ip ?? ip, port: source.port, backlog, reusePort }]
  if (source.path !== undefined) {
    const { path, mode, uid, gid } = source
    return [{ path, mode, uid, gid, backlog }]
  }
  const fds = typeof source.fd === 'number' ? [source.fd] : systemdSockets(source.fd)
  return fds.map((fd) => ({ fd, backlog }))
}

function* bind<T>(where: ListenOptions, listen: Listen<T>): Op<T> {
  try {
    return yield* listen(where)
  } catch (error) {
    if (where.path === undefined || !(yield* isStale(where.path, error))) throw bindError(where, error)
  }
  try {
    unlinkSync(where.path)
    return yield* listen(where)
  } catch (error) {
    throw new BindError(where, error)
  }
}

/** Node.js reports a missing folder of a Unix socket as a missing permission. */
function bindError(where: ListenOptions, error: unknown): BindError {
  const folder = where.path === undefined || where.path.startsWith('\0') ? null : dirname(where.path)
  if (folder === null || systemCode(error) !== 'EACCES' || existsSync(folder)) return new BindError(where, error)
  return new BindError(where, new Error(`there is no folder ${folder}`))
}

/** Whether the file that is in the way is the socket of a server that is gone: a connection to it is refused. */
function* isStale(path: string, error: unknown): Op<boolean> {
  if (systemCode(error) !== 'EADDRINUSE' || path.startsWith('\0') || lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false
  try {
    const stream = yield* connect({ path })
    stream.close()
    return false
  } catch (failure) {
    return systemCode(failure) === 'ECONNREFUSED'
  }
}

/** The code of the system's error, which is the cause of an AddressError. */
function systemCode(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause ?? error : null
  return cause instanceof Error && 'code' in cause ? cause.code : null
}
