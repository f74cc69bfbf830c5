import type { TlsConfig } from '../../tls/index.js'
import { codings } from '../coding/codings.js'
import { hstsSettings, type HstsSettings } from './hsts.js'
import { listenSources, type ListenSource } from './listen-settings.js'
import { lineFields } from '../log/access-log.js'
import {
  atLeastOne, boolean, duration, fieldName, fieldsOf, hostOrAddress, integer, listOf, longest, mediaType, number, oneOf, refuse, setOf,
} from './validators.js'
import type { ForwardedFields } from '../peer/forwarded.js'
import { ipv6Prefix } from '../peer/client-network.js'
import { network } from '../peer/networks.js'
import { refuseUnknown } from './check-fields.js'
import { tlsConfig, type TlsChanges } from './tls-settings.js'
import { ConfigError } from '../errors.js'
import type { RequestHeaders } from '../http1/headers.js'
import type { LoggerLike, LogLevel } from '../log/logger.js'
import type { LogFormat } from '../log/terminal.js'

const KiB = 1024
const MiB = 1024 * KiB

/** One setting: its default, unit and check. */
interface Row<T> {
  readonly default: T
  /** `s`, `B`, `B/s` or "". All durations are in seconds and all sizes in bytes. */
  readonly unit: string
  /** `current` is the present value, for a setting that can be changed in part. */
  check(value: unknown, key: string, current: T): T
}

function row<T>(value: T, unit: string, check: Row<T>['check']): Row<T> {
  return { default: value, unit, check }
}

/** Decides whether a request's body is buffered before its handler is called. */
export type BufferChoice = (method: string, path: string, headers: RequestHeaders) => boolean

/** Decides the maximum bytes of a request's body. */
export type SizeChoice = (method: string, path: string, headers: RequestHeaders) => number

const codingNames = codings.map(({ name }) => name)

const compressionTable = {
  /** Whether responses are compressed for clients that accept it. Default: true. */
  enabled: row(true, '', boolean),
  /** Smallest content worth compressing, in bytes. Default: 4096. */
  min_size: row(4096, 'B', integer(0, 4096 * MiB, 'bytes')),
  /**
   * Media types that are compressed, whatever their parameters. A given list replaces the default; `{ 'text/html': true }` is
   * another way to write a list.
   * Default: text/html, text/plain, text/css, text/javascript, image/svg+xml, application/json, application/rss+xml.
   */
  types: row<readonly string[]>(
    [
      'text/html', 'text/plain', 'text/css', 'text/javascript', 'image/svg+xml',
      'application/json', 'application/rss+xml',
    ],
    '',
    setOf('media types', mediaType),
  ),
  /**
   * Content codings that responses are compressed in, the preferred one first: which one, if a client likes several equally. Those
   * that this Node.js does not have are passed over: before 22.15 and 23.8, zstd.
   * Default: zstd, gzip, br, deflate.
   */
  codings: row<readonly string[]>(codingNames, '', atLeastOne(listOf('content codings', oneOf(...codingNames)), 'enabled: false turns compression off')),
}

