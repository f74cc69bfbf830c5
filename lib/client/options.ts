import type { ClientTlsOptions } from '../../tls/index.js'
import { optionsOf } from '../config/arguments.js'
import { boolean, fieldsOf, refuse, type Check } from '../config/validators.js'
import { ConfigError } from '../errors.js'
import { proxyOf, type Proxy } from './proxy.js'
import { headerLines, ResponseError, type ResponseHeaders } from '../http1/response-headers.js'

/** A check of headers to send. @param own headers that the user must not set @param whose their owner, for the message */
export function headersFor(own: RegExp, whose: string): Check<ResponseHeaders> {
  return (value, key) => {
    const names = new Set<string>()
    const headers: Record<string, unknown> = Object.create(null) as Record<string, unknown>
    for (const [name, given] of fieldsOf(value, key, 'an object of header names and values')) {
      const lower = name.toLowerCase()
      if (own.test(lower)) throw new ConfigError(key, `${key} must not have ${name}: that is ${whose}`)
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
}

function plain(value: unknown): unknown {
  return typeof value === 'boolean' ? String(value) : value
}

/** The URL of a proxy; errors do not show it, because it may contain a password. */
export const proxyCheck: Check<Proxy | false> = (value, key) => {
  if (value === false) return false
  const proxy = typeof value === 'string' || value instanceof URL ? proxyOf(String(value)) : null
  return proxy ?? refuse(key, typeof value, 'false, or the URL of a proxy that begins with http: or https:')
}

const pem: Check<unknown> = (value, key) => (
  typeof value === 'string' || Buffer.isBuffer(value) ? value : refuse(key, value, 'PEM: a string, or the bytes of a file')
)

const hostName: Check<unknown> = (value, key) => (typeof value === 'string' && value !== '' ? value : refuse(key, value, 'a host name'))

const tlsChecks: { readonly [K in keyof ClientTlsOptions]-?: Check<unknown> } = {
  ca: (value, key) => (Array.isArray(value) ? value.map((one, index) => pem(one, `${key}[${index}]`)) : pem(value, key)),
  cert: pem,
  key: pem,
  passphrase: (value, key) => (typeof value === 'string' ? value : refuse(key, typeof value, 'a string')),
  serverName: hostName,
  verify: boolean,
  alpn(value, key) {
    if (!Array.isArray(value)) return refuse(key, value, 'an array of protocol names')
    return value.map((one: unknown, index) => {
      if (typeof one === 'string' && one !== '' && Buffer.byteLength(one) <= 255) return one
      return refuse(`${key}[${index}]`, one, 'the name of a protocol, of at most 255 bytes')
    })
  },
}

/** Checks TLS options. The content of certificates and keys is checked when they are used. */
export const tlsOptions: Check<ClientTlsOptions> = (value, key) => {
  const fields = optionsOf(value, key, 'an object of TLS options', Object.keys(tlsChecks), `${key}.`)
  return Object.fromEntries([...fields].map(([name, given]) => [name, tlsChecks[name as keyof ClientTlsOptions](given, `${key}.${name}`)]))
}
