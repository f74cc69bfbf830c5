// Only types are taken from Hono, so that Leveret does not depend on it.
import type { UpgradeWebSocket, WSContext, WSEvents } from 'hono/ws'
import type { Op } from '../../../lev/index.js'
import { show } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import { callbackHandler, tellingErrors } from '../../websocket/callbacks.js'
import type { Message } from '../../websocket/messages.js'
import { rulesOf, type WebSocketOptions } from '../../websocket/options.js'
import type { WebSocketHandler } from '../../websocket/upgrade.js'
import type { WebSocket } from '../../websocket/websocket.js'
import { upgradeResponse } from '../fetch/index.js'
import { contextOf, type HonoContext } from './context.js'

/** Options of a WebSocket. `on_full` is "close": `ws.send` cannot wait, so a client that does not read is disconnected. */
export type HonoWebSocketOptions = Omit<WebSocketOptions, 'on_full'>

type Events = WSEvents<WebSocket>

// Node.js has none before version 23.
class CloseEvent extends Event {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean

  constructor(code: number, reason: string) {
    super('close')
    this.code = code
    this.reason = reason
    this.wasClean = code !== 1006
  }
}

class ErrorEvent extends Event {
  readonly error: unknown
  readonly message: string

  constructor(error: unknown) {
    super('error')
    this.error = error
    this.message = error instanceof Error ? error.message : String(error)
  }
}

/** The WebSocket as an application of Hono sees it. */
class Socket implements WSContext<WebSocket> {
  readonly raw: WebSocket
  readonly url: URL
  readonly protocol: string
  readonly binaryType = 'arraybuffer'

  constructor(raw: WebSocket, url: string) {
    this.raw = raw
    this.url = new URL(url)
    this.protocol = raw.protocol
  }

  get readyState(): 1 | 3 {
    return this.raw.isOpen ? 1 : 3
  }

  send(data: string | ArrayBuffer | Uint8Array): void {
    this.raw.trySend(data instanceof ArrayBuffer ? new Uint8Array(data) : data)
  }

  close(code?: number, reason?: string): void {
    this.raw.close(code, reason)
  }
}

/**
 * Hono's `upgradeWebSocket`: `app.get('/ws', upgradeWebSocket((c) => ({ onMessage(event, ws) { ws.send(event.data) } })))`, or in a
 * handler `return upgradeWebSocket(c, events)`. A request that asks for no WebSocket goes on to the next handler.
 *
 * The events' functions may be async: the next event waits. What one throws goes to `onError` and to the log, and closes the
 * WebSocket with 1011. `ws.raw` is Leveret's WebSocket.
 * @throws ConfigError naming an invalid option; ArgumentError if the bindings of the application lack those of `fromFetch`, or if
 * the events are no object
 */
export const upgradeWebSocket = upgrade as UpgradeWebSocket<WebSocket, HonoWebSocketOptions>

type CreateEvents = (c: HonoContext) => Events | Promise<Events>
type Options = HonoWebSocketOptions | undefined

function upgrade(...args: [CreateEvents, Options] | [HonoContext, Events, Options]): unknown {
  const [first, second, third] = args
  if (typeof first !== 'function') return Promise.resolve(open(first, second as Events, complete(third)))
  const options = complete(second as Options)
  return async (c: HonoContext, next: () => Promise<void>): Promise<Response | void> => {
    if (contextOf(c).wantsWebSocket) return open(c, await first(c), options)
    await next()
  }
}

function complete(options: Options): WebSocketOptions {
  const complete: WebSocketOptions = { ...options, on_full: 'close' }
  rulesOf(complete)
  return complete
}

function open(c: HonoContext, events: Events | null | undefined, options: WebSocketOptions): Response {
  if (typeof events !== 'object' || events === null) {
    throw new ArgumentError('events', `upgradeWebSocket: the events must be an object of functions, got ${show(events)}`)
  }
  const { url } = c.req
  return upgradeResponse(contextOf(c), (raw) => handlerOf(new Socket(raw, url), events)(raw), options)
}

function handlerOf(ws: Socket, { onOpen, onMessage, onClose, onError }: Events): WebSocketHandler {
  const told = (call: () => unknown): Op<void> => tellingErrors(call, (error) => onError?.(new ErrorEvent(error), ws))
  return callbackHandler({
    open: () => told(() => onOpen?.(new Event('open'), ws)),
    message: (_raw, message) => told(() => onMessage?.(new MessageEvent('message', { data: dataOf(message) }), ws)),
    close: (_raw, code, reason) => told(() => onClose?.(new CloseEvent(code, reason), ws)),
  })
}

function dataOf(message: Message): string | ArrayBuffer {
  if (typeof message === 'string') return message
  const { buffer, byteOffset, length } = message
  return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer
}