/** All settings except the nested ones: the only place of their names, defaults, units and checks. */
const flatTable = {
  /** Address to listen on: an IP address or a host name; "0.0.0.0" or "::" for all. Default: "127.0.0.1". */
  ip: row('127.0.0.1', '', hostOrAddress),
  /** Port to listen on; 0 lets the system choose. Default: 8080. */
  port: row(8080, '', integer(0, 65535)),
  /**
   * Several places to listen, or a Unix socket or descriptor, in place of `ip` and `port`; "systemd": the sockets that it has
   * passed; null: `ip` and `port`. Default: null.
   */
  listen: row<readonly ListenSource[] | 'systemd' | null>(null, '', orNull(listenSources)),
  /** Longest queue of connections not accepted yet; the system may have a lower limit. Default: 256. */
  backlog: row(256, '', integer(1, 65535)),
  /**
   * Whether several processes may bind the same port and share its connections (SO_REUSEPORT). Requires Node.js 22.12, 23.1 or
   * newer, and a system that supports it. Default: false.
   */
  reuse_port: row(false, '', boolean),
  /** Maximum concurrent connections; for more, idle ones are closed, and if all are busy, new ones get 503. Default: 64. */
  connection_limit: row(64, '', integer(1, 1_000_000)),
  /**
   * Maximum concurrent connections of one client: an IPv4 address, or an IPv6 network of `client_ipv6_prefix`. More get 503;
   * null: no limit. Default: null.
   */
  connections_per_client: row<number | null>(null, '', orNull(integer(1, 1_000_000))),
  /**
   * TLS handshakes that one client may begin in a second, on average, and at once: more are cut off before any work of TLS;
   * null: no limit. Default: null.
   */
  handshakes_per_client: row<number | null>(null, '', orNull(integer(1, 100_000))),
  /** How many bits the IPv6 addresses of one client share, for limits by client. Default: 64. */
  client_ipv6_prefix: row(64, '', ipv6Prefix),
  /** Requests served on one connection before it is closed. Default: 512. */
  requests_per_connection: row(512, '', integer(1, Number.MAX_SAFE_INTEGER)),
  /**
   * Largest body of a request, in bytes; 0 allows none. Or a function that returns it for each request with a body.
   * Default: 5242880 (5 MiB).
   */
  max_body_size: row<number | SizeChoice>(5 * MiB, 'B', maxBodySize),
  /**
   * Whether a body is buffered before the handler is called: true, false (the handler reads `ctx.body`), or a function that
   * decides for each request with a body. Default: true.
   */
  buffer_body: row<boolean | BufferChoice>(true, '', bufferBody),
  /** Whether bodies with a Content-Encoding of the table of codings are decoded, and others rejected with 415. Default: false. */
  decode_body: row(false, '', boolean),
  /** Longest request line, and longest header line, in bytes. Default: 8192 (8 KiB). */
  request_line_limit: row(8 * KiB, 'B', integer(16, MiB, 'bytes')),
  /** Maximum header lines of a request. Default: 100. */
  header_count_limit: row(100, '', integer(1, 10_000)),
  /** Largest head of a request, in bytes. Default: 65536 (64 KiB). */
  header_size_limit: row(64 * KiB, 'B', integer(16, 16 * MiB, 'bytes')),
  /** Minimum transfer rate of a body or a response, in bytes a second; 0: none. Default: 500. */
  min_transfer_rate: row(500, 'B/s', number(0, 1e9, 'bytes a second')),
  /** How long a connection may be idle between requests, in seconds; sent as `Keep-Alive`, closed 1 s later. Default: 15. */
  keepalive_idle_timeout: row(15, 's', duration),
  /** How long a whole request head may take, in seconds. Default: 10. */
  request_header_timeout: row(10, 's', duration),
  /** How long a body may take, in seconds, on top of its size divided by `min_transfer_rate`. Default: 30. */
  request_body_timeout: row(30, 's', duration),
  /** How long a handler may take until it has returned, in seconds; null: no limit. Default: null. */
  handler_timeout: row<number | null>(null, 's', orNull(handlerTimeout)),
  /** How long a TLS handshake may take, in seconds. Default: 10. */
  tls_handshake_timeout: row(10, 's', duration),
  /** How long a client may stop reading its response, in seconds. Default: 30. */
  send_timeout: row(30, 's', duration),
  /**
   * How long the server goes on serving once it is told to stop, in seconds: not ready, so that load balancers look away first.
   * Default: 0.
   */
  pre_drain: row(0, 's', number(0, longest, 'seconds')),
  /** How long requests in flight may take to finish once the server stops, in seconds. Default: 30. */
  drain: row(30, 's', number(0, longest, 'seconds')),
  /** Lowest level that is logged: debug < access < info < warn < error. Default: "access". */
  log_level: row<LogLevel>('access', '', oneOf('debug', 'access', 'info', 'warn', 'error')),
  /** How the log looks: text for people, JSON, or text on a terminal and JSON elsewhere ("auto"). Default: "auto". */
  log_format: row<LogFormat>('auto', '', oneOf('auto', 'text', 'json')),
  /** Request headers to add to the access log, in this order. Default: referer, x-real-ip, user-agent. */
  log_headers: row<readonly string[]>(['referer', 'x-real-ip', 'user-agent'], '', listOf('header names', loggedHeader)),
  /**
   * The meaning of a client that ends its side of the connection during its request: it has disconnected ("cancel"), or it still
   * waits for the response ("answer"). Default: "cancel".
   */
  half_close: row<'cancel' | 'answer'>('cancel', '', oneOf('cancel', 'answer')),
  /**
   * The peers that begin each connection with a header of the PROXY protocol, version 1 or 2: addresses, ranges
   * ("10.0.0.0/8"), "loopback", and "unix" for Unix sockets. The header is demanded of them, and taken from no other peer. Default: none.
   */
  proxy_protocol: row<readonly string[]>([], '', listOf('networks', network)),
  /**
   * The proxies whose `forwarded` fields are believed, as for `proxy_protocol`. Default: none.
   */
  trusted_proxies: row<readonly string[]>([], '', listOf('networks', network)),
  /**
   * Which header fields of trusted proxies tell the client, its scheme and host: X-Forwarded-For, -Proto and -Host
   * ("x-forwarded"), or Forwarded ("forwarded"). Default: "x-forwarded".
   */
  forwarded: row<ForwardedFields>('x-forwarded', '', oneOf('x-forwarded', 'forwarded')),
  /** Certificates by host name; null: no TLS. Default: null. */
  ssl: row<TlsConfig | null>(null, '', orNull(tlsConfig)),
  /**
   * That browsers are to use TLS alone (Strict-Transport-Security): sent to clients that have come by TLS, if the handler sends
   * none; null: not sent. Default: null.
   */
  hsts: row<HstsSettings | null>(null, '', orNull(hstsSettings)),
  /** A pino-like logger to use instead of the server's own; `log_level` does not apply to it. Default: null. */
  logger: row<LoggerLike | null>(null, '', orNull(loggerLike)),
  /** Whether SIGTERM and SIGINT stop the server gracefully. Default: false. */
  handle_signals: row(false, '', boolean),
}

