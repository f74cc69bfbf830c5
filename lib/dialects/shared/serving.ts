import { CancelledError, wait, type Address, type Op } from '../../../lev/index.js'
import { instanceOf } from '../../../lev/internal.js'
import { fieldsOf } from '../../config/validators.js'
import type { Config } from '../../config/settings.js'
import { ConfigError } from '../../errors.js'
import type { Handler } from '../../request/handler.js'
import { Server } from '../../server/server.js'
import { rulesOf, type WebSocketOptions } from '../../websocket/options.js'

/**
 * Separates the WebSocket options, `websocket`, from the settings of the core in the user's `settings`.
 * @param defaults the dialect's defaults that differ from the core's
 * @throws ConfigError with a key as in `settings`: `websocket.max_message_size`
 */
export function splitSettings(
  settings: DialectSettings | null | undefined, defaults: WebSocketOptions = {},
): { readonly core: Config; readonly webSocket: WebSocketOptions } {
  const { websocket, ...core }: DialectSettings = Object.fromEntries(fieldsOf(settings ?? {}, 'settings', 'an object of settings'))
  const given = fieldsOf(websocket ?? {}, 'websocket', 'an object of WebSocket options')
  const webSocket: WebSocketOptions = orDefaults(given, { ...commonWebSocketDefaults, ...defaults })
  // Checks them now, and not when the first WebSocket is opened.
  rulesOf(webSocket, 'websocket.')
  return { core, webSocket }
}

/** The given fields, with `defaults` for those that are missing or null. */
function orDefaults<T extends object>(given: ReadonlyMap<string, unknown>, defaults: T): T {
  const missing = Object.entries(defaults).filter(([name]) => (given.get(name) ?? null) === null)
  return { ...Object.fromEntries(given), ...Object.fromEntries(missing) } as T
}

/** Settings of the core, and options of WebSockets. */
type DialectSettings = Config & { readonly websocket?: WebSocketOptions | null | undefined }

/** The originals do not check the origin. */
const commonWebSocketDefaults: WebSocketOptions = { origins: '*' }

/** Defaults of all dialects: Zune has this limit, the other originals have none. */
const commonDefaults: Config = { connection_limit: 1024 }

/**
 * Creates the core's server for a dialect.
 *
 * @param own settings from the dialect's own arguments
 * @param settings further settings from the user, for which the dialect has no name
 * @param names the dialect's names of settings, for errors
 * @param defaults the dialect's defaults that differ from the core's
 * @throws ConfigError; IdentityError
 */
export function serverFor(
  own: Config, settings: Config | null | undefined, names: Readonly<Record<string, string>>, handle: Handler,
  defaults: Config = {},
): Server {
  const added = fieldsOf(settings ?? {}, 'settings', 'an object of settings')
  // A dialect has one address, and says itself what it is.
  for (const name of [...Object.keys(own), 'listen']) {
    if (!added.has(name)) continue
    const here = names[name]
    throw new ConfigError(name, `the setting ${name} cannot be given here${here === undefined ? '' : `: it is what ${here} says`}`)
  }
  try {
    return new Server({ ...orDefaults(added, { ...commonDefaults, ...defaults }), ...own }, handle)
  } catch (error) {
    const name = error instanceof ConfigError ? names[error.key] : undefined
    if (!(error instanceof ConfigError) || name === undefined) throw error
    throw new ConfigError(name, error.message.replaceAll(error.key, name), { cause: error })
  }
}

/**
 * Starts a server and returns its address once it is bound; the server runs until it is stopped.
 * @throws BindError
 */
export function* started(server: Server): Op<Address> {
  let bound = false
  server.serve().catch((error: unknown) => {
    // Before that the caller gets the error.
    if (bound && !instanceOf(error, CancelledError)) console.error('leveret: a server has failed:', error)
  })
  try {
    const address = yield* wait(server.listening)
    bound = true
    return address
  } finally {
    if (!bound) server.stop({ drain: 0 }).catch(() => {})
  }
}
