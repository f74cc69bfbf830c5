import * as lev from '../../lev/index.js'
import { made, makesAwaitable } from '../../lev/internal.js'
import type { Awaitable, Op, Stream } from '../../lev/index.js'
import { clientSecurity, type ClientTlsOptions } from '../../tls/index.js'
import { asArguments, optionsOf } from '../config/arguments.js'
import { unixPath } from '../config/validators.js'
import { ArgumentError } from '../errors.js'
import { tlsOptions } from './options.js'

/** Options of a connection; all are optional. */
export interface TcpOptions {
  /** Whether to use TLS, or its options. The server's certificate is verified unless `verify` is false. Default: false. */
  readonly tls?: boolean | ClientTlsOptions | null | undefined
  /** The path of a Unix socket to connect to instead of the host and port; the host is still the name that TLS verifies. */
  readonly socketPath?: string | null | undefined
}

/**
 * Opens a connection and returns a Stream: `read(size?)`, `write(data)`, `end()`, `close()`, `local` and `remote`. Bound the time
 * with `lev.timeout`; cancellation abandons the attempt.
 *
 * @param host a host name or an IP address; with `socketPath` only the name for TLS, and the port has no effect
 * @param options `true` is short for `{ tls: true }`
 * @throws ArgumentError; AddressError if no connection can be made; HandshakeError if TLS fails; IdentityError if a
 * certificate or a key cannot be used
 */
function connect(host: string, port: number, options: TcpOptions | boolean = {}): Awaitable<Stream> {
  return made(connecting(host, port, options))
}

function* connecting(host: string, port: number, options: TcpOptions | boolean): Op<Stream> {
  if (typeof host !== 'string' || host === '') throw new ArgumentError('host', 'host must be a host name or an IP address')
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new ArgumentError('port', `port must be an integer from 1 to 65535, got ${String(port)}`)
  const { tls, socketPath } = typeof options === 'boolean' ? { tls: options, socketPath: null } : rulesOf(options)
  // Throws for unusable certificates and keys before anything is sent.
  const security = tls === false ? null : clientSecurity(host, tls === true ? {} : tls)
  const stream = yield* lev.connect(socketPath === null ? { ip: host, port } : { path: socketPath })
  if (security === null) return stream
  let secured = false
  try {
    yield* stream.secure(security)
    secured = true
    return stream
  } finally {
    if (!secured) stream.close()
  }
}

makesAwaitable(connecting)

/** The options of a connection, complete and checked. */
interface TcpRules {
  readonly tls: boolean | ClientTlsOptions
  readonly socketPath: string | null
}

/** @throws ArgumentError naming the option, the given value and the expected one */
function rulesOf(options: TcpOptions): TcpRules {
  return asArguments(() => {
    const fields = optionsOf(options, 'options', 'true, false or an object of options', ['tls', 'socketPath'])
    const tls = fields.get('tls') ?? false
    const socketPath = fields.get('socketPath') ?? null
    return {
      tls: typeof tls === 'boolean' ? tls : tlsOptions(tls, 'tls'),
      socketPath: socketPath === null ? null : unixPath(socketPath, 'socketPath'),
    }
  })
}

/** Connections, with or without TLS: `tcp.connect(host, port, options)`. */
export const tcp = { connect } as const