/** All settings by name, for documentation and checks; `compression` is a nested table. */
export const settingsTable = { ...flatTable, compression: compressionTable } as const

type Values<Table> = { readonly [K in keyof Table]: Table[K] extends Row<infer T> ? T : never }

/** The settings of compression. */
export type CompressionSettings = Values<typeof compressionTable>

/** The settings of a server: complete, checked and frozen. */
export type Settings = Values<typeof flatTable> & {
  /** Which responses are compressed. */
  readonly compression: CompressionSettings
}

/** The settings as users pass them, all optional. `undefined` counts as not given, and so does null where it is not a value. */
export type Config = Given<Values<typeof flatTable>> & {
  /** Which responses are compressed. Keys that are not given keep their values. */
  compression?: Given<Omit<CompressionSettings, 'types'>> & {
    types?: readonly string[] | Readonly<Record<string, boolean>> | null | undefined
  } | null | undefined
}

/** The argument of `configure`: as Config, except that `ssl` can be changed for single hosts. */
export type ConfigChanges = Omit<Config, 'ssl'> & {
  /** Certificates by host name. With a `default` they replace all; without one they are merged, and null removes a host. */
  ssl?: TlsChanges | null | undefined
}

type Given<Table> = { -readonly [K in keyof Table]?: Table[K] | null | undefined }

const names = [...Object.keys(flatTable), 'compression']

/** The settings of a server without a configuration. */
export const defaults: Settings = freeze({
  ...defaultsOf(flatTable),
  compression: defaultsOf(compressionTable),
})

/**
 * Merges `config` into `current` and returns the new settings. `compression` is merged key by key; `ssl` is replaced as a whole
 * if it has a `default`, else merged host by host, and null turns TLS off. The arguments are neither modified nor kept, so later
 * changes to them have no effect (except `logger`, which is used as it is).
 *
 * @throws ConfigError naming the setting, the given value and the expected one; then nothing of `config` is applied
 */
