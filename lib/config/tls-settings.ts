import { messageOf } from '../../lev/internal.js'
import type { IdentityConfig, TlsConfig } from '../../tls/index.js'
import { ticketSecretText } from '../../tls/tickets.js'
import { checkFields, type Checks } from './check-fields.js'
import { boolean, fieldsOf, isHostName, oneOf, show, typeName, type Check } from './validators.js'
import { ConfigError } from '../errors.js'

const identityChecks: Checks<IdentityConfig> = {
  cert: path,
  key: path,
  passphrase: secret,
  pfx: path,
  ca: path,
  client_certificate: oneOf('request', 'require'),
}

const tlsChecks: Checks<TlsConfig> = {
  default: identities,
  hosts: (value, key) => hostsOf(value, key, identities),
  allow_expired: boolean,
  ticket_secret: ticketSecret,
  watch: boolean,
}

const changesChecks: Checks<TlsChanges> = {
  ...tlsChecks,
  hosts: (value, key) => hostsOf(value, key, (given, at) => (given === null ? null : identities(given, at))),
}

/** The value of `ssl` in `configure`: a TlsConfig, or only the changes to it. */
export type TlsChanges = Omit<Partial<TlsConfig>, 'hosts'> & {
  /** By host name; null removes a host. */
  readonly hosts?: Readonly<Record<string, IdentityConfig | readonly IdentityConfig[] | null>> | null | undefined
}

const expected = 'an object { default: { cert, key }, hosts } or null'

/**
 * Checks the shape of `ssl` and returns a copy. With a `default` it replaces `current`, else it is merged into it: host by host,
 * and null removes one. Files are not read here.
 * @throws ConfigError; its message never repeats the value of a key or a passphrase
 */
export function tlsConfig(value: unknown, key: string, current: TlsConfig | null): TlsConfig {
  const isWhole = current === null || (fieldsOf(value, key, expected).get('default') ?? undefined) !== undefined
  if (!isWhole) return merge(current, checkFields(changesChecks, value, key, expected))
  const given = checkFields(tlsChecks, value, key, expected)
  if (given.default === undefined) {
    throw new ConfigError(`${key}.default`, `${key}.default is missing: the identity for clients that name no host`)
  }
  return { ...given, default: given.default }
}

function hostsOf<T>(value: unknown, key: string, check: Check<T>): Record<string, T> {
  const hosts = fieldsOf(value, key, 'an object of host names')
  return Object.fromEntries(Array.from(hosts, ([name, given]) => [checkHost(name, key), check(given, `${key}.${name}`)]))
}

function merge(current: TlsConfig, { hosts, ...others }: TlsChanges): TlsConfig {
  const plain = (name: string): string => name.replace(/\.$/, '').toLowerCase()
  const changed = new Set(Object.keys(hosts ?? {}).map(plain))
  const kept = Object.entries(current.hosts ?? {}).filter(([name]) => !changed.has(plain(name)))
  const given = Object.entries(hosts ?? {}).flatMap(([name, one]) => (one === null ? [] : [[name, one] as const]))
  return { ...current, ...others, default: current.default, hosts: Object.fromEntries([...kept, ...given]) }
}

/** Checks one identity, or a list with one for each kind of key. */
function identities(value: unknown, key: string): IdentityConfig | readonly IdentityConfig[] {
  if (!Array.isArray(value)) return identity(value, key)
  if (value.length === 0) throw new ConfigError(key, `${key} must hold an identity for each kind of key, got an empty array`)
  return Array.from(value, (one: unknown, index) => {
    const at = `${key}[${index}]`
    const given = identity(one, at)
    for (const name of ['ca', 'client_certificate'] as const) {
      if (index === 0 || given[name] === undefined) continue
      throw new ConfigError(`${at}.${name}`, `${at}.${name} belongs in the first identity of the list: it is the host's`)
    }
    return given
  })
}

function identity(value: unknown, key: string): IdentityConfig {
  const given = checkFields(identityChecks, value, key, 'an object { cert, key } or { pfx }')
  const { cert, pfx } = given
  if (pfx !== undefined) {
    if (cert === undefined && given.key === undefined) return given
    throw new ConfigError(`${key}.pfx`, `${key}.pfx takes the place of cert and key: give either`)
  }
  for (const [name, path, other] of [['cert', cert, 'key'], ['key', given.key, 'cert']] as const) {
    if (path !== undefined) continue
    const problem = cert === given.key ? 'give cert and key, or pfx' : `${other} does not go without it`
    throw new ConfigError(`${key}.${name}`, `${key}.${name} is missing: ${problem}`)
  }
  return given
}

function path(value: unknown, key: string): string {
  const problem = (text: string): never => {
    throw new ConfigError(key, `${key} must be the path of a file, ${text}`)
  }
  if (typeof value !== 'string') return problem(`got ${typeName(value)}`)
  if (value === '') return problem('got ""')
  if (value.includes('-----BEGIN')) return problem('got its content')
  if (value.includes('\0')) return problem('got one with a NUL in it')
  return value
}

function ticketSecret(value: unknown, key: string): string {
  try {
    return ticketSecretText(value)
  } catch (error) {
    throw new ConfigError(key, `${key} ${messageOf(error)}`)
  }
}

function secret(value: unknown, key: string): string {
  if (typeof value === 'string') return value
  throw new ConfigError(key, `${key} must be a string, got ${typeName(value)}`)
}

function checkHost(name: string, key: string): string {
  if (name !== '__proto__' && isHostName(name.startsWith('*.') ? name.slice(2) : name)) return name
  const expected = 'a host name such as "example.com" or "*.example.org", without scheme or port'
  const hint = /[^\0-\x7f]/.test(name) ? ' (names beyond ASCII are written in their xn-- form)' : ''
  throw new ConfigError(`${key}.${name}`, `${key}: ${show(name)} is not ${expected}${hint}`)
}
