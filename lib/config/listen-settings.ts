import { boolean, fieldsOf, hostOrAddress, integer, refuse, unixPath, type Check } from './validators.js'
import { checkGiven, refuseUnknown } from './check-fields.js'
import { ConfigError } from '../errors.js'

/** One place where a server listens: an address, a Unix socket, or a listening socket that the process has inherited. */
export type ListenSource = {
  /** Whether TLS is served here, with the setting `ssl`. Default: true if that is given. */
  readonly ssl?: boolean | null | undefined
  /**
   * Instead of serving here, without TLS, redirects to the same host: to "https", which is port 443, or to another port.
   * Default: none.
   */
  readonly redirect?: 'https' | number | null | undefined
} & (
  | {
    /** The port; 0 lets the system choose. */
    readonly port: number
    /** The address. Default: the setting `ip`. */
    readonly ip?: string | null | undefined
    readonly path?: undefined
    readonly fd?: undefined
  }
  | {
    /**
     * Path of a Unix socket. A file left there by a server that is gone is removed. With a zero byte in front it is an abstract name,
     * which has no file: on Linux with Node.js 22 or newer.
     */
    readonly path: string
    /** Permissions of its file, such as 0o660: who may write may connect. Default: as the umask of the process allows. */
    readonly mode?: number | null | undefined
    /** Number of the user whom its file is given to, as root can. Default: the user of the process. */
    readonly uid?: number | null | undefined
    /** Number of its group: the user of the process must be in it, or be root. Default: the group of the process. */
    readonly gid?: number | null | undefined
    readonly port?: undefined
    readonly fd?: undefined
  }
  | {
    /** Number of a file descriptor, or the name of sockets that systemd has passed. */
    readonly fd: number | string
    readonly port?: undefined
    readonly path?: undefined
  }
)

const kinds = ['port', 'path', 'fd'] as const
const expected = 'an object with port, path or fd'

/** The highest stands for "unchanged". */
const ownerNumber = integer(0, 2 ** 32 - 2)

const common = { ssl: boolean, redirect: redirectTarget }

const checks: Readonly<Record<(typeof kinds)[number], Readonly<Record<string, Check<NonNullable<unknown>>>>>> = {
  port: { port: integer(0, 65535), ip: hostOrAddress, ...common },
  path: { path: unixPath, mode: integer(0, 0o777), uid: ownerNumber, gid: ownerNumber, ...common },
  fd: { fd: descriptor, ...common },
}

/** The names of all kinds. */
const known = new Set(kinds.flatMap((kind) => Object.keys(checks[kind])))

/** Checks the setting `listen` and returns a copy; "systemd" stands for every socket that systemd has passed. @throws ConfigError */
export function listenSources(value: unknown, key: string): readonly ListenSource[] | 'systemd' {
  if (value === 'systemd') return value
  if (!Array.isArray(value)) return refuse(key, value, 'an array of objects, each with port, path or fd', '"systemd" and null are allowed too')
  if (value.length === 0) return refuse(key, value, 'an array of at least one object', 'null means ip and port')
  return Array.from(value, (source: unknown, index) => Object.freeze(listenSource(source, `${key}[${index}]`)))
}

function listenSource(value: unknown, key: string): ListenSource {
  const fields = new Map(Array.from(fieldsOf(value, key, expected)).filter(([, one]) => one !== undefined && one !== null))
  const given = kinds.filter((kind) => fields.has(kind))
  const [kind] = given
  if (kind === undefined) {
    for (const name of fields.keys()) if (!known.has(name)) refuseUnknown(name, [...known], `${key}.`)
    return refuse(key, value, expected)
  }
  if (given.length > 1) throw new ConfigError(key, `${key} must have one of port, path and fd; it has ${given.join(' and ')}`)
  const checked = checkGiven(checks[kind], fields, key) as ListenSource
  if (checked.path?.startsWith('\0') === true) refuseFileOf(checked, key)
  if (checked.redirect === undefined) return checked
  if (checked.ssl === true) throw new ConfigError(`${key}.ssl`, `${key} redirects to TLS, so ssl must not be true there`)
  return { ...checked, ssl: false }
}

/** An abstract name has no file that could have an owner. */
function refuseFileOf(source: object, key: string): void {
  for (const name of ['mode', 'uid', 'gid']) {
    if (name in source) throw new ConfigError(`${key}.${name}`, `${key} has an abstract name, which every process may connect to: ${name} must not be given`)
  }
}

const descriptorNumber = integer(0, 2 ** 31 - 1)

function descriptor(value: unknown, key: string): number | string {
  if (typeof value !== 'string' || /^\s*\d*\s*$/.test(value)) return descriptorNumber(value, key)
  return value.includes(':') ? refuse(key, value, 'the number of a file descriptor, or a name of LISTEN_FDNAMES') : value
}

function redirectTarget(value: unknown, key: string): 'https' | number {
  if (value === 'https' || (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535)) return value
  return refuse(key, value, '"https", or the port of the server with TLS')
}
