import { BindError } from '../errors.js'

/** A socket that systemd has passed to this process. */
interface PassedSocket {
  readonly fd: number
  /** FileDescriptorName of its unit; by default the name of that: `app.socket`. */
  readonly name: string
}

/** The first descriptor that systemd passes (SD_LISTEN_FDS_START). */
const firstFd = 3
/** The name of a socket of a manager that tells none. */
const unnamed = 'unknown'

/** What the environment said, which is read once. */
let passed: readonly PassedSocket[] | null = null

/**
 * The descriptors of the sockets that systemd has passed to this process (sd_listen_fds(3)).
 * @param name only those of this name, which may be several; null: all
 * @throws BindError if there are none
 */
export function systemdSockets(name: string | null): readonly number[] {
  const where = name === null ? 'the sockets of systemd' : `fd "${name}"`
  try {
    passed ??= readEnvironment()
  } catch (error) {
    throw new BindError(where, error)
  }
  const found = passed.filter((socket) => name === null || socket.name === name)
  if (found.length > 0) return found.map(({ fd }) => fd)
  const names = Array.from(new Set(passed.map((socket) => `"${socket.name}"`)))
  throw new BindError(where, new Error(`systemd has passed no socket of this name, but ${names.join(', ')}`))
}

/** Reads the variables, and removes them: processes that this one starts are not to take them for theirs. */
function readEnvironment(): readonly PassedSocket[] {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: list } = process.env
  if (pid === undefined || count === undefined) throw new Error('systemd has passed none: LISTEN_PID or LISTEN_FDS is not set')
  if (pid !== String(process.pid)) {
    throw new Error(`they are for process ${pid}, and this is ${process.pid}: let systemd start node itself, not npm or a shell`)
  }
  if (!/^[1-9]\d{0,4}$/.test(count)) throw new Error(`LISTEN_FDS is "${count}", not a number of sockets`)
  const names = list?.split(':') ?? new Array<string>(Number(count)).fill(unnamed)
  if (names.length !== Number(count)) throw new Error(`LISTEN_FDNAMES has ${names.length} names, and LISTEN_FDS is ${count}`)
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) Reflect.deleteProperty(process.env, name)
  return names.map((name, index) => ({ fd: firstFd + index, name }))
}
