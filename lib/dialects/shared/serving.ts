import { wait, type Address, type Op } from '../../../lev/index.js'
import { fieldsOf } from '../../config/validators.js'
import type { Config } from '../../config/settings.js'
import { ConfigError } from '../../errors.js'
import type { Handler } from '../../request/handler.js'
import { Server } from '../../server/server.js'
import { rulesOf, type WebSocketOptions } from '../../websocket/options.js'

/**
 * Takes the options for WebSockets, `websocket`, out of what the user gives as `settings`: there they cannot be mixed up with
 * settings of the core.
 * @param defaults of the dialect, where they are not the core's
 * @throws ConfigError, whose key is that of `settings`: `websocket.max_message_size`
 */
export function splitSettings(
  settings: DialectSettings | null | undefined, defaults: WebSocketOptions = {},
): { readonly core: Config; readonly webSocket: WebSocketOptions } {
  const { websocket, ...core }: DialectSettings = Object.fromEntries(fieldsOf(settings ?? {}, 'settings', 'an object of settings'))
  const given = fieldsOf(websocket ?? {}, 'websocket', 'an object of WebSocket options')
  const webSocket: WebSocketOptions = orDefaults(given, { ...commonWebSocketDefaults, ...defaults })
  // Checks them now: the first WebSocket may come late.
  rulesOf(webSocket, 'websocket.')
  return { core, webSocket }
}

/** What was given, with `defaults` where that is nothing; null is nothing there, too. */
function orDefaults<T extends object>(given: ReadonlyMap<string, unknown>, defaults: T): T {
  const missing = Object.entries(defaults).filter(([name]) => (given.get(name) ?? null) === null)
  return { ...Object.fromEntries(given), ...Object.fromEntries(missing) } as T
}

/** Settings of the core, and options for WebSockets. */
type DialectSettings = Config & { readonly websocket?: WebSocketOptions | null | undefined }

/** The originals look at no origin. */
const commonWebSocketDefaults: WebSocketOptions = { origins: '*' }

/** What all dialects start from: Zune has that limit, the other originals have none. */
const commonDefaults: Config = { connection_limit: 1024 }

/**
 * Makes the server under a dialect.
 *
 * @param own what the dialect's own arguments say, as settings
 * @param settings what the user adds, for which the dialect has no name
 * @param names what the dialect calls a setting: errors name what the user wrote
 * @param defaults of the dialect, where they are not the core's
 * @throws ConfigError; IdentityError
 */
export function serverFor(
  own: Config, settings: Config | null | undefined, names: Readonly<Record<string, string>>, handle: Handler,
  defaults: Config = {},
): Server {
  const added = fieldsOf(settings ?? {}, 'settings', 'an object of settings')
  for (const name of Object.keys(own)) {
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
 * Has a server begin, and gives its address once it is bound; it goes on until it is stopped.
 * @throws BindError
 */
export function* started(server: Server): Op<Address> {
  let bound = false
  server.serve().catch((error: unknown) => {
    // Until then it is the caller who is told.
    if (bound) console.error('leveret: a server has failed:', error)
  })
  try {
    const address = yield* wait(server.listening)
    bound = true
    return address
  } finally {
    if (!bound) server.stop({ drain: 0 }).catch(() => {})
  }
}
