import type { ClientTlsOptions } from '../../tls/index.js'
import { boolean, fieldsOf, refuse, type Check } from '../checks.js'
import { refuseUnknown } from '../config-ssl.js'
import { ArgumentError, ConfigError } from '../errors.js'
import { headerLines, ResponseError, type ResponseHeaders } from '../http1/response.js'
import { checks as shared, defaults as sharedDefaults, merged, protocolList, seconds } from '../websocket/options.js'
import type { WebSocketOptions, WebSocketRules } from '../websocket/options.js'
import type { ClientValue } from './request.js'

/** How a client's WebSocket is opened and behaves; everything is optional. What a server's has too means the same. */
export interface WebSocketClientOptions extends Omit<WebSocketOptions, 'protocols' | 'origins'> {
  /** Subprotocols to offer, best first. The server chooses one of them, or none. Default: none. */
  readonly protocols?: readonly string[]
  /** Further headers of the handshake: `Authorization`, `Cookie`, `Origin`... A `Host` takes the place of the URL's. */
  readonly headers?: Readonly<Record<string, ClientValue>>
  /** How TLS is spoken, for `wss:`. `http/1.1` is offered whatever `alpn` says. */
  readonly tls?: ClientTlsOptions
  /** Seconds until the WebSocket has to be open: for the connection, TLS and the handshake together. Default: 10. */
  readonly handshake_timeout?: number
}

/** The options of a client's WebSocket: complete and checked. */
export interface ClientRules extends Omit<WebSocketRules, 'protocols' | 'origins'> {
  readonly protocols: readonly string[]
  readonly headers: ResponseHeaders
  readonly tls: ClientTlsOptions
  readonly handshake_timeout: number
}

const { origins: _origins, protocols: _protocols, ...conduct } = shared
const { origins: _all, ...conductDefaults } = sharedDefaults

const defaults: ClientRules = { ...conductDefaults, protocols: [], headers: {}, tls: {}, handshake_timeout: 10 }

const checks: { readonly [K in keyof ClientRules]: Check<ClientRules[K]> } = {
  ...conduct,
  protocols: protocolsOf,
  headers: headersOf,
  tls: tlsOf,
  handshake_timeout: seconds,
}

/** @throws ArgumentError naming the option, what was given and what was expected */
export function clientRulesOf(options: WebSocketClientOptions | undefined): ClientRules {
  if (options === undefined) return defaults
  try {
    const fields = fieldsOf(options, 'options', 'an object of WebSocket options')
    for (const name of fields.keys()) if (!Object.hasOwn(checks, name)) refuseUnknown(name, Object.keys(checks))
    return merged(defaults, checks, fields, '')
  } catch (error) {
    if (error instanceof ConfigError) throw new ArgumentError(error.key, error.message)
    throw error
  }
}

function protocolsOf(value: unknown, key: string): readonly string[] {
  const protocols = protocolList(value, key, 'an array of subprotocol names')
  // RFC 6455 section 4.1
  if (new Set(protocols).size < protocols.length) throw new ConfigError(key, `${key} names a subprotocol twice`)
  return protocols
}

/** Headers that make the handshake one, or would give it a body. */
const handshakesOwn = /^(?:sec-websocket-.*|upgrade|connection|content-length|transfer-encoding|expect)$/

function headersOf(value: unknown, key: string): ResponseHeaders {
  const names = new Set<string>()
  const headers: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, given] of fieldsOf(value, key, 'an object of header names and values')) {
    const lower = name.toLowerCase()
    if (handshakesOwn.test(lower)) throw new ConfigError(key, `${key} must not have ${name}: that is the handshake's own`)
    if (names.has(lower)) throw new ConfigError(key, `${key} has ${name} twice: give an array of its values`)
    if (lower === 'host' && typeof given !== 'string') return refuse(`${key}.${name}`, given, 'a host')
    names.add(lower)
    headers[name] = Array.isArray(given) ? given.map(plain) : plain(given)
  }
  try {
    headerLines(headers as ResponseHeaders)
  } catch (error) {
    if (error instanceof ResponseError) throw new ConfigError(key, `${key}: ${error.message}`)
    throw error
  }
  return headers as ResponseHeaders
}

function plain(value: unknown): unknown {
  return typeof value === 'boolean' ? String(value) : value
}

const tlsNames: readonly (keyof ClientTlsOptions)[] = ['ca', 'cert', 'key', 'passphrase', 'serverName', 'verify', 'alpn']

/** What certificates and keys hold is seen when they are put to use. */
function tlsOf(value: unknown, key: string): ClientTlsOptions {
  const fields = fieldsOf(value, key, 'an object of TLS options')
  for (const name of fields.keys()) if (!tlsNames.some((known) => known === name)) refuseUnknown(name, tlsNames, `${key}.`)
  if (fields.has('verify')) boolean(fields.get('verify'), `${key}.verify`)
  const serverName = fields.get('serverName')
  if (serverName !== undefined && (typeof serverName !== 'string' || serverName === '')) refuse(`${key}.serverName`, serverName, 'a host name')
  return Object.fromEntries(fields)
}

/** Where a WebSocket is. */
export interface Target {
  readonly secure: boolean
  /** A name or an IP address; the latter without brackets. */
  readonly host: string
  readonly port: number
  /** As the Host header has it. */
  readonly authority: string
  /** The path and the query. */
  readonly resource: string
  /** For messages: nothing secret is in it. */
  readonly origin: string
}

/** @throws ArgumentError */
export function targetOf(url: string | URL): Target {
  const fault = (what: string): never => {
    throw new ArgumentError('url', `url ${what}`)
  }
  const text = String(url)
  if (!URL.canParse(text)) return fault(`must be a URL, got ${JSON.stringify(text.slice(0, 200))}`)
  const { protocol, username, password, hash, hostname, port, host, pathname, search, origin } = new URL(text)
  const secure = protocol === 'wss:' || protocol === 'https:'
  if (!secure && protocol !== 'ws:' && protocol !== 'http:') return fault(`must begin with ws: or wss:, got ${protocol}`)
  if (username !== '' || password !== '') return fault('must not hold a user and a password: give the header Authorization')
  // RFC 6455 section 3
  if (hash !== '' || text.trimEnd().endsWith('#')) return fault('must not have a fragment')
  if (port === '0') return fault('must not have the port 0')
  return {
    secure,
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? (secure ? 443 : 80) : Number(port),
    authority: host,
    resource: pathname + search,
    origin,
  }
}
