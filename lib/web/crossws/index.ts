// Only types are taken from crossws, so that Leveret does not depend on it.
import type { AdapterInstance, AdapterOptions, Hooks } from 'crossws'
import { portal, type Op } from '../../../lev/index.js'
import { ArgumentError } from '../../errors.js'
import { settled } from '../../request/handler.js'
import { callbackHandler, tellingErrors } from '../../websocket/callbacks.js'
import { rulesOf, type WebSocketOptions } from '../../websocket/options.js'
import type { WebSocket } from '../../websocket/websocket.js'
import { upgradeResponse, type FetchEnv } from '../fetch/index.js'
import { CrosswsMessage } from './message.js'
import { CrosswsPeer } from './peer.js'
import { Publisher } from './publisher.js'

/** Options of the adapter: those of every adapter of crossws, and those of a WebSocket. */
export interface CrosswsOptions extends AdapterOptions {
  /** Origins, maximum message size, compression and more. Subprotocols are chosen by the hooks; a client that does not read is closed. */
  readonly websocket?: Omit<WebSocketOptions, 'protocols' | 'on_full'> | null | undefined
}

/** The adapter: what every adapter of crossws has, and the way in. */
export interface CrosswsAdapter extends AdapterInstance {
  /** The Response for a request that asks for a WebSocket: `env` is the second argument of the application. */
  handleUpgrade(request: Request, env: FetchEnv): Promise<Response>
}

type Hook = (...args: unknown[]) => unknown
type HookSet = Partial<Record<keyof Hooks, Hook>>
type Upgraded = Exclude<Awaited<ReturnType<Hooks['upgrade']>>, Response | void>

/**
 * The adapter of crossws for Leveret: runs the hooks of an application on its WebSockets.
 * @throws ConfigError naming an invalid option of `websocket`
 */
export function crossws(options: CrosswsOptions = {}): CrosswsAdapter {
  const publisher = new Publisher<CrosswsPeer>(options)
  const websocket: WebSocketOptions = { ping_interval: options.idleTimeout, ...options.websocket, on_full: 'close' }
  rulesOf(websocket)
  return {
    // The types of crossws know no peers but those of its own classes.
    peers: publisher.peers as never,
    sync: publisher.sync,
    publish: (topic, data, { namespace } = {}) => publisher.publish(topic, data, namespace),
    async close(code, reason) {
      for (const peers of publisher.peers.values()) for (const peer of peers) peer.close(code, reason)
      await publisher.sync?.close?.()
    },
    async handleUpgrade(request, { ctx }) {
      // The server responds with 426 to a request that asks for no WebSocket.
      if (!ctx.wantsWebSocket) return upgradeResponse(ctx, () => {})
      const hooks = [options.hooks, await options.resolve?.(request)].filter((one) => one !== undefined) as HookSet[]
      const upgraded = await upgrade(hooks, request)
      if (upgraded instanceof Response) return upgraded
      const { namespace, context = {}, headers, perMessageDeflate } = upgraded
      const chosen = await protocolOf(upgraded, options, request)
      const rules: WebSocketOptions = {
        ...websocket,
        protocols: () => chosen,
        compression: perMessageDeflate === undefined ? websocket.compression : perMessageDeflate !== false,
      }
      const parts = {
        request, publisher, context, remoteAddress: ctx.client_ip,
        namespace: namespace ?? options.getNamespace?.(request) ?? new URL(request.url).pathname,
      }
      const response = upgradeResponse(ctx, (raw) => converse(raw, new CrosswsPeer({ ...parts, raw, portal: portal() }), hooks, publisher), rules)
      for (const [name, value] of new Headers(headers)) if (name !== 'sec-websocket-protocol') response.headers.append(name, value)
      return response
    },
  }
}

/** Calls the hooks `upgrade`; of several results the last counts. A Response that is thrown is one that is returned. */
async function upgrade(hooks: readonly HookSet[], request: Request): Promise<Response | Upgraded> {
  let result: Response | Upgraded = {}
  try {
    for (const hook of hooks) {
      const given = await hook.upgrade?.(request) as Response | Upgraded | undefined
      if (given instanceof Response) return given
      result = { ...result, ...given }
    }
  } catch (error) {
    const response = (error as { readonly response?: unknown } | null)?.response ?? error
    if (response instanceof Response) return response
    throw error
  }
  if (result.handled === true) throw new ArgumentError('handled', 'upgrade: handled is for (req, socket, head) handlers of Node.js, which Leveret has none of')
  return result
}

/** The subprotocol to accept; null for none. */
async function protocolOf({ protocol, headers }: Upgraded, { handleProtocols }: CrosswsOptions, request: Request): Promise<string | null> {
  const named = protocol ?? new Headers(headers).get('sec-websocket-protocol')
  if (named !== null) return named
  const offered = (request.headers.get('sec-websocket-protocol') ?? '').split(',').map((one) => one.trim()).filter((one) => one !== '')
  return (offered.length > 0 && await handleProtocols?.(new Set(offered), request)) || null
}

/** Runs the hooks of one WebSocket, one after the other; an error closes it with 1011. */
function converse(raw: WebSocket, peer: CrosswsPeer, hooks: readonly HookSet[], publisher: Publisher<CrosswsPeer>): Op<void> {
  const all = function* (name: keyof Hooks, args: unknown[]): Op<void> {
    for (const hook of hooks) yield* settled(hook[name]?.(peer, ...args))
  }
  const call = (name: keyof Hooks, ...args: unknown[]): Op<void> => tellingErrors(() => all(name, args), (error) => all('error', [error]))
  return callbackHandler({
    open() {
      publisher.add(peer)
      return call('open')
    },
    message: (_raw, data) => call('message', new CrosswsMessage(data, peer)),
    drain: hooks.some(({ drain }) => drain !== undefined) ? () => call('drain') : null,
    close(_raw, code, reason) {
      publisher.remove(peer)
      return call('close', { code, reason })
    },
  })(raw)
}
