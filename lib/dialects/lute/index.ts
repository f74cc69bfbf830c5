/// <reference types="node" preserve="true" />
import type { Config } from '../../config/settings.js'
import type { Context } from '../../request/context.js'
import { ArgumentError } from '../../errors.js'
import type { Handler as CoreHandler } from '../../request/handler.js'
import type { WebSocketOptions } from '../../websocket/options.js'
import { responseOf, runHandler, type ResponseShape } from '../shared/responding.js'
import { readConfiguration, settingNames } from './configuration.js'
import type { Configuration, Handler, ReceivedRequest, Server } from './types.js'
import { conversation } from './websocket.js'
import { queryPairs, tableOf } from '../shared/query.js'
import { serverFor, splitSettings, started } from '../shared/serving.js'
import { waiting, type Waiting } from '../../waiting.js'

export type {
  Configuration, Handler, ReceivedRequest, Server, ServerResponse, ServerWebSocket, WebSocketHandlers,
} from './types.js'

/** Default maximum size of a WebSocket message, in bytes. */
const maxMessageSize = 16 * 1024 * 1024

const shape: ResponseShape = { status: 'status', textHeaders: { 'Content-Type': 'text/html; charset=utf-8' } }

/** State of a request that is being handled. */
interface Visit {
  readonly ctx: Context
  asked: boolean
  upgrades: boolean
}

/**
 * Starts a server and returns its handle once the address is bound.
 * @param config its handler, or the whole configuration
 * @param settings settings of the core that have no name here: limits, timeouts, logs; `websocket`: options of WebSockets
 * @throws ConfigError naming the field and its fault, and IdentityError for a certificate or key, at once
 * @throws BindError if the address cannot be bound
 */
export function serve(
  config: Handler | Configuration,
  settings?: (Omit<Config, 'ip' | 'port' | 'reuse_port' | 'ssl'> & { readonly websocket?: WebSocketOptions | null | undefined }) | null,
): Waiting<Server> {
  const { own, handler, websocket } = readConfiguration(config)
  const { core: added, webSocket } = splitSettings(settings, { max_message_size: maxMessageSize })
  const visits = new WeakMap<object, Visit>()
  const upgrade = websocket === null ? null : conversation(websocket)
  let port = own.port ?? 0
  let closed = false

  const handle: Server = {
    hostname: own.ip ?? '',
    get port() {
      return port
    },
    close() {
      const first = !closed
      closed = true
      if (first) core.stop().catch(() => {})
      return first
    },
    upgrade(req) {
      if (typeof req !== 'object' || req === null) throw new ArgumentError('req', 'upgrade: req must be what the handler was given')
      const visit = visits.get(req)
      if (visit === undefined || visit.asked) return false
      visit.asked = true
      visit.upgrades = upgrade !== null && visit.ctx.wantsWebSocket
      return visit.upgrades
    },
  }

  const respond: CoreHandler = (method, path, args, headers, body, ctx) => {
    // The first request may arrive before `serve` goes on.
    port ||= ctx.client.local.port
    if (handler === null) return upgrade !== null && ctx.wantsWebSocket ? ctx.upgrade(upgrade, webSocket) : ['No handler configured\n', 404]
    const request: ReceivedRequest = { method, path, body: body?.toString() ?? '', bytes: body ?? nothing, query: queryOf(args), headers }
    const visit: Visit = { ctx, asked: false, upgrades: false }
    visits.set(request, visit)
    return runHandler<unknown>(() => handler(request, handle), (given) => {
      visit.asked = true
      return visit.upgrades && upgrade !== null ? ctx.upgrade(upgrade, webSocket) : responseOf(given, shape)
    })
  }

  const core = serverFor(own, added, settingNames, respond)
  return waiting(function* () {
    port = (yield* started(core)).port
    return handle
  })
}

const nothing = Buffer.alloc(0)

function queryOf(args: string): Record<string, string> {
  const first = new Map<string, string>()
  for (const [name, value] of args === '' ? [] : queryPairs(args)) if (!first.has(name)) first.set(name, value)
  return tableOf(first)
}