export function mergeSettings(current: Settings, config: unknown): Settings {
  const fields = fieldsOf(config, 'config', 'an object of settings')
  for (const name of fields.keys()) if (!names.includes(name)) refuseName(name)
  return freeze({
    ...mergeTable(flatTable, current, fields, ''),
    compression: mergeCompression(current.compression, fields.get('compression')),
  })
}

function mergeCompression(current: CompressionSettings, given: unknown): CompressionSettings {
  if (given === undefined || given === null) return current
  const hint = typeof given === 'boolean' ? `did you mean { enabled: ${given} }?` : undefined
  const fields = fieldsOf(given, 'compression', 'an object { enabled, min_size, types, codings }', hint)
  const known = Object.keys(compressionTable)
  for (const name of fields.keys()) if (!known.includes(name)) refuseUnknown(name, known, 'compression.')
  return mergeTable(compressionTable, current, fields, 'compression.')
}

function mergeTable<Table extends Record<string, Row<unknown>>>(
  table: Table, current: Values<Table>, fields: ReadonlyMap<string, unknown>, prefix: string,
): Values<Table> {
  const merged: Record<string, unknown> = {}
  for (const name of Object.keys(table)) {
    const row = table[name]
    const value = fields.get(name)
    const given = value !== undefined && (value !== null || row.default === null)
    merged[name] = given ? row.check(value, prefix + name, current[name]) : current[name]
  }
  return merged as Values<Table>
}

function defaultsOf<Table extends Record<string, Row<unknown>>>(table: Table): Values<Table> {
  return Object.fromEntries(Object.entries(table).map(([name, { default: value }]) => [name, value])) as Values<Table>
}

/** Suggests the right place for a misplaced name: `min_size` belongs in `compression`, `cert` in an identity. */
function refuseName(name: string): never {
  if (Object.hasOwn(compressionTable, name)) {
    throw new ConfigError(name, `unknown setting ${name}; did you mean compression.${name}?`)
  }
  if (name === 'cert' || name === 'key' || name === 'pfx') {
    throw new ConfigError(name, `unknown setting ${name}; did you mean ssl.default.${name}?`)
  }
  return refuseUnknown(name, names)
}

function freeze(settings: Settings): Settings {
  const { compression, listen, log_headers, proxy_protocol, trusted_proxies, ssl } = settings
  for (const part of [compression, compression.types, compression.codings, listen, log_headers, proxy_protocol, trusted_proxies, ssl, ssl?.hosts]) {
    Object.freeze(part)
  }
  for (const identities of [ssl?.default ?? {}, ...Object.values(ssl?.hosts ?? {})]) {
    for (const part of [identities, ...[identities].flat()]) Object.freeze(part)
  }
  return Object.freeze(settings)
}

function orNull<T>(check: (value: unknown, key: string, current: T | null) => T): Row<T | null>['check'] {
  return (value, key, current) => (value === null ? null : check(value, key, current))
}

function handlerTimeout(value: unknown, key: string): number {
  if (value === 0 || value === Infinity) return refuse(key, value, 'a number of seconds', 'null turns it off')
  return duration(value, key)
}

function loggedHeader(value: unknown, key: string): string {
  const name = fieldName(value, key)
  if (!lineFields.has(name)) return name
  return refuse(key, value, 'the name of a header', 'the access line has something else of this name')
}

/** Checks `max_body_size`, or the value returned by a function in its place. */
export const bodySize = integer(0, 4096 * MiB, 'bytes')

function maxBodySize(value: unknown, key: string): number | SizeChoice {
  return typeof value === 'function' ? value as SizeChoice : bodySize(value, key)
}

function bufferBody(value: unknown, key: string): boolean | BufferChoice {
  if (typeof value === 'boolean') return value
  if (typeof value === 'function') return value as BufferChoice
  return refuse(key, value, 'true, false or a function (method, path, headers) => boolean')
}

function loggerLike(value: unknown, key: string): LoggerLike {
  const methods = ['debug', 'info', 'warn', 'error']
  const expected = `a logger with the methods ${methods.join(', ')}, or null`
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return refuse(key, value, expected)
  for (const method of methods) {
    if (typeof Reflect.get(value, method) !== 'function') return refuse(key, value, expected, `it has no ${method}()`)
  }
  return value as LoggerLike
}
