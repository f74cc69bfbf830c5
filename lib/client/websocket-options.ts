import type { ClientTlsOptions } from '../../tls/index.js'
import { asArguments, optionsOf } from '../config/arguments.js'
import { refuse, unixPath, type Check } from '../config/validators.js'
import { ArgumentError, ConfigError } from '../errors.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import { checks as shared, defaults as sharedDefaults, merged, protocolList, seconds } from '../websocket/options.js'
import type { WebSocketOptions, WebSocketRules } from '../websocket/options.js'
import { headersFor, proxyCheck, tlsOptions } from './options.js'
import type { Proxy } from './proxy.js'
import type { ClientValue } from './request-options.js'

/** Options of a client's WebSocket; all are optional. Those that servers have too mean the same. */
export interface WebSocketClientOptions extends Omit<WebSocketOptions, 'protocols' | 'origins'> {
  /** Subprotocols to offer, best first. The server chooses one of them, or none. Default: none. */
  readonly protocols?: readonly string[] | null | undefined
  /** Additional headers of the handshake: `Authorization`, `Cookie`, `Origin`... A `Host` replaces the URL's. */
  readonly headers?: Readonly<Record<string, ClientValue>> | null | undefined
  /** TLS options, for `wss:`. `alpn` has no effect: `http/1.1` is always offered. */
  readonly tls?: ClientTlsOptions | null | undefined
  /** The URL of a proxy; false for none. Default: the environment's, as for requests. */
  readonly proxy?: string | URL | false | null | undefined
  /** The path of a Unix socket to connect to instead of the URL's host. */
  readonly socket_path?: string | null | undefined
  /** Seconds for the connection, TLS and the handshake together. Default: 10. */
  readonly handshake_timeout?: number | null | undefined
}

/** The options of a client's WebSocket, complete and checked. */
export interface ClientRules extends Omit<WebSocketRules, 'protocols' | 'origins'> {
  readonly protocols: readonly string[]
  readonly headers: ResponseHeaders
  readonly tls: ClientTlsOptions
  readonly proxy: Proxy | false | null
  readonly socket_path: string | null
  readonly handshake_timeout: number
}

const { origins: _origins, protocols: _protocols, ...limits } = shared
const { origins: _all, ...limitDefaults } = sharedDefaults

const defaults: ClientRules = { ...limitDefaults, protocols: [], headers: {}, tls: {}, proxy: null, socket_path: null, handshake_timeout: 10 }

/** Headers that belong to the handshake itself, or that would give it a body. */
const handshakesOwn = /^(?:sec-websocket-.*|upgrade|connection|content-length|transfer-encoding|expect)$/

const checks: { readonly [K in keyof ClientRules]: Check<ClientRules[K]> } = {
  ...limits,
  protocols: protocolsOf,
  headers: headersFor(handshakesOwn, "the handshake's own"),
  tls: tlsOptions,
  proxy: proxyCheck,
  socket_path: unixPath,
  handshake_timeout: seconds,
}

/** @throws ArgumentError naming the option, the given value and the expected one */
export function clientRulesOf(options: WebSocketClientOptions | undefined): ClientRules {
  if (options === undefined) return defaults
  const names = Object.keys(checks)
  return asArguments(() => {
    const rules = merged(defaults, checks, optionsOf(options, 'options', 'an object of WebSocket options', names), '')
    if (rules.socket_path !== null && rules.proxy) refuse('proxy', 'a proxy', 'left out where there is a socket_path')
    return rules
  })
}

function protocolsOf(value: unknown, key: string): readonly string[] {
  const protocols = protocolList(value, key, 'an array of subprotocol names')
  // RFC 6455 section 4.1
  if (new Set(protocols).size < protocols.length) throw new ConfigError(key, `${key} names a subprotocol twice`)
  return protocols
}

/** The address of a WebSocket. */
export interface Target {
  readonly url: URL
  /** The value of the Host header. */
  readonly authority: string
  /** The path and the query. */
  readonly resource: string
  /** For messages: contains no secrets. */
  readonly origin: string
}

/** @throws ArgumentError */
export function targetOf(url: string | URL): Target {
  const fault = (what: string): never => {
    throw new ArgumentError('url', `url ${what}`)
  }
  const text = String(url)
  if (!URL.canParse(text)) return fault(`must be a URL, got ${JSON.stringify(text.slice(0, 200))}`)
  const parsed = new URL(text.replace(/^(\s*)http/i, '$1ws'))
  const { protocol, username, password, hash, port, host, pathname, search, origin } = parsed
  if (protocol !== 'wss:' && protocol !== 'ws:') return fault(`must begin with ws: or wss:, got ${protocol}`)
  if (username !== '' || password !== '') return fault('must not hold a user and a password: give the header Authorization')
  // RFC 6455 section 3
  if (hash !== '' || text.trimEnd().endsWith('#')) return fault('must not have a fragment')
  if (port === '0') return fault('must not have the port 0')
  return {
    url: parsed,
    authority: host,
    resource: pathname + search,
    origin,
  }
}
