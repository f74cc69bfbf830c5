import { fieldsOf, refuse } from '../../config/validators.js'
import type { Config } from '../../config/settings.js'
import { refuseUnknown } from '../../config/check-fields.js'
import { ConfigError } from '../../errors.js'
import type { Configuration, Handler, WebSocketHandlers } from './types.js'

const defaultHostname = '127.0.0.1'
const defaultPort = 3000

/** Lute's names for the core's settings, for errors. */
export const settingNames: Readonly<Record<string, string>> = {
  ip: 'hostname',
  port: 'port',
  reuse_port: 'reuseport',
  ssl: 'tls',
  'ssl.default.cert': 'tls.certfilename',
  'ssl.default.key': 'tls.keyfilename',
  'ssl.default.passphrase': 'tls.passphrase',
  'ssl.default.ca': 'tls.cafilename',
}

/** The checked arguments of `serve`; the core checks the settings themselves. */
interface Plan {
  readonly own: Config
  readonly handler: Handler | null
  readonly websocket: WebSocketHandlers | null
}

/** @throws ConfigError */
export function readConfiguration(config: Handler | Configuration): Plan {
  if (typeof config === 'function') return { own: ownSettings(new Map()), handler: config, websocket: null }
  const known = ['hostname', 'port', 'reuseport', 'tls', 'handler', 'websocket']
  const fields = given(config, 'config', known, 'a handler or a table of configuration')
  const handler = fields.get('handler') ?? null
  const websocket = fields.get('websocket') ?? null
  return {
    own: ownSettings(fields),
    handler: handler === null || typeof handler === 'function' ? handler as Handler | null : refuse('handler', handler, 'a function'),
    websocket: websocket === null ? null : handlersOf(websocket),
  }
}

function ownSettings(fields: ReadonlyMap<string, unknown>): Config {
  const tls = fields.get('tls')
  return {
    ip: fields.get('hostname') ?? defaultHostname,
    port: fields.get('port') ?? defaultPort,
    reuse_port: fields.get('reuseport') ?? false,
    ssl: tls === undefined ? null : { default: identityOf(tls) },
  } as Config
}

function identityOf(tls: unknown): object {
  const fields = given(tls, 'tls', ['certfilename', 'keyfilename', 'passphrase', 'cafilename'])
  for (const name of ['certfilename', 'keyfilename']) {
    if (!fields.has(name)) throw new ConfigError(`tls.${name}`, `tls.${name} is missing: tls takes certfilename and keyfilename`)
  }
  const identity = { cert: fields.get('certfilename'), key: fields.get('keyfilename'), passphrase: fields.get('passphrase') }
  const ca = fields.get('cafilename')
  return ca === undefined ? identity : { ...identity, ca, client_certificate: 'request' }
}

function handlersOf(value: unknown): WebSocketHandlers {
  const names = ['open', 'message', 'close', 'drain']
  given(value, 'websocket', names)
  const handlers = value as WebSocketHandlers
  for (const name of names) {
    const handler: unknown = Reflect.get(handlers, name)
    if (handler !== undefined && handler !== null && typeof handler !== 'function') refuse(`websocket.${name}`, handler, 'a function')
  }
  return handlers
}

/** The given fields of a table, in which unknown names are rejected; null counts as not given. */
function given(value: unknown, key: string, known: readonly string[], expected = `a table of ${known.join(', ')}`): Map<string, unknown> {
  const fields = fieldsOf(value, key, expected)
  for (const [name, field] of fields) {
    if (!known.includes(name)) refuseUnknown(name, known, key === 'config' ? '' : `${key}.`)
    if (field === null) fields.delete(name)
  }
  return fields
}
